"""What a path names: a folder, a file or a pattern of files."""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench.data.files import Folder, ParquetFiles, PictureFiles, Source
from workbench.data.lists import SEPARATORS, ListedFiles, is_list
from workbench.data.tars import TarFiles
from workbench.errors import Problem
from workbench.images import SUFFIXES

MOST_FILES = 100_000  # that a pattern with {000..009} may stand for


def open_files(text: str, title: str | None = None) -> Source:
    """A folder, a file, or a pattern. Raises Problem when no picture is there."""
    title = title or text
    path = Path(text).expanduser()
    if path.is_file():
        return _group([path], title)
    if path.is_dir():
        tables = sorted(p for p in path.glob("*.parquet") if not p.name.startswith("."))
        if not tables:
            return Folder(path, title)
        return _group([t for t in tables if t.name.startswith("train-")] or tables, title)
    found = []
    for pattern in spell_out(str(path)):
        names = sorted(glob.glob(pattern, recursive=True))
        files = [Path(name) for name in names if Path(name).is_file()]
        if not files and pattern != str(path):
            raise Problem(f"{title!r} names {pattern}, which is not there.")
        found += files
    if not found:
        raise Problem(f"There is no file or folder {title!r}. Check the name; `--help` shows more.")
    return _group(found, title)


def _group(files: Sequence[Path], title: str) -> Source:
    endings = {file.suffix.lower() for file in files}
    if endings == {".parquet"}:
        return ListedFiles(files, title) if is_list(files[0]) else ParquetFiles(files, title)
    if endings <= {*SEPARATORS}:
        return ListedFiles(files, title)
    if endings == {".tar"}:
        return TarFiles(files, title)
    pictures = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not pictures:
        raise Problem(
            f"{title!r} is neither parquet nor a picture ({', '.join(SUFFIXES)}), nor a CSV of "
            "paths, nor a tar file of pictures. A clip is written video:FILE."
        )
    return PictureFiles(pictures, title)


def spell_out(pattern: str) -> Iterator[str]:
    """ "a-{08..10}.tar" -> a-08.tar, a-09.tar, a-10.tar, as a shell does. Raises Problem."""
    parts = re.split(r"\{(\d+)\.\.(\d+)\}", pattern)
    ranges = [
        [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
        if int(last) - int(first) < MOST_FILES
        else None
        for first, last in zip(parts[1::3], parts[2::3], strict=True)
    ]
    if None in ranges:
        raise Problem(f"{pattern!r} stands for more than {MOST_FILES:,} files.")
    for numbers in itertools.product(*ranges):
        yield "".join(itertools.chain(*zip(parts[::3], (*numbers, ""), strict=True)))
