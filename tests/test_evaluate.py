"""The protocol from pictures to a table: entrants, rows, shards, predictions made elsewhere."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data, metrics
from typer.testing import CliRunner

from workbench.cli import build
from workbench.color import join_rgb, split_lab
from workbench.data.sources import open_source
from workbench.errors import Problem
from workbench.evaluation import entrants, score_run, scores
from workbench.evaluation.evaluate import batches, evaluate
from workbench.evaluation.protocols import PROTOCOLS

ROOT = Path(__file__).resolve().parent.parent
SIZES = (48, 32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of forty little crops of photographs; one of them is not square."""
    folder = tmp_path_factory.mktemp("pictures")
    astronaut, cat = data.astronaut(), data.chelsea()
    for i in range(40):
        source = astronaut if i % 2 else cat
        top, left = 7 * i % 200, 11 * i % 300
        crop = source[top : top + 64, left : left + (80 if i == 3 else 64)]
        Image.fromarray(crop).save(folder / f"p{i:02}.png")
    return folder


def sepia(L: torch.Tensor) -> torch.Tensor:
    """Anyone's function: a constant brown."""
    return L.new_tensor([8.0, 18.0]).view(1, 2, 1, 1).expand(len(L), 2, *L.shape[-2:])


def without_time(rows: list[scores.Score]) -> list[scores.Score]:
    return [replace(row, ms=None) for row in rows]


def run(entrant: entrants.Entrant, pictures: Path, folder: Path, **options) -> list[scores.Score]:
    source = open_source(str(pictures))
    score_run.score_data([(entrant, folder)], source, "set", sizes=SIZES, **options)
    table = folder / "set.csv"
    return scores.read(table) if table.is_file() else []


def test_a_row_has_the_numbers_of_scikit_image(pictures):
    items = list(open_source(str(pictures)).items())[:3]
    brown = entrants.from_function("brown", "-", sepia)
    rows = list(evaluate([brown], items, "set", sizes=(64,)))
    assert [row.picture for row in rows] == ["p00.png", "p01.png", "p02.png"]
    for row in rows:
        truth = np.asarray(Image.open(pictures / row.picture))
        L, _ = split_lab(torch.from_numpy(truth.copy()).permute(2, 0, 1)[None])
        made = join_rgb(L, sepia(L))[0].permute(1, 2, 0).numpy()
        assert row.psnr == pytest.approx(metrics.peak_signal_noise_ratio(truth, made))
        expected = metrics.structural_similarity(truth, made, channel_axis=-1, data_range=255)
        assert row.ssim_u7 == pytest.approx(expected, abs=1e-5)
        assert (row.protocol, row.size, row.dataset) == ("cw-1", 64, "set")


def test_the_network_sees_only_the_lightness(pictures):
    seen = []

    def spy(L):
        seen.append(L)
        return torch.zeros(len(L), 2, *L.shape[-2:])

    items = list(open_source(str(pictures)).items())[:2]
    list(evaluate([entrants.from_function("spy", "-", spy)], items, "set", sizes=SIZES))
    assert [tuple(L.shape) for L in seen] == [(2, 1, 48, 48), (2, 1, 32, 32)]


def test_the_baselines_are_what_they_say(pictures):
    items = list(open_source(str(pictures)).items())[:4]
    rows = list(evaluate(entrants.baselines(), items, "set", sizes=(48,)))
    by_name = {name: [row for row in rows if row.model == name] for name in ("grey", "truth")}
    assert all(np.isinf(row.psnr) and row.auc == 100 for row in by_name["truth"])
    assert all(row.colorfulness < 1 < row.colorfulness_truth for row in by_name["grey"])
    assert {row.model for row in rows} == {"grey", "mean_ab", "truth"}


def test_a_picture_that_cannot_be_read_is_named_and_left_out(pictures, tmp_path):
    for name in ("p00.png", "p01.png"):
        (tmp_path / name).write_bytes((pictures / name).read_bytes())
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    items = list(open_source(str(tmp_path)).items())
    said = []
    rows = list(evaluate(entrants.baselines()[:1], items, "set", unreadable=said.append))
    assert {row.picture for row in rows} == {"p00.png", "p01.png"}
    assert len(said) == 1
    assert "broken.png of set cannot be read" in said[0]
    with pytest.raises(Problem, match=r"broken\.png"):
        list(evaluate(entrants.baselines()[:1], items, "set"))


def test_an_answer_of_the_wrong_shape_is_a_problem(pictures):
    items = list(open_source(str(pictures)).items())[:1]
    half = entrants.from_function("half", "-", lambda L: torch.zeros(len(L), 2, 4, 4))
    with pytest.raises(Problem, match="half answered"):
        list(evaluate([half], items, "set", sizes=SIZES))
    broken = entrants.from_function("nan", "-", lambda L: sepia(L) * float("nan"))
    with pytest.raises(Problem, match="not finite"):
        list(evaluate([broken], items, "set", sizes=SIZES))


def test_two_shards_one_killed_and_run_again_give_the_table_of_one_process(pictures, tmp_path):
    brown = entrants.from_function("brown", "-", sepia)
    alone = run(brown, pictures, tmp_path / "alone")
    assert len(alone) == 40 * len(SIZES)

    class Killed(Exception):
        pass

    def kill(done: int, total: int | None) -> None:
        if done == 40:
            raise Killed

    folder = tmp_path / "shared"
    assert (
        run(brown, pictures, folder, shard=score_run.Shard(1, 2)) == []
    )  # a journal, no table yet
    with pytest.raises(Killed):  # before its last batch is kept
        run(brown, pictures, folder, shard=score_run.Shard(0, 2), progress=kill)
    again = run(brown, pictures, folder, shard=score_run.Shard(0, 2))
    assert without_time(again) == without_time(alone)
    assert not list(folder.glob(".*")), "journals are left"


def test_what_a_journal_holds_is_not_computed_again(pictures, tmp_path):
    calls = []

    def counting(L):
        calls.append(len(L))
        return sepia(L)

    entrant = entrants.from_function("brown", "-", counting)
    assert run(entrant, pictures, tmp_path, shard=score_run.Shard(1, 2)) == []
    assert sum(calls) == 16 * len(SIZES)  # the second of three batches of 16
    calls.clear()
    rows = run(entrant, pictures, tmp_path)
    assert sum(calls) == 24 * len(SIZES)
    assert len(rows) == 40 * len(SIZES)


def test_new_weights_replace_rows_and_other_protocols_stay(pictures, tmp_path):
    brown = entrants.from_function("brown", "old", sepia)
    run(brown, pictures, tmp_path, limit=20)
    score_run.score_data(
        [(brown, tmp_path)], open_source(str(pictures)), "set",
        protocol=PROTOCOLS["ranjan-agrawal"], sizes=(32,), limit=4,
    )  # fmt: skip
    rows = run(replace(brown, revision="new"), pictures, tmp_path, limit=16)
    ours = [row for row in rows if row.protocol == "cw-1"]
    assert sorted(row.revision for row in ours) == ["new"] * 32 + ["old"] * 8
    legacy = [row for row in rows if row.protocol == "ranjan-agrawal"]
    assert len(legacy) == 4
    assert all(row.psnr_unsquared is not None and row.delta_e is None for row in legacy)


def test_legacy_protocols_differ_where_their_papers_do(pictures):
    items = list(open_source(str(pictures)).items())[:4]
    brown = entrants.from_function("brown", "-", sepia)
    ours, ct2, ddcolor = (
        list(evaluate([brown], items, "set", protocol=PROTOCOLS[name], sizes=(64,)))
        for name in ("cw-1", "ct2-5k", "ddcolor")
    )
    for a, b, c in zip(ours, ct2, ddcolor, strict=True):
        assert b.ssim_u7 != a.ssim_u7  # a data range of 225
        assert b.psnr == pytest.approx(a.psnr, abs=0.1)  # the round trip moves next to nothing
        assert c.psnr == a.psnr
        assert c.colorfulness_abs == a.colorfulness_abs
        assert c.ssim is None


def test_films_are_compared_as_frames_twice_as_wide_as_high(tmp_path):
    frame = np.zeros((60, 80, 3), np.uint8)
    frame[10:50] = data.astronaut()[100:140, 100:180]  # the bars above and below are cut off
    Image.fromarray(frame).save(tmp_path / "frame.png")
    items = list(open_source(str(tmp_path)).items())
    seen = []

    def look(L: torch.Tensor) -> torch.Tensor:
        seen.append(L)
        return sepia(L)

    movies = PROTOCOLS["ranjan-agrawal-movies"]
    (row,) = evaluate([entrants.from_function("x", "-", look)], items, "film", protocol=movies)
    assert (row.size, seen[0].shape) == (256, (1, 1, 256, 512))
    assert seen[0][..., 0, :].min() > 0
    assert row.psnr_unsquared is not None


def test_batches_are_the_same_whoever_works():
    assert [len(group) for group in batches(range(40))] == [16, 16, 8]


def test_predictions_made_elsewhere_score_as_if_made_here(pictures, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    for i in range(6):
        truth = torch.from_numpy(np.asarray(Image.open(pictures / f"p{i:02}.png")).copy())
        L, _ = split_lab(truth.permute(2, 0, 1)[None])
        rgb = join_rgb(L, sepia(L))[0].permute(1, 2, 0).numpy()
        Image.fromarray(rgb[:8] if i == 5 else rgb).save(made / f"p{i:02}.png")
    items = list(open_source(str(pictures)).items())[:8]
    entrant, wrong = entrants.from_predictions(made, "theirs", items, [(64, 64)])
    assert len(wrong) == 3
    assert "p05.png has 64 x 8 pixels where p05.png has 64 x 64" in wrong[0]
    assert wrong[1:] == [f"p0{i}.png: there is no prediction of this name." for i in (6, 7)]
    ours = entrants.from_function("ours", "-", sepia)
    rows = list(evaluate([entrant, ours], items, "set", sizes=(64,)))
    theirs = {row.picture: row for row in rows if row.model == "theirs"}
    assert set(theirs) == {f"p{i:02}.png" for i in range(5)}
    for row in rows:
        if row.model == "ours" and row.picture in theirs:
            assert row.psnr == pytest.approx(theirs[row.picture].psnr, abs=1e-6)


def test_predictions_are_found_by_the_name_inside_a_parquet_file(tmp_path):
    assert entrants.picture_path("coco.parquet[7] coco/val/a b.webp") == Path("coco/val/a b.webp")
    assert entrants.picture_path("coco.parquet[7]") == Path("coco-7")
    with pytest.raises(Problem, match="no folder"):
        entrants.from_predictions(tmp_path / "none", "x", [], [(64, 64)])
    with pytest.raises(Problem, match="None of the 0 pictures"):
        entrants.from_predictions(tmp_path, "x", [], [(64, 64)])


def test_evaluate_on_the_command_line_writes_tables_and_scores_reads_them(
    pictures, small_checkpoints, tmp_path, monkeypatch
):
    monkeypatch.setattr("workbench.places.CHECKPOINTS", small_checkpoints)
    runner = CliRunner()
    command = ["evaluate", "vanilla_cnn", "tests.test_evaluate:sepia", "--data", str(pictures)]
    command += ["--out", str(tmp_path), "--limit", "3"]
    done = runner.invoke(build(), command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    names = sorted(path.parent.parent.name for path in tmp_path.glob("*/scores/*.csv"))
    assert names == ["baselines", "tests.test_evaluate-sepia", "vanilla_cnn"]
    rows = scores.read_all([tmp_path])
    assert len(rows) == 5 * 3 * 2
    assert {len(row.revision) for row in rows if row.model == "vanilla_cnn"} == {12}
    done = runner.invoke(build(), ["scores", "--out", str(tmp_path), "--json"])
    table = {row["model"]: row for row in json.loads(done.stdout)}
    assert table["truth"]["psnr"] is None  # infinite: counted apart
    assert table["grey"]["psnr_low"] < table["grey"]["psnr"] < table["grey"]["psnr_high"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--data"),
        (["--data", "nowhere.parquet"], "nowhere"),
        (["--data", "PICTURES", "--protocol", "best"], "no protocol 'best'"),
        (["--data", "PICTURES", "--predictions", "x"], "go together"),
        (["--data", "PICTURES", "--protocol", "seed002"], "3 named pictures"),
        (["no_such_model", "--data", "PICTURES"], "no trained model 'no_such_model'"),
        (["no.module:function", "--data", "PICTURES"], "cannot be imported"),
        (["json:colorize", "--data", "PICTURES"], "no function 'colorize'"),
        (["json:loads", "--data", "PICTURES", "--data", "PICTURES"], "Two data sets"),
        (["json:loads", "json:loads", "--data", "PICTURES"], "Two models"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, pictures):
    arguments = [str(pictures) if text == "PICTURES" else text for text in arguments]
    done = CliRunner().invoke(build(), ["evaluate", *arguments])
    assert isinstance(done.exception, Problem)
    assert sentence in str(done.exception)


def test_two_processes_under_accelerate_give_the_table_of_one(pictures, tmp_path):
    runner = CliRunner()
    command = ["evaluate", "tests.test_evaluate:sepia", "--data", str(pictures), "--size", "32"]
    done = runner.invoke(build(), [*command, "--out", str(tmp_path / "one")])
    assert done.exit_code == 0, done.output
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launch += ["--main_process_port", "0", "-m", "workbench"]
    together = subprocess.run(
        [*launch, *command, "--out", str(tmp_path / "two")],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert together.returncode == 0, together.stderr[-2000:]
    one, two = (scores.read_all([tmp_path / name]) for name in ("one", "two"))
    assert len(one) == 40 * 4
    assert without_time(two) == without_time(one)


def test_lpips_is_a_column_where_it_can_be_had_and_a_reason_where_not(
    pictures, tmp_path, monkeypatch
):
    from workbench.evaluation import distances

    command = ["evaluate", "tests.test_evaluate:sepia", "--data", str(pictures), "--size", "32"]
    command += ["--limit", "2", "--lpips", "--out"]

    def absent():
        raise Problem("The package is absent.")

    monkeypatch.setattr(distances, "lpips", absent)
    done = CliRunner().invoke(build(), [*command, str(tmp_path / "without")])
    assert done.exit_code == 0, done.output
    assert "Scoring without LPIPS. The package is absent." in done.stderr
    assert all(row.lpips is None for row in scores.read_all([tmp_path / "without"]))

    def difference(prediction, truth):
        return (prediction.double() - truth.double()).abs().mean((1, 2, 3)) / 255

    monkeypatch.setattr(distances, "lpips", lambda: difference)
    done = CliRunner().invoke(build(), [*command, str(tmp_path / "with")])
    assert done.exit_code == 0, done.output
    rows = scores.read_all([tmp_path / "with"])
    assert {row.lpips for row in rows if row.model == "truth"} == {0}
    assert all(row.lpips > 0 and row.psnr for row in rows if row.model == "grey")
