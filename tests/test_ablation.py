"""Ablations: every entry trained alike, scored on the same pictures, claims judged by rows."""

from __future__ import annotations

import itertools
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from workbench import ablation, checkpoints, places
from workbench.ablation import HOLDS, NOT_SEEN, REVERSED, UNDECIDED
from workbench.cli import training as commands
from workbench.errors import Problem
from workbench.evaluation import scores
from workbench.evaluation.scores import Score
from workbench.evaluation.summaries import Mean
from workbench.models import MODELS
from workbench.training import record
from workbench.training.plan import make_plan
from workbench.training.tensorboard import TensorBoard, scalars

ROOT = Path(__file__).resolve().parent.parent
CLAIMS = {name: spec.claims for name, spec in MODELS.items() if spec.claims}


def made_rows(name: str, psnr: float, n: int = 30) -> list[Score]:
    """Rows whose pictures differ more among themselves than entries do."""
    noise = np.random.default_rng(0).normal(0, 3, n)
    own = np.random.default_rng(len(name)).normal(0, 0.3, n)
    return [
        Score(
            name, "-", "set", f"p{i}", "cw-1", 64, psnr=psnr + noise[i] + own[i], ssim=0.9,
            auc=88 + own[i], colorfulness=20 + psnr + own[i], colorfulness_truth=40.0,
        )
        for i in range(n)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Twenty-four pictures of warm and cold gradients in two folders, and one that is torn."""
    root = tmp_path_factory.mktemp("pictures")
    rows, columns = np.mgrid[:40, :40] / 40
    for i in range(24):
        warm = np.stack((rows, columns * 0.5, 0.2 + 0 * rows), 2)
        rgb = warm if i % 2 else warm[..., ::-1]
        place = root / ("warm" if i % 2 else "cold")
        place.mkdir(exist_ok=True)
        Image.fromarray((rgb * (155 + 4 * i)).astype(np.uint8)).save(place / f"{i:02d}.png")
    (root / "torn.png").write_bytes((root / "cold" / "00.png").read_bytes()[:60])
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def run(*arguments: str):
    app = typer.Typer()
    commands.register(app)
    return CliRunner().invoke(app, list(arguments))


def ablate(folder: Path, out: Path, model: str = "colorful", *more: str):
    return run(
        "ablate", model, "--data", str(folder), "--images", "8", "--width", "0.125",
        "--size", "16", "--batch-size", "4", "--out", str(out), *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("ablation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        result = ablate(folder, out)
    assert result.exit_code == 0, result.output
    return out


def test_every_claim_compares_entries_that_are_trained() -> None:
    compared = {name for name, spec in MODELS.items() if spec.ablations}
    assert set(CLAIMS) == compared
    for model, claims in CLAIMS.items():
        for claim in claims:
            assert {claim.first, claim.second} <= set(MODELS[model].ablations)
            assert claim.metric in ablation.METRICS


def test_the_differences_that_papers_print_are_those_of_their_tables() -> None:
    for model, claims in CLAIMS.items():
        for claim in claims:
            first, second = (
                ablation.papers_numbers(MODELS[model], e) for e in (claim.first, claim.second)
            )
            if claim.paper is None:
                assert first is None or second is None or claim.metric not in ("psnr", "ssim")
            else:
                printed = getattr(first, claim.metric) - getattr(second, claim.metric)
                assert claim.paper == pytest.approx(printed, abs=5e-4)
                assert claim.paper * claim.sign > 0


@pytest.mark.parametrize(
    ("low", "high", "sign", "trained", "expected"),
    [
        (0.1, 0.3, 1, 3, HOLDS), (-0.3, -0.1, -1, 3, HOLDS), (0.1, 0.3, -1, 4, REVERSED),
        (-0.3, -0.1, 1, 3, REVERSED), (-0.1, 0.3, 1, 3, NOT_SEEN), (0.0, 0.3, 1, 9, NOT_SEEN),
        (float("nan"), float("nan"), 1, 3, NOT_SEEN),
        (0.1, 0.3, 1, 2, UNDECIDED), (-9.3, -9.1, 1, 1, UNDECIDED),
    ],
)  # fmt: skip
def test_an_interval_with_zero_in_it_says_nothing_and_one_training_neither(
    low, high, sign, trained, expected
) -> None:
    assert (
        ablation.judge_difference(Mean((low + high) / 2, low, high, 1.0, 9), sign, trained)
        == expected
    )


def trained_rows(
    name: str, psnr: float, seeds: int, random: np.random.Generator, pictures: int = 200
) -> list[Score]:
    """Rows of an entry as they come out: pictures differ by 3 dB, trainings by 0.18 dB."""
    hard = np.random.default_rng(7).normal(0, 3, pictures)  # the same pictures for every entry
    return [
        Score(
            name, "-", "set", f"p{i}", "cw-1", 64, seed, psnr=psnr + moved + hard[i] + own[i],
            ssim=0.9, auc=88.0, colorfulness=20.0, colorfulness_truth=40.0,
        )
        for seed in range(seeds)
        for moved, own in [(random.normal(0, 0.18), random.normal(0, 0.5, pictures))]
        for i in range(pictures)
    ]  # fmt: skip


def verdicts(gap: float, seeds: int, times: int) -> list[str]:
    random = np.random.default_rng(16)
    found = []
    for _ in range(times):
        rows = {
            "cbam": trained_rows("cbam", 22 + gap, seeds, random),
            "skeleton": trained_rows("skeleton", 22, seeds, random),
        }
        found += [claim["verdict"] for claim in ablation.judge_claims(MODELS["cbam_gan"], rows)]
    return found


@pytest.mark.parametrize("seeds", [3, 4])
def test_one_and_the_same_entry_at_several_seeds_against_itself_is_not_seen(seeds) -> None:
    found = verdicts(0.0, seeds, 60)
    assert found.count(NOT_SEEN) >= 0.9 * len(found)  # 95 % intervals


def test_a_difference_larger_than_that_of_seeds_is_seen() -> None:
    found = verdicts(1.2, 3, 20)
    assert found.count(HOLDS) >= 0.9 * len(found)
    assert REVERSED not in found


def test_one_training_is_undecided_whatever_the_pictures_say() -> None:
    assert set(verdicts(3.0, 1, 2)) == {UNDECIDED}
    assert set(verdicts(3.0, 2, 2)) == {UNDECIDED}
    random = np.random.default_rng(0)
    rows = {name: trained_rows(name, 22, 1, random) for name in ("cbam", "skeleton")}
    (claim,) = ablation.judge_claims(MODELS["cbam_gan"], rows)
    assert ablation.describe_verdict(claim) == "one training: undecided"


def test_a_claim_below_grey_is_said_to_be_below_grey() -> None:
    random = np.random.default_rng(0)
    rows = {
        "cbam": trained_rows("cbam", 22, 3, random),
        "skeleton": trained_rows("skeleton", 20, 3, random),
        "grey": [replace(row, seed=None) for row in trained_rows("grey", 23, 1, random)],
    }
    (claim,) = ablation.judge_claims(MODELS["cbam_gan"], rows)
    assert ablation.describe_verdict(claim) == "holds; both are below grey"
    rows["grey"] = [replace(row, psnr=row.psnr - 2) for row in rows["grey"]]
    (claim,) = ablation.judge_claims(MODELS["cbam_gan"], rows)
    assert ablation.describe_verdict(claim) == "holds; skeleton is below grey"


@pytest.mark.parametrize("model", CLAIMS)
def test_the_bundled_tables_say_what_their_rows_say(model) -> None:
    table = ablation.read_tables(model)["bundled"]
    rows: dict[str, list[Score]] = {}
    for row in scores.read(ablation.bundled_folder() / f"{model}.csv.gz"):
        rows.setdefault(row.model, []).append(row)
    judged = ablation.judge_claims(MODELS[model], rows)
    assert [(c["text"], c["verdict"], c["trained"], c["below_grey"]) for c in judged] == [
        (c["text"], c["verdict"], c["trained"], c["below_grey"]) for c in table["claims"]
    ]
    for ours, kept in zip(judged, table["claims"], strict=True):
        assert ours["difference"] == pytest.approx(kept["difference"])
    for line in table["entries"]:
        assert line["seeds"] == sorted({r.seed for r in rows[line["name"]] if r.seed is not None})


def test_several_seeds_are_trained_each_in_its_folder_and_stand_in_the_rows(
    folder, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(places, "CHECKPOINTS", tmp_path / "checkpoints")
    result = ablate(folder, tmp_path, "colorful", "--seeds", "3", "--only", "mse",
                    "--only", "unbalanced", "--bundle")  # fmt: skip
    assert result.exit_code == 0, result.exception
    table = json.loads((tmp_path / "results.json").read_text())
    assert table["about"]["seeds"] == [0, 1, 2]
    assert {line["name"]: line["seeds"] for line in table["entries"]} == {
        "unbalanced": [0, 1, 2], "mse": [0, 1, 2], "grey": [],
    }  # fmt: skip
    assert all(claim["trained"] == 3 for claim in table["claims"])
    assert all(claim["verdict"] != UNDECIDED for claim in table["claims"])
    rows = scores.read(tmp_path / "results.csv")
    assert {row.seed for row in rows if row.model == "mse"} == {0, 1, 2}
    assert {row.seed for row in rows if row.model == "grey"} == {None}
    assert (tmp_path / "mse-seed2" / "config.json").is_file()
    assert ablation.read_tables("colorful") == {"bundled: unbalanced-mse": table}  # not all of them
    logs = (ablation.bundled_folder() / "colorful-unbalanced-mse.jsonl").read_text().splitlines()
    headers = [line for line in map(json.loads, logs) if "seen" not in line]
    assert [(line["entry"], line["seed"]) for line in headers] == [
        (entry, seed) for entry in ("unbalanced", "mse") for seed in (0, 1, 2)
    ]
    assert all(line["run"]["seed"] == line["seed"] and "check" not in line for line in headers)


def test_the_weights_at_the_end_are_compared_and_not_the_best_look(
    folder, tmp_path, monkeypatch
) -> None:
    falling = itertools.count(30, -1)  # dB: every late look is better than the last
    scored = record.Watch.scores

    def score_lower(watch, painted):
        return {**scored(watch, painted), "psnr": float(next(falling))}

    monkeypatch.setattr(record.Watch, "scores", score_lower)
    result = ablate(folder, tmp_path, "colorful", "--only", "mse", "--images", "16")
    assert result.exit_code == 0, result.exception
    table = json.loads((tmp_path / "results.json").read_text())
    images = table["about"]["run"]["images"]
    assert [line["images_seen"] for line in table["entries"] if line["name"] == "mse"] == [images]


def test_pictures_are_compared_one_by_one_which_sees_more_than_two_means() -> None:
    first, second = made_rows("cbam", 22.3), made_rows("skeleton", 22.0)
    found = ablation.measure_difference(first, second[5:] + second[:3], "psnr")
    assert found.n == 28
    whole = ablation.measure_difference(first, second, "psnr")
    apart = [a.psnr - b.psnr for a, b in zip(first, second, strict=True)]
    assert whole.value == pytest.approx(np.mean(apart))
    assert whole.low > 0
    alone = [ablation._mean(rows, "psnr") for rows in (first, second)]
    assert alone[0].low < alone[1].high  # apart, their intervals overlap


def test_colourfulness_is_claimed_as_more_of_it_not_as_nearer_to_the_truth() -> None:
    found = ablation.measure_difference(
        made_rows("bins", 45.0), made_rows("mse", 22.0), "colorfulness"
    )
    assert found.value == pytest.approx(23, abs=0.5)


def test_the_table_says_what_its_rows_say(done: Path) -> None:
    table = json.loads((done / "results.json").read_text())
    rows = scores.read(done / "results.csv")
    names = [line["name"] for line in table["entries"]]
    assert names == ["rebalanced", "unbalanced", "mse", "grey"]
    for line in table["entries"]:
        values = [row.psnr for row in rows if row.model == line["name"]]
        assert len(values) == table["about"]["scored"] == 4  # a fifth of the pictures
        assert line["means"]["psnr"]["value"] == pytest.approx(np.mean(values))
    assert table["entries"][0]["paper"]["psnr"] == 26.663
    assert [claim["text"] for claim in table["claims"]] == [c.text for c in CLAIMS["colorful"]]
    assert all(claim["verdict"] == UNDECIDED for claim in table["claims"])  # one training each


def test_entries_see_the_same_pictures_and_differ_in_one_thing(done: Path) -> None:
    headers = [
        json.loads((done / name / "log.jsonl").read_text().splitlines()[0])
        for name in MODELS["colorful"].ablations
    ]
    assert len({json.dumps([h["run"], h["data"], h["width"]]) for h in headers}) == 1
    told = [(h["options"].get("bins", True), h["options"].get("rebalanced", True)) for h in headers]
    assert told == [(True, True), (True, False), (False, True)]


def test_the_same_command_again_trains_and_scores_nothing_anew(done, folder, monkeypatch) -> None:
    before = (done / "results.csv").read_bytes()
    monkeypatch.setattr(ablation, "evaluate", None)  # nobody may call it
    result = ablate(folder, done)
    assert result.exit_code == 0, result.exception
    assert (done / "results.csv").read_bytes() == before


def test_one_entry_at_a_time_gives_the_table_of_all(done, folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(places, "CHECKPOINTS", tmp_path / "checkpoints")
    out = tmp_path / "out"
    for name in ("mse", "rebalanced"):
        assert ablate(folder, out, "colorful", "--only", name).exit_code == 0
    table = json.loads((out / "results.json").read_text())
    assert [line["name"] for line in table["entries"]] == ["rebalanced", "mse", "grey"]
    assert len(table["claims"]) == 2
    result = ablate(folder, out, "colorful", "--only", "unbalanced", "--bundle", "--json")
    assert (
        json.loads(result.stdout)["claims"]
        == json.loads((done / "results.json").read_text())["claims"]
    )
    bundled = ablation.bundled_folder() / "colorful.csv.gz"
    assert scores.read(bundled) == scores.read(done / "results.csv")
    assert next(iter(ablation.read_tables("colorful"))) == "bundled"


def test_a_named_validation_set_is_scored_whole_or_up_to_a_limit(folder, tmp_path) -> None:
    for limit, number in ((("--limit", "5"), 5), ((), 12), (("--limit", "3"), 3)):
        result = ablate(folder, tmp_path, "colorful", "--only", "mse",
                        "--validation", str(folder / "warm"), *limit)  # fmt: skip
        assert result.exit_code == 0
        table = json.loads((tmp_path / "results.json").read_text())
        assert (table["about"]["scored_on"], table["about"]["scored"]) == ("warm", number)
        rows = scores.read(tmp_path / "results.csv")
        assert sorted(row.model for row in rows) == ["grey"] * number + ["mse"] * number


@pytest.mark.parametrize("model", CLAIMS)
def test_every_entry_of_every_paper_can_be_planned(model, folder) -> None:
    spec = MODELS[model]
    fusing = {"full", "no_attention"} if model == "inception_attention" else set()
    for entry in set(spec.ablations) - fusing:  # those need a backbone's file or the Hub
        made = ablation.plan_entry(
            spec, entry, [str(folder)], width=0.125,
            choices={"images": 8, "batch_size": 4, "size": "16"},
        )  # fmt: skip
        recipe = made.make(8)
        assert made.run.images == 8
        assert recipe.optimizers.keys() >= {"net"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["vanilla_cnn"], "has no ablations"),
        (["nonesuch"], "There is no model"),
        (["colorful", "--only", "none"], "no ablation 'none'"),
    ],
)
def test_wrong_words_are_answered_with_a_sentence(arguments, sentence, folder, tmp_path) -> None:
    result = ablate(folder, tmp_path, *arguments)
    assert isinstance(result.exception, Problem)
    assert sentence in str(result.exception)


def train(folder: Path, out: Path, *more: str):
    return run(
        "train", "vanilla_cnn", "--data", str(folder), "--width", "0.125", "--images", "16",
        "--batch-size", "4", "--size", "16", "--out", str(out), *more,
    )  # fmt: skip


def test_a_picture_that_fails_to_decode_is_skipped_and_named(folder, tmp_path) -> None:
    assert train(folder, tmp_path / "run").exit_code == 0
    header = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    check = header["check"]
    assert check["n"] == 24
    assert [Path(name).name for name in check["unreadable"]] == ["torn.png"]
    assert "torn.png" in Path(check["unreadable_file"]).read_text()


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(folder, tmp_path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert train(folder, tmp_path / name, "--seed", seed).exit_code == 0
    a, b, c = (checkpoints.open_folder(tmp_path / name).config["files"] for name in "abc")
    assert a == b
    assert a != c


def test_the_quick_preset_is_small_enough_for_a_lesson(folder) -> None:
    for spec in MODELS.values():
        made = make_plan(spec, [str(folder)], preset="quick")
        assert made.run.images <= 12_000
        assert made.run.largest == (64, 64)
        assert made.about["width"] <= 0.25


def test_a_prior_is_saved_with_its_plot(folder, tmp_path) -> None:
    result = run("prior", "--data", str(folder), "--out", str(tmp_path / "mine.json"))
    assert result.exit_code == 0, result.exception
    assert len(json.loads((tmp_path / "mine.json").read_text())["prior"]) == 313
    assert "of all pixels" in (tmp_path / "mine.html").read_text()


def test_without_tensorboard_the_option_says_what_is_missing(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    result = train(folder, tmp_path, "--tensorboard")
    assert isinstance(result.exception, Problem)
    assert "pip install tensorboard" in str(result.exception)


def test_tensorboard_is_told_every_line_of_the_log(folder, tmp_path, monkeypatch) -> None:
    told: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            told.append(("begins", 0.0, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            told.append((name, value, step))

        def add_image(self, name: str, pixels, step: int, dataformats: str) -> None:
            told.append((name, float(pixels.shape[0]), step))

        def flush(self) -> None:
            pass

    hears = TensorBoard.__new__(TensorBoard)
    hears.folder, hears._writer_of, hears._writer = tmp_path, Writer, None
    monkeypatch.setattr("workbench.training.tensorboard.TensorBoard", lambda folder: hears)
    assert train(folder, tmp_path, "--tensorboard", "--log-every", "4").exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()][1:]
    assert told[0] == ("begins", 0.0, 4)
    for line in lines:
        for name, value in scalars(line).items():
            assert (name, value, line["seen"]) in told
    assert [step for name, _, step in told if name == "strip"] == [4, 8, 12, 16]


def test_every_preset_and_every_entry_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for spec in MODELS.values():
        for name in {**spec.presets, **spec.ablations}:
            known = f"`{name}`" in text or name in [f"experiment{i}" for i in range(1, 9)]
            assert known, f"{name} of {spec.name} is not in docs/training.md"
        if spec.paper:
            assert f"{spec.presets['paper'].run['images']:,}" in text


def test_the_documentation_has_the_differences_of_the_bundled_tables() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    text = text.partition("**What the bundled tables can say.**")[2].partition("## ")[0]
    lines = [line.replace("−", "-") for line in text.splitlines()]
    numbers = {
        line: {float(number) for number in re.findall(r"[-+]\d+\.\d+", line)} for line in lines
    }
    for model in CLAIMS:
        for claim in ablation.read_tables(model)["bundled"]["claims"]:
            value, verdict = claim["difference"]["value"], claim["verdict"]
            if verdict == UNDECIDED:
                line = next(line for line in lines if line.startswith(f"| `{model}`"))
                near = any(abs(number - value) < 0.06 for number in numbers[line])
                between = "least squares scores above" in claim["text"] and 1.2 < value < 1.575
                assert near or between, f"{claim['text']}: {value:+.3f} is not in {line}"
                continue
            wanted = [value, claim["difference"]["low"], claim["difference"]["high"]]
            said = [
                line for line in lines
                if line.endswith(f"| {verdict} |")
                and all(any(abs(n - want) < 0.051 for n in numbers[line]) for want in wanted)
            ]  # fmt: skip
            assert said, f"{claim['text']}: {wanted}, {verdict}"
