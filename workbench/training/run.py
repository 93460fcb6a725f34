"""What a person chooses about a run, and what a run says of itself."""

from __future__ import annotations

import math
import os
import platform
from dataclasses import asdict, dataclass
from typing import Any

import torch

from workbench.coloring.colorize import pick_quick_type
from workbench.data.pictures import Shape, parse_shape
from workbench.errors import Problem

PRECISIONS = ("auto", "bf16", "fp32")


def parse_sizes(text: str) -> tuple[tuple[Shape, float], ...]:
    """ "256x512" -> (((256, 512), 1.0),); "64:0.8,128:0.2": 80 % of the images at 64, then 128.

    A side alone is a square's. Raises Problem when the shares do not add up to 1, a side is no
    multiple of 8, or one stage is wider for its height than another.
    """
    try:
        stages = tuple(
            (parse_shape(size), float(share or 1))
            for size, _, share in (part.partition(":") for part in text.split(","))
        )
    except ValueError:
        raise Problem(
            f"--size {text!r} is neither a side in pixels such as 128, nor height and width such "
            "as 256x512, nor stages such as 64:0.8,128:0.2 (size:share of the images)."
        ) from None
    if abs(sum(share for _, share in stages) - 1) > 1e-6:
        raise Problem(f"The shares in --size {text!r} do not add up to 1.")
    if any(side < 16 or side % 8 for shape, _ in stages for side in shape):
        raise Problem(f"A side in --size {text!r} is under 16 or no multiple of 8.")
    (height, width), _ = stages[0]
    if any(shape[0] * width != shape[1] * height for shape, _ in stages):
        raise Problem(f"The stages in --size {text!r} are not of one proportion: 64x128, 128x256.")
    return stages


# Choices that states of before know nothing of, with the values that change nothing.
LATER = {
    "accumulate": 1, "warm_up": 0, "clip": 0, "keep_best": True, "balance": 0, "old_prints": 0,
}  # fmt: skip

# What is done to the pictures and their order at random, but for crops and flips, at most so much.
AUGMENTATION = {"shear": 1, "zoom": 0.9, "rotate": 180, "old_prints": 1, "balance": 1}
LEAST = {
    "images": 2, "batch_size": 2, "half_life": 1, "log_every": 0, "strip_every": 0,
    "save_every": 0, "shown": 0, "accumulate": 1, "warm_up": 0, "clip": 0,
}  # fmt: skip
BOUNDS = {name: (least, math.inf) for name, least in LEAST.items()}
BOUNDS |= {name: (0, most) for name, most in AUGMENTATION.items()}


@dataclass(frozen=True)
class Run:
    """One training run. Everything is counted in images seen."""

    images: int
    batch_size: int
    size: str = "128"  # of the crops, or stages: see `parse_sizes`
    shown: int = 0  # short side at which the network is shown a picture in use; 0: the largest crop
    seed: int = 0
    flip: bool = True
    shear: float = 0.0  # largest slope
    zoom: float = 0.0  # largest relative change of scale
    rotate: float = 0.0  # largest angle, degrees
    old_prints: float = 0.0  # share of the pictures whose L is made like that of an old print
    balance: float = 0.0  # 0 draws every picture alike, 1 every collection they come from
    half_life: int = 4000  # images after which an old weight counts half in the average (EMA)
    precision: str = "auto"  # bf16 where the processor has it, else fp32
    compile: bool = False
    accumulate: int = 1  # parts in which a batch is computed, for less memory
    warm_up: int = 0  # images over which every learning rate rises to what the schedule says
    clip: float = 0.0  # largest norm of an optimizer's gradients; 0: as they are
    log_every: int = 0  # images between two lines of log.jsonl; 0: a hundredth of the run
    strip_every: int = 0  # images between two frames of the film-strip; 0: a twentieth
    save_every: int = 0  # images between two resumable states; 0: every few minutes
    keep_best: bool = True  # of the late looks, by `stopping.KEPT`; else the weights at the end

    def __post_init__(self) -> None:
        parse_sizes(self.size)
        for name, (least, most) in BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                option = "--" + name.replace("_", "-")
                told = f"at least {least}" if most == math.inf else f"{least} to {most}"
                raise Problem(f"{option} is {told}, not {getattr(self, name)}.")
        if self.accumulate * 2 > self.batch_size:
            raise Problem(
                f"--accumulate {self.accumulate} cuts a batch of {self.batch_size} into parts "
                "under 2 pictures: give fewer parts, or a larger --batch-size."
            )
        if self.precision not in PRECISIONS:
            raise Problem(f"--precision is {', '.join(PRECISIONS)}, not {self.precision!r}.")

    @property
    def stages(self) -> tuple[tuple[Shape, float], ...]:
        """((shape, share of the images), ...) in order."""
        return parse_sizes(self.size)

    @property
    def largest(self) -> Shape:
        """Height and width of the run's largest crops."""
        return max(shape for shape, _ in self.stages)

    def shape_at(self, seen: int) -> Shape:
        """Height and width of the crops after this many images."""
        done = 0.0
        for shape, share in self.stages:
            done += share * self.images
            if seen < done - 1e-6:
                return shape
        return self.stages[-1][0]

    def batch_at(self, seen: int, ranks: int = 1) -> int:
        """The size of the batch after this many images: a smaller one ends the run.

        At least 2 for batch norm, and a multiple of the number of processes.
        """
        left = max(2, self.images - seen)
        return min(self.batch_size, -(-left // ranks) * ranks)

    def is_due(self, seen: int, batch: int, every: int) -> bool:
        """Whether a multiple of `every` images was passed by the batch that ends at `seen`."""
        return seen // every > (seen - batch) // every

    def augmentation(self) -> dict[str, float]:
        """The values of AUGMENTATION that do something."""
        return {name: value for name in AUGMENTATION if (value := getattr(self, name))}

    def identity(self) -> dict[str, Any]:
        """The choices that change the weights: a resumed run must have the same.

        The later ones count where they are used: states of before know nothing of them.
        """
        without = {"shown", "log_every", "strip_every", "save_every"}
        without |= {k for k, v in LATER.items() if getattr(self, k) == v}
        return {k: v for k, v in asdict(self).items() if k not in without}


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether to autocast to bf16: asked for, or `auto` on hardware that has it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and pick_quick_type() is not None


def describe_machine(device: torch.device, processes: int) -> dict[str, Any]:
    """What the run ran on: for config.json and the log."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = platform.processor() or platform.machine()
        try:
            with open("/proc/cpuinfo", encoding="utf-8") as info:
                models = [line.partition(":")[2].strip() for line in info if "model name" in line]
            name = models[0] if models else name
        except OSError:
            pass
        name = f"{name}, {torch.get_num_threads()} of {os.cpu_count()} cores"
    return {
        "device": name, "processes": processes, "torch": torch.__version__,
        "python": platform.python_version(),
    }  # fmt: skip
