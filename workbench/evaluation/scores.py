"""Rows of scores: one per (model, revision, data set, picture, protocol, size), in CSV files.

`<root>/<model>/scores/<dataset>.csv` is the one form in which scores are kept; those of ablations
and fine-tuned networks that come with the workbench are compressed (.csv.gz). Means and intervals
are computed from these rows (summaries.py), never stored instead of them.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO, Literal, TextIO, cast

from workbench import errors
from workbench.errors import Problem
from workbench.writing import escape_formula, replacing, unescape_formula


@dataclass(frozen=True, slots=True)
class Score:
    """The numbers of one colourized picture. None: the protocol does not measure it.

    revision: 12 hex digits of the weights' SHA-256, "-" for what has no weights; size: height
    of what is compared, pixels; seed: of the training, where one entry was trained several times;
    ms: time of the colourizer per picture, milliseconds. The other fields are those of metrics.py.
    """

    model: str
    revision: str
    dataset: str
    picture: str
    protocol: str
    size: int
    seed: int | None = None
    psnr: float | None = None
    ssim: float | None = None
    ssim_u7: float | None = None
    psnr_ab: float | None = None
    delta_e: float | None = None
    colorfulness: float | None = None
    colorfulness_truth: float | None = None
    colorfulness_abs: float | None = None
    colorfulness_abs_truth: float | None = None
    auc: float | None = None
    auc_rebalanced: float | None = None
    auc_weight: float | None = None
    blotch: float | None = None
    grid: float | None = None
    cdr: float | None = None
    agreement: float | None = None
    top1: float | None = None
    pixdiff: float | None = None
    psnr_unsquared: float | None = None
    lpips: float | None = None
    ms: float | None = None

    @property
    def key(self) -> tuple[str, str, str, int, str, int]:
        """What two rows must share for the newer one to replace the older one."""
        seed = -1 if self.seed is None else self.seed
        return self.model, self.dataset, self.protocol, -self.size, self.picture, seed


COLUMNS = tuple(field.name for field in fields(Score))
OLD_PROTOCOLS = {"seed002": "liu-gao-li", "seed003": "ranjan-agrawal"}  # old id -> id
OLD_COLUMNS = {"psnr_seed003": "psnr_unsquared"}
TEXTS = ("model", "revision", "dataset", "picture", "protocol")


def merge(*groups: Iterable[Score]) -> list[Score]:
    """One row per key, a later group wins, in a fixed order: merging twice is merging once."""
    found = {score.key: score for group in groups for score in group}
    return [found[key] for key in sorted(found)]


def write(path: Path, scores: Iterable[Score]) -> None:
    """Write rows as CSV, compressed where the name ends in .gz: beside `path`, then renamed.

    Columns that no row has are left out; numbers have 5 significant digits. The same rows are the
    same bytes.
    """
    rows = list(scores)
    used = [c for c in COLUMNS if any(getattr(row, c) is not None for row in rows)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            replacing(path) as partial,
            _open_text(partial, "w", path.suffix == ".gz") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(used)
            writer.writerows([_text(getattr(row, column)) for column in used] for row in rows)
    except OSError as reason:
        raise Problem(
            f"The scores could not be written to {path}: {reason.strerror or reason}."
        ) from None


def read(path: Path) -> list[Score]:
    """Rows of a CSV file written by `write`. Raises Problem when it is something else."""
    try:
        with _open_text(path, "r", path.suffix == ".gz") as file:
            return list(_rows(csv.reader(file), path))
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise Problem(f"{path} is not a table of scores: it is not compressed, or torn.") from None
    except OSError as reason:
        raise Problem(f"{path} cannot be read: {reason.strerror or reason}.") from None
    except UnicodeDecodeError:
        raise Problem(f"{path} is not a table of scores: it is not text.") from None
    except csv.Error as reason:
        raise Problem(f"{path} is not a table of scores: {reason}.") from None


@contextmanager
def _open_text(path: Path, mode: Literal["r", "w"], compressed: bool) -> Iterator[TextIO]:
    with path.open(f"{mode}b") as bare:  # no name and no time in what is compressed
        file = gzip.GzipFile("", f"{mode}b", 9, bare, mtime=0) if compressed else bare
        with io.TextIOWrapper(cast(BinaryIO, file), encoding="utf-8", newline="") as text:
            yield text


def read_each(files: Iterable[Path]) -> tuple[list[Score], list[str]]:
    """All rows of some files, and a sentence about each that cannot be read."""
    return errors.read_each(read, files)


def read_all(roots: Iterable[Path], dataset: str | None = None) -> list[Score]:
    """All rows below some roots (`<root>/<model>/scores/<dataset>.csv`), of one data set or all."""
    files = (file for file in _tables(roots) if dataset in (None, file.stem))
    return [score for file in files for score in read(file)]


def datasets(roots: Iterable[Path]) -> list[str]:
    """Names of the data sets that have scores, sorted."""
    return sorted({file.stem for file in _tables(roots)})


def _tables(roots: Iterable[Path]) -> list[Path]:
    """Every table below the roots; hidden files are journals and unfinished writings."""
    return [file for root in roots for file in sorted(root.glob("*/scores/[!.]*.csv"))]


def _rows(lines: Iterator[list[str]], path: Path) -> Iterator[Score]:
    columns = [OLD_COLUMNS.get(column, column) for column in next(lines, [])]
    surplus = [column for column in columns if column not in COLUMNS]
    missing = [column for column in (*TEXTS, "size") if column not in columns]
    if surplus or missing:
        what = f"has a column {surplus[0]!r}" if surplus else f"has no column {missing[0]!r}"
        raise Problem(f"{path} is not a table of scores: it {what}.")
    readers = [_reader(column) for column in columns]
    for number, line in enumerate(lines, start=2):
        try:
            values = [read(text) for read, text in zip(readers, line, strict=True)]
        except ValueError as reason:
            raise Problem(f"{path}, line {number}, is no row of scores: {reason}.") from None
        yield Score(**dict(zip(columns, values, strict=True)))


def _reader(column: str):
    if column == "protocol":
        return lambda text: OLD_PROTOCOLS.get(text, text)
    if column in TEXTS:
        return unescape_formula
    if column == "seed":
        return lambda text: int(text) if text else None
    return int if column == "size" else _number


def _number(text: str) -> float | None:
    return float(text) if text else None


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.5g}"
    return escape_formula(value) if isinstance(value, str) else str(value)
