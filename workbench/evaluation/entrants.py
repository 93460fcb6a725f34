"""Who may be scored: our networks, anyone's function, pictures made elsewhere, the no-ops."""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workbench.color import join_rgb
from workbench.data.pictures import Shape, decode
from workbench.data.sources import Item
from workbench.errors import Problem
from workbench.images import SUFFIXES, size_of
from workbench.models.ab_bins import BUNDLED_PRIOR
from workbench.names import walk

if TYPE_CHECKING:
    from workbench.checkpoints import Checkpoint


@dataclass(frozen=True)
class Batch:
    """Pictures to colourize: names, truth uint8 RGB (N, 3, S, S), L float32 (N, 1, S, S).

    labels: their own, None where there is none; named (N,): the classes that a `Reader` sees in the
    truth.
    """

    names: tuple[str, ...]
    truth: Tensor
    L: Tensor
    labels: tuple[str | None, ...] = ()
    named: Tensor | None = None


@dataclass(frozen=True)
class Entrant:
    """A row of the leaderboard. paint: Batch -> uint8 RGB (N, 3, S, S).

    revision: of its weights, "-" where it has none; pictures: the names it has an answer for, None
    for all.
    """

    name: str
    revision: str
    paint: Callable[[Batch], Tensor]
    pictures: frozenset[str] | None = None


def baselines() -> list[Entrant]:
    """The rows that are no network: grey (a = b = 0), mean_ab, and the truth itself."""
    return [
        Entrant("grey", "-", lambda batch: _constant(batch, (0.0, 0.0))),
        Entrant("mean_ab", "-", lambda batch: _constant(batch, mean_ab())),
        Entrant("truth", "-", lambda batch: batch.truth),
    ]


@cache
def mean_ab() -> tuple[float, float]:
    """The mean a and b of the training photographs, as `workbench prior` found them."""
    a, b = json.loads(BUNDLED_PRIOR.read_text(encoding="utf-8"))["about"]["mean_ab"]
    return a, b


def from_checkpoint(checkpoint: Checkpoint, device: str = "cpu") -> Entrant:
    """One of our networks, run at the size that its config.json names."""
    from workbench.coloring.colorize import predict_ab

    net = checkpoint.net().to(device).eval()
    return from_function(
        checkpoint.name, checkpoint.revision, lambda L: predict_ab(net, L, checkpoint.size)
    )


def from_function(name: str, revision: str, colorize: Callable[[Tensor], Tensor]) -> Entrant:
    """Anyone's function: L (N, 1, H, W) in [0, 100] -> ab (N, 2, H, W) in CIELAB units."""

    def paint(batch: Batch) -> Tensor:
        ab = colorize(batch.L).to(batch.L.device)
        if tuple(ab.shape) != (len(batch.L), 2, *batch.L.shape[-2:]):
            raise Problem(
                f"{name} answered {tuple(ab.shape)} to L {tuple(batch.L.shape)}: "
                "ab (N, 2, H, W) of the same height and width was expected."
            )
        if not torch.isfinite(ab).all():
            raise Problem(f"{name} answered values of ab that are not finite.")
        return join_rgb(batch.L, ab.float())

    return Entrant(name, revision, paint)


def from_entry_point(text: str) -> Entrant:
    """`module:function`, imported from the current folder or the environment."""
    module, _, function = text.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as reason:
        raise Problem(f"{text!r} cannot be imported: {reason}.") from None
    if not callable(getattr(found, function, None)):
        raise Problem(f"The module {module!r} has no function {function!r}.")
    return from_function(text, "-", getattr(found, function))


def from_predictions(
    folder: Path, name: str, items: Iterable[Item], shapes: Iterable[Shape]
) -> tuple[Entrant, list[str]]:
    """Pictures made elsewhere, matched to those of a data set: (entrant, what is wrong).

    A prediction belongs to a picture when its path below `folder`, or else its file name, is the
    picture's, with its suffix or, where that is enough to know it, without. It must have the
    picture's own width and height, or one of `shapes` (height, width). What is missing, broken or
    has another size is said, a sentence each, and not scored. Raises Problem when nothing is left.
    """
    if not folder.is_dir():
        raise Problem(f"There is no folder {str(folder)!r} with predictions.")
    files = list(walk(folder, SUFFIXES))
    by_path = {file.relative_to(folder).as_posix(): file for file in files}
    stems: dict[str, list[Path]] = {}
    for file in files:
        below = file.relative_to(folder)
        for key in {below.with_suffix("").as_posix(), f"*/{file.stem}"}:
            stems.setdefault(key, []).append(file)
    compared = {(width, height) for height, width in shapes}
    named = [(item.name, picture_path(item.name), _dimensions(item.data)) for item in items]
    shared = Counter(path.with_suffix("") for _, path, _ in named)
    found: dict[str, Path] = {}
    wrong = []
    for name_of_item, path, wanted in named:
        fitting = [by_path[path.as_posix()]] if path.as_posix() in by_path else []
        if not fitting:  # x.jpg.png for x.jpg
            fitting = stems.get(path.as_posix(), [])
        if not fitting and shared[path.with_suffix("")] == 1:  # else x.png is not that of x.jpg
            fitting = stems.get(path.with_suffix("").as_posix()) or stems.get(f"*/{path.stem}", [])
        if len(fitting) != 1:
            said = ", ".join(str(each.relative_to(folder)) for each in fitting)
            reason = f"these fit alike: {said}" if said else "there is no prediction of this name"
            wrong.append(f"{path}: {reason}.")
            continue
        file = fitting[0]
        made = _dimensions(file.read_bytes())
        if made is None:
            wrong.append(f"{file} is no picture.")
        elif wanted is not None and made != wanted and made not in compared:
            wrong.append(f"{file} has {_by(made)} pixels where {path} has {_by(wanted)}.")
        else:
            found[name_of_item] = file
    if not found:
        raise Problem(
            f"None of the {len(files)} pictures in {str(folder)!r} fits the data set. "
            f"{' '.join(wrong[:3]) or 'The data set is empty.'}"
        )
    return Entrant(name, "-", lambda batch: _load(found, batch), frozenset(found)), wrong


def picture_path(name: str) -> Path:
    """The path in a picture's name: "coco.parquet[7] coco/a.webp" -> coco/a.webp, or coco-7."""
    table, _, path = name.partition(" ")
    if ".parquet[" not in table:
        return Path(name)
    return Path(path or table.replace(".parquet[", "-").rstrip("]"))


def _dimensions(data: bytes | np.ndarray) -> tuple[int, int] | None:
    """Width and height as the picture is seen (upright, as its EXIF says); None: no picture."""
    if not isinstance(data, bytes):
        return data.shape[1], data.shape[0]
    try:
        return size_of(data)
    except Problem:
        return None


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _constant(batch: Batch, ab: tuple[float, float]) -> Tensor:
    plane = batch.L.new_tensor(ab).view(1, 2, 1, 1)
    return join_rgb(batch.L, plane.expand(len(batch.L), 2, *batch.L.shape[-2:]))


def _load(files: Mapping[str, Path], batch: Batch) -> Tensor:
    height, width = batch.truth.shape[-2:]
    pixels = [decode(files[name].read_bytes(), (height, width))[0] for name in batch.names]
    return torch.stack([torch.from_numpy(picture) for picture in pixels]).to(batch.truth.device)
