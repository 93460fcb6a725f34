"""How fast this machine trains, and how much memory a step wants: a few steps, thrown away."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from workbench.data.pictures import Shape, say_shape
from workbench.models.eye import CLASSES
from workbench.spec import Recipe
from workbench.training.batches import Batches
from workbench.training.compiling import compile_step
from workbench.training.run import Run, use_bf16
from workbench.training.step import step

LONGEST = 20  # seconds after which no further step is timed
FEW = 64  # batches of pictures that the steps draw from


@dataclass(frozen=True)
class Measured:
    """What a few steps of a run took. Memory is in bytes; 0 where it was not counted."""

    images_per_second: float
    weights: int = 0  # of network and critic, running statistics too
    average: int = 0  # the second copy of the network's weights, for use
    gradients: int = 0
    optimizers: int = 0  # their moments
    activations: int = 0  # the most that waited for the backward pass at one time
    trained: int = 0  # numbers that are trained, not bytes
    compiled: str = ""  # what became of `--compile`, where it was asked for
    compiling: float = 0.0  # seconds that it takes before the first step

    @property
    def memory(self) -> int:
        """The sum of what was counted: the least that the training holds, beside the pictures."""
        parts = (self.weights, self.average, self.gradients, self.optimizers, self.activations)
        return sum(parts)

    @property
    def state(self) -> int:
        """Bytes of the state to go on from."""
        return self.weights + self.average + self.optimizers


def measure(
    make: Callable[[int], Recipe],
    pixels: np.ndarray,
    labels: np.ndarray,
    run: Run,
    shape: Shape,
    steps: int,
    count: bool = False,
) -> Measured:
    """Make a step to warm up and at most `steps` that are timed, on a recipe that is thrown away.

    pixels uint8 (N, 3, H, W), labels (N,); shape: height and width of the crops, pixels;
    count: count the memory of the first step too. The steps are those of `training.train`; with
    `--compile` the first is as it is written, and the others are compiled where that works.
    """
    run = replace(run, size=say_shape(shape))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bf16 = use_bf16(run.precision, device)
    recipe = make(run.images).to(device).to(memory_format=torch.channels_last).train()
    pixels, labels = pixels[: FEW * run.batch_size], labels[: FEW * run.batch_size]
    told = np.zeros((len(pixels), CLASSES), np.float16) if recipe.asks else None
    batches = Batches(pixels, labels, run, device, answers=told)
    kept = Saved(recipe.parameters())
    begun = spent = compiling = 0.0
    compiled = ""
    images = 0
    for i in range(steps + 1):
        if i == 1:  # the first step warms up
            if run.compile:
                begun = time.monotonic()
                compiled = compile_step(recipe, batches, run, bf16)
                compiling = time.monotonic() - begun
            begun = time.monotonic()
        taken, label, answers = batches.take(batches.fetch(0))
        lab = batches.lab(taken, 0)
        with kept.counting() if count and i == 0 else nullcontext():
            for _ in step(recipe, lab, label, bf16, answers=answers, parts=run.accumulate):
                pass
        if i:
            images, spent = images + len(lab), time.monotonic() - begun
            if spent > LONGEST:
                break
    speed = images / spent
    if not count:
        return Measured(speed, compiled=compiled, compiling=compiling)
    moments = [
        value
        for optimizer in recipe.optimizers.values()
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    ]
    trained = [value for value in recipe.parameters() if value.requires_grad]
    return Measured(
        speed,
        weights=_bytes([*recipe.parameters(), *recipe.buffers()]),
        average=_bytes([*recipe.net.parameters(), *recipe.net.buffers()]),
        gradients=_bytes(trained),
        optimizers=_bytes(moments),
        activations=kept.most,
        trained=sum(value.numel() for value in trained),
        compiled=compiled,
        compiling=compiling,
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(value.numel() * value.element_size() for value in tensors)


class Saved:
    """Counts the bytes that autograd keeps for the backward pass, each storage once."""

    def __init__(self, apart_from: Iterable[Tensor]) -> None:
        """apart_from: weights, which are there anyway."""
        self.most = self._now = 0
        self._apart = {value.untyped_storage().data_ptr() for value in apart_from}
        self._held: Counter[int] = Counter()  # storages by their place in memory

    def counting(self) -> AbstractContextManager[object]:
        """While this is open, what is kept is counted."""
        return torch.autograd.graph.saved_tensors_hooks(lambda x: _Kept(x, self), lambda k: k.value)

    def hold(self, value: Tensor) -> None:
        """A tensor is kept."""
        storage = value.untyped_storage()
        place = storage.data_ptr()
        if place in self._apart:
            return
        if not self._held[place]:
            self._now += storage.nbytes()
            self.most = max(self.most, self._now)
        self._held[place] += 1

    def release(self, value: Tensor) -> None:
        """A tensor is no longer kept."""
        storage = value.untyped_storage()
        place = storage.data_ptr()
        if place in self._apart:
            return
        self._held[place] -= 1
        if not self._held[place]:
            self._now -= storage.nbytes()


class _Kept:
    """A tensor in autograd's keeping; goes when the backward pass has passed it."""

    def __init__(self, value: Tensor, saved: Saved) -> None:
        self.value, self.saved = value, saved
        saved.hold(value)

    def __del__(self) -> None:
        self.saved.release(self.value)
