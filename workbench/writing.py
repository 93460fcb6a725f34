"""Files that matter are written beside their places, then renamed."""

from __future__ import annotations

import csv
import io
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import Problem

FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for the beginning of one


def neutralise(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay."""
    if isinstance(value, str):
        return escape_formula(" ".join(value.splitlines()))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def escape_formula(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would run it."""
    return "'" + text if text.strip().startswith(FORMULA) else text


def unescape_formula(text: str) -> str:
    """What `escape_formula` was given."""
    bare = text[1:] if text.startswith("'") else text
    return bare if bare.strip().startswith(FORMULA) else text


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as CSV text with a header, formulas neutralised: every CSV of ours is made so."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([neutralise(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


@contextmanager
def replacing(path: Path, partial: Path | None = None) -> Iterator[Path]:
    """A file beside `path` to be written; it takes its place when all went well, else it goes.

    partial: where that file lies instead, on the same disk. By default it is hidden and belongs to
    this thread alone, so that several may write the same file: the last one wins.
    """
    own = f"{os.getpid()}-{threading.get_ident()}"
    partial = partial or path.with_name(f".{path.name[:80]}.{own}.part")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_whole(folder: Path, contents: dict[str, bytes]) -> None:
    """Write files into a folder: all of them beside their places, then renamed in order.

    Raises Problem, with everything that was there before still there, when the disk refuses.
    """
    partials: list[tuple[Path, Path]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            final = folder / name
            partial = final.with_name(final.name + ".part")
            partials.append((partial, final))
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for partial, final in partials:
            partial.replace(final)
    except OSError as error:
        for partial, _ in partials:
            partial.unlink(missing_ok=True)
        free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
        raise Problem(
            f"Could not write {partials[-1][1] if partials else folder}: "
            f"{error.strerror or error} ({free / 1e6:.0f} MB free). What was saved before is kept; "
            "make room and run the same command again."
        ) from None
