"""Errors by hue of the truth: sectors, rows, files, and Liu & Tu's sentences judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from workbench import charts, places
from workbench.color import join_rgb, rgb_to_lab
from workbench.data.files import Item
from workbench.errors import Problem
from workbench.evaluation import by_color
from workbench.evaluation.by_color import NEUTRAL, SECTORS, Share, judge_sentences
from workbench.evaluation.entrants import Entrant, baselines
from workbench.evaluation.metrics import METRICS, delta_e


def flat(*rgb: int) -> np.ndarray:
    """A picture of one colour, uint8 (16, 16, 3)."""
    return np.full((16, 16, 3), rgb, np.uint8)


@pytest.mark.parametrize(
    ("rgb", "sector"),
    [
        ((255, 0, 0), "red"), ((200, 60, 90), "red"), ((255, 140, 0), "orange"),
        ((255, 230, 0), "yellow"), ((0, 255, 0), "green"), ((40, 110, 50), "green"),
        ((0, 0, 255), "blue"), ((120, 170, 220), "blue"), ((190, 0, 190), "purple"),
        ((128, 128, 128), NEUTRAL), ((130, 128, 126), NEUTRAL),
    ],
)  # fmt: skip
def test_every_colour_lies_in_the_sector_that_people_name_it_by(rgb, sector) -> None:
    lab = rgb_to_lab(torch.tensor(rgb).view(3, 1, 1) / 255)
    assert [*SECTORS, NEUTRAL][int(by_color.sectors(lab))] == sector


def entrant(name: str, gain: float) -> Entrant:
    """Somebody who paints the truth's ab times a gain: 0 is grey, 1 the truth."""

    def paint(batch):
        lab = rgb_to_lab(batch.truth.float() / 255)
        return join_rgb(batch.L, lab[:, 1:] * gain)

    return Entrant(name, "0123456789ab", paint)


def pictures(colors: dict[str, tuple[int, int, int]], copies: int = 4) -> list[Item]:
    """Items of one colour each, labelled as named."""
    return [
        Item(f"{name}{i}.png", flat(*(min(255, c + i) for c in rgb)), name)
        for name, rgb in colors.items()
        for i in range(copies)
    ]


COLORS = {"forest": (40, 120, 50), "sea": (60, 110, 190), "street": (180, 50, 50)}


def test_the_sectors_of_a_picture_add_up_to_its_error() -> None:
    torch.manual_seed(0)
    truth = torch.randint(0, 256, (3, 3, 24, 24), dtype=torch.uint8)
    made = torch.randint(0, 256, (3, 3, 24, 24), dtype=torch.uint8)
    found = by_color.measure(made, truth)
    pixels = found["pixels"]
    assert (pixels.sum(1) == 24 * 24).all()
    whole = (found["delta_e"].nan_to_num() * pixels).sum(1) / pixels.sum(1)
    assert whole.numpy() == pytest.approx(delta_e(made, truth).numpy(), rel=1e-5)
    assert "delta_e" in METRICS


def test_the_truth_is_as_colourful_as_itself_and_grey_not_at_all() -> None:
    rows = list(
        by_color.shares([entrant("whole", 1), entrant("half", 0.5), *baselines()[:1]],
                         pictures(COLORS), "d")
    )  # fmt: skip
    ratios = by_color.by_sector(rows, "ratio")
    for sector in ("green", "blue", "red"):
        assert ratios["whole"][sector].value == pytest.approx(1, abs=0.02)
        assert ratios["half"][sector].value == pytest.approx(0.5, abs=0.03)
        assert ratios["grey"][sector].value == pytest.approx(0, abs=0.02)
    assert set(by_color.by_label(rows)["whole"]) == set(COLORS)
    assert by_color.by_sector(rows)["whole"]["green"].value == pytest.approx(0, abs=0.5)


def test_the_papers_sentences_are_seen_where_they_are_so_and_not_where_they_are_not() -> None:
    def paints(name: str, red: float, rest: float) -> Entrant:
        def paint(batch):
            lab = rgb_to_lab(batch.truth.float() / 255)
            is_red = (by_color.sectors(lab) == 0)[:, None]
            return join_rgb(batch.L, lab[:, 1:] * torch.where(is_red, red, rest))

        return Entrant(name, "0123456789ab", paint)

    field = [paints("as they say", 0.1, 0.9), paints("red", 0.9, 0.1), paints("none", 0.5, 0.5)]
    rows = list(by_color.shares([*field, *baselines()[:1]], pictures(COLORS, 8), "d"))
    said = {
        name: [each.outcome for each in judge_sentences(rows, name)]
        for name in ("as they say", "red")
    }
    assert said["as they say"] == ["seen"] * 4
    assert said["red"][2:] == ["the opposite is seen"] * 2
    third = judge_sentences(rows, "none")[2].difference
    assert third.value == pytest.approx(0, abs=0.03)
    with pytest.raises(Problem, match="no rows by colour of nobody"):
        judge_sentences(rows, "nobody")


def test_without_red_pictures_nothing_is_judged_of_red() -> None:
    colors = {name: COLORS[name] for name in ("forest", "sea")}
    field = [entrant("half", 0.5), *baselines()[:1]]
    found = judge_sentences(list(by_color.shares(field, pictures(colors), "d")), "half")
    assert [each.outcome for each in found] == [
        "seen", "seen", "no such pictures", "no such pictures"
    ]  # fmt: skip
    figure = charts.by_group({"half": {"red": found[2].difference}}, "CIEDE2000")
    assert len(figure.data[0].x) == 0


def test_rows_are_read_as_they_were_written_and_anything_else_is_named(tmp_path: Path) -> None:
    row = Share("m", "-", "d", "=1+1.png", "-sea", 128, "red", 7, 12.345, 3.0, 40.0)
    path = tmp_path / "m" / "by_colour" / "d.csv"
    by_color.write(path, [row])
    assert "'=1+1.png" in path.read_text()
    assert "'-sea" in path.read_text()
    (read,) = by_color.read(path)
    assert (read.picture, read.label, read.revision) == ("=1+1.png", "-sea", "-")
    assert read.delta_e == pytest.approx(12.345, rel=1e-3)
    for text in ("", "model\nx\n", path.read_text() + "m,short\n"):
        (path.parent / "bad.csv").write_text(text)
        with pytest.raises(Problem, match="not a table of errors by colour"):
            by_color.read(path.parent / "bad.csv")
    found, complaints = by_color.read_each(by_color.files([tmp_path]))
    assert found == [read]
    assert len(complaints) == 1


def test_the_command_writes_the_tables_beside_the_scores(
    small_checkpoints: Path, small_test_set: Path, tmp_path: Path, monkeypatch
) -> None:
    from workbench.cli import build

    monkeypatch.setattr(places, "CHECKPOINTS", small_checkpoints)
    words = ["by-colour", "vanilla_cnn", "--data", str(small_test_set), "--out", str(tmp_path)]
    assert CliRunner().invoke(build(), [*words, "--limit", "4"]).exit_code == 0
    rows, complaints = by_color.read_each(by_color.files([tmp_path]))
    assert not complaints
    assert {row.model for row in rows} == {"vanilla_cnn", "grey"}
    assert len({row.picture for row in rows}) == 4
    assert "--data" in str(CliRunner().invoke(build(), ["by-colour"]).exception)
