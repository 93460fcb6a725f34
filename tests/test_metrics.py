"""The metrics of cw-1: properties, then scikit-image and torchmetrics, then worked examples."""

import math

import numpy as np
import pytest
import torch
from skimage import color, data
from skimage import metrics as skimage_metrics

from workbench.color import ciede2000, delta_e_map, join_rgb, rgb_to_lab, split_lab
from workbench.errors import Problem
from workbench.evaluation import metrics


def scene(name: str, size: int = 96) -> torch.Tensor:
    """A square of one of scikit-image's photographs, uint8 (3, size, size)."""
    picture = getattr(data, name)()
    top, left = (picture.shape[0] - size) // 2, (picture.shape[1] - size) // 2
    return torch.from_numpy(picture[top : top + size, left : left + size].copy()).permute(2, 0, 1)


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    return torch.stack([scene("astronaut"), scene("chelsea"), scene("coffee")])


@pytest.fixture(scope="module")
def prediction(truth: torch.Tensor) -> torch.Tensor:
    """The same pictures with other colours and the same lightness."""
    L, ab = split_lab(truth)
    return join_rgb(L, 0.6 * ab + torch.tensor([4.0, -7.0]).view(2, 1, 1))


@pytest.fixture(scope="module")
def grey(truth: torch.Tensor) -> torch.Tensor:
    L, ab = split_lab(truth)
    return join_rgb(L, torch.zeros_like(ab))


def channels_last(batch: torch.Tensor) -> np.ndarray:
    return batch.permute(0, 2, 3, 1).numpy()


def test_identical_pictures_have_the_best_value_of_every_metric(truth):
    found = metrics.measure(truth, truth)
    assert found["psnr"].isinf().all()
    assert found["psnr_ab"].isinf().all()
    torch.testing.assert_close(found["ssim"], torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(found["ssim_u7"], torch.ones(3, dtype=torch.float64))
    assert (found["delta_e"] == 0).all()
    assert (found["pixdiff"] == 0).all()
    assert (found["auc"] == 100).all()
    assert (found["colorfulness"] == found["colorfulness_truth"]).all()


def test_measure_gives_the_same_numbers_as_the_functions_one_by_one(prediction, truth):
    found = metrics.measure(prediction, truth)
    for name in (
        "psnr",
        "ssim",
        "ssim_u7",
        "psnr_ab",
        "delta_e",
        "auc",
        "blotch",
        "grid",
        "cdr",
        "pixdiff",
    ):
        torch.testing.assert_close(found[name], getattr(metrics, name)(prediction, truth))
    for name in ("colorfulness", "colorfulness_abs"):
        function = getattr(metrics, name)
        torch.testing.assert_close(found[name], function(prediction))
        torch.testing.assert_close(found[f"{name}_truth"], function(truth))
    assert all(values.shape == (3,) for values in found.values())
    assert all(values.dtype == torch.float64 for values in found.values())


def test_a_batch_gives_what_its_pictures_give_alone(prediction, truth):
    together = metrics.measure(prediction, truth)
    for i in range(3):
        alone = metrics.measure(prediction[i : i + 1], truth[i : i + 1])
        for name, values in together.items():
            assert values[i].item() == pytest.approx(alone[name].item(), rel=1e-6), name


def test_distances_do_not_care_which_picture_is_called_the_truth(prediction, truth):
    for name in ("psnr", "ssim", "ssim_u7", "psnr_ab", "delta_e", "auc", "pixdiff"):
        function = getattr(metrics, name)
        there, back = function(prediction, truth), function(truth, prediction)
        torch.testing.assert_close(there, back, rtol=1e-5, atol=1e-5)


def test_a_grey_picture_has_no_colour_to_speak_of(grey):
    assert (metrics.colorfulness(grey) < 1).all()
    assert (metrics.colorfulness(grey[:, :1].expand(-1, 3, -1, -1)) == 0).all()


def test_psnr_agrees_with_scikit_image(prediction, truth):
    found = metrics.psnr(prediction, truth)
    for value, a, b in zip(found, channels_last(truth), channels_last(prediction), strict=True):
        assert value.item() == pytest.approx(skimage_metrics.peak_signal_noise_ratio(a, b))


def test_ssim_agrees_with_scikit_image_channel_by_channel(prediction, truth):
    found = metrics.ssim(prediction, truth)
    for value, a, b in zip(found, channels_last(truth), channels_last(prediction), strict=True):
        expected = skimage_metrics.structural_similarity(
            a,
            b,
            channel_axis=-1,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert value.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("data_range", [255, 225])
def test_ssim_u7_is_scikit_image_with_its_defaults(prediction, truth, data_range):
    found = metrics.ssim_u7(prediction, truth, data_range)
    for value, a, b in zip(found, channels_last(truth), channels_last(prediction), strict=True):
        expected = skimage_metrics.structural_similarity(
            a, b, channel_axis=-1, data_range=data_range
        )
        assert value.item() == pytest.approx(expected, abs=1e-5)


def test_ssim_is_the_inner_part_of_what_torchmetrics_computes(prediction, truth):
    from torchmetrics.functional.image import structural_similarity_index_measure

    for i in range(3):  # torchmetrics keeps the border: whole-picture means differ a little
        expected = structural_similarity_index_measure(
            prediction[i : i + 1].float(), truth[i : i + 1].float(), data_range=255.0
        )
        found = metrics.ssim(prediction[i : i + 1], truth[i : i + 1])
        assert found.item() == pytest.approx(expected.item(), abs=0.02)


def test_delta_e_agrees_with_scikit_image(prediction, truth, grey):
    for other in (prediction, grey):
        found = delta_e_map(other, truth)
        first, second = (color.rgb2lab(channels_last(batch)) for batch in (other, truth))
        expected = color.deltaE_ciede2000(first, second)
        np.testing.assert_allclose(found.numpy(), expected, atol=0.02)
        np.testing.assert_allclose(
            metrics.delta_e(other, truth), expected.mean(axis=(1, 2)), atol=0.002
        )


def test_ciede2000_gives_the_published_values_of_sharma_wu_and_dalal():
    pairs = torch.tensor(  # L a b, L a b, difference: pairs 1, 4, 7, 9, 13, 17, 20, 24, 25, 33, 34
        [
            [50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425],
            [50, -1.3802, -84.2814, 50, 0, -82.7485, 1.0000],
            [50, 0, 0, 50, -1, 2, 2.3669],
            [50, 2.49, -0.001, 50, -2.49, 0.0009, 7.1792],
            [50, -0.001, 2.49, 50, 0.0009, -2.49, 4.8045],
            [50, 2.5, 0, 73, 25, -18, 27.1492],
            [50, 2.5, 0, 58, 24, 15, 19.4535],
            [50, 2.5, 0, 50, 1.8634, 0.5757, 1.0000],
            [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
            [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
            [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
        ],
        dtype=torch.float64,
    )
    found = ciede2000(pairs[:, :3, None, None], pairs[:, 3:6, None, None])
    np.testing.assert_allclose(found.flatten(), pairs[:, 6], atol=5e-5)


def test_lab_metrics_agree_with_numpy_on_scikit_images_lab(prediction, truth):
    first, second = (color.rgb2lab(channels_last(batch)) for batch in (prediction, truth))
    square = (first[..., 1:] - second[..., 1:]) ** 2
    decibels = 20 * np.log10(220 / np.sqrt(square.mean(axis=(1, 2, 3))))
    np.testing.assert_allclose(metrics.psnr_ab(prediction, truth), decibels, atol=1e-3)
    distance = np.sqrt(square.sum(axis=-1))
    steps = np.arange(0, 150, 0.05) + 0.025  # Zhang's curve, integrated by hand
    curve = [(distance <= step).mean(axis=(1, 2)) for step in steps]
    np.testing.assert_allclose(
        metrics.auc(prediction, truth), 100 * np.mean(curve, axis=0), atol=0.01
    )


def test_colorfulness_agrees_with_numpy(truth):
    red, green, blue = np.moveaxis(channels_last(truth).astype(float), -1, 0)
    opponents = red - green, (red + green) / 2 - blue
    for function, wrap in ((metrics.colorfulness, np.asarray), (metrics.colorfulness_abs, np.abs)):
        rg, yb = (wrap(plane) for plane in opponents)
        axes = (1, 2)
        expected = np.hypot(rg.std(axes), yb.std(axes))
        expected += 0.3 * np.hypot(rg.mean(axes), yb.mean(axes))
        np.testing.assert_allclose(function(truth), expected, rtol=1e-5)


def test_worked_example_of_one_step_everywhere():
    truth = torch.full((1, 3, 16, 16), 100, dtype=torch.uint8)
    found = metrics.measure(truth + 1, truth)
    assert found["psnr"].item() == pytest.approx(20 * math.log10(255))  # 48.13 dB
    assert found["pixdiff"].item() == 1
    assert found["ssim"].item() == pytest.approx(1, abs=1e-3)
    assert metrics.psnr_unsquared(truth + 1, truth).item() == pytest.approx(40)  # 20 log10(100 / 1)


def test_paper_003s_psnr_takes_the_root_of_an_unsquared_mean():
    truth = torch.full((1, 3, 8, 8), 200, dtype=torch.uint8)
    found = metrics.psnr_unsquared(truth - 16, truth)
    assert found.item() == pytest.approx(20 * math.log10(200 / 4))


def test_colorfulness_of_a_pure_red_and_cyan_chequer():
    picture = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    picture[0, 0, 0] = 255  # a red row above a cyan one: rg +-255, yb +-127.5, means 0
    picture[0, 1:, 1] = 255
    assert metrics.colorfulness(picture).item() == pytest.approx(math.hypot(255, 127.5))
    # with abs() nothing varies any more and only the means are left
    assert metrics.colorfulness_abs(picture).item() == pytest.approx(0.3 * math.hypot(255, 127.5))


def test_grey_scores_higher_where_ssim_is_taken_on_luma_only(truth, grey):
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    planes = [(luma * batch).sum(1, keepdim=True).round().byte() for batch in (grey, truth)]
    assert (metrics.ssim(*planes) > metrics.ssim(grey, truth)).all()
    assert metrics.ssim(*planes).mean() > 0.95


def test_rebalanced_auc_with_equal_weights_is_auc(prediction, truth):
    value, weight = metrics.auc_rebalanced(prediction, truth, torch.full((3, 96, 96), 2.0))
    torch.testing.assert_close(value, metrics.auc(prediction, truth))
    assert (weight == 2).all()


def test_rebalanced_auc_looks_only_where_there_is_weight(prediction, truth):
    weight = torch.zeros(3, 96, 96)
    weight[:, :48] = 5
    value, mean = metrics.auc_rebalanced(prediction, truth, weight)
    torch.testing.assert_close(value, metrics.auc(prediction[:, :, :48], truth[:, :, :48]))
    assert (mean == 2.5).all()
    found = metrics.measure(prediction, truth, weight=lambda ab: weight[: len(ab)])
    torch.testing.assert_close(found["auc_rebalanced"], value)


def test_the_lab_of_the_truth_is_the_lab_of_color(truth):
    torch.testing.assert_close(
        delta_e_map(truth[0], truth[1]),
        ciede2000(rgb_to_lab(truth[0] / 255), rgb_to_lab(truth[1] / 255)),
    )


def test_a_picture_smaller_than_the_window_is_named():
    tiny = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    with pytest.raises(Problem, match="at least 11 x 11 pixels; this one has 1 x 1"):
        metrics.ssim(tiny, tiny)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_numbers_of_the_cpu(prediction, truth):
    expected = metrics.measure(prediction, truth)
    for name, values in metrics.measure(prediction.cuda(), truth.cuda()).items():
        torch.testing.assert_close(values, expected[name], rtol=1e-4, atol=1e-4)


def flat_grey(side: int = 64) -> torch.Tensor:
    return torch.full((1, 3, side, side), 128, dtype=torch.uint8)


def painted(a: torch.Tensor) -> torch.Tensor:
    """Mid-grey with this a (H, W)."""
    ab = torch.stack((a, torch.zeros_like(a)))[None]
    return join_rgb(torch.full((1, 1, *a.shape), 55.0), ab)


def test_grey_has_no_blotches_and_no_grid_and_blotches_grow_with_their_colour(truth, grey):
    assert metrics.blotch(grey, truth).max() < 0.05  # uint8 leaves a trace
    assert metrics.grid(grey, truth).max() < 0.05
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    blob = torch.exp(-((rows - 32) ** 2 + (columns - 32) ** 2) / 200)
    faint, strong = (float(metrics.blotch(painted(k * blob), flat_grey())) for k in (10, 40))
    assert strong > 3 * faint > 0.3


@pytest.mark.parametrize("period", [2, 4])
def test_a_checkerboard_is_a_grid_and_an_even_change_is_none(period):
    columns = torch.arange(64).repeat(64, 1)
    board = 20.0 * ((columns // (period // 2)) % 2)
    assert float(metrics.grid(painted(board), flat_grey())) > 2
    assert float(metrics.grid(painted(columns * 0.5), flat_grey())) < 0.35  # uint8 again


def test_only_where_the_truth_is_flat_do_blotches_count():
    busy = torch.randint(0, 255, (1, 3, 64, 64), generator=torch.manual_seed(0)).to(torch.uint8)
    busy[..., :16] = 128  # the flat quarter
    a = torch.zeros(64, 64)
    a[:, 32:] = 40 * torch.rand(64, 32, generator=torch.manual_seed(1))
    assert float(metrics.blotch(painted(a), busy)) < 0.05


def halves(left: float, right: float) -> torch.Tensor:
    """Mid-grey with one a on the left and another on the right, the edge in the middle."""
    a = torch.full((64, 64), left)
    a[:, 32:] = right
    return a


def test_colour_that_stops_at_the_edge_is_kept_and_colour_that_runs_over_it_is_not():
    truth = painted(halves(-30, 30))
    assert float(metrics.cdr(truth, truth)) == 1
    assert float(metrics.cdr(flat_grey(), truth)) == 0
    shares = []
    for width in (8, 16, 32):  # pixels over which the colour runs
        ramp = ((torch.arange(64) - 31.5) / width).clamp(-0.5, 0.5) * 60
        shares.append(float(metrics.cdr(painted(ramp.repeat(64, 1)), truth)))
    assert 1 > shares[0] > shares[1] > shares[2] > 0
    assert float(metrics.cdr(painted(halves(30, -30)), truth)) > 0.95  # the other way round
    pale = float(metrics.cdr(painted(halves(-15, 15)), truth))
    assert pale == pytest.approx(0.5, abs=0.05)  # the trap: nothing bleeds here


def test_more_colour_than_the_truth_keeps_no_more_than_all_its_edges(truth):
    vivid = painted(halves(-60, 60))
    assert float(metrics.cdr(vivid, painted(halves(-20, 20)))) == pytest.approx(1, abs=0.02)
    assert float(metrics.cdr(vivid, flat_grey())) == 1  # a truth without colour has no edges
    assert ((metrics.cdr(truth.flip(0), truth) >= 0) & (metrics.cdr(truth, truth) == 1)).all()
