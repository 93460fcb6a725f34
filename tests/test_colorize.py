"""A picture in, the same picture in colour out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench import color
from workbench.coloring import edges
from workbench.coloring.colorize import (
    Settings,
    blend_ab,
    colorize,
    colorize_all,
    has_temperature,
    join_at_depth,
    lightness,
    make_marks,
    network_input,
    own_settings,
    predict_ab,
    predict_logits,
    sample_ab,
)
from workbench.coloring.maps import chroma_map, entropy_map, error_map, shade_map
from workbench.errors import Problem
from workbench.models import ab_bins
from workbench.spec import Colorizer

BINS = torch.tensor([[60.0, 0.0], [-60.0, 0.0], [0.0, 60.0], [0.0, -60.0]])


class Warm(nn.Module):
    """Paints everything one warm colour and remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[int, ...]] = []

    def forward(self, L: Tensor) -> Tensor:
        self.shown.append(tuple(L.shape))
        return torch.stack((torch.full_like(L[:, 0], 12), torch.full_like(L[:, 0], 8)), 1)


class FourBins(Colorizer):
    """A distribution over four colours: sure in the left half, all alike in the right half."""

    bins = True

    def logits(self, L: Tensor) -> Tensor:
        x = F.avg_pool2d(L, 4)
        scores = torch.zeros(len(L), 4, *x.shape[-2:])
        scores[:, 0, :, : x.shape[-1] // 2] = 30
        return scores

    def decode(self, logits: Tensor, temperature: float = 1.0) -> Tensor:
        return torch.einsum("nkhw,kc->nchw", (logits / temperature).softmax(1), BINS)

    def forward(self, L: Tensor) -> Tensor:
        return F.interpolate(self.decode(self.logits(L)), size=L.shape[-2:])


def photo(height: int = 40, width: int = 56, seed: int = 0) -> Tensor:
    """A smooth colour picture, uint8 (3, height, width)."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 4, 4, generator=random)
    return color.to_uint8(edges.upsample(coarse, (height, width))[0])


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (300, 301)])
def test_lightness_is_that_of_split_lab(size):
    rgb = torch.randint(0, 256, (3, *size), generator=torch.Generator().manual_seed(1)).byte()
    assert torch.allclose(lightness(rgb), color.split_lab(rgb)[0], atol=1e-4)
    deep = (rgb.int() * 257).to(torch.uint16)
    assert torch.allclose(lightness(deep), lightness(rgb), atol=1e-4)


def test_paint_in_strips_equals_join_rgb_in_one_piece_within_the_gamut():
    rgb = torch.randint(0, 256, (3, 300, 301), generator=torch.Generator().manual_seed(4)).byte()
    L, ab = color.split_lab(rgb)
    assert torch.equal(join_at_depth(L, ab), rgb)
    inside = color.in_gamut(torch.cat((L, ab * 1.2)))
    assert 0.3 < inside.float().mean() < 0.9
    same = (join_at_depth(L, ab * 1.2) == color.join_rgb(L, ab * 1.2)).all(0)
    assert same[inside].all()
    assert not same.all()


def test_a_colour_outside_the_gamut_keeps_lightness_and_hue_and_gives_up_chroma():
    L, ab = color.split_lab(photo(60, 60))
    ab = ab * 4
    outside = ~color.in_gamut(torch.cat((L, ab)))
    assert 0.2 < outside.float().mean() < 1
    shown_L, shown_ab = color.split_lab(join_at_depth(L, ab))
    assert (shown_L - L).abs().max() < 0.8  # a step of 255; clipped channels lose up to 30
    assert (color.split_lab(color.join_rgb(L, ab))[0] - L).abs().max() > 5
    alike = torch.cosine_similarity(shown_ab, ab, dim=0)[outside]
    assert alike.min() > 0.99
    clear = torch.cat((L, shown_ab * 1.15))[:, outside, None]  # no farther in than it must
    assert (~color.in_gamut(clear)).float().mean() > 0.95


def test_16_bits_survive_the_way_to_lab_and_back():
    random = torch.Generator().manual_seed(2)
    deep = torch.randint(0, 65536, (3, 20, 30), generator=random).to(torch.uint16)
    ab = color.rgb_to_lab(deep.float() / 65535)[1:]
    again = join_at_depth(lightness(deep), ab, torch.uint16)
    assert (again.int() - deep.int()).abs().max() <= 4


@pytest.mark.parametrize("size", [(1, 1), (40, 56), (57, 33), (3, 900)])
@pytest.mark.parametrize("along_edges", [False, True])
def test_the_result_has_the_pictures_size_and_keeps_its_lightness(size, along_edges):
    rgb = photo(*size) // 2 + 60  # within the gamut with the warm colour
    result = colorize(Warm(), rgb, Settings(edges=along_edges), size=32)
    assert result.rgb.shape == (3, *size)
    assert result.rgb.dtype == torch.uint8
    assert result.ab.shape == (2, *size)
    assert (lightness(result.rgb) - lightness(rgb)).abs().max() < 0.6
    assert torch.allclose(result.ab.mean((1, 2)), torch.tensor([12.0, 8.0]), atol=0.1)


def test_a_16_bit_picture_comes_out_with_16_bits():
    deep = (photo().int() * 257 // 2 + 9000).to(torch.uint16)
    result = colorize(Warm(), deep)
    assert result.rgb.dtype == torch.uint16
    assert (lightness(result.rgb) - lightness(deep)).abs().max() < 0.01


def test_the_network_sees_its_own_size_with_the_aspect_kept_unless_told_otherwise():
    net = Warm()
    rgb = photo(40, 80)
    colorize(net, rgb, size=32)
    colorize(net, rgb, Settings(size=20), size=32)
    assert net.shown == [(1, 1, 32, 64), (1, 1, 20, 40)]


def test_a_very_long_picture_is_shown_no_longer_than_the_limit():
    assert network_input(torch.zeros(1, 1, 2, 6000), 32).shape == (1, 1, 1, 256)


def test_chroma_gain_is_a_factor_on_ab():
    rgb = photo()
    plain = colorize(Warm(), rgb)
    double = colorize(Warm(), rgb, Settings(chroma=2))
    grey = colorize(Warm(), rgb, Settings(chroma=0))
    assert torch.allclose(double.ab, plain.ab * 2)
    assert (grey.rgb.int() - grey.rgb[:1].int()).abs().max() <= 1  # the matrix has six digits


def test_several_networks_share_one_lightness_and_agree_with_single_runs():
    rgb = photo()
    nets = {"warm": (Warm(), 32), "bins": (FourBins(), 32)}
    together = dict(colorize_all(nets, rgb))
    assert list(together) == ["warm", "bins"]
    for name, (net, size) in nets.items():
        assert torch.equal(together[name].rgb, colorize(net, rgb, size=size).rgb)
        assert together[name].seconds > 0


def test_temperature_reaches_only_networks_with_a_distribution():
    assert has_temperature(FourBins())
    assert not has_temperature(Warm())
    L = lightness(photo(64, 64))[None]
    cold = predict_ab(FourBins(), L, 64, Settings(temperature=0.5))
    hot = predict_ab(FourBins(), L, 64, Settings(temperature=10))
    assert cold[0, 0, 32, 5] > hot[0, 0, 32, 5] + 5
    assert torch.equal(
        predict_ab(Warm(), L, 64, Settings(temperature=0.5)), predict_ab(Warm(), L, 64)
    )


def test_bf16_makes_no_visible_difference():
    from workbench.color import delta_e_map
    from workbench.models import MODELS

    torch.manual_seed(0)
    net = MODELS["attention_pix2pix"].build(width=0.125).eval()
    rgb = photo(128, 128)
    quick = colorize(net, rgb, size=128)
    exact = colorize(net, rgb, Settings(exact=True), size=128)
    assert delta_e_map(quick.rgb, exact.rgb).mean() < 0.3


@pytest.mark.parametrize(
    "wrong", [{"size": 4}, {"size": 100_000}, {"temperature": 0.0}, {"chroma": -1.0}]
)
def test_settings_out_of_range_are_a_problem(wrong):
    with pytest.raises(Problem):
        Settings(**wrong)


def test_a_blend_is_the_weighted_mean():
    planes = [torch.full((2, 3, 3), value) for value in (0.0, 10.0, 40.0)]
    assert torch.allclose(blend_ab(planes[:2]), torch.tensor(5.0))
    assert torch.allclose(blend_ab(planes, [1, 2, 1]), torch.tensor(15.0))
    for wrong in ([1, 2], [0, 0, 0], [1, -1, 1]):
        with pytest.raises(Problem):
            blend_ab(planes, wrong)


def test_samples_follow_the_distribution_differ_by_seed_and_repeat_with_it():
    L = lightness(photo(64, 64))
    samples = sample_ab(FourBins(), L, count=60, size=64, temperature=0.5)
    assert samples.shape == (60, 2, 64, 64)
    # where the network is sure every sample agrees; where it is not each colour comes up
    assert torch.allclose(samples[:, :, 32, 5], BINS[0].expand(60, 2), atol=0.5)
    nearest = torch.cdist(samples[:, :, 32, 50], BINS).argmin(1)
    shares = torch.bincount(nearest, minlength=4) / 60
    assert ((shares > 0.1) & (shares < 0.45)).all()
    # and what the network sees alike is drawn alike
    assert samples[:, :, :, 40:].flatten(2).std(2).max() < 1e-3
    again = sample_ab(FourBins(), L, count=1, size=64, temperature=0.5)
    other = sample_ab(FourBins(), L, count=1, seed=1, size=64, temperature=0.5)
    assert torch.equal(again[0], samples[0])
    assert not torch.allclose(other, again)


def test_colour_along_edges_is_nearer_to_the_truth_at_an_edge_than_bilinear_is():
    rgb = torch.empty(3, 64, 64, dtype=torch.uint8)
    rgb[:, :, :29] = torch.tensor([200, 60, 50], dtype=torch.uint8).view(3, 1, 1)
    rgb[:, :, 29:] = torch.tensor([60, 140, 220], dtype=torch.uint8).view(3, 1, 1)
    L, ab = color.split_lab(rgb[None])
    coarse = edges.shrink(ab, (16, 16))
    plain = (edges.upsample(coarse, (64, 64)) - ab).abs().mean()
    guided = (edges.upsample_along_edges(coarse, L) - ab).abs().mean()
    assert guided < 0.95 * plain


def test_colour_along_edges_changes_nothing_where_lightness_is_flat():
    coarse = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(3))
    flat = torch.full((1, 1, 40, 40), 50.0)
    assert torch.allclose(
        edges.upsample_along_edges(coarse, flat), edges.upsample(coarse, (40, 40)), atol=1e-4
    )


def test_maps_of_chroma_entropy_and_error():
    assert chroma_map(torch.tensor([3.0, 4.0]).view(2, 1, 1)).item() == 5
    bits = entropy_map(FourBins(), lightness(photo(64, 64)), size=64)
    assert bits.shape == (64, 64)
    assert bits[32, 5] < 0.01
    assert bits[32, 60] == pytest.approx(2.0, abs=1e-3)
    with pytest.raises(Problem):
        entropy_map(Warm(), lightness(photo()))
    same = error_map(photo(), photo())
    assert same.shape == (40, 56)
    assert same.abs().max() < 0.01
    assert error_map(photo(), 255 - photo()).mean() > 10


def test_shading_runs_from_viridis_dark_to_light():
    ends = shade_map(torch.tensor([[-1.0, 0.0, 1.0, 9.0]]), 0, 1)
    assert ends[:, 0].T.tolist() == [[68, 1, 84]] * 2 + [[253, 231, 37]] * 2
    ramp = lightness(shade_map(torch.linspace(0, 1, 50)[None], 0, 1))[0, 0]
    assert (ramp.diff() > 0).all()


def test_marks_name_the_model_its_revision_and_what_was_turned():
    said = make_marks("colorful", "0123456789ab", Settings(chroma=1.5, size=128), "Colorful")
    assert said["Description"] == "Colourized by AI (Colorful)"
    assert said["Revision"] == "0123456789ab"
    assert said["Settings"] == "size=128, chroma=1.5"
    assert make_marks("colorful", "x")["Settings"] == "the model's own"


@pytest.mark.parametrize("size", [(64, 64), (64, 85), (90, 64), (300, 451)])
def test_a_distribution_is_decoded_on_its_own_grid_and_lands_where_forward_puts_it(size):
    from workbench.models import MODELS

    torch.manual_seed(0)
    net = MODELS["colorful"].build(width=0.125, rebalanced=False).eval()
    nn.init.normal_(net.head.weight, 0, 0.5)
    L = lightness(photo(*size))[None]
    ours = predict_ab(net, L, 64, Settings(exact=True))
    with torch.inference_mode():
        theirs = edges.upsample(net(network_input(L, 64)), size)
    assert ours.std() > 1
    if size == (64, 64):
        assert torch.allclose(ours, theirs, atol=1e-3)
    assert torch.corrcoef(torch.stack((ours.flatten(), theirs.flatten())))[0, 1] > 0.98
    assert torch.allclose(predict_ab(net, L, 64, Settings(temperature=0.38, exact=True)), ours)


def rebalanced_net() -> nn.Module:
    from workbench.models import MODELS

    torch.manual_seed(0)
    net = MODELS["colorful"].build(width=0.125).eval()
    nn.init.normal_(net.head.weight, 0, 0.5)
    return net


def test_rebalancing_is_undone_bin_by_bin_and_others_ignore_it():
    net, L = rebalanced_net(), lightness(photo(64, 64))[None]
    trained = predict_logits(net, L, 64, exact=True, rebalancing=1.0)
    undone = predict_logits(net, L, 64, exact=True, rebalancing=0.0)
    with torch.inference_mode():
        assert torch.allclose(trained, net.logits(network_input(L, 64)), atol=1e-4)
    weight = (trained - undone)[0, :, 0, 0]
    assert torch.allclose(weight, ab_bins.rebalancing(ab_bins.load_prior()).log(), atol=1e-4)
    own = predict_logits(net, L, 64, exact=True)
    assert not torch.equal(own, trained)
    assert not torch.equal(own, undone)
    assert own_settings(Warm(), Settings(rebalancing=0.5, temperature=0.5)) == Settings()
    assert own_settings(net, Settings(rebalancing=0.5)) == Settings(rebalancing=0.5)


@pytest.mark.parametrize("make", [lambda: Warm(), rebalanced_net])
def test_mirror_averaging_colours_a_picture_and_its_mirror_image_alike(make):
    net, L = make(), lightness(photo(64, 90))[None]
    settings = Settings(mirror=True, exact=True)
    ab, mirrored = predict_ab(net, L, 64, settings), predict_ab(net, L.flip(-1), 64, settings)
    assert torch.allclose(ab, mirrored.flip(-1), atol=1e-3)
