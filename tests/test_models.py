"""The networks: size, shape, learning."""

import pytest
import torch

from workbench.coloring.colorize import has_temperature
from workbench.models import MODELS, ab_bins
from workbench.models.attention_pix2pix import EXPERIMENTS, critic
from workbench.models.count import count_stored, parameters
from workbench.models.pix2pix import patch_critic

# The table of the papers' networks at width 1.
COUNTS = [
    ("cbam_gan", {}, 54_898_331),
    ("cbam_gan", {"cbam": False, "classification": False}, 41_824_898),
    ("cbam_gan", {"classification": False}, 42_081_838),
    ("cbam_gan", {"cbam": False}, 54_641_391),
    ("inception_attention", {}, 6_711_522),
    ("inception_attention", {"attention": False}, 6_580_194),
    ("inception_attention", {"plain": True}, 6_256_738),
    ("colorful", {}, 25_017_465),
    ("colorful", {"bins": False}, 24_977_346),
    ("attention_pix2pix", {"attention": 0}, 41_824_898),
    ("attention_pix2pix", {"attention": 32}, 41_841_284),
    ("attention_pix2pix", {"attention": 64}, 41_828_996),
    ("attention_pix2pix", {"attention": 128}, 41_955_203),
    ("vanilla_cnn", {}, 3_892_194),
    ("reference", {}, 1_938_809),  # without the eye, which is not stored with it
]
SMALL = {"inception_attention": {"backbone": "mobilenetv3_small_050", "backbone_classes": 7,
                                 "backbone_size": 32, "pretrained": False}}  # fmt: skip


def small(name: str, **options) -> torch.nn.Module:
    torch.manual_seed(0)
    return MODELS[name].build(width=0.125, **{**SMALL.get(name, {}), **options})


@pytest.mark.parametrize(("name", "options", "expected"), COUNTS)
def test_parameters_are_the_papers_to_the_last_one(name, options, expected):
    assert parameters(MODELS[name], 1.0, options) == expected


@pytest.mark.parametrize(("attention", "expected"), [(0, 663_361), (32, 671_554), (64, 665_410)])
def test_the_four_layer_critic_has_the_papers_parameters(attention, expected):
    with torch.device("meta"):
        assert count_stored(critic(attention)) == expected


def test_the_two_channel_patchgan_has_its_parameters_and_a_14_by_14_map():
    net = patch_critic((64, 128, 256, 512), outputs=2, strides=(2, 2, 2, 1))
    assert count_stored(net) == 2_773_826
    assert net(torch.zeros(1, 3, 128, 128)).shape == (1, 2, 14, 14)


def test_every_model_of_the_registry_is_counted_above():
    assert {name for name, _, _ in COUNTS} == set(MODELS)
    assert all(name == spec.name for name, spec in MODELS.items())
    assert len({spec.color for spec in MODELS.values()}) == len(MODELS)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(64, 64), (65, 33), (8, 100), (1, 1), (130, 97)])
def test_any_size_and_aspect_ratio_gives_ab_of_the_same_size(name, shape):
    net = small(name).eval()
    with torch.inference_mode():
        ab = net(torch.rand(1, 1, *shape) * 100)
    assert ab.shape == (1, 2, *shape)
    assert ab.dtype == torch.float32
    assert torch.isfinite(ab).all()
    assert ab.abs().max() <= 128


@pytest.mark.parametrize("name", MODELS)
def test_every_option_of_the_ablations_builds_and_runs(name):
    for preset in MODELS[name].ablations.values():
        options = {k: v for k, v in preset.build.items() if k != "width"}
        net = small(name, **options).eval()
        recipe = MODELS[name].recipe(net, 100, **preset.recipe)
        assert "net" in recipe.optimizers
        with torch.inference_mode():
            assert net(torch.rand(1, 1, 32, 32) * 100).shape == (1, 2, 32, 32)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_learns_one_batch(name):
    net = small(name, **({"classes": 3} if name == "cbam_gan" else {}))
    options = {"shown": 32} if name == "reference" else {}  # the size at which it is asked below
    recipe = MODELS[name].recipe(net, 10_000, learning_rate=1e-3, **options)
    generator = torch.manual_seed(1)
    L = torch.rand(4, 1, 4, 4, generator=generator) * 100
    L = torch.nn.functional.interpolate(L, (32, 32), mode="bilinear")  # patches, not noise
    ab = torch.stack((L[:, 0] - 50, 50 - L[:, 0]), 1)  # a colour that L tells
    label = torch.tensor([0, 1, 2, -1])

    def error() -> float:
        return (net(L) - ab).abs().mean().item()

    before = error()
    recipe.train()
    for _ in range(150 if has_temperature(net) else 40):
        for optimizer, loss in recipe.losses(L, ab, label):
            recipe.optimizers[optimizer].zero_grad()
            loss.backward()
            recipe.optimizers[optimizer].step()
    assert error() < 0.8 * before


def test_cbam_learns_from_labels_where_there_are_some_and_without():
    net = small("cbam_gan", classes=3)
    recipe = MODELS["cbam_gan"].recipe(net, 100)
    L, ab = torch.rand(2, 1, 32, 32) * 100, torch.zeros(2, 2, 32, 32)
    for label, learns in ((torch.tensor([0, 1]), True), (torch.tensor([-1, -1]), False)):
        net.zero_grad()
        for name, loss in recipe.losses(L, ab, label):
            if name == "net":
                loss.backward()
        grad = net.unet.fuse.head[-1].weight.grad  # 0 without labels: asking would read back
        assert (grad is not None and bool(grad.any())) == learns


def test_the_pixel_weight_falls_from_200_to_80():
    recipe = MODELS["cbam_gan"].recipe(small("cbam_gan", classes=2), 1000)
    weights = []
    for seen in (0, 250, 500, 750, 1000, 2000):
        recipe.schedule(seen)
        weights.append(recipe.pixel_weight)
    assert weights == [200, 170, 140, 110, 80, 80]


def test_colorful_starts_near_ln_313_and_its_output_is_the_decoded_distribution():
    net = small("colorful").train()
    recipe = MODELS["colorful"].recipe(net, 100)
    bins = torch.multinomial(ab_bins.load_prior(), 4 * 16 * 16, replacement=True)
    ab = ab_bins.centres()[bins].view(4, 16, 16, 2).permute(0, 3, 1, 2)  # as in photographs
    L, ab = torch.rand(4, 1, 64, 64) * 100, ab.repeat_interleave(4, 2).repeat_interleave(4, 3)
    (_, loss), = recipe.losses(L, ab)  # fmt: skip
    assert loss.item() == pytest.approx(5.746, abs=0.3)
    net.eval()
    logits = net.logits(L)
    assert logits.shape == (4, 313, 16, 16)
    assert net.decode(logits).shape == (4, 2, 16, 16)


def test_the_learning_rate_of_colorful_is_divided_by_10_five_times():
    recipe = MODELS["colorful"].recipe(small("colorful"), 600)
    rates = []
    for seen in range(0, 700, 100):
        recipe.schedule(seen)
        rates.append(recipe.optimizers["net"].param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-8])


def test_self_attention_starts_as_the_identity_and_attends_with_weights_that_sum_to_1():
    from workbench.models.attention_pix2pix import SelfAttention

    attention = SelfAttention(16)
    x = torch.randn(2, 16, 5, 7)
    assert torch.equal(attention(x), x)
    assert attention.attend(x, 2, 3).sum((1, 2)).tolist() == pytest.approx([1, 1], abs=1e-5)


def test_self_attention_is_the_softmax_of_its_equations():
    from workbench.models.attention_pix2pix import SelfAttention

    attention = SelfAttention(16)
    attention.gamma.data.fill_(0.7)
    x = torch.randn(1, 16, 3, 4)
    f, g, h = (conv(x).flatten(2) for conv in (attention.f, attention.g, attention.h))
    beta = torch.softmax(g.transpose(1, 2) @ f, dim=2)  # row: one position's attention
    o = (h @ beta.transpose(1, 2)).view(1, 2, 3, 4)
    assert torch.allclose(attention(x), 0.7 * attention.v(o) + x, atol=1e-5)


def test_a_pretrained_backbone_that_cannot_be_fetched_is_a_clear_sentence(monkeypatch):
    import timm

    from workbench.errors import Problem

    def refuse(*args, **kwargs):
        raise ConnectionError("no hub")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(Problem, match="could not be fetched"):
        MODELS["inception_attention"].build(width=0.125)


def test_the_eight_experiments_are_the_papers_table():
    table = [(p.build["attention"], p.recipe["adversarial"]) for p in EXPERIMENTS.values()]
    assert table == [(a, loss) for a in (0, 32, 64, 128) for loss in ("log", "least_squares")]
