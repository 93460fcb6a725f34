"""Pictures in files of this machine: folders of pictures, and parquet."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from workbench.data.sums import sums_of
from workbench.errors import Problem
from workbench.images import SUFFIXES
from workbench.names import describe_left_out, walk

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


LABEL = "label"  # the column of a table that names a picture's class
GROUP = "source"  # and the one that names the collection it comes from


@dataclass(frozen=True)
class Item:
    """One picture of a source, not yet decoded.

    `data` is the bytes of a picture file (b"" where they could not be read) or uint8 RGB (H, W, 3);
    `group` is the collection that it comes from, where a table says so.
    """

    name: str
    data: bytes | np.ndarray
    label: str | None = None
    group: str | None = None


class Source:
    """Where pictures come from. `title` is for people, `key` changes when the data changes.

    The key of files is that of their names and contents, wherever they lie: the first time it is
    asked for they are read (`sums.sums_of`).
    """

    title: str
    key: str
    left_out: Mapping[str, int] = MappingProxyType({})  # files that are no pictures, by ending

    def items(self) -> Iterator[Item]:
        """Yield every picture, in a fixed order."""
        raise NotImplementedError

    def count(self) -> int | None:
        """How many pictures there will be; None where only reading them tells."""
        return None


def digest(*parts: object) -> str:
    """16 hex digits that stand for these parts."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:16]


def identify_files(files: Sequence[Path], root: Path) -> str:
    """16 hex digits that stand for the names and contents of these files."""
    names = [file.relative_to(root).as_posix() for file in files]
    return digest(*zip(names, sums_of(files, root), strict=True))


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file; none where it cannot be read, which makes an unreadable picture."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


class PictureFiles(Source):
    """Single picture files, without labels."""

    kind = "files"

    def __init__(self, files: Sequence[Path], title: str) -> None:
        self.files, self.title = [file.absolute() for file in files], title
        self.root = Path(os.path.commonpath([file.parent for file in self.files]))

    @cached_property
    def key(self) -> str:
        return f"{self.kind}-" + identify_files(self.files, self.root)

    def count(self) -> int:
        return len(self.files)

    def items(self) -> Iterator[Item]:
        for file in self.files:
            name = file.relative_to(self.root)
            yield Item(name.as_posix(), read_bytes(file), self.label(name))

    def label(self, name: Path) -> str | None:
        """The class of a picture, from its path below the root."""
        return None


class Folder(PictureFiles):
    """All picture files in a folder and its subfolders, hidden ones left out.

    The label is the name of the folder that a picture lies in; directly in `root` it has none.
    """

    kind = "folder"

    def __init__(self, root: Path, title: str) -> None:
        self.root, self.title, self.left_out = root, title, Counter()
        self.files = list(walk(root, SUFFIXES, self.left_out))
        if not self.files:
            others = f" (only {describe_left_out(self.left_out)})" if self.left_out else ""
            raise Problem(
                f"The folder {title!r} holds no pictures ({', '.join(sorted(SUFFIXES))}), "
                f"neither in it nor in its subfolders{others}."
            )

    def label(self, name: Path) -> str | None:
        return name.parent.name or None


class ParquetFiles(Source):
    """Rows of parquet files: a column of picture files, and perhaps one of labels.

    The pictures are in `image` or else the first fitting column: bytes, or a struct of `bytes` and
    `path` (the form of the `datasets` library). The labels are in `label`: text or numbers; the
    collections that pictures come from, in `source`.
    """

    def __init__(self, files: Sequence[Path], title: str) -> None:
        self.files, self.title = [file.absolute() for file in files], title
        self.tables = [_open_table(file) for file in self.files]

    @cached_property
    def key(self) -> str:
        root = Path(os.path.commonpath([file.parent for file in self.files]))
        return "parquet-" + identify_files(self.files, root)

    def count(self) -> int:
        return sum(table.metadata.num_rows for table in self.tables)

    def items(self) -> Iterator[Item]:
        import pyarrow as pa

        for file, table in zip(self.files, self.tables, strict=True):
            try:
                yield from _rows(file.name, table)
            except (OSError, pa.ArrowException) as reason:
                raise Problem(f"{file} is damaged: {reason}.") from reason


def _open_table(file: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as reason:
        raise Problem(f"{file} is not a readable parquet file: {reason}.") from reason
    if _picture_column(table.schema_arrow) is None:
        raise Problem(
            f"{file} has no column of pictures: expected `image` (bytes, or a struct of bytes "
            f"and path), found {', '.join(table.schema_arrow.names) or 'no column'}."
        )
    return table


def _rows(file: str, table: pq.ParquetFile) -> Iterator[Item]:
    image = _picture_column(table.schema_arrow)
    besides = [name for name in (LABEL, GROUP) if name in table.schema_arrow.names]
    classes = _class_names(table.schema_arrow.metadata or {})
    row = 0
    for batch in table.iter_batches(batch_size=256, columns=[image, *besides]):
        told = {name: batch.column(name).to_pylist() for name in besides}
        nothing = [None] * len(batch)
        labels, groups = told.get(LABEL, nothing), told.get(GROUP, nothing)
        for cell, number, group in zip(batch.column(image), labels, groups, strict=True):
            picture = cell.as_py()
            if not isinstance(picture, dict):
                picture = {"bytes": picture}
            name = f"{file}[{row}] {picture.get('path') or ''}".rstrip()
            yield Item(
                name, picture["bytes"] or b"", class_name(number, classes), class_name(group, None)
            )
            row += 1


def class_name(label: object, classes: Sequence[str] | None) -> str | None:
    """A label as text: class number `label` where the classes have names; None and -1 are none."""
    if label is None or label == -1 or label == "":
        return None
    return classes[label] if classes and isinstance(label, int) else str(label)


def has_pictures(schema: pa.Schema) -> bool:
    """Whether a parquet file of this schema has a column of pictures."""
    return _picture_column(schema) is not None


def _picture_column(schema: pa.Schema) -> str | None:
    import pyarrow as pa

    def fits(kind: pa.DataType) -> bool:
        if pa.types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0
        return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)

    fitting = [field.name for field in schema if fits(field.type)]
    return "image" if "image" in fitting else next(iter(fitting), None)


def _class_names(metadata: Mapping[bytes, bytes]) -> list[str] | None:
    """The class names that the `datasets` library writes into the schema of a parquet file."""
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    return features.get("label", {}).get("names")
