"""The trainer: the same weights however it was interrupted, and clear sentences."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import RUN_PATIENCE
from PIL import Image

from workbench import checkpoints, places, writing
from workbench.data import pictures as data
from workbench.errors import Problem
from workbench.evaluation import metrics
from workbench.models import MODELS
from workbench.training import Run, collapse, parse_sizes, record, state, train
from workbench.training.batches import Batches, affine
from workbench.training.loop import Stopped, share_gradients
from workbench.training.plan import (
    assign_options,
    count_watched,
    list_options,
    make_plan,
    parse_value,
)

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = {"inception_attention": ["fusion=false"]}


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Forty small pictures in two classes: warm circles and cold stripes."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :48]
    for i in range(40):
        shade = rng.uniform(0.3, 1.0)
        if i % 2:
            mask = (rows - rng.integers(12, 36)) ** 2 + (columns - 24) ** 2 < 150
            rgb = np.where(mask[..., None], (230, 90, 40), (60, 40, 30))
        else:
            mask = (rows + i) // 6 % 2 == 0
            rgb = np.where(mask[..., None], (40, 120, 220), (20, 40, 60))
        place = root / ("circle" if i % 2 else "stripe")
        place.mkdir(exist_ok=True)
        Image.fromarray((rgb * shade).astype(np.uint8)).save(place / f"{i:02d}.png")
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    place = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("WORKBENCH_CACHE", str(place))
    return place


def planned(name: str, folder: Path, **choices):
    choices = {"images": 48, "batch_size": 4, "size": "32", "log_every": 8, "save_every": 8,
               "precision": "fp32", **choices}  # fmt: skip
    return make_plan(
        MODELS[name], [str(folder)], width=0.125, choices=choices, options=OPTIONS.get(name, ())
    )


def run(made, out: Path, stop_at: int | None = None, **kwargs):
    seen = 0

    def report(status):
        nonlocal seen
        seen = status["seen"]

    return train(
        made.make, made.pictures, made.validation, made.run, out, made.about, report=report,
        stop=lambda: stop_at is not None and seen >= stop_at, **kwargs,
    )  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", MODELS)
def test_a_stopped_run_ends_with_the_weights_of_an_uninterrupted_one(
    name, precision, folder, tmp_path
):
    made = planned(name, folder, precision=precision)
    whole = run(made, tmp_path / "whole")
    with pytest.raises(Stopped):
        run(made, tmp_path / "parts", stop_at=16)
    parts = run(planned(name, folder, precision=precision), tmp_path / "parts")
    assert parts["files"] == whole["files"]
    assert parts["images_seen"] == 48
    seen = [line["seen"] for line in record.read_log(tmp_path / "parts") if "seen" in line]
    assert seen == sorted(set(seen))


def test_a_state_from_before_there_were_shards_is_gone_on_with(folder, tmp_path):
    whole = run(planned("colorful", folder), tmp_path / "whole")
    with pytest.raises(Stopped):
        run(planned("colorful", folder), tmp_path / "parts", stop_at=16)
    kept = state.load_state(tmp_path / "parts", torch.device("cpu"))
    kept["identity"]["data"] = "a key of the files' times"
    torch.save(kept, tmp_path / "parts" / state.SINGLE)
    (tmp_path / "parts" / state.MANIFEST).unlink()
    assert run(planned("colorful", folder), tmp_path / "parts")["files"] == whole["files"]
    assert sorted(path.name for path in (tmp_path / "parts" / "training").iterdir()) == [
        "state.json", "status.json",
    ]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_every_network_learns_from_crops_that_are_not_square(name, folder, tmp_path):
    made = planned(name, folder, images=8, size="32x64")
    assert made.pictures.pixels.shape[1:] == (3, 36, 72)
    config = run(made, tmp_path)
    assert (config["size"], config["crops"], config["images_seen"]) == (32, "32x64", 8)


def test_a_run_of_crops_that_are_not_square_resumes_alike_and_shows_them(folder, tmp_path):
    choices = {"images": 24, "size": "32x64:0.5,64x128:0.5", "rotate": 10.0}
    whole = run(planned("vanilla_cnn", folder, **choices), tmp_path / "whole")
    with pytest.raises(Stopped):
        run(planned("vanilla_cnn", folder, **choices), tmp_path / "parts", stop_at=8)
    parts = run(planned("vanilla_cnn", folder, **choices), tmp_path / "parts")
    assert parts["files"] == whole["files"]
    with pytest.raises(Problem, match="another run"):
        run(planned("vanilla_cnn", folder, **choices | {"size": "64x128"}), tmp_path / "parts")
    sides = [line["size"] for line in record.read_log(tmp_path / "whole") if "seen" in line]
    assert (sides[0], sides[-1]) == (32, 64)
    with Image.open(tmp_path / "whole" / "strip" / "000000024.webp") as strip:
        assert strip.size == (8 * 192, 96)
    assert checkpoints.open_folder(tmp_path / "whole").size == 64


def command(folder: Path, out: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "workbench", "train", "vanilla_cnn", "--data", str(folder),
        "--width", "0.25", "--images", "400", "--batch-size", "8", "--size", "32",
        "--save-every", "40", "--log-every", "40", "--out", str(out), *more,
    ]  # fmt: skip


def start(*arguments) -> subprocess.Popen:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(*arguments), cwd=ROOT, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip


@pytest.fixture(scope="session")
def uninterrupted(folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    process = start(folder, out)
    _, errors = process.communicate(timeout=RUN_PATIENCE)
    assert process.returncode == 0, errors
    assert "400 images" in errors or "400 /" in errors
    return out


def wait_for_state(out: Path) -> None:
    limit = time.monotonic() + 60
    while not (out / state.MANIFEST).is_file():
        assert time.monotonic() < limit
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_or_interrupted_the_same_command_ends_with_the_same_weights(
    number, folder, tmp_path, uninterrupted
):
    out = tmp_path / "run"
    process = start(folder, out)
    wait_for_state(out)
    process.send_signal(number)
    process.communicate(timeout=RUN_PATIENCE)
    assert process.returncode == (130 if number == signal.SIGINT else -9)
    assert not (out / "config.json").exists() or number == signal.SIGINT
    process = start(folder, out)
    _, errors = process.communicate(timeout=RUN_PATIENCE)
    assert process.returncode == 0, errors
    ours, theirs = (checkpoints.open_folder(f).config for f in (out, uninterrupted))
    assert ours["files"] == theirs["files"]
    assert ours["images_seen"] == 400


def test_a_run_says_what_it_is(uninterrupted):
    header, *lines = record.read_log(uninterrupted)
    assert header["run"]["seed"] == 0
    assert header["machine"]["torch"] == torch.__version__
    assert header["check"]["n"] == 40
    assert header["scores_of_grey"].keys() == lines[-1]["validation"].keys()
    assert [line["seen"] for line in lines] == list(range(40, 401, 40))
    last = lines[-1]
    assert {"psnr", "ssim", "auc", "delta_cf"} <= set(last["validation"])
    assert last["rate"] > 0
    assert list((uninterrupted / "strip").glob("*.webp"))
    status = json.loads((uninterrupted / record.STATUS).read_text())
    assert status["done"]


def test_a_finished_run_asked_again_is_left_as_it_is(folder, uninterrupted):
    before = checkpoints.open_folder(uninterrupted).config["files"]
    assert state.load_state(uninterrupted, torch.device("cpu")) is None
    log = (uninterrupted / "log.jsonl").read_bytes()
    process = start(folder, uninterrupted)
    _, errors = process.communicate(timeout=RUN_PATIENCE)
    assert process.returncode == 0, errors
    assert checkpoints.open_folder(uninterrupted).config["files"] == before
    assert (uninterrupted / "log.jsonl").read_bytes() == log


def test_another_run_in_the_same_folder_is_refused_with_exit_code_2(folder, uninterrupted):
    process = start(folder, uninterrupted, "--seed", "5")
    _, errors = process.communicate(timeout=RUN_PATIENCE)
    assert process.returncode == 2
    assert "holds another run" in errors
    assert "Traceback" not in errors


def test_the_stop_file_ends_a_run(folder, tmp_path):
    made = planned("vanilla_cnn", folder, images=4000)

    def report(status):
        (tmp_path / record.STOP).touch()

    with pytest.raises(Stopped):
        train(made.make, made.pictures, made.validation, made.run, tmp_path, made.about,
              report=report)  # fmt: skip
    assert checkpoints.open_folder(tmp_path).config["images_seen"] < 4000


def test_losses_that_are_no_numbers_stop_the_run_and_keep_the_last_good_state(folder, tmp_path):
    made = planned("vanilla_cnn", folder)
    make = made.make

    def poisoned(images):
        recipe = make(images)
        losses = recipe.losses

        def spoilt(*batch):
            for name, loss in losses(*batch):
                recipe.steps = getattr(recipe, "steps", 0) + 1
                yield name, loss * (float("nan") if recipe.steps > 6 else 1.0)

        recipe.losses = spoilt
        return recipe

    with pytest.raises(Problem, match="between image 24 and 32"):
        train(poisoned, made.pictures, made.validation, made.run, tmp_path, made.about)
    assert state.load_state(tmp_path, torch.device("cpu"))["seen"] == 24


def test_a_full_disk_stops_cleanly_and_the_run_goes_on_later(folder, tmp_path, monkeypatch):
    made = planned("vanilla_cnn", folder)
    whole = run(made, tmp_path / "whole")
    real = writing.os.fsync
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 6:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(writing.os, "fsync", full)
    with pytest.raises(Problem, match="No space left"):
        run(made, tmp_path / "full")
    monkeypatch.undo()
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    assert run(made, tmp_path / "full")["files"] == whole["files"]


class Grey(torch.nn.Module):
    """Paints nothing."""

    def forward(self, L: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(L), 2, *L.shape[2:])


def test_training_makes_the_watched_pictures_better(folder, tmp_path):
    made = planned("vanilla_cnn", folder, images=1200, log_every=1200)
    run(made, tmp_path)
    net = checkpoints.open_folder(tmp_path).net()
    watch = record.Watch(made.validation, (32, 32), torch.device("cpu"))
    grey = watch.scores(watch.paint(Grey(), bf16=False))
    assert watch.scores_of_grey() == pytest.approx(grey)
    assert watch.scores(watch.paint(net, bf16=False))["psnr"] > grey["psnr"] + 1


@pytest.mark.parametrize("stop_at", [None, 72])
def test_the_weights_for_use_are_those_of_the_best_late_look(
    stop_at, folder, tmp_path, monkeypatch
):
    # grey at first, which PSNR rewards; then 72 of 96 images are the best of the last quarter
    psnr = {8: 40.0, 72: 25.0, 80: 24.9, 96: 24.0}
    looked: dict[int, dict[str, torch.Tensor]] = {}
    seen = 0

    def paint(watch, net, bf16):
        nonlocal seen
        seen += 8
        looked[seen] = {name: value.clone() for name, value in net.state_dict().items()}
        return watch.truth

    monkeypatch.setattr(record.Watch, "paint", paint)
    monkeypatch.setattr(
        record.Watch, "scores", lambda *_: {"psnr": psnr.get(seen, 20.0), "delta_cf": 0.0}
    )
    made = planned("vanilla_cnn", folder, images=96)
    if stop_at:
        with pytest.raises(Stopped):
            run(made, tmp_path, stop_at=stop_at)
        made = planned("vanilla_cnn", folder, images=96)
    config = run(made, tmp_path)
    assert config["images_seen"] == 72
    net = checkpoints.open_folder(tmp_path).net().state_dict()
    for name, value in looked[72].items():
        assert torch.allclose(net[name], value, rtol=1e-3, atol=1e-6), name
    assert any(not torch.equal(looked[72][name], looked[96][name]) for name in net)
    last = record.read_log(tmp_path)[-1]
    assert (last["seen"], last["kept"]) == (96, (
        "The weights for use are those after 72 images, with 25.00 dB on the watched pictures; "
        "at the end it was 24.00 dB."
    ))  # fmt: skip


def test_a_long_run_looks_at_more_pictures_than_a_short_one():
    assert [count_watched(images) for images in (8, 24_000, 60_000, 5_000_000)] == [
        96, 192, 480, 480,
    ]  # fmt: skip


def test_pictures_are_measured_a_few_at_a_time_with_the_same_result():
    pixels = np.random.default_rng(0).integers(0, 256, (70, 3, 16, 16), dtype=np.uint8)
    watch = record.Watch(pixels, (16, 16), torch.device("cpu"))
    grey = watch.truth.float().mean(1, keepdim=True).expand(-1, 3, -1, -1).to(torch.uint8)
    scores = watch.scores(grey)
    assert scores["psnr"] == pytest.approx(float(metrics.psnr(grey, watch.truth).mean()), abs=1e-4)
    assert scores["ssim"] == pytest.approx(float(metrics.ssim(grey, watch.truth).mean()), abs=1e-4)
    with Image.open(io.BytesIO(watch.truth_strip())) as strip:
        assert strip.size == (8 * 96, 96)


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def test_two_processes_give_the_weights_of_one(folder, tmp_path):
    outs = []
    for processes in (1, 2):
        out = tmp_path / str(processes)
        arguments = command(folder, out)[3:]
        launch = [sys.executable, "-m", "workbench"]
        if processes > 1:
            launch[2:2] = ["torch.distributed.run", "--nproc_per_node", str(processes),
                           "--master_port", str(free_port()), "-m"]  # fmt: skip
        arguments[arguments.index("400")] = "80"
        env = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        done = subprocess.run(
            [*launch, *arguments, "--precision", "fp32"],
            cwd=ROOT, env=env, capture_output=True, text=True, timeout=RUN_PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        outs.append(checkpoints.open_folder(out))
    assert outs[1].config["machine"]["processes"] == 2
    # Not weight by weight: RMSprop's first steps have the gradient's sign alone, so that one
    # rounding can change the sign of a step. Without sharing the distance is all of the way.
    torch.manual_seed(0)
    begun = MODELS["vanilla_cnn"].build(width=0.25).state_dict()
    ones, twos = (checkpoint.net().state_dict() for checkpoint in outs)
    for name, value in ones.items():
        assert (twos[name] - value).norm() < 0.05 * (value - begun[name]).norm(), name


def gradients_of_a_share(rank: int, ranks: int, meeting: str, out: str) -> None:
    torch.distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=ranks)
    weights = [torch.ones(3, 2, requires_grad=True), torch.ones(4, requires_grad=True)]
    (weights[0] * (rank + 1)).sum().backward()
    (weights[1] ** 2 * (rank + 1)).mean().backward()
    share_gradients(torch.optim.SGD([*weights, torch.ones(1, requires_grad=True)]), ranks)
    torch.save([weight.grad for weight in weights], f"{out}{rank}")
    torch.distributed.destroy_process_group()


def test_every_process_ends_with_the_mean_of_all_gradients(tmp_path):
    out = str(tmp_path / "gradients")
    torch.multiprocessing.spawn(gradients_of_a_share, (2, str(tmp_path / "meeting"), out), 2)
    for rank in range(2):
        matrix, vector = torch.load(f"{out}{rank}")
        assert torch.allclose(matrix, torch.full((3, 2), 1.5))
        assert torch.allclose(vector, torch.full((4,), 0.75))


def test_fine_tuning_starts_from_the_weights_of_another_run(folder, tmp_path, uninterrupted):
    made = make_plan(
        MODELS["vanilla_cnn"], [str(folder)], start_from=str(uninterrupted),
        choices={"images": 8, "batch_size": 8, "size": "32"},
    )  # fmt: skip
    config = run(made, tmp_path)
    assert config["width"] == 0.25
    assert config["from"] == checkpoints.open_folder(uninterrupted).revision
    assert config["images_seen"] == 408
    base = checkpoints.open_folder(uninterrupted).net().state_dict()
    tuned = checkpoints.open_folder(tmp_path).net().state_dict()
    moved = max((tuned[k] - base[k]).abs().max().item() for k in base)
    assert 0 < moved < 0.05


def test_the_logs_of_earlier_runs_stay_with_the_weights(folder, tmp_path, uninterrupted):
    base = checkpoints.open_folder(uninterrupted)
    checkpoints.keep_earlier_logs(base, tmp_path / "second")
    (tmp_path / "second" / "log.jsonl").write_text("{}\n")
    second = checkpoints.Checkpoint("second", tmp_path / "second", {"revision": "abc"})
    checkpoints.keep_earlier_logs(second, tmp_path / "third")
    kept = {log.name: log.read_bytes() for log in (tmp_path / "third").iterdir()}
    first = (uninterrupted / "log.jsonl").read_bytes()
    assert kept == {f"log-{base.revision}.jsonl": first, "log-abc.jsonl": b"{}\n"}


def test_a_backbone_is_trained_on_labels_and_carried_in_the_checkpoint(folder, tmp_path):
    file = tmp_path / "backbone.safetensors"
    workbench = [sys.executable, "-m", "workbench"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    for arguments in (
        ["backbone", "--data", str(folder), "--out", str(file), "--images", "64",
         "--batch-size", "16", "--size", "32"],
        ["train", "inception_attention", "--data", str(folder), "--backbone", str(file),
         "--width", "0.125", "--images", "8", "--batch-size", "4", "--size", "32",
         "--out", str(tmp_path / "run")],
    ):  # fmt: skip
        done = subprocess.run(
            [*workbench, *arguments], cwd=ROOT, env=env, capture_output=True, text=True,
            timeout=RUN_PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    from safetensors.torch import load_file

    net = checkpoints.open_folder(tmp_path / "run").net()
    for name, value in load_file(file).items():
        assert torch.allclose(net.backbone.state_dict()[name], value.half().to(value), atol=1e-3)


def test_a_run_counted_in_minutes_settles_its_images_first(folder):
    made = make_plan(
        MODELS["vanilla_cnn"], [str(folder)], width=0.125, minutes=0.02,
        choices={"batch_size": 4, "size": "32"},
    )  # fmt: skip
    assert 4 <= made.run.images < 100_000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "nonesuch", "--data", "x"], "There is no model 'nonesuch'"),
        (["train", "vanilla_cnn", "--data", "/nowhere/at/all"], "/nowhere/at/all"),
        (["train", "vanilla_cnn", "--data", "FOLDER", "--preset", "no"], "no preset 'no'"),
        (["train", "vanilla_cnn", "--data", "FOLDER", "--size", "7"], "under 16"),
        (["train", "vanilla_cnn", "--data", "FOLDER", "--set", "depth=3"], "takes key=value"),
        (["train", "colorful", "--data", "FOLDER", "--prior", "/no.json", "--images", "8",
          "--width", "0.1"], "no prior"),
    ],
)  # fmt: skip
def test_wrong_words_are_answered_with_a_sentence_and_exit_code_2(arguments, sentence, folder):
    words = [str(folder) if word == "FOLDER" else word for word in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "workbench", *words], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_stages_of_sizes_are_read_and_checked():
    assert parse_sizes("128") == (((128, 128), 1.0),)
    assert parse_sizes("64:0.75,128:0.25") == (((64, 64), 0.75), ((128, 128), 0.25))
    made = Run(images=100, batch_size=2, size="64x128:0.75,128x256:0.25")
    assert [made.shape_at(seen)[1] for seen in (0, 74, 75, 99)] == [128, 128, 256, 256]
    assert made.largest == (128, 256)
    for wrong in (
        "a",
        "64:0.5",
        "60",
        "8",
        "64x60",
        "8x64",
        "64x",
        "64x128x256",
        "64:0.5,64x128:0.5",
    ):
        with pytest.raises(Problem):
            parse_sizes(wrong)


def test_options_go_where_they_belong():
    build, recipe = {}, {}
    words = ["attention=64", "adversarial=hinge", "spectral=true"]
    assign_options(words, MODELS["attention_pix2pix"], build, recipe)
    assert build == {"attention": 64, "spectral": True}
    assert recipe == {"attention": 64, "adversarial": "hinge", "spectral": True}
    assert [parse_value(t) for t in ("1", "1.5", "none", "x")] == [1, 1.5, None, "x"]


def test_a_batch_depends_on_the_seed_and_the_images_seen_alone(folder):
    loaded = data.load([str(folder)], 36)
    cpu = torch.device("cpu")
    made = Run(images=100, batch_size=8, size="32", rotate=20, zoom=0.2, shear=0.2)
    one, other = (Batches(loaded.pixels, loaded.labels, made, cpu) for _ in range(2))
    one.fetch(0)
    first, _, _ = one.fetch(32)
    second, labels, _ = other.fetch(32)
    assert torch.equal(first, second)
    assert torch.equal(one.augment(first, 32), other.augment(second, 32))
    assert other.augment(second, 32).shape == (8, 3, 32, 32)
    halves = [
        Batches(loaded.pixels, loaded.labels, made, cpu, rank, 2).fetch(32)[1] for rank in (0, 1)
    ]
    assert torch.equal(torch.cat(halves), labels)


def test_a_run_ends_at_the_very_image_asked_for(folder, tmp_path):
    made = planned("vanilla_cnn", folder, images=10, batch_size=4)
    assert [made.run.batch_at(seen) for seen in (0, 4, 8, 9)] == [4, 4, 2, 2]
    assert Run(images=10, batch_size=4).batch_at(7, ranks=2) == 4
    assert run(made, tmp_path)["images_seen"] == 10


def test_an_epoch_shows_every_picture_once(folder):
    loaded = data.load([str(folder)], 36)
    batches = Batches(loaded.pixels, loaded.labels, Run(80, 10), torch.device("cpu"))
    seen = np.concatenate([batches.indices(start) for start in range(0, 40, 10)])
    assert sorted(seen) == list(range(40))


def test_balance_draws_small_collections_more_often():
    pixels, labels = np.zeros((100, 3, 36, 36), np.uint8), np.full(100, -1)
    groups = np.array([0] * 90 + [1] * 9 + [2])
    shares = {}
    for balance in (0, 0.5, 1):
        made = Run(1200, 10, "32", balance=balance)
        drawn = Batches(pixels, labels, made, torch.device("cpu"), groups=groups)
        seen = np.concatenate([drawn.indices(start) for start in range(0, 1200, 10)])
        shares[balance] = np.bincount(groups[seen]) / len(seen)
        of_an_epoch = np.bincount(seen[:100], minlength=100)[:90]  # of one collection: alike
        assert of_an_epoch.max() - of_an_epoch.min() <= (balance > 0)
        again = Batches(pixels, labels, made, torch.device("cpu"), groups=groups)
        assert np.array_equal(again.indices(500), seen[500:510])
    roots = np.sqrt([90, 9, 1])
    assert shares[0] == pytest.approx([0.9, 0.09, 0.01])
    assert shares[0.5] == pytest.approx(roots / roots.sum(), abs=0.01)
    assert shares[1] == pytest.approx([1 / 3] * 3, abs=0.01)


def test_what_was_done_to_the_pictures_stands_in_the_config(folder, tmp_path):
    made = planned("vanilla_cnn", folder, images=8, batch_size=4, old_prints=0.5, rotate=10.0)
    assert run(made, tmp_path)["augmentation"] == {"rotate": 10.0, "old_prints": 0.5}


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"balance": 2}, "--balance is 0 to 1, not 2"),
        ({"old_prints": -0.5}, "--old-prints is 0 to 1, not -0.5"),
        ({"zoom": 1}, "--zoom is 0 to 0.9, not 1"),
        ({"rotate": float("nan")}, "--rotate is 0 to 180, not nan"),
    ],
)
def test_an_augmentation_out_of_its_range_is_a_sentence(choice, sentence):
    with pytest.raises(Problem, match=sentence):
        Run(100, 10, **choice)


def test_a_picture_that_is_not_square_is_rotated_without_being_stretched():
    x = torch.zeros(1, 1, 32, 64)
    x[..., 6:26, 30:34] = 1  # a bar, 20 high and 4 wide
    quarter = torch.tensor([[1.0, 0.5, 0.5]])
    turned = affine(x, quarter, 0.0, 0.0, 90.0)
    expected = torch.zeros_like(x)
    expected[..., 14:18, 22:42] = 1
    assert torch.allclose(turned, expected, atol=1e-3)


def test_the_affine_augmentation_at_its_middle_changes_nothing():
    x = torch.rand(2, 3, 16, 16)
    assert torch.allclose(affine(x, torch.full((2, 3), 0.5), 0.2, 0.2, 20.0), x, atol=1e-5)
    assert not torch.allclose(affine(x, torch.full((2, 3), 0.9), 0.2, 0.2, 20.0), x, atol=1e-2)


def test_classes_too_rare_to_learn_count_as_unlabelled():
    from workbench.training.plan import known_classes

    labels = np.array([0] * 25 + [1] * 3 + [-1] * 2)
    made = data.Pictures(np.zeros((30, 3, 4, 4), np.uint8), labels, ("a", "b"), labels, "k", {})
    kept = known_classes(made)
    assert kept.classes == ("a",)
    assert kept.labels.tolist() == [0] * 25 + [-1] * 5


def fine_tuned(folder: Path, tmp_path: Path, name: str, *options: str, **more):
    """A plan that starts from a small model trained on `folder`."""
    run(planned(name, folder, images=8), tmp_path / "base")
    return make_plan(
        MODELS[name], [str(more.pop("data", folder))], start_from=str(tmp_path / "base"),
        choices={"images": 8, "batch_size": 4, "size": "32", "precision": "fp32"},
        options=options, **more,
    )  # fmt: skip


def test_fine_tuning_with_other_classes_makes_a_new_head_and_says_so(folder, tmp_path):
    other = tmp_path / "other"
    for place, start in (("red", 0), ("green", 80), ("blue", 160)):
        (other / place).mkdir(parents=True)
        for i in range(24):
            rgb = np.full((40, 40, 3), (start, 200 - i, i), np.uint8)
            rgb[: i + 4, :20] = (200, start, 90)
            Image.fromarray(rgb).save(other / place / f"{i}.png")
    made = fine_tuned(folder, tmp_path, "cbam_gan", data=other)
    assert made.about["options"]["classes"] == 3
    assert any("head" in note and "new" in note for note in made.notes)
    base = checkpoints.open_folder(tmp_path / "base").net().state_dict()
    begun = made.make(8).net.state_dict()
    assert torch.equal(begun["unet.down.1.1.weight"], base["unet.down.1.1.weight"])
    assert len([k for k, v in begun.items() if v.shape != base[k].shape]) == 2  # weight, bias
    same = fine_tuned(folder, tmp_path / "same", "cbam_gan")
    assert not any("head" in note for note in same.notes)


def test_what_was_typed_is_done_or_refused(folder, tmp_path):
    with pytest.raises(Problem, match=r"width 0\.125"):
        fine_tuned(folder, tmp_path, "vanilla_cnn", width=0.5)
    spec = MODELS["vanilla_cnn"]
    for wrong, sentence in (
        ({"batch_size": 64}, "--batch-size 64 is more than there is: 32"),
        ({"precision": "fp16"}, "--precision is auto, bf16, fp32, not 'fp16'"),
        ({"log_every": -5}, "--log-every is at least 0, not -5"),
        ({"images": 1}, "--images is at least 2, not 1"),
    ):
        with pytest.raises(Problem, match=sentence):
            make_plan(spec, [str(folder)], choices={"images": 8, **wrong})
    with pytest.raises(Problem, match="--minutes is above 0"):
        make_plan(spec, [str(folder)], minutes=0, choices={"batch_size": 4, "size": "32"})


@pytest.mark.parametrize(
    ("model", "typed", "sentence"),
    [
        ("vanilla_cnn", "learning_rate=abc", "learning_rate is a number from 0 on, 0.001 by"),
        ("vanilla_cnn", "learning_rate=-1", "learning_rate is a number from 0 on"),
        ("vanilla_cnn", "learning_rate=inf", "learning_rate is a number from 0 on"),
        ("vanilla_cnn", "distance=l2", "no loss 'l2'. There are: mse, log_mse"),
        ("attention_pix2pix", "adversarial=l2", "There are: log, least_squares, hinge"),
        ("attention_pix2pix", "critic_rate=fast", "critic_rate is a number from 0 on, None by"),
        ("attention_pix2pix", "attention=33", "attention is one of (0, 32, 64, 128), not 33"),
        ("attention_pix2pix", "spectral=1", "spectral is true or false"),
        ("attention_pix2pix", "beta1=3", "cannot be made with these options: Invalid beta"),
        ("inception_attention", "score=cosine", "score is dot or general, not cosine"),
        ("reference", "depth=1.5", "depth is a whole number from 0 on"),
        ("reference", "rank=inf", "rank is a whole number from 0 on"),
        ("reference", "shown=none", "shown is a whole number from 0 on"),
    ],
)  # fmt: skip
def test_an_option_of_a_network_or_recipe_fits_or_is_answered_with_what_does(
    model, typed, sentence, folder
):
    fusion = ["fusion=false"] if model == "inception_attention" else []
    with pytest.raises(Problem, match=re.escape(sentence)):
        make_plan(
            MODELS[model], [str(folder)], width=0.125, options=[*fusion, typed],
            choices={"batch_size": 4, "size": "32", "images": 8},
        ).make(8)  # fmt: skip


def test_a_whole_number_is_a_rate_and_none_is_what_it_was(folder):
    made = make_plan(
        MODELS["attention_pix2pix"], [str(folder)], width=0.125,
        options=["beta1=0", "critic_rate=none"], choices={"batch_size": 4, "size": "32"},
    )  # fmt: skip
    assert made.make(8).optimizers["critic"].param_groups[0]["betas"][0] == 0.0


def test_a_run_counted_in_minutes_goes_on_with_the_images_it_settled(folder, tmp_path):
    from typer.testing import CliRunner

    from workbench.cli import build

    out = tmp_path / "run"
    told = ["train", "vanilla_cnn", "--data", str(folder), "--width", "0.125", "--size", "32",
            "--batch-size", "4", "--minutes", "0.02", "--out", str(out)]  # fmt: skip
    assert CliRunner().invoke(build(), told).exit_code == 0
    images = record.images_of(out)
    again = CliRunner().invoke(build(), told)
    assert again.exit_code == 0, again.output
    assert record.images_of(out) == images


def test_a_students_run_has_a_name_of_its_own_and_says_how_to_use_it(folder, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from workbench.cli import build

    monkeypatch.setattr(places, "RUNS", tmp_path / "runs")
    told = ["train", "vanilla_cnn", "--data", str(folder), "--width", "0.125", "--size", "32",
            "--batch-size", "4", "--images", "8"]  # fmt: skip
    done = CliRunner().invoke(build(), told)
    assert done.exit_code == 0, done.output
    made = tmp_path / "runs" / f"vanilla_cnn-{folder.name}"
    assert f"--model {made}" in done.output
    assert checkpoints.open_folder(made).name not in MODELS


def test_a_run_that_no_longer_gains_says_so_and_stops_early_where_asked(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(record.Watch, "scores", lambda self, painted: {"psnr": 22.0})
    made = planned("vanilla_cnn", folder, images=400, strip_every=8)
    with pytest.raises(Stopped, match="flattened"):
        run(made, tmp_path, stop_early=True)
    last = record.read_log(tmp_path)[-1]
    assert last["seen"] < 400
    assert "flattened" in last["signal"]
    assert checkpoints.open_folder(tmp_path).config["images_seen"] == last["seen"]


def test_a_network_that_has_collapsed_is_said_to():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(4, 2, 8, 8, generator=generator) * 20
    neon = torch.tensor([-80.0, 80.0]).view(1, 2, 1, 1).expand(4, 2, 8, 8)
    (said,) = collapse.say_collapse({"colors": collapse.measure_colors(neon, truth)})
    assert "One colour everywhere" in said
    assert not collapse.say_collapse({"colors": collapse.measure_colors(truth, truth)})
    assert not collapse.say_collapse({"colors": collapse.measure_colors(neon * 0, truth)}), "grey"
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 1), torch.nn.ReLU())
    torch.nn.init.ones_(net[0].weight)
    net[0].bias.data = torch.tensor([-9.0, -9.0, -9.0, 1.0])  # three never see light
    net(torch.rand(2, 1, 4, 4, generator=generator)).sum().backward()
    assert collapse.share_dead(net) == 0.75
    assert "75%" in collapse.say_collapse({"dead": collapse.share_dead(net)})[0]


@pytest.mark.parametrize("name", MODELS)
def test_every_option_listed_for_a_model_is_taken_with_its_default(name):
    rows = list_options(MODELS[name])
    assert "learning_rate" in {row["option"] for row in rows}
    build, recipe = {}, {}
    typed = [f"{row['option']}={row['default']}" for row in rows if row["default"] is not None]
    assign_options(typed, MODELS[name], build, recipe)
    assert set(build) | set(recipe) == {text.partition("=")[0] for text in typed}


def test_listed_defaults_are_those_of_the_preset():
    rows = {row["option"]: row["default"] for row in list_options(MODELS["vanilla_cnn"], "longer")}
    assert rows["decay"] == 1.0
    with pytest.raises(Problem, match="no preset 'fast'"):
        list_options(MODELS["vanilla_cnn"], "fast")
