"""Pictures that a table names: CSV, TSV or parquet with a column of paths."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.data.files import (
    GROUP,
    LABEL,
    Item,
    Source,
    class_name,
    digest,
    has_pictures,
    identify_files,
    read_bytes,
)
from workbench.errors import Problem
from workbench.names import printable

if TYPE_CHECKING:
    import pyarrow as pa

PATHS = ("path", "file_name", "image")  # the column of paths: the first of these that is there
SEPARATORS = {".csv": ",", ".tsv": "\t"}


class ListedFiles(Source):
    """Picture files that tables name, a row each, with labels in the column `label` if it is there,
    and the collection that a picture comes from in `source`.

    A path is below the folder of its table, or relative to it. One that leads out of that folder
    (`..`, links too), or to nothing, is an unreadable picture.
    """

    def __init__(self, tables: Sequence[Path], title: str) -> None:
        self.tables, self.title = [table.absolute() for table in tables], title
        self.rows = [(table, *row) for table in self.tables for row in _rows(table)]

    @cached_property
    def key(self) -> str:
        files = {file for table, path, *_ in self.rows if (file := find_below(table.parent, path))}
        root = Path(os.path.commonpath([table.parent.resolve() for table in self.tables]))
        grouped = any(group for *_, group in self.rows)
        listed = [row[1:] if grouped else row[1:3] for row in self.rows]
        return "list-" + digest(listed, identify_files(sorted(files), root))

    def count(self) -> int:
        return len(self.rows)

    def items(self) -> Iterator[Item]:
        for table, path, label, group in self.rows:
            file = find_below(table.parent, path)
            yield Item(printable(path), read_bytes(file) if file else b"", label, group)


def find_below(folder: Path, path: str) -> Path | None:
    """The file that a path names, links resolved; None where it is not below the folder."""
    try:
        file = (folder / path).resolve()
        return file if file.is_relative_to(folder.resolve()) and file.is_file() else None
    except (OSError, ValueError, RuntimeError):  # a name with NUL, links in a circle
        return None


def _rows(table: Path) -> list[tuple[str, str | None, str | None]]:
    """(path, label, group) of each row. Raises Problem where there is no column of paths."""
    if table.suffix.lower() == ".parquet":
        columns = _parquet_columns(table)
    else:
        columns = _csv_columns(table, SEPARATORS[table.suffix.lower()])
    column = next((name for name in PATHS if name in columns), None)
    if column is None:
        raise Problem(
            f"{table} has no column of paths ({', '.join(PATHS)}), found "
            f"{', '.join(map(printable, columns)) or 'no column'}."
        )
    paths = columns[column]
    nothing = [None] * len(paths)
    rows = zip(paths, columns.get(LABEL) or nothing, columns.get(GROUP) or nothing, strict=True)
    return [
        (str(path), class_name(label, None), class_name(group, None))
        for path, label, group in rows
        if path
    ]


def _csv_columns(table: Path, separator: str) -> dict[str, list]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.DictReader(opened, delimiter=separator, restval="")
            names = [name for name in rows.fieldnames or () if name]
            found = list(rows)
    except (OSError, ValueError, csv.Error) as reason:
        raise Problem(f"{table} could not be read as a table: {reason}.") from None
    return {name: [row[name] for row in found] for name in names}


def _parquet_columns(table: Path) -> dict[str, list]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(table)
        wanted = _path_columns(schema)[:1]
        wanted += [name for name in (LABEL, GROUP) if wanted and name in schema.names]
        return pq.read_table(table, columns=wanted).to_pydict() if wanted else {}
    except (OSError, pa.ArrowException) as reason:
        raise Problem(f"{table} is not a readable parquet file: {reason}.") from reason


def is_list(table: Path) -> bool:
    """Whether a parquet file names pictures, and holds none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(table)
    except (OSError, pa.ArrowException):
        return False
    return not has_pictures(schema) and bool(_path_columns(schema))


def _path_columns(schema: pa.Schema) -> list[str]:
    """The columns of text among PATHS, in their order."""
    import pyarrow as pa

    kinds = {field.name: field.type for field in schema}
    texts = (pa.types.is_string, pa.types.is_large_string)
    return [name for name in PATHS if name in kinds and any(fits(kinds[name]) for fits in texts)]
