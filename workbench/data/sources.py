"""The grammar of `--data`: a text names a source, a source yields pictures.

FOLDER                      pictures in it and below; a picture's label is its folder's name
FILE.parquet                column `image` (bytes, or struct of bytes and path), `label` optional
FOLDER with parquet files   all of them, or the train-*.parquet where the splits have their own
"FOLDER/train-*.parquet"    a pattern of parquet files or of pictures
hub:OWNER/NAME[/CONFIG][:SPLIT]    a data set of the Hugging Face hub
torchvision:NAME[:SPLIT]    a data set of torchvision: VOC2012, Places365, ImageNet, Flowers102..
kaggle:OWNER/NAME[/FOLDER]  a data set of Kaggle
video:FILE[@FPS]            frames of a clip, 2 a second
"""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.errors import Problem

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .gif .tif .tiff .ppm .pgm .avif .jp2".split()
)
GRAMMAR = (
    "a folder, a .parquet file, a pattern in quotes, hub:OWNER/NAME, torchvision:NAME, "
    "kaggle:OWNER/NAME or video:FILE"
)


@dataclass(frozen=True)
class Item:
    """One picture of a source, not yet decoded.

    `data` is the bytes of a picture file (b"" where they could not be read) or uint8 RGB (H, W, 3).
    """

    name: str
    data: bytes | np.ndarray
    label: str | None = None


class Source:
    """Where pictures come from. `title` is for people, `key` changes when the data changes."""

    title: str
    key: str

    def items(self) -> Iterator[Item]:
        """Yield every picture in a fixed order."""
        raise NotImplementedError

    def count(self) -> int | None:
        """How many pictures there will be; None where only reading them tells."""
        return None


def open_source(text: str) -> Source:
    """Open what `--data` names. Raises Problem when nothing is there."""
    text = str(text).strip()
    scheme, colon, rest = text.partition(":")
    if colon and len(scheme) > 1 and not Path(text).exists():  # C:\pictures has one letter
        if scheme not in SCHEMES:
            raise Problem(f"{text!r} is not a source of pictures: expected {GRAMMAR}.")
        if not rest:
            raise Problem(f"{text!r} names no data set after {scheme}:.")
        return SCHEMES[scheme](rest)
    return _files(text)


def digest(*parts: object) -> str:
    """16 hex digits that stand for these parts."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:16]


def _identity(files: Iterable[Path], root: Path) -> str:
    stats = ((file, file.stat()) for file in files)
    return digest(
        *((file.relative_to(root).as_posix(), s.st_size, s.st_mtime_ns) for file, s in stats)
    )


def _files(text: str) -> Source:
    path = Path(text).expanduser()
    if path.is_file():
        return _group([path], path.parent, text)
    if path.is_dir():
        tables = sorted(p for p in path.glob("*.parquet") if not p.name.startswith("."))
        if tables:
            train = [table for table in tables if table.name.startswith("train-")]
            return ParquetFiles(train or tables, path, text)
        return Folder(path, text)
    found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
    found = [file for file in found if file.is_file()]
    if not found:
        raise Problem(f"There is no {text!r}: {GRAMMAR} were expected.")
    return _group(found, Path(found[0].anchor), text)


def _group(files: list[Path], root: Path, text: str) -> Source:
    if all(file.suffix.lower() == ".parquet" for file in files):
        return ParquetFiles(files, root, text)
    if any(file.suffix.lower() in SUFFIXES for file in files):
        return Folder(root, text, [file for file in files if file.suffix.lower() in SUFFIXES])
    raise Problem(
        f"{text!r} is neither parquet nor a picture: {', '.join(sorted(SUFFIXES))} are read; "
        "a clip is video:FILE."
    )


class Folder(Source):
    """Picture files of a folder and its subfolders, hidden ones left out.

    The label is the name of the folder that the picture lies in; directly in `root` it has none.
    """

    def __init__(self, root: Path, title: str, files: list[Path] | None = None) -> None:
        self.root, self.title = root, title
        self.named = files is not None  # files picked one by one: their folders are no classes
        self.files = self._walk() if files is None else files
        if not self.files:
            raise Problem(
                f"The folder {title!r} holds no pictures: {', '.join(sorted(SUFFIXES))} are read, "
                "in it and in its subfolders."
            )
        self.key = "folder-" + _identity(self.files, root)

    def _walk(self) -> list[Path]:
        found = []
        for path in self.root.rglob("*"):
            inside = path.relative_to(self.root)
            hidden = any(part.startswith((".", "__MACOSX")) for part in inside.parts)
            if not hidden and path.suffix.lower() in SUFFIXES and path.is_file():
                found.append(path)
        return sorted(found, key=lambda path: path.relative_to(self.root).as_posix())

    def count(self) -> int:
        return len(self.files)

    def items(self) -> Iterator[Item]:
        for file in self.files:
            inside = file.relative_to(self.root)
            label = inside.parent.name if len(inside.parts) > 1 and not self.named else None
            try:
                data = file.read_bytes()
            except OSError:  # counted and named as unreadable by who decodes
                data = b""
            yield Item(inside.as_posix(), data, label)


class ParquetFiles(Source):
    """Rows of parquet files with a column of encoded pictures and perhaps one of labels."""

    def __init__(self, files: list[Path], root: Path, title: str) -> None:
        self.files, self.title = files, title
        self.key = "parquet-" + _identity(files, root)
        self.tables = [self._open(file) for file in files]

    def _open(self, file: Path):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.ParquetFile(file)
        except (OSError, pa.ArrowException) as reason:
            raise Problem(f"{file} is not a readable parquet file: {reason}.") from None
        if _picture_column(table.schema_arrow) is None:
            raise Problem(
                f"{file} has no column of pictures: expected `image` (bytes, or a struct of bytes "
                f"and path), found {', '.join(table.schema_arrow.names) or 'no column'}."
            )
        return table

    def count(self) -> int:
        return sum(table.metadata.num_rows for table in self.tables)

    def items(self) -> Iterator[Item]:
        for file, table in zip(self.files, self.tables, strict=True):
            schema = table.schema_arrow
            image = _picture_column(schema)
            names = _class_names(schema.metadata or {})
            columns = [image] + ["label"] * ("label" in schema.names)
            row = 0
            for batch in table.iter_batches(batch_size=256, columns=columns):
                labels = (
                    batch.column("label").to_pylist() if len(columns) > 1 else [None] * len(batch)
                )
                for cell, label in zip(batch.column(image), labels, strict=True):
                    value = cell.as_py()
                    path = value.get("path") if isinstance(value, dict) else None
                    data = value.get("bytes") if isinstance(value, dict) else value
                    yield Item(
                        f"{file.name}:{row}" + f" {path}" * bool(path),
                        data or b"",
                        class_name(label, names),
                    )
                    row += 1


def class_name(label: object, names: list[str] | None) -> str | None:
    """A label of a table as text: the name of class number `label` where names are known."""
    if label is None or label == -1 or label == "":
        return None
    if names and isinstance(label, int):
        return names[label]
    return str(label)


def _picture_column(schema) -> str | None:
    import pyarrow as pa

    def holds(kind: pa.DataType) -> bool:
        if pa.types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0
        return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)

    fitting = [field.name for field in schema if holds(field.type)]
    return "image" if "image" in fitting else next(iter(fitting), None)


def _class_names(metadata: dict[bytes, bytes]) -> list[str] | None:
    """The class names that the `datasets` library writes into the schema of a parquet file."""
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    return features.get("label", {}).get("names")


SCHEMES: dict = {}
