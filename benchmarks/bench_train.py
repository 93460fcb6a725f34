"""Speed of training, a table: `make bench-train`, with options `make bench-train ARGS="--width 1"`.

Images/s of the workbench's own loop (`workbench.training.train`, as it runs for everybody) beside
a plain loop of the usual kind in the same run: a DataLoader that decodes JPEG, PNG or WebP, crops,
flips and calls skimage's rgb2lab on the CPU, picture by picture; the same network, losses and
optimizers in fp32, no channels-last, the loss read back at every step. Both pay for everything
between file and step; only the workbench decodes once, before the clock starts.

Waiting is the share of the time in which the loop stood still for its next batch. TFLOP/s counts
the multiply-adds of a step (forward and backward) as torch's FlopCounterMode does.
Without --data, random cuts of scikit-image's sample pictures are used: the speed is the same.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--data", help="a source as `train --data` takes it")
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20, help="for each of the two loops")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="of the DataLoader")
    parser.add_argument("--pictures", type=int, default=512, help="made without --data")
    parser.add_argument("--compile", action="store_true", help="torch.compile, in our loop")
    parser.add_argument("--peak", type=float, help="the device's bf16 peak, TFLOP/s")
    asked = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    about = describe_machine(device, 1)
    print(
        f"{about['device']}, torch {about['torch']}; {asked.size} x {asked.size}, width "
        f"{asked.width:g}, batches of {asked.batch_size}; ours in "
        f"{'bf16' if use_bf16('auto', device) else 'fp32'}, the plain loop in fp32 with "
        f"{asked.workers} workers; {asked.seconds:g} s each"
    )
    head = ("model", "ours", "waiting", "TFLOP/s", "of peak", "plain", "waiting", "ratio")
    print("{:22}{:>10}{:>9}{:>9}{:>9}{:>10}{:>9}{:>8}".format(*head))
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        source = asked.data
        if source is None:
            (Path(folder) / "pictures").mkdir()
            source = str(
                sample_pictures(Path(folder) / "pictures", asked.pictures, asked.size + 16)
            )
        items = itertools.islice(open_source(source).items(), 4096)
        encoded = [item.data for item in items if isinstance(item.data, bytes)]
        for name in asked.models:
            made = make_plan(
                MODELS[name], [source], width=asked.width, options=OPTIONS.get(name, ()),
                choices={
                    "images": FOREVER, "batch_size": asked.batch_size, "size": str(asked.size),
                    "compile": asked.compile, "log_every": FOREVER, "save_every": FOREVER,
                },
            )  # fmt: skip
            with tempfile.TemporaryDirectory(dir=folder) as place:
                ours, waited = our_loop(made, asked.seconds, Path(place))
            plain, plain_waited = plain_loop(
                made.make, encoded, asked.size, made.run.batch_size, asked.workers,
                asked.seconds, device,
            )  # fmt: skip
            flops = ours * flops_per_image(made, device) / 1e12
            peak = f"{flops / asked.peak:.1%}" if asked.peak else "-"
            ratios.append(ours / plain)
            print(
                f"{name:22}{ours:8.1f}/s{waited:9.1%}{flops:9.3f}{peak:>9}{plain:8.1f}/s"
                f"{plain_waited:9.1%}{ratios[-1]:7.1f}x",
                flush=True,
            )
    print(f"Mean ratio over {len(ratios)}: {sum(ratios) / len(ratios):.1f}x")


if __name__ == "__main__":
    main()
