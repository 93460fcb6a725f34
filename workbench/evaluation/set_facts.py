"""What is in a data set: its labels, the mean of its colours, and how hard it is for grey."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import Problem
from workbench.evaluation.scores import Score
from workbench.evaluation.summaries import Line, lines

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.data.sources import Item
    from workbench.spec import DatasetSpec

LOOKED_AT = 64  # pictures that are decoded for the mean colour plane
SIDE = 64  # of that plane, pixels
THUMBNAILS = 12
FREE = ("CC0", "free use")  # terms, as datasets_table.py words them, under which pictures are shown
GREY_METRICS = ("psnr", "psnr_ab", "ssim", "delta_e")


@dataclass(frozen=True)
class Look:
    """labels: pictures per label; plane: their mean ab at every place, CIELAB units (2, S, S)."""

    pictures: int
    labels: dict[str, int]
    looked_at: int
    plane: Tensor
    thumbnails: tuple[Tensor, ...]  # uint8 RGB (3, S, S)


def look_at(items: Iterable[Item]) -> Look:
    """Count all pictures, and decode the first LOOKED_AT. Raises Problem where none can be."""
    import torch

    from workbench.color import split_lab
    from workbench.data.pictures import decode_square

    labels: Counter[str] = Counter()
    count, total = 0, torch.zeros(2, SIDE, SIDE)
    some: list[Tensor] = []
    for item in items:
        count += 1
        if item.label is not None:
            labels[item.label] += 1
        if len(some) < LOOKED_AT:
            try:
                rgb = torch.from_numpy(decode_square(item.data, SIDE)[0])
            except Problem:
                continue
            some.append(rgb)
            total += split_lab(rgb)[1]
    if not some:
        raise Problem("None of its pictures can be read.")
    return Look(count, dict(labels), len(some), total / len(some), tuple(some[:THUMBNAILS]))


def paint_plane(plane: Tensor) -> Tensor:
    """A plane of ab (2, S, S) as a picture of one lightness, 60: uint8 RGB (3, S, S)."""
    import torch

    from workbench.color import join_rgb

    return join_rgb(torch.full((1, *plane.shape[1:]), 60.0), plane)


def may_show(spec: DatasetSpec) -> bool:
    """Whether its terms allow everybody to show its pictures."""
    return spec.licence.startswith(FREE)


def score_of_grey(rows: Sequence[Score], dataset: str) -> list[Line]:
    """Grey's means on a set, a line per protocol and size: what no colour at all comes to."""
    mine = [row for row in rows if row.dataset == dataset and row.model == "grey"]
    return lines(mine, GREY_METRICS)


def colorfulness_of(rows: Sequence[Score], dataset: str) -> tuple[float, float, float] | None:
    """Quartiles of the photographs' own colourfulness (Hasler & Suesstrunk); None without rows."""
    told = {
        row.picture: row.colorfulness_truth
        for row in rows
        if row.dataset == dataset and row.colorfulness_truth is not None
    }
    if not told:
        return None
    low, middle, high = np.percentile(list(told.values()), [25, 50, 75])
    return float(low), float(middle), float(high)
