"""Errors by the hue of the truth and by the label of the scene: Liu & Tu's own results.

They write that their network is good "especially on landscape images", "does an excellent job in
recovering" green and blue, and is "fairly irresponsive to red". Pixels are told apart by the true
colour: by its hue in CIELAB where its chroma is at least `CHROMA`, else they are neutral. There is
one row per picture and sector, in `<model>/by_colour/<dataset>.csv` beside `<model>/scores/`;
means with 95 % bootstrap intervals over pictures are computed from those rows. Pictures are made
and scaled as in protocol `cw-1`, at `SIZE` alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench import errors
from workbench.color import ciede2000, rgb_to_lab, split_lab
from workbench.data.pictures import decode_square
from workbench.data.sources import Item
from workbench.errors import Problem
from workbench.evaluation.entrants import Batch, Entrant
from workbench.evaluation.evaluate import batches
from workbench.evaluation.summaries import RESAMPLES, SEED, Mean
from workbench.images import open_pixels
from workbench.writing import as_csv, unescape_formula, write_whole

SIZE = 128  # side of the compared squares, pixels
CHROMA = 10.0  # of the truth, CIELAB units: below it a colour has no hue worth the name
SECTORS = {  # from where the sector before ends up to this hue angle in CIELAB, degrees
    "red": 45.0,  # sRGB's own red is at 40, its green at 136, its blue at 306
    "orange": 75.0,
    "yellow": 110.0,
    "green": 185.0,
    "blue": 315.0,
    "purple": 345.0,  # the rest of the circle is red again
}
NEUTRAL = "neutral"
LANDSCAPES = ("forest", "glacier", "mountain", "sea")  # labels of intel-scenes
BUILT = ("buildings", "street")


@dataclass(frozen=True, slots=True)
class Share:
    """What became of the pixels of one sector in one picture.

    revision: 12 hex digits of the weights' SHA-256, "-" for what has no weights; label: of the
    picture, "" where it has none; size: side of the square, pixels; sector: of SECTORS, or NEUTRAL;
    pixels: how many; delta_e: their mean CIEDE2000; chroma, chroma_truth: their mean chroma in the
    result and in the truth, CIELAB units.
    """

    model: str
    revision: str
    dataset: str
    picture: str
    label: str
    size: int
    sector: str
    pixels: int
    delta_e: float
    chroma: float
    chroma_truth: float


@dataclass(frozen=True)
class Judged:
    """A sentence of the paper against the rows: `difference` is what has to be above 0."""

    claim: str
    measure: str
    difference: Mean

    @property
    def outcome(self) -> str:
        """What the interval says of these weights; other seeds may say otherwise."""
        if not np.isfinite(self.difference.value):
            return "no such pictures"
        if self.difference.low > 0:
            return "seen"
        return "the opposite is seen" if self.difference.high < 0 else "not seen"


COLUMNS = tuple(field.name for field in fields(Share))
NUMBERS: dict[str, Callable[[str], Any]] = {
    "size": int, "pixels": int, "delta_e": float, "chroma": float, "chroma_truth": float,
}  # fmt: skip


# ------------------------------------------------------------------------------ the rows


def sectors(lab: Tensor) -> Tensor:
    """Lab (..., 3, H, W) -> the number of each pixel's sector (..., H, W); the last is neutral."""
    _, a, b = lab.unbind(-3)
    hue = torch.rad2deg(torch.atan2(b, a)) % 360
    ends = torch.tensor(list(SECTORS.values()), device=lab.device)
    number = torch.bucketize(hue, ends, right=True) % len(SECTORS)
    return torch.where(torch.hypot(a, b) < CHROMA, len(SECTORS), number)


def measure(prediction: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """uint8 RGB (N, 3, H, W) twice -> pixels, delta_e, chroma, chroma_truth, each (N, sectors + 1).

    The last column is that of neutral pixels; where a picture has none of a sector it is nan.
    """
    made, true = (rgb_to_lab(rgb.float() / 255) for rgb in (prediction, truth))
    member = torch.nn.functional.one_hot(sectors(true), len(SECTORS) + 1)  # (N, H, W, sectors + 1)
    member = member.flatten(1, 2).double()
    pixels = member.sum(1)
    planes = {
        "delta_e": ciede2000(made, true),
        "chroma": made[:, 1:].norm(dim=1),
        "chroma_truth": true[:, 1:].norm(dim=1),
    }
    means = {
        name: torch.einsum("np,nps->ns", plane.flatten(1).double(), member) / pixels
        for name, plane in planes.items()
    }
    return {"pixels": pixels, **means}


def shares(
    entrants: Sequence[Entrant],
    items: Iterable[Item],
    dataset: str,
    unreadable: Callable[[str], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Share]:
    """Rows of every entrant on every picture of a data set, at SIZE x SIZE.

    A picture that cannot be decoded is handed to `unreadable` as a sentence and left out; without
    it, it raises Problem. progress: hears how many pictures are done.
    """
    done = 0
    for group in batches(items):
        readable: list[tuple[Item, np.ndarray]] = []
        for item in group:
            try:
                data = item.data
                pixels = data if isinstance(data, np.ndarray) else open_pixels(data, item.name)
                readable.append((item, decode_square(pixels, SIZE)[0]))
            except Problem as reason:
                if unreadable is None:
                    raise
                unreadable(f"{item.name} of {dataset} cannot be read ({reason}).")
        if readable:
            found, pictures = zip(*readable, strict=True)
            truth = torch.from_numpy(np.stack(pictures))
            names = tuple(item.name for item in found)
            batch = Batch(names, truth, split_lab(truth)[0], tuple(item.label for item in found))
            for entrant in entrants:
                yield from _rows(entrant, batch, dataset)
        done += len(group)
        if progress:
            progress(done)


@torch.inference_mode()
def _rows(entrant: Entrant, batch: Batch, dataset: str) -> Iterator[Share]:
    measured = measure(entrant.paint(batch), batch.truth)
    found = {name: table.tolist() for name, table in measured.items()}
    for i, (name, label) in enumerate(zip(batch.names, batch.labels, strict=True)):
        for k, sector in enumerate((*SECTORS, NEUTRAL)):
            if pixels := int(found["pixels"][i][k]):
                yield Share(
                    entrant.name, entrant.revision, dataset, name, label or "", SIZE, sector,
                    pixels, found["delta_e"][i][k], found["chroma"][i][k],
                    found["chroma_truth"][i][k],
                )  # fmt: skip


# ----------------------------------------------------------------------------- the files


def folder_beside(scores: Path) -> Path:
    """Where the tables of a model lie whose scores are in this folder."""
    return scores.with_name("by_colour")


def write(path: Path, rows: Iterable[Share]) -> None:
    """Write rows as CSV, numbers with 4 significant digits. Raises Problem on a full disk."""
    table = [
        {name: f"{v:.4g}" if isinstance(v, float) else v for name, v in asdict(row).items()}
        for row in rows
    ]
    write_whole(path.parent, {path.name: as_csv(table, COLUMNS).encode()})


def read(path: Path) -> list[Share]:
    """Rows of a table that `write` wrote. Raises Problem when it is something else."""
    try:
        lines = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
        if tuple(lines.fieldnames or ()) != COLUMNS:
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        return [
            Share(**{name: NUMBERS.get(name, unescape_formula)(line[name]) for name in COLUMNS})
            for line in lines
        ]
    except (OSError, ValueError, TypeError, AttributeError, csv.Error) as reason:
        raise Problem(f"{path} is not a table of errors by colour: {reason}.") from None


def files(roots: Iterable[Path]) -> list[Path]:
    """Every table below some roots: `<root>/<model>/by_colour/<dataset>.csv`."""
    return [path for root in roots for path in sorted(root.glob("*/by_colour/[!.]*.csv"))]


def read_each(paths: Iterable[Path]) -> tuple[list[Share], list[str]]:
    """All rows of some tables, and a sentence about each that cannot be read."""
    return errors.read_each(read, paths)


# -------------------------------------------------------------------------- what they say


def by_sector(rows: Iterable[Share], what: str = "delta_e") -> dict[str, dict[str, Mean]]:
    """model -> sector -> mean over the pixels of that sector in all pictures.

    what: "delta_e" (CIEDE2000), or "ratio": chroma of the results over chroma of the truth, 1 is
    as colourful as it was, 0 is grey. Neutral pixels have no ratio.
    """
    tables = _tables(rows)
    shown = [*SECTORS, NEUTRAL] if what == "delta_e" else [*SECTORS]
    found = {
        model: {name: _pool([(*table.sums(what, [name]), 1)]) for name in shown}
        for model, table in tables.items()
    }
    return {
        model: {name: mean for name, mean in means.items() if mean.n}
        for model, means in found.items()
    }


def by_label(rows: Iterable[Share]) -> dict[str, dict[str, Mean]]:
    """model -> label of the picture -> mean CIEDE2000 over all pixels of those pictures."""
    found: dict[str, dict[str, Mean]] = {}
    for model, table in _tables(rows).items():
        top, below = table.sums("delta_e", [*SECTORS, NEUTRAL])
        labels = dict.fromkeys(label for label in sorted(table.labels) if label)
        found[model] = {
            label: _pool([(top * here, below * here, 1)])
            for label in labels
            for here in [np.array([label == each for each in table.labels])]
        }
    return found


def judge_sentences(rows: Sequence[Share], model: str) -> list[Judged]:
    """Liu & Tu's sentences against a model's rows; grey's rows on the same pictures are needed.

    Raises Problem where either is missing.
    """
    tables = _tables(row for row in rows if row.model in (model, "grey"))
    if model not in tables or "grey" not in tables:
        raise Problem(f"There are no rows by colour of {model} and of grey on the same pictures.")
    own, grey = tables[model], tables["grey"]
    if own.pictures != grey.pictures:
        raise Problem(f"{model} and grey were measured on different pictures: run by-colour again.")

    def gain(names: Sequence[str], labels: Sequence[str] = ()) -> tuple[np.ndarray, np.ndarray]:
        here = np.array([not labels or label in labels for label in own.labels])
        (top, below), (before, _) = own.sums("delta_e", names), grey.sums("delta_e", names)
        return (before - top) * here, below * here

    every = [*SECTORS, NEUTRAL]
    better = "CIEDE2000 of grey minus the model's, on {} pixels"
    return [
        Judged("green is coloured well", better.format("green"), _pool([(*gain(["green"]), 1)])),
        Judged("blue is coloured well", better.format("blue"), _pool([(*gain(["blue"]), 1)])),
        Judged(
            "red hardly responds",
            "chroma ratio on green and blue pixels minus that on red ones",
            _pool(
                [(*own.sums("ratio", ["green", "blue"]), 1), (*own.sums("ratio", ["red"]), -1)]
            ),
        ),
        Judged(
            "landscapes above all",
            f"gain over grey in CIEDE2000: {', '.join(LANDSCAPES)} minus {', '.join(BUILT)}",
            _pool([(*gain(every, LANDSCAPES), 1), (*gain(every, BUILT), -1)]),
        ),
    ]  # fmt: skip


@dataclass(frozen=True)
class _Table:
    """The rows of one model: columns (pictures, sectors + 1) by the names of Share's numbers."""

    pictures: list[tuple[str, str]]
    labels: list[str]
    columns: Mapping[str, np.ndarray]

    def sums(self, what: str, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(numerators, denominators) of the pictures for a measure over some sectors."""
        picked = [[*SECTORS, NEUTRAL].index(name) for name in names]
        pixels = self.columns["pixels"]
        top, below = ("chroma", "chroma_truth") if what == "ratio" else (what, None)
        weights = pixels if below is None else pixels * self.columns[below]
        return (pixels * self.columns[top])[:, picked].sum(1), weights[:, picked].sum(1)


def _tables(rows: Iterable[Share]) -> dict[str, _Table]:
    """The rows by model, pictures in a fixed order."""
    found: dict[str, dict[tuple[str, str], list[Share]]] = {}
    for row in rows:
        found.setdefault(row.model, {}).setdefault((row.dataset, row.picture), []).append(row)
    order = {name: i for i, name in enumerate((*SECTORS, NEUTRAL))}
    tables = {}
    for model, pictures in found.items():
        keys = sorted(pictures)
        names = ("pixels", "delta_e", "chroma", "chroma_truth")
        columns = {name: np.zeros((len(keys), len(order))) for name in names}
        for i, key in enumerate(keys):
            for row in pictures[key]:
                for name in names:
                    columns[name][i, order[row.sector]] = getattr(row, name)
        tables[model] = _Table(keys, [pictures[key][0].label for key in keys], columns)
    return tables


def _pool(cells: Sequence[tuple[np.ndarray, np.ndarray, float]]) -> Mean:
    """The signed sum of ratios of sums with its interval; cells: (numerators, denominators, sign).

    All cells have the same pictures in the same order (n,). Percentile bootstrap: 1,000 resamples
    over the pictures, seeded, the same ones for all cells. n counts pictures that have a part.
    """
    if any(below.sum() == 0 for _, below, _ in cells):
        return Mean(np.nan, np.nan, np.nan, np.nan, 0)
    pictures = len(cells[0][0])
    value = sum(sign * top.sum() / below.sum() for top, below, sign in cells)
    draws = np.random.default_rng(SEED).multinomial(
        pictures, np.full(pictures, 1 / pictures), RESAMPLES
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = sum(sign * (draws @ top) / (draws @ below) for top, below, sign in cells)
    resampled = resampled[np.isfinite(resampled)]  # a resample may have no such pixel
    low, high = np.quantile(resampled, (0.025, 0.975))
    n = int(np.any([below > 0 for _, below, _ in cells], axis=0).sum())
    return Mean(float(value), float(low), float(high), float(resampled.std()), n)
