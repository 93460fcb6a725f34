"""Pictures ready for training: decoded once, kept as one memory-mapped array of uint8."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from workbench import places
from workbench.data.files import Item, Source, digest
from workbench.data.sources import open_source
from workbench.data.sums import keep_sums
from workbench.errors import Problem
from workbench.images import open_pixels
from workbench.images.grey import FAINT, is_faint
from workbench.writing import replacing

__all__ = ["Pictures", "Shape", "decode", "decode_square", "load", "parse_shape", "say_shape"]

Shape = tuple[int, int]  # height and width, pixels

VERSION = 2  # of the decoding: a new one makes every cache stale


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures of one size.

    pixels: uint8 RGB (N, 3, H, W), memory-mapped, read-only; labels: int64 (N,), -1 where a
    picture has none; classes: the names that labels index; groups: int64 (N,), which collection
    each comes from: what its table says in `source`, else the text that named it; key: hash of the
    data and the shape; report: n, unreadable (names), left_out (files
    that are no pictures, by ending), grey (number left out), enlarged (number of pictures smaller
    than the shape), labels (class name -> number), unlabelled, sources, side (of squares, pixels;
    else "HEIGHTxWIDTH"), seconds.
    """

    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray
    key: str
    report: dict


def parse_shape(text: str) -> Shape:
    """ "128" -> (128, 128); "256x512" -> (256, 512), height and width. ValueError otherwise."""
    height, by, width = text.partition("x")
    return int(height), int(width if by else height)


def say_shape(shape: Shape) -> str:
    """What `parse_shape` reads: "128", or "256x512"."""
    height, width = shape
    return str(height) if height == width else f"{height}x{width}"


def load(
    sources: Sequence[str],
    size: int | Shape,
    *,
    keep_grey: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
    cache: Path | None = None,
    keep: bool = True,
) -> Pictures:
    """Pictures of all sources at one size: from the cache, or decoded into it.

    size: side of the centre square, or height and width of the centre rectangle, pixels;
    progress(done, total) is called now and then; total is None where it is not known. Without
    `keep`, pictures that are not in the cache yet are gone with what this returns.
    Raises Problem when there is nothing to read, or nothing with colour in it.
    """
    if not sources:
        raise Problem("No source of pictures was given: name one with --data.")
    shape = (size, size) if isinstance(size, int) else size
    if min(shape) < 1:
        raise Problem(f"Pictures cannot be {min(shape)} pixels wide: give a side of 1 or more.")
    opened = [open_source(text) for text in sources]
    key = digest(VERSION, say_shape(shape), keep_grey, *(source.key for source in opened))
    folder = Path(cache) if cache else places.cache() / "pictures"
    if keep:
        keep_sums()
    kept = _open(folder, key)
    if kept is None and not keep:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as passing:
            _build(opened, shape, keep_grey, progress, Path(passing), key)
            made = _open(Path(passing), key)
        if made is not None:
            made.report.pop("unreadable_file", None)
            return made
    if kept is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _build(opened, shape, keep_grey, progress, folder, key)
        except OSError as reason:
            raise Problem(
                f"The pictures could not be written to {folder}: {reason.strerror or reason}. "
                "Free some space, or set WORKBENCH_CACHE to another folder."
            ) from reason
        kept = _open(folder, key)
    if kept is None:
        raise Problem(f"The pictures in {folder} were removed while they were made. Try again.")
    kept.report["sources"] = [source.title for source in opened]  # a copy may have made the cache
    return kept


def _open(folder: Path, key: str) -> Pictures | None:
    """What is kept under this key; None where nothing is, or where it is damaged."""
    try:
        about = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        pixels = np.load(folder / f"{key}.npy", mmap_mode="r")
        labels, groups = (np.asarray(about[each], np.int64) for each in ("labels", "groups"))
    except (FileNotFoundError, ValueError, EOFError, KeyError):  # caches of before: no groups
        return None
    return Pictures(pixels, labels, tuple(about["classes"]), groups, key, about["report"])


def decode_square(data: bytes | np.ndarray, side: int) -> tuple[np.ndarray, bool]:
    """The centre square of a picture at side x side: see `decode`."""
    return decode(data, (side, side))


def decode(
    data: bytes | np.ndarray, shape: Shape, *, fraction: bool = False
) -> tuple[np.ndarray, bool]:
    """Decode a picture file (or take uint8 RGB (H, W, 3)): its largest centred part of a shape.

    shape: height and width that it is scaled to, pixels; nothing is stretched.
    Returns uint8 RGB (3, *shape), and whether it had to be enlarged. The pixels are those that
    `images.open_image` gives, bicubic with antialias; with `fraction`, as for training, a large
    JPEG is decoded at 1/2, 1/4 or 1/8 first. Raises Problem when the bytes are no picture.
    """
    if not isinstance(data, np.ndarray):
        if not data:
            raise Problem("The file is empty, or could not be read.")
        data = open_pixels(data, at_least=2 * max(shape) if fraction else None)
    image = Image.fromarray(np.ascontiguousarray(data))
    width, height = image.size
    high, wide = min(height, width * shape[0] / shape[1]), min(width, height * shape[1] / shape[0])
    left, top = (width - wide) / 2, (height - high) / 2
    box = (left, top, left + wide, top + high)
    small = image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1)), high < shape[0]


@dataclass(frozen=True)
class _Decoded:
    name: str
    label: str | None
    group: str | None
    rgb: np.ndarray | None = None  # None: unreadable or grey
    reason: str = ""  # why it is unreadable
    enlarged: bool = False


def _decode(item: Item, shape: Shape, keep_grey: bool) -> _Decoded:
    try:
        rgb, enlarged = decode(item.data, shape, fraction=True)
    except Problem as reason:
        return _Decoded(item.name, item.label, item.group, reason=str(reason))
    if not keep_grey and is_faint(rgb):
        return _Decoded(item.name, item.label, item.group)
    return _Decoded(item.name, item.label, item.group, rgb, enlarged=enlarged)


def _decode_all(sources: Sequence[Source], shape: Shape, keep_grey: bool) -> Iterator[_Decoded]:
    """Decode in threads (PIL lets go of the interpreter), in the order of the sources."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[_Decoded]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for source in sources:
            for item in source.items():
                item = item if item.group else replace(item, group=source.title)
                waiting.append(pool.submit(_decode, item, shape, keep_grey))
                if len(waiting) > 8 * workers:
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _build(
    sources: Sequence[Source],
    shape: Shape,
    keep_grey: bool,
    progress: Callable[[int, int | None], None] | None,
    folder: Path,
    key: str,
) -> None:
    started = time.monotonic()
    counts = [source.count() for source in sources]
    total = None if None in counts else sum(counts)
    names: list[str | None] = []
    groups: list[str] = []
    unreadable: list[tuple[str, str]] = []
    seen = grey = enlarged = 0
    with replacing(folder / f"{key}.npy") as partial, partial.open("wb") as file:
        _header(file, 0, shape)
        for picture in _decode_all(sources, shape, keep_grey):
            seen += 1
            if picture.reason:
                unreadable.append((picture.name, picture.reason))
            elif picture.rgb is None:
                grey += 1
            else:
                file.write(picture.rgb.data)
                names.append(picture.label)
                groups.append(picture.group or "")
                enlarged += picture.enlarged
            if progress and seen % 50 == 0:
                progress(seen, total)
        if not names:
            raise Problem(_say_why_none([source.title for source in sources], unreadable, grey))
        file.seek(0)
        _header(file, len(names), shape)
    if progress:
        progress(seen, seen)
    known = Counter(name for name in names if name is not None)
    classes = sorted(known)
    number = {name: i for i, name in enumerate(classes)}
    kinds = {group: i for i, group in enumerate(sorted({*groups}))}
    report = {
        "n": len(names),
        "unreadable": [name for name, _ in unreadable],
        "grey": grey,
        "enlarged": enlarged,
        "labels": {name: known[name] for name in classes},
        "unlabelled": len(names) - known.total(),
        "sources": [source.title for source in sources],
        "left_out": dict(sum((Counter(source.left_out) for source in sources), Counter())),
        "side": shape[0] if shape[0] == shape[1] else say_shape(shape),
        "seconds": round(time.monotonic() - started, 2),
    }
    if unreadable:
        report["unreadable_file"] = str(folder / f"{key}.unreadable.txt")
        with replacing(folder / f"{key}.unreadable.txt") as partial:
            lines = (f"{name}\t{reason}\n".encode() for name, reason in unreadable)
            partial.write_bytes(b"".join(lines))
    about = {
        "labels": [-1 if name is None else number[name] for name in names],
        "classes": classes,
        "groups": [kinds[group] for group in groups],
        "report": report,
    }
    with replacing(folder / f"{key}.json") as partial:  # last: with it the cache is whole
        partial.write_bytes(json.dumps(about, ensure_ascii=False).encode())


def _header(file: BinaryIO, number: int, shape: Shape) -> None:
    """Write the header of an .npy file of uint8 (number, 3, *shape).

    NumPy pads it, so that the first dimension can be written again when it is known.
    """
    about = {"descr": "|u1", "fortran_order": False, "shape": (number, 3, *shape)}
    np.lib.format.write_array_header_1_0(file, about)


def _say_why_none(titles: Sequence[str], unreadable: Sequence[tuple[str, str]], grey: int) -> str:
    where = ", ".join(titles)
    if grey and not unreadable:
        return (
            f"All {grey} pictures of {where} are grey (mean Lab chroma under {FAINT:g}): "
            "a network learns colour from colour pictures."
        )
    if unreadable:
        name, reason = unreadable[0]
        also = f", {grey} are grey" if grey else ""
        return (
            f"No picture of {where} can be used: {len(unreadable)} cannot be read{also}. "
            f"The first: {name} ({reason})."
        )
    return f"There is no picture in {where}."
