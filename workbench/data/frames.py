"""Frames of a clip as pictures: two a second make a data set (Ranjan & Agrawal's Movies)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from workbench.data.files import Item, Source, identify_files
from workbench.errors import Problem, guard_decoder
from workbench.images import encode
from workbench.names import printable

FPS = 2.0


def seconds_of(text: str) -> float:
    """Seconds of a time: "90", "1:30" or "2:30:00". Raises Problem for anything else."""
    try:
        parts = [float(part) for part in text.strip().split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or not all(0 <= part < math.inf for part in parts):
        raise Problem(f"{text!r} is no time in a clip: give seconds, M:SS or H:MM:SS.")
    return sum(part * 60**power for power, part in enumerate(reversed(parts)))


def sample_frames(
    path: Path, fps: float = FPS, begin: float = 0.0, end: float = math.inf
) -> Iterator[tuple[float, np.ndarray | None]]:
    """Yield (seconds, uint8 RGB (H, W, 3)) of the first frame in every 1 / fps seconds, upright.

    Frames from `begin` up to and without `end`, seconds: two parts that touch share no frame and
    leave none out. What lies before is decoded and passed over.

    None instead of a frame, and the end, where the clip is damaged. Raises Problem when the file
    is no clip at all.
    """
    try:
        import av
    except ImportError:
        raise Problem("Reading clips needs the av package: pip install av.") from None
    if not fps > 0:
        raise Problem(f"{fps:g} frames a second cannot be taken: give a number above 0.")
    if not begin < end:
        raise Problem(f"From {begin:g} s to {end:g} s there is nothing: the end is not after it.")
    if not path.is_file():
        raise Problem(f"There is no clip {str(path)!r}.")
    name = printable(path)
    with guard_decoder(f"{name} is not a readable clip: {{error}}."):
        clip = av.open(str(path), metadata_errors="replace")
    with clip:
        if not clip.streams.video:
            raise Problem(f"{name} has no pictures in it, only sound.")
        clip.streams.video[0].thread_type = "AUTO"
        start, taken, seconds, number = None, -1, 0.0, 0
        frames = clip.decode(video=0)
        while True:
            try:
                with guard_decoder("{error}"):
                    frame = next(frames, None)
                    if frame is None:
                        return
                    rate = float(clip.streams.video[0].average_rate or 25)
                    time = frame.time if frame.time is not None else number / rate
                    start = time if start is None else start
                    seconds, number, pixels = time - start, number + 1, None
                    if seconds >= end:
                        return
                    if int(seconds * fps + 1e-6) > taken:
                        taken = int(seconds * fps + 1e-6)
                        if seconds >= begin:
                            pixels = frame.to_ndarray(format="rgb24")
                            pixels = np.rot90(pixels, frame.rotation // 90)  # counterclockwise
            except Problem:
                yield seconds, None
                return
            if pixels is not None:
                yield seconds, pixels


class VideoSource(Source):
    """`FILE[@FPS][#FROM-TO]`: frames of a clip or of a part of it, 2 a second by default.

    FROM and TO are times as `seconds_of` reads them; either may be left out. No labels.
    """

    def __init__(self, text: str) -> None:
        whole, span = text, "-"
        if part := re.fullmatch(r"(.+)#([\d:.]*-[\d:.]*)", text):
            whole, span = part[1], part[2]
        name, at, rate = whole.rpartition("@")
        if not at or Path(whole).is_file():
            name, rate = whole, str(FPS)
        first, _, last = span.partition("-")
        self.begin = seconds_of(first) if first else 0.0
        self.end = seconds_of(last) if last else math.inf
        try:
            self.fps = float(rate)
        except ValueError:
            raise Problem(f"video:{text}: {rate!r} is not a number of frames a second.") from None
        self.path, self.title = Path(name).expanduser().absolute(), f"video:{text}"
        next(
            sample_frames(self.path, self.fps, 0.0, self.end), None
        )  # a Problem now rather than after an hour
        self.part = f"-{self.begin:g}-{self.end:g}" if span != "-" else ""

    @cached_property
    def key(self) -> str:
        return f"video-{identify_files([self.path], self.path.parent)}-{self.fps:g}{self.part}"

    def items(self) -> Iterator[Item]:
        for seconds, pixels in sample_frames(self.path, self.fps, self.begin, self.end):
            name = f"{self.path.name} at {seconds:.2f} s"
            yield Item(name, b"" if pixels is None else pixels)


def write_frames(
    path: Path,
    folder: Path,
    fps: float = FPS,
    *,
    form: str = "jpeg",
    begin: float = 0.0,
    end: float = math.inf,
) -> tuple[int, bool]:
    """Write the frames of `sample_frames` as NAME_000000.jpg.. into a folder: then it is a source.

    Returns how many there are, and whether the clip could be read to its end.
    """
    import torch

    suffix = {"jpeg": ".jpg", "png": ".png"}.get(form)
    if suffix is None:
        raise Problem(f"Frames are written as jpeg or png, not as {form!r}.")
    number = 0
    for _, pixels in sample_frames(path, fps, begin, end):
        if pixels is None:
            return number, False
        folder.mkdir(parents=True, exist_ok=True)
        rgb = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
        (folder / f"{path.stem}_{number:06d}{suffix}").write_bytes(encode(rgb, form=form))
        number += 1
    if number == 0:
        part = "" if (begin, end) == (0.0, math.inf) else f" between {begin:g} s and {end:g} s"
        raise Problem(f"{path} holds no frame that can be read{part}.")
    return number, True
