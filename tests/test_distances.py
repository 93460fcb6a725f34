"""FID and KID on arrays, against torchmetrics and closed forms; weights that are not there."""

import numpy as np
import pytest
import torch
from browser import RUN_PATIENCE
from scipy import linalg

from workbench.errors import Problem
from workbench.evaluation import distances


def gaussian(n: int, shift: float = 0.0, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, scale, (n, 8))


def test_equal_sets_are_at_distance_zero():
    features = gaussian(300)
    assert distances.frechet(features, features) == pytest.approx(0, abs=1e-6)
    assert distances.kernel(features, gaussian(300, seed=1)) == pytest.approx(0, abs=0.02)


def test_frechet_of_shifted_and_stretched_gaussians_has_a_closed_form():
    first, second = gaussian(200_000), gaussian(200_000, shift=2, scale=3, seed=1)
    # 8 dimensions: each (2 - 0)^2 + (3 - 1)^2
    assert distances.frechet(first, second) == pytest.approx(8 * (4 + 4), rel=0.01)


def test_frechet_agrees_with_the_matrix_root_of_scipy():
    first = gaussian(100) @ np.random.default_rng(2).normal(size=(8, 8))
    second = gaussian(90, 1, seed=1)
    left, right = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    expected = ((first.mean(0) - second.mean(0)) ** 2).sum()
    expected += np.trace(left + right - 2 * linalg.sqrtm(left @ right).real)
    assert distances.frechet(first, second) == pytest.approx(expected, rel=1e-6)


def test_kid_agrees_with_torchmetrics():
    from torchmetrics.image.kid import poly_mmd

    first, second = gaussian(60), gaussian(60, 1, seed=1)
    x, y = torch.from_numpy(first), torch.from_numpy(second)
    tables = ((a @ b.T / 8 + 1) ** 3 for a, b in ((x, x), (x, y), (y, y)))
    from torchmetrics.image.kid import maximum_mean_discrepancy

    expected = maximum_mean_discrepancy(*tables)
    assert distances.kernel(first, second) == pytest.approx(expected.item())
    assert distances.kernel(first, second) == pytest.approx(
        poly_mmd(x, y, degree=3, gamma=1 / 8, coef=1.0).item()
    )


def test_small_sets_have_kid_and_large_ones_fid():
    small = gaussian(2048)
    assert set(distances.compare_sets(small, small)) == {"kid"}
    large = gaussian(2049)
    assert set(distances.compare_sets(large, large)) == {"fid"}


def test_one_row_is_no_set():
    with pytest.raises(Problem, match="at least 2 rows"):
        distances.kernel(gaussian(1), gaussian(5))


def test_weights_that_cannot_be_had_are_named(monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(Problem, match=r"Inception_V3_Weights\.IMAGENET1K_V1.*no route to host"):
        distances.inception_features()
    monkeypatch.setitem(__import__("sys").modules, "lpips", None)
    with pytest.raises(Problem, match="AlexNet_Weights"):
        distances.lpips()


def test_the_truth_is_nearer_to_itself_than_grey_is():
    from skimage import data

    from workbench.data.sources import Item
    from workbench.evaluation import entrants

    pictures = [data.astronaut(), data.chelsea()]
    items = [Item(f"p{i}", pictures[i % 2][i * 9 : i * 9 + 64, :64].copy()) for i in range(12)]

    def mean_colors(rgb: torch.Tensor) -> np.ndarray:
        return rgb.float().mean((2, 3)).numpy() / 255

    found = distances.compare_entrants(entrants.baselines(), items, mean_colors, size=32)
    assert set(found["grey"]) == {"pictures", "kid"}
    assert found["truth"]["kid"] < found["grey"]["kid"]
    assert found["grey"]["pictures"] == 12


def test_the_lite_distances_have_an_interval_around_their_value_and_names_of_their_own():
    truth = gaussian(300)
    near, far = truth + gaussian(300, 0.3, 0.1, 2), truth + gaussian(300, 1.5, 0.1, 3)
    found = [distances.compare_sets_lite(each, truth) for each in (near, far)]
    assert set(found[0]) == {"kd_lite", "kd_lite_low", "kd_lite_high", "fd_lite"}
    for each in found:
        assert each["kd_lite_low"] < each["kd_lite"] < each["kd_lite_high"]
    assert found[0]["kd_lite_high"] < found[1]["kd_lite_low"]
    assert "fd_lite" not in distances.compare_sets_lite(truth[:8], near[:8])


def test_the_command_compares_whole_sets_through_the_eye(tmp_path):
    import json

    from PIL import Image
    from skimage import data
    from typer.testing import CliRunner

    from workbench.cli import build

    for i in range(6):
        Image.fromarray(data.chelsea()[i * 20 : i * 20 + 150, 100:250]).save(tmp_path / f"{i}.png")
    done = CliRunner().invoke(
        build(), ["distance", "vanilla_cnn", "--data", str(tmp_path), "--size", "64", "--json"]
    )
    assert done.exit_code == 0, done.output
    rows = {row["model"]: row for row in json.loads(done.stdout)}
    assert set(rows) == {"vanilla_cnn", "grey", "mean_ab", "truth"}
    assert rows["truth"]["kd_lite"] == pytest.approx(0, abs=1e-9)


def test_kept_distances_replace_those_of_earlier_weights_and_stand_on_the_leaderboard(
    tmp_path, monkeypatch
):
    from streamlit.testing.v1 import AppTest

    from workbench.evaluation import realism

    def made(model: str, revision: str, value: float, size: int = 128) -> realism.Realism:
        found = {"pictures": 40, "kd_lite": value, "kd_lite_low": 0.0, "kd_lite_high": 1.0}
        return realism.make_row(model, revision, ("coco",), size, found)

    beside = tmp_path / "baselines"
    realism.keep_rows(beside, [made("grey", "-", 0.5), made("truth", "-", 0.0)])
    realism.keep_rows(
        tmp_path / "toy", [made("toy", "old", 0.4), made("toy", "old", 0.4, size=256)]
    )
    realism.keep_rows(tmp_path / "toy", [made("toy", "new", 0.3)])
    rows, complaints = realism.read_roots([tmp_path])
    assert {(row.model, row.revision) for row in rows} == {
        ("grey", "-"), ("truth", "-"), ("toy", "new"),
    }  # fmt: skip
    assert complaints == []

    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / realism.FILE).write_text('{"a": 1}')
    assert len(realism.read_roots([tmp_path])[1]) == 1

    monkeypatch.setattr("workbench.evaluation.score_run.score_roots", lambda: [tmp_path])

    def page() -> None:
        from workbench.evaluation.summaries import Choice
        from workbench.ui.leaderboard import views

        views.show_realism([], [], Choice((), 128, ("psnr",), "cw-1"))

    shown = AppTest.from_function(page, default_timeout=RUN_PATIENCE).run()
    assert not shown.exception
    assert [name.lower() for name in shown.dataframe[0].value["Model"]][:2] == ["truth", "toy"]
