"""All weights from data by one command: a plan that goes on, and what may replace the bundled."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from workbench import checkpoints
from workbench.cli import build
from workbench.errors import Problem
from workbench.evaluation.scores import Score, read, write
from workbench.models import MODELS
from workbench.publishing import cards
from workbench.training import weights


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Forty small pictures in two classes."""
    root = tmp_path_factory.mktemp("forty")
    random = np.random.default_rng(0)
    for number in range(40):
        place = root / ("warm" if number % 2 else "cold")
        place.mkdir(exist_ok=True)
        low = random.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        low[..., 0 if number % 2 else 2] //= 4
        Image.fromarray(low).resize((40, 40)).save(place / f"{number}.png")
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> None:
    place = tmp_path_factory.getbasetemp() / "weights-cache"
    monkeypatch.setenv("WORKBENCH_CACHE", str(place))


def train_all(pictures: Path, out: Path, *more: str):
    command = ["train", "all", "--data", str(pictures), "--test", str(pictures), "--size", "32",
               "--batch-size", "4", "--out", str(out), *more]  # fmt: skip
    return CliRunner().invoke(build(), command)


def test_one_command_makes_every_weight_scores_it_and_describes_it(pictures, tmp_path):
    done = train_all(pictures, tmp_path, "--images", "60")
    assert done.exit_code == 0, done.output
    for name in MODELS:
        checkpoint = checkpoints.open_folder(tmp_path / name)
        assert checkpoint.config["preset"] == "bundled"
        assert checkpoint.config["images_seen"] >= 1
        rows = read(tmp_path / name / "scores" / f"{pictures.name}.csv")
        assert {row.revision for row in rows} == {checkpoint.revision}
        assert len({row.picture for row in rows}) == 40
        assert "Scores" in (tmp_path / name / "README.md").read_text()
        assert (tmp_path / name / "grid.webp").is_file()
        assert list((tmp_path / name / "strip").glob("0*.webp"))
    assert (tmp_path / "baselines" / "scores" / f"{pictures.name}.csv").is_file()
    before = {name: (tmp_path / name / "config.json").read_bytes() for name in MODELS}
    again = train_all(pictures, tmp_path, "--images", "60")
    assert again.exit_code == 0
    assert "now:" not in again.output
    assert before == {name: (tmp_path / name / "config.json").read_bytes() for name in MODELS}


def test_what_is_of_one_model_is_refused_for_all_and_the_rest_reaches_every_training(
    pictures, tmp_path, monkeypatch
):
    refused = train_all(pictures, tmp_path, "--images", "60", "--preset", "quick", "--from", "x")
    assert "--preset and --from are of one model" in str(refused.exception or refused.output)
    planned = []

    def run_jobs(jobs, folder, work):
        planned.extend(jobs)
        return iter(())

    monkeypatch.setattr(weights, "run_jobs", run_jobs)
    typed = ("--clip", "1", "--threads", "1", "--accumulate", "2", "--stop-early")
    done = train_all(pictures, tmp_path, "--images", "60", *typed)
    assert done.exit_code == 0, done.output
    trainings = [job.arguments for job in planned if job.name.startswith("train ")]
    assert len(trainings) == len(MODELS)
    for arguments in trainings:
        words = " ".join(arguments)
        assert "--accumulate 2 --clip 1.0 --threads 1 --stop-early" in words


def test_a_plan_that_was_cut_off_goes_on_with_the_job_that_was_not_done(tmp_path):
    planned = weights.plan_jobs(
        {"vanilla_cnn": 30, "colorful": 10}, ["photos"], [], ["test"], tmp_path
    )
    assert [job.name for job in planned] == [
        "train vanilla_cnn", "evaluate vanilla_cnn", "card vanilla_cnn",
        "train colorful", "evaluate colorful", "card colorful",
    ]  # fmt: skip
    done = []

    def work(arguments) -> None:
        if arguments[:2] == ("train", "colorful") and "cut" not in done:
            done.append("cut")
            raise RuntimeError("the power went off")
        done.append(" ".join(arguments[:2]))

    with pytest.raises(RuntimeError):
        list(weights.run_jobs(planned, tmp_path, work))
    shares = [share for _, share in weights.run_jobs(planned, tmp_path, work)]
    assert shares == [0.75, 1.0, 1.0]
    assert len(done) == 7
    with pytest.raises(Problem, match="another plan"):
        list(weights.run_jobs(planned[:1], tmp_path, work))


def test_minutes_are_shared_by_the_length_of_the_presets_and_kept():
    images = weights.share_minutes({"vanilla_cnn": 100.0, "colorful": 50.0}, 10)
    seconds = images["vanilla_cnn"] / 100 + images["colorful"] / 50
    assert seconds == pytest.approx(600, rel=0.01)
    wanted = {name: MODELS[name].presets["bundled"].run["images"] for name in images}
    assert images["vanilla_cnn"] / images["colorful"] == pytest.approx(
        wanted["vanilla_cnn"] / wanted["colorful"], rel=0.01
    )


def checkpoint(folder: Path, psnr: float, revision: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(revision.encode())
    weights_file = {"model.safetensors": hashlib.sha256(revision.encode()).hexdigest()}
    config = {"model": "vanilla_cnn", "revision": revision, "files": weights_file, "width": 1.0,
              "options": {}, "size": 64}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    rows = [Score("vanilla_cnn", revision, "coco", "a", "cw-1", 128, psnr=psnr)]
    write(folder / "scores" / "coco.csv", rows)
    return folder


@pytest.mark.parametrize(("after", "replaced"), [(23.0, True), (21.0, False)])
def test_a_run_replaces_the_bundled_weights_only_where_it_scores_better(after, replaced, tmp_path):
    old = checkpoint(tmp_path / "bundled" / "vanilla_cnn", 22.0, "old")
    (old / "model-00001-of-00002.safetensors").write_bytes(b"stale")
    new = checkpoint(tmp_path / "runs" / "vanilla_cnn", after, "new")
    said = weights.adopt_run(new, tmp_path / "bundled")
    assert ("taken" in said) == replaced
    assert (old / "model.safetensors").read_text() == ("new" if replaced else "old")
    assert (old / "model-00001-of-00002.safetensors").exists() != replaced
    assert read(old / "scores" / "coco.csv")[0].psnr == (after if replaced else 22.0)


def test_a_run_without_scores_replaces_nothing(tmp_path):
    run = checkpoint(tmp_path / "vanilla_cnn", 22.0, "new")
    (run / "scores" / "coco.csv").unlink()
    with pytest.raises(Problem, match="evaluate it first"):
        weights.adopt_run(run, tmp_path / "bundled")


def test_a_run_is_averaged_with_what_it_began_from_and_with_nothing_else(tmp_path):
    config = {"model": "reference", "width": 0.125, "options": {}, "size": 64}
    base = MODELS["reference"].build(width=0.125).eval()
    kept = checkpoints.save(base, tmp_path / "base", config)
    run = MODELS["reference"].build(width=0.125, rank=2).eval()
    for parameter in run.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    began = {**config, "options": {"rank": 2}, "from": kept["revision"]}
    checkpoints.save(run, tmp_path / "run", began)
    found = checkpoints.find(str(tmp_path / "base"))

    said = weights.average_run(tmp_path / "run", found, 0.25)
    after = checkpoints.find(str(tmp_path / "run"))
    assert after.revision in said
    assert after.config["averaged"] == {"with": kept["revision"], "share": 0.25}
    assert "0.25 of the run" in cards._training(after.spec, after.config)
    net = after.net()
    mean = 0.75 * base.head.weight + 0.25 * run.head.weight
    assert torch.allclose(net.head.weight, mean, atol=2e-3)  # stored as fp16
    change, whole = (each.eye.net.blocks[3][0].conv_pw for each in (net, run))
    assert torch.allclose(change.up, 0.25 * whole.up, atol=2e-3)
    assert torch.allclose(change.down, whole.down, atol=2e-3)

    checkpoints.save(base, tmp_path / "other", {**config, "gain": 1.1})
    with pytest.raises(Problem, match="only weights that one began from"):
        weights.average_run(tmp_path / "run", checkpoints.find(str(tmp_path / "other")), 0.5)
    with pytest.raises(Problem, match="from 0 "):
        weights.average_run(tmp_path / "run", found, 1.5)
