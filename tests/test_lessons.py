"""What the lessons compute: gamut, blocks, probes and traps."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
import torch
from conftest import SMALL_BACKBONE
from skimage.color import lab2rgb
from torch.utils.flop_counter import FlopCounterMode

from workbench.color import split_lab
from workbench.errors import Problem
from workbench.evaluation import metrics
from workbench.lessons import blocks, colors, diagram, probes, traps
from workbench.models import MODELS, ab_bins
from workbench.ui.lessons import pieces


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    """Smooth coloured noise, uint8 RGB (3, 48, 64)."""
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(3))
    rgb = torch.nn.functional.interpolate(coarse, size=(48, 64), mode="bilinear")[0]
    return (rgb * 255).byte()


def small(name: str, **options) -> torch.nn.Module:
    """A network of width 0.125 with random weights."""
    torch.manual_seed(0)
    own = SMALL_BACKBONE if name == "inception_attention" else {}
    return MODELS[name].build(width=0.125, **own, **options).eval()


def lightness(size: int = 64) -> torch.Tensor:
    return torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(4)) * 100


# ------------------------------------------------------------------------------------ colour


def test_the_gamut_is_widest_in_the_middle_and_nothing_at_both_ends() -> None:
    shares = [colors.share_in_gamut(L) for L in (1, 30, 65, 100)]
    assert shares[0] < 0.002 > shares[3]
    assert shares[2] > shares[1] > 0.05


def test_the_gamut_plane_has_the_colours_of_scikit_image_with_red_right_and_yellow_up() -> None:
    plane = colors.gamut_plane(65, step=10)
    side = plane.shape[-1]
    row, column = side // 2 - 3, side // 2 + 4  # b 30, a 40
    expected = (lab2rgb([[[65.0, 40.0, 30.0]]])[0, 0] * 255).round()
    assert plane[3, row, column] == 255
    assert plane[:3, row, column].tolist() == pytest.approx(expected.tolist(), abs=1)


def test_a_colour_no_screen_has_is_said_to_be_none() -> None:
    assert colors.color_of_lab(65, 0, 0)[1]
    assert not colors.color_of_lab(65, 110, -110)[1]


def test_many_colours_differ_and_have_one_grey() -> None:
    strip, grey = colors.draw_alike(60, 12, side=2)
    assert len({tuple(c) for c in strip[:, 0].T.tolist()}) == 12
    assert len({tuple(c) for c in grey[:, 0].T.tolist()}) == 1
    L, _ = split_lab(strip)
    assert (L - 60).abs().max() < 0.6  # what rounding to 8 bits leaves


def test_turning_the_hues_keeps_the_lightness_and_a_whole_turn_keeps_all(picture) -> None:
    rotated = colors.rotate_hues(picture, 120)
    L, ab = split_lab(picture)
    assert (split_lab(rotated)[0] - L).abs().max() < 1
    assert (split_lab(rotated)[1] - ab).abs().mean() > 5
    assert (colors.rotate_hues(picture, 360).int() - picture.int()).abs().max() <= 1


def test_planes_are_grey_red_green_and_yellow_blue(picture) -> None:
    parts = colors.planes(picture)
    assert metrics.colorfulness(parts["L"][None]) < 0.5
    _, a = split_lab(parts["a"])
    _, b = split_lab(parts["b"])
    assert a[1].abs().mean() < 2 < a[0].abs().mean()
    assert b[0].abs().mean() < 2 < b[1].abs().mean()


def test_a_large_picture_is_reduced_and_a_small_one_left_alone(picture) -> None:
    assert colors.reduce_picture(picture) is picture
    large = picture.repeat(1, 20, 20)
    assert colors.reduce_picture(large).shape == (3, 288, 384)


# ------------------------------------------------------------------------------------ blocks


@pytest.mark.parametrize("name", MODELS)
def test_blocks_hold_all_parameters_and_the_multiply_adds_torch_counts(name: str) -> None:
    net, L = small(name), lightness()
    found = blocks.list_blocks(net, 64, 64)
    assert sum(block.parameters for block in found) == sum(p.numel() for p in net.parameters())
    assert found[0].takes[1:] == (64, 64)
    run = getattr(net, "logits", net)  # an annealed mean is no block
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(L)
    assert sum(block.multiply_adds for block in found) == counter.get_total_flops() // 2


@pytest.mark.parametrize("name", MODELS)
def test_blocks_of_the_papers_size_are_drawn_without_weights(name: str) -> None:
    spec = MODELS[name]
    with torch.device("meta"):
        net = spec.build().eval()
    found = blocks.list_blocks(net, spec.size, spec.size)
    svg = diagram.network_svg(found, spec.color, spec.title)
    texts = [each.text for each in ElementTree.fromstring(svg).iter() if each.text]
    assert all(block.name in texts for block in found)
    assert not any(each._forward_hooks for each in net.modules())


def test_a_u_net_is_drawn_as_a_u_and_nothing_else_is() -> None:
    down, up, beside = diagram.find_u(blocks.list_blocks(small("cbam_gan"), 128, 128))
    assert [row[0].name for row in down] == [f"unet.down.{i}" for i in range(7)]
    assert [row[0].name for row in up[1:]] == [f"unet.up.{i}" for i in range(5, -1, -1)]
    assert [len(row) for row in down] == [2] * 7  # each with its attention
    assert [block.text for block in beside] == ["Classification"]
    for left, right in zip(down[:-1], up[1:], strict=True):  # one size, where a skip goes across
        assert left[-1].gives[1:] == right[-1].gives[1:]
    assert diagram.find_u(blocks.list_blocks(small("attention_pix2pix"), 128, 128))
    for name in ("vanilla_cnn", "colorful", "inception_attention", "reference"):
        assert diagram.find_u(blocks.list_blocks(small(name), 128, 128)) is None


def test_vanilla_cnn_is_its_twelve_convolutions_and_colorful_its_nine_blocks() -> None:
    first = blocks.list_blocks(small("vanilla_cnn"), 64, 64)
    assert [block.name for block in first][:2] == ["encoder.0", "encoder.1"]
    assert len(first) == 12
    assert first[1].text == "Conv 3×3 /2"
    second = blocks.list_blocks(small("colorful"), 64, 64)
    assert len(second) == 9
    assert second[2].text == "2 × (Conv 3×3, ReLU), Conv 3×3 /2, ReLU, BN"


# ------------------------------------------------------------------------------------ probes


def test_a_network_of_its_own_shares_weights_and_leaves_no_hook_behind() -> None:
    net = small("cbam_gan")
    with torch.inference_mode():  # as another page does: the scores of that call stay with the net
        net(lightness())
    mine = probes.copy_modules(net)
    assert mine.unet.down[0][0] is not net.unet.down[0][0]
    assert mine.unet.down[0][0].weight is net.unet.down[0][0].weight
    probes.spatial_maps(net, lightness())
    assert not any(each._forward_hooks for each in net.modules())


def test_cbam_shows_thirteen_channel_weights_and_a_map_wherever_there_is_a_choice() -> None:
    net, L = small("cbam_gan"), lightness()
    weights, maps = probes.channel_weights(net, L), probes.spatial_maps(net, L)
    assert len(weights) == 13
    assert "down7" not in maps  # one place: nothing to choose
    assert maps["down1"].shape == (32, 32)
    for values in [*weights.values(), *maps.values()]:
        assert values.min() >= 0
        assert values.max() <= 1


def test_what_a_classifier_believes_is_named_and_sums_to_one() -> None:
    names = [f"thing {i}" for i in range(4)]
    found = probes.likeliest_classes(small("cbam_gan", classes=4), lightness(), names, count=4)
    assert sum(share for _, share in found) == pytest.approx(1)
    assert {name for name, _ in found} == set(names)
    shares = [share for _, share in found]
    assert shares == sorted(shares, reverse=True)
    unnamed = probes.likeliest_classes(small("inception_attention"), lightness(), ())
    assert all(name.startswith("class ") for name, _ in unnamed)
    with pytest.raises(Problem, match="no classifier"):
        probes.likeliest_classes(small("vanilla_cnn"), lightness(), ())


@pytest.mark.parametrize(("name", "count"), [("attention_pix2pix", 2), ("inception_attention", 1)])
def test_the_attention_of_a_point_sums_to_one_and_moves_with_the_point(name, count) -> None:
    net, L = small(name), lightness()
    here, there = (probes.attention_maps(net, L, x, 0.3) for x in (0.1, 0.999))
    assert len(here) == count
    for place in here:
        assert float(here[place].sum()) == pytest.approx(1, abs=1e-4)
    assert any(not torch.equal(here[place], there[place]) for place in here)


def test_without_fusion_the_colours_change_and_the_shared_network_does_not() -> None:
    net, L = small("inception_attention"), lightness()
    with torch.no_grad():
        before = net(L)
        off = probes.predict_without_fusion(net, L)
        assert torch.equal(net(L), before)
    assert not torch.allclose(off, before)
    with pytest.raises(Problem, match="without fusion"):
        probes.predict_without_fusion(small("vanilla_cnn"), L)


def test_a_colder_distribution_is_surer_and_a_flat_one_has_the_entropy_of_313() -> None:
    flat = torch.zeros(1, 313, 2, 2)
    p, bits = probes.distribution(flat, 0.5, 0.5, 0.38)
    assert bits == pytest.approx(math.log2(313))
    assert probes.mean_color(p) == pytest.approx(
        tuple(ab_bins.centres().mean(0).tolist()), abs=1e-4
    )
    logits = torch.randn(1, 313, 4, 4, generator=torch.Generator().manual_seed(5))
    warm, cold = (probes.distribution(logits, 0.9, 0.1, t) for t in (1.0, 0.2))
    assert cold[1] < warm[1]
    expected = ab_bins.annealed_mean(logits, 0.2)[0, :, 0, 3]
    assert probes.mean_color(cold[0]) == pytest.approx(tuple(expected.tolist()), abs=1e-3)


def test_the_drawn_distribution_has_a_square_per_bin_and_the_likeliest_is_the_largest() -> None:
    p = torch.full((313,), 0.1 / 312)
    p[200] = 0.9
    root = ElementTree.fromstring(diagram.distribution_svg(p, 65))
    squares = root.findall("{http://www.w3.org/2000/svg}rect")[1:]
    assert len(squares) == 313
    widths = [float(square.get("width")) for square in squares]
    assert widths.index(max(widths)) == 200


def test_feature_maps_are_those_of_every_convolution_and_the_liveliest_come_first() -> None:
    maps = probes.feature_maps(small("vanilla_cnn"), lightness())
    assert len(maps) == 12
    assert maps["encoder.1"].shape[-2:] == (32, 32)
    still, lively = torch.zeros(1, 4, 4), torch.rand(1, 4, 4)
    numbers, shown = probes.pick_strongest(torch.cat((still, lively)), 1)
    assert numbers == [1]
    assert float(shown.max()) == 1


# ------------------------------------------------------------------------------------- traps


def test_luma_forgives_grey_what_rgb_does_not(picture) -> None:
    pair = colors.grey_of(picture)[None], picture[None]
    assert float(traps.ssim_of_luma(*pair)) > float(metrics.ssim(*pair))


def test_one_step_off_changes_every_pixel_and_nothing_one_can_see(picture) -> None:
    off = traps.one_step_off(picture)
    assert float(metrics.pixdiff(off[None], picture[None])) == 1
    assert float(metrics.psnr(off[None], picture[None])) > 50


def test_argmax_accuracy_does_not_care_how_much_colour_there_is() -> None:
    red = torch.tensor([200, 60, 90], dtype=torch.uint8).view(3, 1, 1).expand(3, 4, 4)
    pale = torch.tensor([140, 128, 130], dtype=torch.uint8).view(3, 1, 1).expand(3, 4, 4)
    blue = torch.tensor([60, 150, 60], dtype=torch.uint8).view(3, 1, 1).expand(3, 4, 4)
    assert float(traps.argmax_accuracy(pale[None], red[None])) == 1
    assert float(traps.argmax_accuracy(blue[None], red[None])) == 0


def test_the_same_two_pictures_have_as_many_values_as_there_are_protocols(picture) -> None:
    rows = {name: value for name, _, value in traps.variants(colors.grey_of(picture), picture)}
    assert rows["PSNR"] == pytest.approx(
        float(metrics.psnr(colors.grey_of(picture)[None], picture[None]))
    )
    assert rows["PSNR, unsquared"] > rows["PSNR"] + 4
    assert rows["SSIM of luma"] > rows["SSIM"]


def test_most_displayable_colours_are_where_the_lesson_says() -> None:
    best, share, first, last = colors.find_richest()
    assert 54 <= best <= 57
    assert share == pytest.approx(0.306, abs=0.004)
    assert share == max(colors.share_in_gamut(L) for L in range(1, 100))
    assert first <= 54 < 57 <= last
    said = pieces.richest_lightness()
    assert f"L = {best}" in said
    assert f"{share:.1%}" in said


def test_blue_is_purest_when_dark_and_yellow_when_light() -> None:
    for rgb, hue in (((0, 0, 255), -54), ((255, 255, 0), 103)):
        L, ab = split_lab(torch.tensor(rgb, dtype=torch.uint8).view(3, 1, 1))
        a, b = ab.flatten().tolist()
        assert math.degrees(math.atan2(b, a)) == pytest.approx(hue, abs=1)
        assert colors.most_chroma_at(hue) == pytest.approx(L, abs=2)


def test_the_traps_say_of_every_candidate_what_their_table_shows(picture) -> None:
    from types import SimpleNamespace

    from workbench.lessons.traps import one_step_off

    shown = SimpleNamespace(rgb=picture)
    found = {"Grey": colors.grey_of(picture), "One step of 255 off": one_step_off(picture)}
    for name in ("Pixels that differ", "SSIM of luma"):
        said = pieces.describe_spread(shown, found, name)
        for value in pieces.measure_candidates(shown, found, name).values():
            assert f"{value:.3f}" in said
    assert pieces.measure_candidates(shown, found, "Pixels that differ")["One step of 255 off"] == 1
