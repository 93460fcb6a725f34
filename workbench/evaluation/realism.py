"""Distances of whole sets that were kept: beside each model's weights, as `distance --keep` wrote.

A file `distances.json` in a model's folder (and in that of the baselines) is a list of rows, one
for each model, weights, side and choice of data sets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench import errors
from workbench.errors import Problem
from workbench.evaluation.summaries import Line, Mean
from workbench.writing import write_whole

FILE = "distances.json"


@dataclass(frozen=True)
class Realism:
    """How far a model's pictures are from the true ones, as a set.

    size: side of the compared squares; kd_lite with its 95 % interval and fd_lite (None with too
    few pictures): see `distances.compare_sets_lite`.
    """

    model: str
    revision: str
    datasets: tuple[str, ...]
    size: int
    pictures: int
    kd_lite: float
    kd_lite_low: float
    kd_lite_high: float
    fd_lite: float | None = None

    @property
    def key(self) -> tuple[str, str, tuple[str, ...], int]:
        """What a later row of the same measurement replaces."""
        return self.model, self.revision, self.datasets, self.size

    def as_line(self) -> Line:
        """As a line that the charts can draw: kd_lite with its interval."""
        spread = Mean(self.kd_lite, self.kd_lite_low, self.kd_lite_high, 0.0, self.pictures, 0)
        return Line(
            self.model,
            self.revision,
            "",
            self.size,
            self.datasets,
            self.pictures,
            {"kd_lite": spread},
        )


def make_row(
    model: str,
    revision: str,
    datasets: tuple[str, ...],
    size: int,
    found: Mapping[str, float],
) -> Realism:
    """A row of what `distances.compare_entrants` found with `distances.compare_sets_lite`."""
    return Realism(
        model,
        revision,
        datasets,
        size,
        int(found["pictures"]),
        found["kd_lite"],
        found["kd_lite_low"],
        found["kd_lite_high"],
        found.get("fd_lite"),
    )


def read_rows(file: Path) -> list[Realism]:
    """The rows of a file; [] where there is none. Raises Problem when it is something else."""
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return [Realism(**{**row, "datasets": tuple(row["datasets"])}) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as reason:
        raise Problem(f"{file} is not a list of distances: {reason}.") from None


def keep_rows(folder: Path, rows: Sequence[Realism]) -> Path:
    """Write rows into a model's folder; earlier rows of the same measurement are replaced.

    So are all rows of a model's earlier weights.
    """
    file = folder / FILE
    now = {row.model: row.revision for row in rows}
    kept = {
        row.key: row for row in read_rows(file) if row.revision == now.get(row.model, row.revision)
    }
    kept |= {row.key: row for row in rows}
    text = json.dumps([asdict(row) for row in kept.values()], indent=1) + "\n"
    write_whole(folder, {FILE: text.encode()})
    return file


def read_roots(roots: Iterable[Path]) -> tuple[list[Realism], list[str]]:
    """All rows below some roots (`<root>/<model>/distances.json`), and what cannot be read."""
    files = (file for root in roots for file in sorted(root.glob(f"*/{FILE}")))
    return errors.read_each(read_rows, files)
