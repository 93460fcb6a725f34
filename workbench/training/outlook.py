"""What a run will do, need and take, before its first step: `train --dry-run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from workbench.data.pictures import Shape, say_shape
from workbench.spec import Recipe
from workbench.training import record
from workbench.training.measure import Measured
from workbench.training.plan import Plan
from workbench.training.run import Run, describe_machine, use_bf16
from workbench.training.step import set_rates

LOOKS = (0.0, 0.5, 1.0)  # shares of the run at which the rates are told
STEPS = 3  # timed at each size, at most


@dataclass(frozen=True)
class Stage:
    """A part of a run at one size of crops."""

    shape: Shape  # height and width, pixels
    images: int
    measured: Measured

    @property
    def seconds(self) -> float:
        """How long it takes at this speed, and what `--compile` takes before."""
        return self.images / self.measured.images_per_second + self.measured.compiling


@dataclass(frozen=True)
class Outlook:
    """A plan, and what was measured of it. Writes nothing."""

    plan: Plan
    out: Path
    stages: tuple[Stage, ...]
    rates: dict[str, list[float]]  # optimizer -> learning rates at LOOKS
    measured: Measured  # at the largest size

    @property
    def seconds(self) -> float:
        """The steps alone, from the first image to the last, and `--compile`'s trial."""
        return sum(stage.seconds for stage in self.stages)

    def lines(self) -> list[tuple[str, str]]:
        """(what, sentence): the whole outlook to be read."""
        run, about, found = self.plan.run, self.plan.about, self.measured
        pictures = self.plan.pictures.pixels
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        steps = -(-run.images // run.batch_size)
        parts = f", each in {run.accumulate} parts" if run.accumulate > 1 else ""
        width = 1.0 if about["width"] is None else about["width"]
        said = [
            ("network", f"{about['model']}, preset {about['preset'] or 'paper'}, width {width:g}, "
                        f"{found.trained:,} numbers to train, critic included"),
            ("pictures", f"{len(pictures):,} to train on, {len(self.plan.validation)} watched"),
            ("run", f"{run.images:,} images in {steps:,} batches of {run.batch_size}{parts}: each "
                    f"picture {run.images / len(pictures):.1f} times"),
        ]  # fmt: skip
        said += [
            ("stage", f"{stage.images:,} images at {say_shape(stage.shape)} px, "
                      f"{stage.measured.images_per_second:.1f} a second: "
                      f"{stage.seconds / 60:.1f} minutes")
            for stage in self.stages
        ]  # fmt: skip
        said += [("compiled", stage.measured.compiled) for stage in self.stages if run.compile]
        said += [
            ("rate", f"{name}: {', '.join(f'{rate:.3g}' for rate in rates)} at the beginning, half "
                     "way and at the end")
            for name, rates in self.rates.items()
        ]  # fmt: skip
        where = "on the GPU if it fits in half of it" if device.type == "cuda" else "mapped"
        machine = describe_machine(device, 1)["device"]
        said += [
            ("precision", "bf16" if use_bf16(run.precision, device) else "fp32"),
            ("memory", f"about {_megabytes(found.memory)} at {say_shape(run.largest)} px, "
                       f"an estimate: weights {_megabytes(found.weights)}, their average "
                       f"{_megabytes(found.average)}, gradients {_megabytes(found.gradients)}, "
                       f"optimizers {_megabytes(found.optimizers)}, kept for the backward pass "
                       f"{_megabytes(found.activations)}; not counted: what single operations "
                       "need, and torch itself"),
            ("", f"and {_megabytes(pictures.nbytes)} of pictures, {where}"),
            ("time", f"about {self.seconds / 60:.1f} minutes: up to {STEPS} steps at each size "
                     f"were timed just now on {machine}; looks at the watched pictures come on "
                     "top"),
            ("writes", f"{self.out} {self.describe_folder()}; its state {_megabytes(found.state)}"),
        ]  # fmt: skip
        return [*said, *(("note", note) for note in self.plan.notes)]

    def describe_folder(self) -> str:
        """What lies in the folder already."""
        images = record.images_of(self.out)
        if images is None:
            return "(nothing to go on with is there)"
        seen = max((line.get("seen", 0) for line in record.read_log(self.out)), default=0)
        return (
            f"(a run is there, {seen:,} of {images:,} images seen: its own command goes on with "
            "it, any other is refused)"
        )


def look_ahead(plan: Plan, out: Path) -> Outlook:
    """Measure a few steps of a plan at each size of its run."""
    run = plan.run
    counted = plan.measure(run.largest, STEPS, count=True)
    stages, begun = [], 0
    for number, (shape, _) in enumerate(run.stages):
        shares = sum(share for _, share in run.stages[: number + 1])
        end = run.images if number == len(run.stages) - 1 else round(shares * run.images)
        speed = counted if shape == run.largest else plan.measure(shape, STEPS)
        stages.append(Stage(shape, end - begun, speed))
        begun = end
    return Outlook(plan, out, tuple(stages), rates_of(plan.make(run.images), run), counted)


def rates_of(recipe: Recipe, run: Run) -> dict[str, list[float]]:
    """Each optimizer's learning rate at LOOKS, by the recipe's own schedule."""
    found: dict[str, list[float]] = {name: [] for name in recipe.optimizers}
    for share in LOOKS:
        set_rates(recipe, min(run.images - 1, round(share * run.images)), run.warm_up)
        for name, optimizer in recipe.optimizers.items():
            found[name].append(optimizer.param_groups[0]["lr"])
    return found


def _megabytes(count: float) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e6:.1f} MB"
