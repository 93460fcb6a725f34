"""Speed of training, a table: `make bench-train`, with options `make bench-train ARGS="--width 1"`.

Images/s of the workbench's own loop (`workbench.training.train`, as it runs for everybody) beside
a plain loop of the usual kind in the same run: a DataLoader that decodes JPEG, PNG or WebP, crops,
flips and calls skimage's rgb2lab on the CPU, picture by picture; the same network, losses and
optimizers in fp32, no channels-last, the loss read back at every step. Both pay for everything
between file and step; only the workbench decodes once, before the clock starts. Where ours runs
in bf16 it runs in fp32 too, so that the last column compares the same precision.

`--peer DIR`, a checkout of github.com/richzhang/colorization-pytorch, prints another table: its
own train.py (the siggraph network with --classification) beside ours on the same pictures at the
same size, one after the other, `--rounds` times. Its networks are not ours, so images/s stand
beside multiply-adds/s.

Waiting is the share of the time in which the loop stood still for its next batch. TFLOP/s counts
the multiply-adds of a step (forward and backward) as torch's FlopCounterMode does.
Without --data, random cuts of scikit-image's sample pictures are used: the speed is the same.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.color import rgb2lab
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from workbench.color import rgb_to_lab
from workbench.data.sources import open_source
from workbench.models import MODELS
from workbench.samples import IN_COLOR, SAMPLES
from workbench.spec import Recipe
from workbench.training import train
from workbench.training.batches import Batches
from workbench.training.loop import Stopped
from workbench.training.plan import Plan, make_plan
from workbench.training.run import describe_machine, use_bf16

FOREVER = 1 << 40  # images: the clock ends a run
# inception_attention's own backbone has to be downloaded: a small one with random weights.
OPTIONS = {
    "inception_attention": [
        "backbone=mobilenetv3_small_050", "backbone_size=64", "pretrained=false",
    ],
}  # fmt: skip
EPOCHS = 64  # times the peer's folder holds each picture: no epoch ends within the clock


def sample_pictures(folder: Path, count: int, side: int) -> Path:
    """Random cuts of the bundled samples, as JPEG, PNG and WebP one after the other."""
    generator = np.random.default_rng(0)
    sources = [Image.open(SAMPLES[name].path).convert("RGB") for name in IN_COLOR]
    for number in range(count):
        image = sources[number % len(sources)]
        short = min(image.size)
        cut = int(generator.integers(short // 2, short))
        x, y = (int(generator.integers(0, edge - cut + 1)) for edge in image.size)
        small = image.crop((x, y, x + cut, y + cut)).resize((side, side))
        suffix = ("jpg", "png", "webp")[number // len(sources) % 3]
        small.save(folder / f"{number:05d}.{suffix}")
    return folder


class Files(Dataset):
    """What one writes first: decode, crop, flip, rgb2lab, a picture at a time."""

    def __init__(self, encoded: list[bytes], size: int) -> None:
        self.encoded, self.size = encoded, size

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rgb = np.asarray(Image.open(io.BytesIO(self.encoded[index])).convert("RGB"))
        top, left = (np.random.randint(0, edge - self.size + 1) for edge in rgb.shape[:2])
        rgb = rgb[top : top + self.size, left : left + self.size]
        if np.random.rand() < 0.5:
            rgb = rgb[:, ::-1]
        lab = torch.from_numpy(rgb2lab(rgb).astype(np.float32)).permute(2, 0, 1)
        return lab[:1], lab[1:]


def step(recipe: Recipe, L: Tensor, ab: Tensor, label: Tensor) -> Iterator[float]:
    """One batch through every loss and optimizer, as a plain loop does it."""
    for name, loss in recipe.losses(L, ab, label):
        recipe.optimizers[name].zero_grad()
        loss.backward()
        recipe.optimizers[name].step()
        yield loss.item()


def plain_loop(
    make: Callable[[int], Recipe], encoded: list[bytes], size: int, batch: int, workers: int,
    seconds: float, device: torch.device,
) -> tuple[float, float]:  # fmt: skip
    """(images/s, share of the time spent waiting for data) of the usual loop."""
    recipe = make(FOREVER).to(device).train()
    loader = DataLoader(
        Files(encoded, size), batch, shuffle=True, num_workers=workers, drop_last=True,
        persistent_workers=workers > 0, pin_memory=device.type == "cuda",
    )  # fmt: skip
    label = torch.full((batch,), -1, device=device)
    images, waited, begun, mark = 0, 0.0, 0.0, 0.0
    for number, (L, ab) in enumerate(itertools.chain.from_iterable(itertools.repeat(loader))):
        L, ab = L.to(device, non_blocking=True), ab.to(device, non_blocking=True)
        now = time.perf_counter()
        if number >= 2:  # the first steps warm up
            waited += now - mark
        for _ in step(recipe, L, ab, label):
            pass
        mark = time.perf_counter()
        if number == 1:
            begun = mark
        elif number > 1:
            images += batch
            if mark - begun > seconds:
                return images / (mark - begun), waited / (mark - begun)
    raise RuntimeError("an endless loader ended")


def our_loop(made: Plan, seconds: float, folder: Path) -> tuple[float, float]:
    """(images/s, share of the time spent waiting for data) of `training.train`."""
    last: dict[str, float] = {}
    for limit in (0.0, seconds):  # the first run warms up
        begun = time.perf_counter()
        out = folder / f"run-{limit:g}"
        with contextlib.suppress(Stopped):
            train(
                made.make, made.pictures, made.validation, made.run, out, made.about,
                report=last.update,
                stop=lambda end=begun + limit: time.perf_counter() > end,
                save=lambda net, place, config: config,
            )  # fmt: skip
    return last["rate"], last["waited"]


def flops_per_image(made: Plan, device: torch.device) -> float:
    """Floating-point operations of a training step, for each image."""
    recipe = made.make(FOREVER).to(device).train()
    batches = Batches(made.pictures.pixels, made.pictures.labels, made.run, device)
    pixels, label, _ = batches.fetch(0)
    lab = rgb_to_lab(batches.augment(pixels, 0))
    with FlopCounterMode(display=False) as counter:
        for _ in step(recipe, lab[:, :1], lab[:, 1:], label):
            pass
    return counter.get_total_flops() / made.run.batch_size


def peer_loop(
    checkout: Path, pictures: Path, size: int, batch: int, workers: int, seconds: float
) -> tuple[float, float]:
    """(images/s, multiply-adds of a training step for each image) of the peer's train.py.

    pictures: a folder of files. Raises SystemExit with what it said where it fails.
    """
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "dataset" / "ilsvrc2012" / "train"
        root.mkdir(parents=True)
        for number in range(EPOCHS):
            (root / f"{number:03d}").symlink_to(pictures.resolve(), target_is_directory=True)
        result = Path(place) / "result.json"
        done = subprocess.run(
            [
                sys.executable, str(Path(__file__).with_name("train_peer.py")),
                str(checkout.resolve()), str(result), "--size", str(size),
                "--batch-size", str(batch), "--workers", str(workers), "--seconds", str(seconds),
            ],
            cwd=place, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if not result.exists():
            said = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise SystemExit(f"{checkout}: train.py did not run: {' '.join(said)}")
        found = json.loads(result.read_text(encoding="utf-8"))
    return found["images"] / found["seconds"], found["macs"]


def print_beside_peer(
    names: list[str], make: Callable[[str], Plan], checkout: Path, pictures: Path,
    asked: argparse.Namespace, device: torch.device, folder: Path,
) -> None:  # fmt: skip
    """A row for each of our networks, in each precision, and the peer's, run in turns."""
    rows: dict[tuple[str, str], list[float]] = {}
    macs = {}
    runs = []
    for name in names:
        made = make(name)
        macs[name] = flops_per_image(made, device) / 2
        runs += [(name, precision, with_precision(made, precision))
                 for precision in precisions(device)]  # fmt: skip
    for number in range(asked.rounds):
        for name, precision, made in runs:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                speed, _ = our_loop(made, asked.seconds, Path(place))
            rows.setdefault((name, precision), []).append(speed)
        speed, macs["peer"] = peer_loop(
            checkout, pictures, asked.size, asked.batch_size, asked.workers, asked.seconds
        )
        rows.setdefault(("peer", "fp32"), []).append(speed)
        print(f"Round {number + 1} of {asked.rounds}: " + ", ".join(
            f"{name} {precision} {speeds[-1]:.1f}/s" for (name, precision), speeds in rows.items()
        ), flush=True)  # fmt: skip
    peer = sum(rows["peer", "fp32"]) / asked.rounds
    head = ("loop", "precision", "images/s", "GMAC/image", "GMAC/s", "images/s", "GMAC/s")
    print("{:22}{:>10}{:>10}{:>12}{:>10}{:>10}{:>9}".format(*head))
    for (name, precision), speeds in rows.items():
        speed = sum(speeds) / len(speeds)
        work = speed * macs[name] / 1e9
        ratio, of_work = speed / peer, work / (peer * macs["peer"] / 1e9)
        print(f"{name:22}{precision:>10}{speed:10.1f}{macs[name] / 1e9:12.2f}{work:10.1f}"
              f"{ratio:9.1f}x{of_work:8.1f}x")  # fmt: skip


def precisions(device: torch.device) -> list[str]:
    """What `train` uses here, then fp32 where that is another."""
    return ["bf16", "fp32"] if use_bf16("auto", device) else ["fp32"]


def with_precision(made: Plan, precision: str) -> Plan:
    """The same plan in this precision."""
    return replace(made, run=replace(made.run, precision=precision))


def write_pictures(folder: Path, source: str, count: int) -> Path:
    """The first pictures of a source, as files with the ending of their format."""
    folder.mkdir()
    items = (item.data for item in open_source(source).items() if isinstance(item.data, bytes))
    for number, data in enumerate(itertools.islice(items, count)):
        with contextlib.suppress(OSError):  # what cannot be read is left out
            suffix = (Image.open(io.BytesIO(data)).format or "").lower()
            (folder / f"{number:05d}.{suffix}").write_bytes(data)
    return folder


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", choices=list(MODELS), help="all; colorful by a peer")
    parser.add_argument("--data", help="a source as `train --data` takes it")
    parser.add_argument("--width", type=float, help="0.5; 1 beside a peer")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20, help="for each of the loops")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="of the DataLoader")
    parser.add_argument("--pictures", type=int, default=500, help="made without --data")
    parser.add_argument("--compile", action="store_true", help="torch.compile, in our loop")
    parser.add_argument("--peak", type=float, help="the device's bf16 peak, TFLOP/s")
    parser.add_argument("--peer", type=Path, help="a checkout of colorization-pytorch")
    parser.add_argument("--rounds", type=int, default=2, help="of ours and the peer, in turns")
    asked = parser.parse_args()
    if asked.peer and not (asked.peer / "train.py").is_file():
        raise SystemExit(
            f"--peer {asked.peer} is no checkout of colorization-pytorch: no train.py."
        )
    width = asked.width or (1.0 if asked.peer else 0.5)
    names = asked.models or (["colorful"] if asked.peer else list(MODELS))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    about = describe_machine(device, 1)
    print(
        f"{about['device']}, torch {about['torch']}; {asked.size} x {asked.size}, width "
        f"{width:g}, batches of {asked.batch_size}; ours in {' and '.join(precisions(device))}, "
        f"the {'peer' if asked.peer else 'plain loop'} in fp32 with {asked.workers} workers; "
        f"{asked.seconds:g} s each"
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "pictures"
        if asked.data is None:
            place.mkdir()
            sample_pictures(place, asked.pictures, asked.size + 16)
        elif asked.peer:
            write_pictures(place, asked.data, asked.pictures)
        source = str(place) if place.exists() else asked.data

        def make(name: str) -> Plan:
            return make_plan(
                MODELS[name], [source], width=width, options=OPTIONS.get(name, ()),
                choices={
                    "images": FOREVER, "batch_size": asked.batch_size, "size": str(asked.size),
                    "compile": asked.compile, "log_every": FOREVER, "save_every": FOREVER,
                },
            )  # fmt: skip

        if asked.peer:
            print_beside_peer(names, make, asked.peer, place, asked, device, Path(folder))
        else:
            print_beside_plain_loop(names, make, source, asked, device, Path(folder))


def print_beside_plain_loop(
    names: list[str], make: Callable[[str], Plan], source: str, asked: argparse.Namespace,
    device: torch.device, folder: Path,
) -> None:  # fmt: skip
    """A row for each of our networks."""
    head = (
        "model", "ours", "waiting", "TFLOP/s", "of peak", "fp32", "plain", "waiting", "ratio",
        "fp32 ratio",
    )  # fmt: skip
    print("{:22}{:>10}{:>9}{:>9}{:>9}{:>10}{:>10}{:>9}{:>8}{:>12}".format(*head))
    items = itertools.islice(open_source(source).items(), 4096)
    encoded = [item.data for item in items if isinstance(item.data, bytes)]
    ratios = []
    for name in names:
        made = make(name)
        speeds = {}
        waited = 0.0
        for precision in reversed(precisions(device)):  # last, and so kept: as `train` runs here
            with tempfile.TemporaryDirectory(dir=folder) as place:
                speeds[precision], waited = our_loop(
                    with_precision(made, precision), asked.seconds, Path(place)
                )
        plain, plain_waited = plain_loop(
            made.make, encoded, asked.size, made.run.batch_size, asked.workers, asked.seconds,
            device,
        )  # fmt: skip
        ours, same = speeds[precisions(device)[0]], speeds["fp32"]
        flops = ours * flops_per_image(made, device) / 1e12
        peak = f"{flops / asked.peak:.1%}" if asked.peak else "-"
        ratios.append((ours / plain, same / plain))
        print(
            f"{name:22}{ours:8.1f}/s{waited:9.1%}{flops:9.3f}{peak:>9}{same:8.1f}/s{plain:8.1f}/s"
            f"{plain_waited:9.1%}{ratios[-1][0]:7.1f}x{ratios[-1][1]:11.1f}x",
            flush=True,
        )
    of_all, of_same = (sum(values) / len(values) for values in zip(*ratios, strict=True))
    print(f"Mean ratio over {len(ratios)}: {of_all:.1f}x, in the same precision {of_same:.1f}x")


if __name__ == "__main__":
    main()
