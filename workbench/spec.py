"""The vocabulary: what a colorizer, a recipe, a model and a data set are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode

from workbench.provenance import Fact


class Colorizer(nn.Module):
    """A network: L (N, 1, H, W) in [0, 100] in, ab (N, 2, H, W) in CIELAB units out, any H and W.

    A plain `nn.Module` with such a `forward` will do. One that can more is a Colorizer and says
    so: what stands here is what a network without that ability answers.
    """

    bins: bool = False  # predicts a distribution over colours: `logits(L)`, `decode(logits, t)`
    rebalanced: bool = False  # was trained with rare colours weighted up: `rebalance(logits, kept)`
    stored_elsewhere: tuple[str, ...] = ()  # beginnings of the names of weights that come with
    # a pretrained part, one copy for all, and are not stored in the checkpoint
    class_scores: Tensor | None = None  # (N, classes) of the last call, of a branch of its own
    gain: float = 1.0  # what its ab is multiplied by in use; training and its losses know none

    def settle(self) -> None:
        """Compute once what follows from the weights alone: after loading, for use, not training.

        State dict and output stay the same.
        """

    def embed(self, L: Tensor) -> Tensor | None:
        """What a frozen classifier in it says of L (N, 1, H, W): (N, classes), for `forward`."""
        return None


def stored_elsewhere(net: nn.Module) -> tuple[str, ...]:
    """How the names of weights begin that are not stored with this network."""
    return net.stored_elsewhere if isinstance(net, Colorizer) else ()


class Recipe(nn.Module):
    """A network, its critic if it has one, and its losses: what a paper's algorithm box says.

    Subclasses set `net` and `optimizers` and give their `loss`, or yield several `losses`. The
    trainer steps an optimizer before it asks for the next loss, so a critic is stepped before the
    generator's loss is computed, in the order in which the paper prints them.
    """

    net: nn.Module
    optimizers: dict[str, Optimizer]
    asks: str | None = None  # what the eye is asked about: "grey" or "colour" pictures, or nothing
    pieces: tuple[str, ...] = ("loss",)  # the methods from tensors to tensors that `losses` is made
    # of, all that is computed but sums: what `--compile` compiles

    def loss(
        self, L: Tensor, ab: Tensor, label: Tensor | None = None, answers: Tensor | None = None
    ) -> Tensor:
        """The loss of a recipe that has one, of what `losses` takes."""
        raise NotImplementedError

    def losses(
        self, L: Tensor, ab: Tensor, label: Tensor | None = None, answers: Tensor | None = None
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield (optimizer's name, scalar loss).

        L (N, 1, H, W) in [0, 100], ab (N, 2, H, W) in CIELAB units, label (N,) int64, -1 where
        a picture has none; answers (N, 1000): the eye's class scores of the whole pictures, where
        the recipe asks for them.
        """
        yield "net", self.loss(L, ab, label, answers)

    def schedule(self, seen: int) -> None:
        """Set what depends on the number of images seen (learning rates, weights of losses)."""


@dataclass(frozen=True)
class Preset:
    """A named way to train: options of the network, of the recipe, and of the run."""

    title: str
    build: Mapping[str, Any] = field(default_factory=dict)  # of ModelSpec.build, width too
    recipe: Mapping[str, Any] = field(default_factory=dict)  # of ModelSpec.recipe
    run: Mapping[str, Any] = field(default_factory=dict)  # fields of training.Run (images, size..)


@dataclass(frozen=True)
class Claim:
    """What a paper says of two of its ablations: `metric` of first minus second has this sign."""

    text: str  # in our words
    first: str
    second: str
    metric: str = "psnr"
    sign: int = 1
    paper: float | None = None  # the difference it prints, where it prints one


@dataclass(frozen=True)
class OwnBackbone:
    """How a network takes a classifier that its user trained: `python -m workbench backbone`."""

    options: Callable[[Path], dict[str, Any]]  # of `build`, for a file of weights
    load: Callable[[nn.Module, Path], None]  # put the file's weights into a network
    used: Callable[[Mapping[str, Any]], bool]  # whether a network of these options asks it


class _WithoutDraws(TorchFunctionMode):
    """Leave out `normal_`: on the meta device torch imports its compiler for it, seconds for
    weights that are never made."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function.__name__ == "normal_":
            return args[0] if args else kwargs["tensor"]
        return function(*args, **(kwargs or {}))


@dataclass(frozen=True, eq=False)  # hashed by identity: the registry holds one of each
class ModelSpec:
    """A system as the registry knows it: that of a paper, or one without a paper."""

    name: str
    title: str
    paper: str  # authors and title; "" for what is not from a paper
    claim: str  # what the paper says it shows, in our words
    build: Callable[..., nn.Module]  # build(width=1.0, **options) -> Colorizer
    recipe: Callable[..., Recipe]  # recipe(net, images=N, **options)
    size: int  # side the network was designed for, pixels
    batch_size: int
    images: int  # images seen in a training with the preset `paper`
    color: str  # its colour in every chart (Okabe & Ito 2008, colour-blind safe)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    ablations: Mapping[str, Preset] = field(default_factory=dict)  # what the paper argues from
    provenance: tuple[Fact, ...] = ()  # of the preset `paper`: stated, inferred or borrowed
    year: int | None = None  # of the paper, where it is known
    url: str = ""  # where the paper can be read
    predicts: Literal["ab", "distribution"] = "ab"  # what `build` gives without options
    labels: bool = False  # learns the pictures' classes: `build` takes classes=N
    backbone: OwnBackbone | None = None
    inside: tuple[str, ...] = ("features",)  # what the lesson shows of it: insides.VIEWS
    claims: tuple[Claim, ...] = ()  # what the paper concludes from its ablations
    printed: Mapping[str, str] = field(default_factory=dict)  # ablation -> system in REPORTED

    def outline(self, width: float = 1.0, **options: Any) -> nn.Module:
        """The network without weights, on the meta device: its layers, their names and shapes."""
        with torch.device("meta"), _WithoutDraws():
            return self.build(width=width, **options)

    @property
    def ours(self) -> bool:
        """Whether it is not from a paper: a yardstick beside the papers' networks."""
        return not self.paper

    @property
    def source(self) -> str:
        """The paper, with its year where that is known; said honestly where there is none."""
        if self.ours:
            return "Not from a paper: ours"
        return f"{self.paper} ({self.year})" if self.year else self.paper


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
    foreign: bool | None = None  # test sets: whether the training set has nothing of its source

    @property
    def kinship(self) -> str:
        """What a test set is to the training set of the bundled weights; "" for other sets."""
        return {None: "", False: "same source as training", True: "foreign source"}[self.foreign]


def lower_rates(optimizers: Mapping[str, Optimizer], seen: int, images: int, decay: float) -> None:
    """Let every learning rate fall linearly to 0 over the last `decay` of all images."""
    left = (images - seen) / (images * decay) if decay else 1.0
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * min(1.0, max(0.0, left))


def warm_and_lower_rates(
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
