"""From what a person typed to what the loop needs: pictures, network, recipe, run."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from workbench import checkpoints
from workbench.data import pictures as data
from workbench.data.pictures import Pictures, Shape
from workbench.errors import Problem
from workbench.spec import ModelSpec, Preset, Recipe, stored_elsewhere
from workbench.training.batches import source_shape
from workbench.training.measure import Measured, measure
from workbench.training.run import Run

RARE = 20  # a class with fewer pictures is not learnt: its pictures count as unlabelled
FEWEST_WATCHED, MOST_WATCHED = 96, 480  # validation pictures that a run looks at
HELD_BACK = 64  # pictures kept for validation when no set is named


@dataclass(frozen=True)
class Plan:
    """Everything `training.train` needs."""

    make: Callable[[int], Recipe]
    pictures: Pictures
    validation: np.ndarray
    run: Run
    about: dict[str, Any]
    notes: tuple[str, ...] = ()  # what a person should be told before it begins

    def seconds_per_image(self, steps: int = 3) -> float:
        """The mean over the stages of the run, each by its share of the images, uncompiled."""
        written = replace(self, run=replace(self.run, compile=False))
        return sum(
            share / written.images_per_second(steps, shape) for shape, share in self.run.stages
        )

    def images_in(self, seconds: float, steps: int = 3) -> int:
        """How many images the run sees in this time: each stage has its share, and `--compile` its
        trial before. At least a batch."""
        found = [(self.measure(shape, steps), share) for shape, share in self.run.stages]
        left = seconds - sum(each.compiling for each, _ in found)
        each_image = sum(share / each.images_per_second for each, share in found)
        return max(self.run.batch_size, int(left / each_image))

    def images_per_second(self, steps: int = 3, shape: Shape | None = None) -> float:
        """How fast this machine trains: a few steps on a recipe that is thrown away.

        shape: height and width of the crops, pixels; the run's largest by default.
        """
        return self.measure(shape or self.run.largest, steps).images_per_second

    def measure(self, shape: Shape, steps: int, count: bool = False) -> Measured:
        """A few steps at this size, thrown away; with `count`, what memory they want."""
        shown = self.pictures
        return measure(self.make, shown.pixels, shown.labels, self.run, shape, steps, count)


def make_plan(
    spec: ModelSpec,
    sources: Sequence[str],
    *,
    validation: Sequence[str] = (),
    preset: str | None = None,
    width: float | None = None,
    choices: Mapping[str, Any] | None = None,
    options: Sequence[str] = (),
    minutes: float | None = None,
    start_from: str | None = None,
    backbone: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    keep: bool = True,
) -> Plan:
    """Read the pictures and settle every choice.

    choices: fields of Run that were typed (None: not typed); options: "key=value" of the network
    or the recipe; keep: keep the decoded pictures (`data.load`). Raises Problem for an unknown
    preset or option, and what `data.load` raises.
    """
    chosen = find_preset(spec, preset)
    typed = {k: v for k, v in (choices or {}).items() if v is not None}
    run = Run(**{"images": spec.images, "batch_size": spec.batch_size, "size": "128",
                 **chosen.run, **typed})  # fmt: skip
    build, recipe = dict(chosen.build), dict(chosen.recipe)
    preset_width = build.pop("width", 1.0)
    typed_width, width = width, preset_width if width is None else width
    assign_options(options, spec, build, recipe)

    shape = source_shape(run.largest)
    pictures = known_classes(data.load(sources, shape, progress=progress, keep=keep))
    if validation:
        watched = data.load(validation, shape, keep=keep).pixels
        most = min(len(watched), count_watched(run.images))
        watched = watched[np.linspace(0, len(watched) - 1, most).astype(int)]
    else:
        pictures, watched = hold_back(pictures)
    most = max(2, len(pictures.pixels) // 2 * 2)
    if "batch_size" in typed and run.batch_size > most:
        raise Problem(f"--batch-size {run.batch_size} is more than there is: {most} pictures.")
    run = replace(run, batch_size=min(run.batch_size, most))

    if backbone:
        if spec.backbone is None:
            raise Problem(f"--backbone: {spec.title} takes no classifier of one's own.")
        build |= spec.backbone.options(Path(backbone))
    base = checkpoints.find(start_from) if start_from else None
    if base is not None:
        if base.spec is not spec:
            raise Problem(f"--from {start_from} is a {base.spec.name}, not a {spec.name}.")
        if typed_width not in (None, base.config["width"]):
            raise Problem(
                f"--width {typed_width:g} was given, but {start_from} has width "
                f"{base.config['width']:g}: leave --width out, or train without --from."
            )
        width, build = base.config["width"], {**base.config["options"], **build}
    if spec.labels and build.get("classification", True) and not recipe.get("soft_labels"):
        known = tuple(base.config.get("classes", ())) if base else ()
        if known != pictures.classes or "classes" not in build:
            build["classes"] = len(pictures.classes)  # other classes than the base's: a new head

    notes: list[str] = []
    if base is not None and start_from is not None:
        fresh = spec.outline(width, **build)
        notes = _what_is_new(base.net(), fresh, start_from)

    def make(images: int) -> Recipe:
        torch.manual_seed(run.seed)
        try:
            net = spec.build(width=width, **build)
            if base is not None:
                carry_over(base.net(), net)
            elif backbone and spec.backbone:
                spec.backbone.load(net, Path(backbone))
            return spec.recipe(net, images, **recipe)
        except ValueError as error:
            raise Problem(f"{spec.name} cannot be made with these options: {error}.") from None

    about = {
        "model": spec.name, "width": width, "options": build, "recipe": recipe,
        "size": run.shown or min(run.largest), "crops": run.size,
        "augmentation": run.augmentation(),
        "preset": preset, "trained_on": list(sources), "from": base.revision if base else None,
        "images_before": base.config["images_seen"] if base else 0,
    }  # fmt: skip
    made = Plan(make, pictures, watched, run, about, tuple(notes))
    if minutes is not None:
        if minutes <= 0:
            raise Problem(f"--minutes is above 0, not {minutes:g}.")
        made = replace(made, run=replace(run, images=made.images_in(minutes * 60)))
    return made


def pick_fitting(base: nn.Module, net: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of `base` that have their place, by name and shape, in `net`."""
    state = net.state_dict()
    return {
        key: value
        for key, value in base.state_dict().items()
        if key in state and state[key].shape == value.shape
    }


def carry_over(base: nn.Module, net: nn.Module) -> None:
    """Copy into `net` every weight of `base` that has its place there."""
    net.load_state_dict(pick_fitting(base, net), strict=False)


def _what_is_new(base: nn.Module, net: nn.Module, name: str) -> list[str]:
    """Sentences on what a run that starts from `base` does not take from it."""
    said = [f"Optimizers and critic begin anew: {name} holds the network's weights alone."]
    new = [key for key in net.state_dict() if not key.startswith(stored_elsewhere(net))]
    if new := sorted(set(new) - set(pick_fitting(base, net))):
        parts = ", ".join(dict.fromkeys(key.rpartition(".")[0] for key in new))
        said.append(f"{parts}: new, because {name} has no such layer of that size.")
    return said


def assign_options(
    options: Sequence[str], spec: ModelSpec, build: dict[str, Any], recipe: dict[str, Any]
) -> None:
    """Sort "key=value" texts into the network's and the recipe's keyword arguments."""
    homes = [
        (_options_of(spec.build, "width", "classes"), build),
        (_options_of(spec.recipe, "net", "images"), recipe),
    ]
    for text in options:
        key, equals, value = text.partition("=")
        taken = [target for names, target in homes if key in names]
        if not equals or not taken:
            known = sorted({name for names, _ in homes for name in names})
            raise Problem(f"--set {text!r}: {spec.name} takes key=value with {', '.join(known)}.")
        for names, target in homes:
            if key in names:
                target[key] = _fitting(key, parse_value(value), names[key])


def list_options(spec: ModelSpec, preset: str | None = None) -> list[dict[str, Any]]:
    """What `--set` takes for a model: rows of option, default (with this preset), and whose it is.

    Raises Problem for an unknown preset.
    """
    chosen = find_preset(spec, preset)
    homes = (
        ("network", _options_of(spec.build, "width", "classes"), chosen.build),
        ("recipe", _options_of(spec.recipe, "net", "images"), chosen.recipe),
    )
    return [
        {"option": name, "default": preset_own.get(name, option.default), "of": home}
        for home, names, preset_own in homes
        for name, option in names.items()
    ]


def find_preset(spec: ModelSpec, preset: str | None) -> Preset:
    """A model's preset or ablation of this name; an empty one for None. Raises Problem."""
    named = {**spec.presets, **spec.ablations}
    if preset is None:
        return Preset("")
    if preset not in named:
        raise Problem(f"{spec.name} has no preset {preset!r}. It has: {', '.join(named)}.")
    return named[preset]


def _options_of(function: Callable[..., Any], *without: str) -> dict[str, inspect.Parameter]:
    """The keyword arguments of a network's or a recipe's maker."""
    found = inspect.signature(function).parameters.items()
    return {name: parameter for name, parameter in found if name not in without}


def _is_number(value: Any) -> bool:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and math.isfinite(value) and value >= 0


# What an option takes by its annotation: a test of a value, the words for it, what is made of it.
KINDS: dict[str, tuple[Callable[[Any], bool], str, Callable[[Any], Any]]] = {
    "bool": (lambda value: isinstance(value, bool), "true or false", bool),
    "int": (
        lambda value: _is_number(value) and value == int(value), "a whole number from 0 on", int
    ),
    "float": (_is_number, "a number from 0 on", float),
    "str": (lambda value: isinstance(value, str), "a word", str),
}  # fmt: skip


def _fitting(key: str, value: Any, option: inspect.Parameter) -> Any:
    """A typed value, of the kind that the option has; raises Problem where it is another."""
    told = option.annotation
    kind, _, optional = getattr(told, "__name__", str(told)).partition(" | ")
    if kind not in KINDS or (value is None and optional == "None"):
        return value
    fits, words, made = KINDS[kind]
    if fits(value):
        return made(value)
    raise Problem(f"--set {key}={value}: {key} is {words}, {option.default} by itself.")


def parse_value(text: str) -> Any:
    """ "0.3" -> 0.3, "true" -> True, "none" -> None, anything else stays a text."""
    if text.lower() in ("true", "false", "none"):
        return {"true": True, "false": False, "none": None}[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def known_classes(pictures: Pictures) -> Pictures:
    """Keep the classes with at least RARE pictures, of those with labels at all."""
    counts = np.bincount(pictures.labels[pictures.labels >= 0], minlength=len(pictures.classes))
    kept = np.flatnonzero(counts >= RARE)
    index = np.full(len(pictures.classes) + 1, -1)
    index[kept] = np.arange(len(kept))
    return replace(
        pictures,
        labels=index[pictures.labels],  # -1 indexes the last entry: -1
        classes=tuple(pictures.classes[i] for i in kept),
    )


def count_watched(images: int) -> int:
    """How many validation pictures a run of so many images looks at, twenty times.

    96 let the PSNR of a network that no longer changes swing by 0.25 dB; 480 in a run of a minute
    would take longer than its training.
    """
    return max(FEWEST_WATCHED, min(MOST_WATCHED, images // 125))


def hold_back(pictures: Pictures) -> tuple[Pictures, np.ndarray]:
    """Without a validation set: every so-manieth picture, at most 64, is kept out of training.

    Under 16 pictures nothing can be spared: the run watches pictures it trains on.
    """
    count = len(pictures.pixels)
    if count < 16:
        return pictures, np.array(pictures.pixels)  # a copy: those of the map are read-only
    held = np.linspace(0, count - 1, min(HELD_BACK, count // 5)).astype(int)
    rest = np.setdiff1d(np.arange(count), held)
    trained = replace(
        pictures,
        pixels=cast(np.ndarray, Subset(pictures.pixels, rest)),
        labels=pictures.labels[rest],
        groups=pictures.groups[rest],
    )
    return trained, np.asarray(pictures.pixels[held])


class Subset:
    """Some rows of a memory map, without copying it."""

    def __init__(self, pixels: np.ndarray, rows: np.ndarray) -> None:
        self.pixels, self.rows = pixels, rows
        self.shape = (len(rows), *pixels.shape[1:])
        self.nbytes = len(rows) * pixels[0].nbytes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: np.ndarray) -> np.ndarray:
        return self.pixels[self.rows[chosen]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.pixels[self.rows], dtype=dtype)
