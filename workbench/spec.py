"""The vocabulary of the house: what a colorizer, a recipe, a model and a data set are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer


class Colorizer(Protocol):
    """A network: L in, ab out."""

    def __call__(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> ab (N, 2, H, W) in CIELAB units, any H and W."""
        ...


class Recipe(nn.Module):
    """A network, its critic if it has one, and its losses: what a paper's algorithm box says.

    Subclasses set `net` and `optimizers` and yield their losses. The trainer steps an optimizer
    before it asks for the next loss, so a critic is stepped before the generator's loss is
    computed, in the order in which the paper prints them.
    """

    net: nn.Module
    optimizers: dict[str, Optimizer]
    asks: str | None = None  # what the eye is asked about: "grey" or "colour" pictures, or nothing

    def losses(
        self, L: Tensor, ab: Tensor, label: Tensor | None = None, answers: Tensor | None = None
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield (optimizer's name, scalar loss).

        L (N, 1, H, W) in [0, 100], ab (N, 2, H, W) in CIELAB units, label (N,) int64, -1 where
        a picture has none; answers (N, 1000): the eye's class scores of the whole pictures, where
        the recipe asks for them.
        """
        raise NotImplementedError

    def schedule(self, seen: int) -> None:
        """Set what depends on the number of images seen (learning rates, weights of losses)."""


@dataclass(frozen=True)
class Preset:
    """A named way to train: options of the network, of the recipe, and of the run."""

    title: str
    build: Mapping[str, Any] = field(default_factory=dict)  # of ModelSpec.build, width too
    recipe: Mapping[str, Any] = field(default_factory=dict)  # of ModelSpec.recipe
    run: Mapping[str, Any] = field(default_factory=dict)  # fields of training.Run (images, size..)


@dataclass(frozen=True, eq=False)  # hashed by identity: the registry holds one of each
class ModelSpec:
    """One of the five systems, as the registry knows it."""

    name: str
    title: str
    paper: str  # authors, title, year
    claim: str  # what the paper says it shows, in our words
    build: Callable[..., nn.Module]  # build(width=1.0, classes=0, **options) -> Colorizer
    recipe: Callable[..., Recipe]  # recipe(net, images=N, **options)
    size: int  # side the network was designed for, pixels
    batch_size: int
    images: int  # images seen in the paper's own training
    color: str  # its colour in every chart (Okabe & Ito 2008, colour-blind safe)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    ablations: Mapping[str, Preset] = field(default_factory=dict)  # what the paper argues from


@dataclass(frozen=True)
class DatasetSpec:
    """A set of photographs: where it comes from and what its terms allow."""

    name: str
    title: str
    source: str  # what `--data` takes, or how to get it
    licence: str
    split: str  # train, validation or test
    labels: int = 0  # number of classes, 0 when unlabelled
    note: str = ""


def fall(optimizers: Mapping[str, Optimizer], seen: int, images: int, decay: float) -> None:
    """Let every learning rate fall linearly to 0 over the last `decay` of all images."""
    left = (images - seen) / (images * decay) if decay else 1.0
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * min(1.0, max(0.0, left))


def warm_cosine(
    optimizers: Mapping[str, Optimizer], seen: int, images: int, warm_up: float
) -> None:
    """Let every learning rate rise over `warm_up` of all images, then fall to 0 along a cosine."""
    done = min(1.0, seen / images)
    if done < warm_up:
        share = (done + 1e-3) / (warm_up + 1e-3)
    else:
        share = 0.5 + 0.5 * math.cos(math.pi * (done - warm_up) / (1 - warm_up))
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * share
