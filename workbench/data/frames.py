"""Frames of a clip as pictures: two a second of a film make a data set (paper 003)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from workbench.data.files import Item, Source, identity
from workbench.errors import Problem, foreign
from workbench.images import encode
from workbench.names import printable

FPS = 2.0


def sample(path: Path, fps: float = FPS) -> Iterator[tuple[float, np.ndarray | None]]:
    """Yield (seconds, uint8 RGB (H, W, 3)) of the first frame in every 1 / fps seconds, upright.

    None instead of a frame, and the end, where the clip is damaged. Raises Problem when the file
    is no clip at all.
    """
    try:
        import av
    except ImportError:
        raise Problem("Reading clips needs the av package: pip install av.") from None
    if not fps > 0:
        raise Problem(f"{fps:g} frames a second cannot be taken: give a number above 0.")
    if not path.is_file():
        raise Problem(f"There is no clip {str(path)!r}.")
    name = printable(path)
    with foreign(f"{name} is not a readable clip: {{error}}."):
        clip = av.open(str(path), metadata_errors="replace")
    with clip:
        if not clip.streams.video:
            raise Problem(f"{name} has no pictures in it, only sound.")
        clip.streams.video[0].thread_type = "AUTO"
        start, taken, seconds, number = None, -1, 0.0, 0
        frames = clip.decode(video=0)
        while True:
            try:
                with foreign("{error}"):
                    frame = next(frames, None)
                    if frame is None:
                        return
                    rate = float(clip.streams.video[0].average_rate or 25)
                    time = frame.time if frame.time is not None else number / rate
                    start = time if start is None else start
                    seconds, number, pixels = time - start, number + 1, None
                    if int(seconds * fps + 1e-6) > taken:
                        taken = int(seconds * fps + 1e-6)
                        pixels = frame.to_ndarray(format="rgb24")
                        pixels = np.rot90(pixels, frame.rotation // 90)  # both counterclockwise
            except Problem:
                yield seconds, None
                return
            if pixels is not None:
                yield seconds, pixels


class VideoSource(Source):
    """`FILE[@FPS]`: frames of a clip, 2 a second unless said otherwise. They have no labels."""

    def __init__(self, text: str) -> None:
        name, at, rate = text.rpartition("@")
        if not at or Path(text).is_file():
            name, rate = text, str(FPS)
        try:
            self.fps = float(rate)
        except ValueError:
            raise Problem(f"video:{text}: {rate!r} is not a number of frames a second.") from None
        self.path, self.title = Path(name).expanduser().absolute(), f"video:{text}"
        next(sample(self.path, self.fps), None)  # a Problem now rather than after an hour
        self.key = "video-" + identity([self.path], self.path.parent) + f"-{self.fps:g}"

    def items(self) -> Iterator[Item]:
        for seconds, pixels in sample(self.path, self.fps):
            name = f"{self.path.name} at {seconds:.2f} s"
            yield Item(name, b"" if pixels is None else pixels)


def write_frames(
    path: Path, folder: Path, fps: float = FPS, *, form: str = "jpeg"
) -> tuple[int, bool]:
    """Write the frames of `sample` as NAME_000000.jpg.. into a folder, which is then a source.

    Returns how many there are, and whether the clip could be read to its end.
    """
    import torch

    suffix = {"jpeg": ".jpg", "png": ".png"}.get(form)
    if suffix is None:
        raise Problem(f"Frames are written as jpeg or png, not as {form!r}.")
    number = 0
    for _, pixels in sample(path, fps):
        if pixels is None:
            return number, False
        folder.mkdir(parents=True, exist_ok=True)
        rgb = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
        (folder / f"{path.stem}_{number:06d}{suffix}").write_bytes(encode(rgb, form=form))
        number += 1
    if number == 0:
        raise Problem(f"{path} holds no frame that can be read.")
    return number, True
