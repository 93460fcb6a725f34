"""Pictures in tar files, as WebDataset lays them out."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from workbench.data.files import Item, Source, class_name, identify_files
from workbench.images import SUFFIXES
from workbench.names import printable

MOST_BYTES = 300_000_000  # of one member; a larger one counts as unreadable


class TarFiles(Source):
    """Tar files of pictures, read from front to back: nothing is unpacked, links are passed over.

    Members that follow each other and agree up to the first dot of their names are one sample: its
    picture, and its label in `.cls` (text or a number) or as `label` in `.json`. What is damaged
    is an unreadable picture, and the next sample or file goes on.
    """

    def __init__(self, files: Sequence[Path], title: str) -> None:
        self.files, self.title = [file.absolute() for file in files], title

    @cached_property
    def key(self) -> str:
        root = Path(os.path.commonpath([file.parent for file in self.files]))
        return "tar-" + identify_files(self.files, root)

    def items(self) -> Iterator[Item]:
        for file in self.files:
            yield from _samples(file)


def _samples(file: Path) -> Iterator[Item]:
    """The pictures of a tar file, each with the label of its sample."""
    key, picture, label = "", None, None
    read = 0
    damaged = False
    try:
        with tarfile.open(file, "r|") as tar:
            for member in tar:
                read += 1
                path = PurePosixPath(member.name)
                if path.name.startswith(".") or not member.isfile() or member.issparse():
                    continue
                stem = f"{path.parent}/{path.name.partition('.')[0]}"
                if stem != key:
                    if picture is not None:
                        yield Item(picture[0], picture[1], label)
                    key, picture, label = stem, None, None
                ending = path.suffix.lower()
                if ending in SUFFIXES and picture is None:
                    picture = printable(f"{file.name}/{member.name}"), _content(tar, member)
                elif ending in (".cls", ".json"):
                    label = _label(_content(tar, member), ending) or label
    except (tarfile.TarError, OSError, EOFError):
        damaged = True
    if picture is not None:
        yield Item(picture[0], picture[1], label)
    if damaged:
        yield Item(printable(f"{file.name}: damaged after {read} members"), b"")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """What a member holds; nothing where it is too large."""
    opened = tar.extractfile(member) if member.size <= MOST_BYTES else None
    return opened.read() if opened else b""


def _label(content: bytes, ending: str) -> str | None:
    """What `.cls` or `.json` says of a sample; None where that is no text and no number."""
    try:
        text = content.decode().strip()
        found = json.loads(text).get("label") if ending == ".json" else text
    except (ValueError, AttributeError, RecursionError):
        return None
    return class_name(found, None) if isinstance(found, str | int) else None
