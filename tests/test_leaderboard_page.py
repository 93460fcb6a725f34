"""The exported leaderboard: one file, opened in a real browser, that asks nobody for anything."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from workbench.cli import build
from workbench.errors import Problem
from workbench.evaluation import scores, summaries
from workbench.evaluation.scores import Score
from workbench.publishing import leaderboard_page


@pytest.fixture(scope="module")
def rows() -> list[Score]:
    found = []
    for dataset in ("coco", "food</script>"):
        for model, psnr in (("grey", 23.0), ("vanilla_cnn", 24.0), ("truth", float("inf"))):
            noise = np.random.default_rng(len(model)).normal(0, 1, 20)
            found += [
                Score(
                    model, "-", dataset, f"p{i}", "cw-1", size, psnr=psnr + noise[i], ssim=0.9,
                    delta_e=30 - noise[i], colorfulness=20.0, colorfulness_truth=40.0, auc=90.0,
                )
                for i in range(20) for size in (256, 128)
            ]  # fmt: skip
    return found


def test_without_scores_there_is_no_page():
    with pytest.raises(Problem, match="no scores to show"):
        leaderboard_page.make_page([])


def test_the_command_writes_a_page_of_the_bundled_scores(tmp_path, rows, monkeypatch):
    monkeypatch.setattr("workbench.places.CHECKPOINTS", tmp_path)
    monkeypatch.setattr("workbench.places.RUNS", tmp_path / "none")
    monkeypatch.setenv("WORKBENCH_SCORES", str(tmp_path / "none"))
    coco = [row for row in rows if row.dataset == "coco"]
    scores.write(tmp_path / "baselines" / "scores" / "coco.csv", coco)
    done = CliRunner().invoke(build(), ["export-leaderboard", str(tmp_path / "out" / "page.html")])
    assert done.exit_code == 0, done.output
    assert "Colorization leaderboard" in (tmp_path / "out" / "page.html").read_text("utf-8")


@pytest.mark.browser
def test_the_page_sorts_and_switches_sets_in_a_browser(
    browser_page, tmp_path: Path, rows, monkeypatch
):
    monkeypatch.setattr("workbench.places.CHECKPOINTS", tmp_path)  # the bundled weights are others
    leaderboard_page.write_page(tmp_path / "page.html", rows)
    page = browser_page
    page.goto((tmp_path / "page.html").as_uri())
    cells = page.locator("#board tbody tr td:first-child")
    assert cells.all_inner_texts() == ["Truth", "vanilla_cnn", "Grey (no colour)"]
    page.get_by_role("button", name="PSNR").click()
    assert cells.all_inner_texts() == ["Grey (no colour)", "vanilla_cnn", "Truth"]
    assert page.locator("th[aria-sort=ascending]").count() == 1

    line = next(
        line for line in summaries.lines(row for row in rows if row.dataset == "coco")
        if line.model == "vanilla_cnn" and line.size == 128
    )  # fmt: skip
    page.get_by_label("Data set").select_option("coco")
    page.get_by_label("Size").select_option("128")
    shown = page.locator("#board tbody tr", has_text="vanilla_cnn").inner_text()
    assert f"{line.means['psnr'].value:.2f}" in shown
    assert f"{line.means['psnr'].low:.2f} – {line.means['psnr'].high:.2f}" in shown
    for chart in ("intervals", "scatter", "matrix"):
        page.locator(f"#{chart} svg.main-svg").first.wait_for()
    assert page.get_by_text("For reading, not for ranking").count() == 1
    page.get_by_label("Data set").select_option("food</script>")
    assert cells.count() == 3
