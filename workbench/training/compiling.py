"""`--compile`: the step through torch.compile, tried on a batch before the first step.

What is compiled: cutting, augmentation and Lab conversion of a batch, and the pieces of which the
recipe makes its losses (`Recipe.pieces`: forward, losses, the critic), each with its backward
pass. Optimizers are not: they run fused already. The trial makes one batch of each size as it is
written and compiled, forward and backward, and steps nothing. Where the compiler fails, or where
losses or gradients come out otherwise, the run goes on uncompiled; either is said in a sentence.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from workbench.spec import Recipe
from workbench.training.batches import Batches
from workbench.training.run import Run

# How far losses and norms of gradients may lie apart, relative, by whether they are of bf16.
TOLERANCE = {True: 0.05, False: 0.001}
LAB_TOLERANCE = 0.05  # units of Lab: a step of an 8-bit value is 0.4
CUT = "cut_lab"  # of Batches
BACKEND: Any = "inductor"  # torch's own


class Piece:
    """A method that runs compiled for the shapes of its trial, and as it is written for others.

    The last batch of a run is often smaller: one step is not worth a compilation.
    """

    def __init__(self, written: Callable[..., Any]) -> None:
        self.written = written
        self.compiled = torch.compile(written, dynamic=False, backend=BACKEND)
        self.trying = True
        self.known: set[tuple[Any, ...]] = set()

    def __call__(self, *given: Any) -> Any:
        shapes = tuple(x.shape if isinstance(x, Tensor) else x for x in given)
        if self.trying:
            self.known.add(shapes)
        return (self.compiled if shapes in self.known else self.written)(*given)


def compile_step(recipe: Recipe, batches: Batches, run: Run, bf16: bool, seen: int = 0) -> str:
    """Compile what a step is made of, where that works; a sentence that says what was done.

    seen: images that the run has seen; sizes of stages that lie behind are not tried.
    """
    began = time.monotonic()
    firsts = _begins_of_stages(run, seen)
    labs = [cut_batch(batches, first) for first in firsts]
    written = [try_losses(recipe, batches, lab, bf16, first)
               for lab, first in zip(labs, firsts, strict=True)]  # fmt: skip
    homes = [(batches, CUT), *((recipe, name) for name in recipe.pieces)]
    pieces: dict[str, Piece] = {}
    farthest = 0.0
    try:
        from torch._dynamo import config, reset
        from torch._inductor import config as inductor

        reset()  # of a run before, in this process
        config.recompile_limit = max(64, config.recompile_limit)  # every size is compiled
        # Dropout as torch draws it uncompiled: the same numbers, so that both can be compared.
        inductor.fallback_random = True
        for home, name in homes:
            pieces[name] = home.__dict__[name] = Piece(getattr(home, name))
        why = ""
        for lab, first, before in zip(labs, firsts, written, strict=True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the compiler's, of its own work
                cut = cut_batch(batches, first)
                # From the same Lab: a rounding there may fall into another bin of colour.
                after = try_losses(recipe, batches, lab, bf16, first)
            apart = float((cut - lab).abs().max())
            if not apart <= LAB_TOLERANCE:
                why = f"crops in Lab came out {apart:.2g} apart"
            why = why or find_difference(before, after, TOLERANCE[bf16])
            farthest = max([farthest, *map(_distance, before, after)])
        if not all(piece.known for piece in pieces.values()):
            why = f"the losses of {type(recipe).__name__} are not made of its pieces"
    except Exception as error:  # the compiler's: as it is written the same step has just run
        why = describe_failure(error)
    for piece in pieces.values():
        piece.trying = False
    if why:
        for home, name in homes:
            home.__dict__.pop(name, None)
        return f"--compile: goes on uncompiled, because {why}."
    return (
        f"--compile: compiled in {time.monotonic() - began:.0f} s: crops and Lab, "
        f"{', '.join(recipe.pieces)}, with their backward passes; losses and gradients of a batch "
        f"differ by at most {farthest:.1g} of their size from those uncompiled."
    )


def _begins_of_stages(run: Run, seen: int) -> list[int]:
    """The numbers of images at which a size begins that is still to come, `seen` first."""
    begins, done = [seen], 0.0
    for _, share in run.stages[:-1]:
        done += share * run.images
        first = -(-int(done) // run.batch_size) * run.batch_size
        if seen < first < run.images and run.shape_at(first) != run.shape_at(begins[-1]):
            begins.append(first)
    return begins


def cut_batch(batches: Batches, seen: int) -> Tensor:
    """The batch after `seen` images in Lab (n, 3, height, width)."""
    pixels, _, _ = batches.take(batches.fetch(seen))
    return batches.lab(pixels, seen)


def try_losses(
    recipe: Recipe, batches: Batches, lab: Tensor, bf16: bool, seen: int
) -> list[float]:  # fmt: skip
    """Losses of one batch and the norms of their gradients; nothing is stepped or kept."""
    buffers = [(buffer, buffer.clone()) for buffer in recipe.buffers()]
    trained = [(value, value.requires_grad) for value in recipe.parameters()]
    _, label, answers = batches.take(batches.fetch(seen))
    parts = max(1, min(batches.run.accumulate, len(lab) // 2))
    told = [None] * parts if answers is None else answers.chunk(parts)
    torch.manual_seed(seen)
    recipe.zero_grad(set_to_none=True)  # of a step before
    try:
        return [
            value
            for x, y, z in zip(lab.chunk(parts), label.chunk(parts), told, strict=False)
            for value in _losses_and_norms(recipe, x, y, z, bf16)
        ]
    finally:  # a failure may come between two losses, while the critic is frozen
        recipe.zero_grad(set_to_none=True)
        for parameter, before in trained:
            parameter.requires_grad_(before)
        with torch.no_grad():
            for buffer, kept in buffers:
                buffer.copy_(kept)


def _losses_and_norms(
    recipe: Recipe, lab: Tensor, label: Tensor, answers: Tensor | None, bf16: bool
) -> Iterator[float]:
    running = recipe.losses(lab[:, :1], lab[:, 1:], label, answers)
    while True:
        with torch.autocast(lab.device.type, torch.bfloat16, enabled=bf16):
            found = next(running, None)
        if found is None:
            return
        name, loss = found
        loss.backward()
        grads = [
            value.grad
            for group in recipe.optimizers[name].param_groups
            for value in group["params"]
            if value.grad is not None
        ]
        yield float(loss.detach())
        yield float(torch.stack([grad.norm() for grad in grads]).norm())
        recipe.zero_grad(set_to_none=True)


def find_difference(before: list[float], after: list[float], tolerance: float) -> str:
    """What differs by more than the tolerance, as a clause; "" where nothing does."""
    for number, (a, b) in enumerate(zip(before, after, strict=True)):
        if not _distance(a, b) <= tolerance:
            kind = "the norm of its gradients" if number % 2 else "a loss"
            return f"a step came out otherwise: {kind} is {b:.6g} and not {a:.6g}"
    return ""


def _distance(a: float, b: float) -> float:
    return abs(a - b) / max(abs(a), 1e-6)


def describe_failure(error: Exception) -> str:
    """Why a compilation failed, as a clause."""
    if "InvalidCxxCompiler" in f"{type(error).__name__} {error}":
        return "torch.compile found no C++ compiler (g++)"
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"torch.compile failed ({type(error).__name__}: {first[:200]})".rstrip(".")
