"""Clips in and out: PyAV frames, their times, their colour spaces. H.264 that a browser plays."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from workbench.errors import Problem, guard_decoder
from workbench.names import printable
from workbench.video.yuv import space_of

FULL_RANGE = 2
MOST_PIXELS = 36_000_000  # of a frame: 8K is 33 million


@dataclass(frozen=True)
class Clip:
    """What a video file says of itself."""

    path: Path
    width: int  # as stored, pixels; a player rotates the picture by `rotation`
    height: int
    rotation: int  # degrees counter-clockwise, a multiple of 90
    display_matrix: tuple[int, ...]  # the nine numbers of the file, () when it has none
    rate: Fraction  # mean frames per second
    time_base: Fraction  # seconds of one tick of a frame's time
    frames: int  # as announced or reckoned from the length; 0 when unknown
    seconds: float  # 0.0 when unknown
    aspect: Fraction  # of one pixel
    audio: tuple[str, ...]  # codecs of its sound tracks

    @property
    def upright(self) -> tuple[int, int]:
        """Height and width of a frame as it is seen, pixels."""
        sides = self.height, self.width
        return sides if self.rotation % 180 == 0 else sides[::-1]


def open_clip(path: Path) -> av.container.InputContainer:
    """Open a file that holds pictures that move. Raises Problem."""
    path = Path(path)
    if not path.is_file():
        raise Problem(f"There is no file {printable(path)}. Give the path of a video clip.")
    if path.stat().st_size == 0:
        raise Problem(f"{printable(path.name)} is empty (0 bytes). Copy or upload it again.")
    name = printable(path.name)
    with guard_decoder(
        f"{name} cannot be read as a video: {{error}}. It may be cut short or not "
        "be a video at all; an MP4 with H.264 works everywhere."
    ):
        container = av.open(str(path), metadata_errors="replace")
        stream = moving_stream(container)
        pixels = stream.codec_context.width * stream.codec_context.height if stream else 0
        contents = _contents(container)
        if stream is None or pixels > MOST_PIXELS:
            container.close()
    if stream is None:
        raise Problem(f"{name} holds no moving pictures (only {contents}). Give a video.")
    if pixels > MOST_PIXELS:
        raise Problem(
            f"The frames of {name} have {pixels / 1e6:.0f} million pixels, and the limit is "
            f"{MOST_PIXELS / 1e6:.0f} million. Make the clip smaller first."
        )
    return container


def moving_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first video stream that is not the cover of a record."""
    for stream in container.streams.video:
        cover = stream.disposition & av.stream.Disposition.attached_pic
        if not cover and stream.codec_context is not None:
            return stream
    return None


def _contents(container: av.container.InputContainer) -> str:
    kinds = sorted({stream.type for stream in container.streams})
    return " and ".join(kinds) or "nothing that can be played"


def probe(path: Path) -> Clip:
    """Read a clip's facts; its first frame is decoded. Raises Problem."""
    path = Path(path)
    with (
        guard_decoder(f"{printable(path.name)} cannot be read as a video: {{error}}."),
        open_clip(path) as container,
    ):
        stream = moving_stream(container)
        seconds = 0.0
        if stream.duration:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration:
            seconds = container.duration / 1_000_000
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        first = next(_decode_frames(container, stream, []), None)
        if first is None:
            raise Problem(
                f"Not one frame of {printable(path.name)} can be decoded. The file is broken, or "
                f"its codec ({stream.codec_context.name}) is not known here; convert it to H.264."
            )
        return Clip(
            path=path,
            width=first.width,
            height=first.height,
            rotation=round(first.rotation / 90) * 90,
            display_matrix=_display_matrix(first),
            rate=Fraction(rate),
            time_base=Fraction(stream.time_base or 1 / Fraction(rate)),
            frames=stream.frames or round(seconds * rate),
            seconds=seconds,
            aspect=Fraction(stream.sample_aspect_ratio or 1),
            audio=tuple(s.codec_context.name for s in container.streams.audio if s.codec_context),
        )


def _display_matrix(frame: av.VideoFrame) -> tuple[int, ...]:
    """The nine numbers that rotate the frame; () where the file has none."""
    try:
        with guard_decoder("{error}"):
            data = frame.side_data.get("DISPLAYMATRIX")
            return struct.unpack("<9i", bytes(data)[:36]) if data is not None else ()
    except Problem:  # PyAV knows only some kinds of side data: EXIF in a frame is none of them
        if not frame.rotation:
            return ()
        angle = math.radians(frame.rotation)
        cos, sin = (round(65536 * part) for part in (math.cos(angle), math.sin(angle)))
        return (cos, -sin, 0, sin, cos, 0, 0, 0, 1 << 30)


def _decode_frames(
    container: av.container.InputContainer, stream: av.VideoStream, notes: list[str]
) -> Iterator[av.VideoFrame]:
    """Frames in the order of their times; what is broken is passed over and noted."""
    broken, message = 0, ""
    stream.thread_type = "AUTO"
    packets = container.demux(stream)
    while True:
        try:
            with guard_decoder("{error}"):
                packet = next(packets, None)
        except Problem as problem:
            notes.append(f"The file breaks off before its end ({problem}).")
            return
        if packet is None:
            break
        try:
            with guard_decoder("{error}"):
                frames = packet.decode()
        except Problem as problem:
            broken, message = broken + 1, str(problem)
            continue
        yield from frames
    if broken:
        notes.append(f"{broken} packets could not be decoded and were passed over ({message}).")


def read_frames(
    clip: Clip, start: int = 0, notes: list[str] | None = None
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield (time in ticks of `clip.time_base`, frame) from frame number `start` on.

    Times only ever grow: a frame without one, or with an older one, follows the last by one frame
    of the mean rate. Frames whose size changed midway are brought to the clip's own. What is
    broken is passed over; a sentence about it is added to `notes`.
    """
    notes = [] if notes is None else notes
    step = max(1, round(1 / (clip.rate * clip.time_base)))
    last, count = None, 0
    with open_clip(clip.path) as container:
        stream = moving_stream(container)
        for frame in _decode_frames(container, stream, notes):
            time = frame.pts
            if time is None or (last is not None and time <= last):
                time = 0 if last is None else last + (step if time is None else 1)
            last, count = time, count + 1
            if count > start:
                if (frame.width, frame.height) != (clip.width, clip.height):
                    frame = frame.reformat(clip.width, clip.height)
                yield time, frame
    if stream.frames and count < stream.frames * 0.98:
        notes.append(
            f"The clip announces {stream.frames} frames; {count} could be read. It is cut short or "
            "broken; what could be read is coloured."
        )


def to_rgb(frame: av.VideoFrame, size: tuple[int, int] | None = None) -> np.ndarray:
    """A frame as uint8 RGB (H, W, 3), at another size (height, width) if asked; sRGB levels."""
    height, width = size or (frame.height, frame.width)
    space = frame.colorspace if frame.colorspace in (1, 4, 5, 6, 7, 9) else space_of(frame.height)
    full = frame.color_range == FULL_RANGE or frame.format.name.startswith(("yuvj", "gray", "rgb"))
    out = frame.reformat(
        width,
        height,
        "rgb24",
        src_colorspace={1: 1, 9: 9, 7: 7, 4: 4}.get(space, 5),
        src_color_range=FULL_RANGE if full else 1,
        dst_color_range=FULL_RANGE,
        interpolation="BILINEAR",
    )
    return out.to_ndarray()


def to_upright(frame: av.VideoFrame, clip: Clip, size: tuple[int, int] | None = None) -> np.ndarray:
    """A frame of the clip as it is seen, uint8 RGB (H, W, 3), at another size if asked."""
    stored = size[::-1] if size and clip.rotation % 180 else size
    return np.ascontiguousarray(np.rot90(to_rgb(frame, stored), clip.rotation // 90))


def pad_to_even(rgb: np.ndarray) -> np.ndarray:
    """Repeat the last row and column of (H, W, 3) where H or W is odd: H.264 wants them even."""
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return rgb


class Encoder:
    """H.264 that a browser plays: yuv420p, limited range, times kept."""

    def __init__(self, path: Path, clip: Clip, quality: int = 18) -> None:
        """`quality` is x264's CRF: 18 looks like the original, higher is smaller."""
        self.container = av.open(str(path), "w", format="mp4")
        rate = clip.rate.limit_denominator(100_000)
        stream = self.container.add_stream("libx264", rate=rate)
        stream.width, stream.height = clip.width + clip.width % 2, clip.height + clip.height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        stream.time_base = context.time_base = clip.time_base
        context.color_range = 1
        space = space_of(clip.height)
        context.colorspace = context.color_primaries = context.color_trc = space
        context.sample_aspect_ratio = clip.aspect
        # No B frames: times of decoding equal times of showing, so that parts join exactly.
        context.options = {
            "crf": str(quality),
            "preset": "veryfast",
            "x264-params": "bframes=0:stitchable=1",
        }
        self.stream = stream
        self.space = space

    def add(self, yuv: np.ndarray, time: int, duration: int | None = None) -> None:
        """Encode one 4:2:0 picture (H * 3 / 2, W) at `time` in the clip's ticks."""
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        frame.pts, frame.time_base = time, self.stream.codec_context.time_base
        if duration:
            frame.duration = duration
        frame.color_range, frame.colorspace = 1, self.space
        self.container.mux(self.stream.encode(frame))

    def close(self) -> None:
        """Write what is still held and end the file."""
        self.container.mux(self.stream.encode(None))
        self.container.close()
