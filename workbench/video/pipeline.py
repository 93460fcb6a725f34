"""A clip in, the same clip in colour out: reading, the network and writing overlap.

    read -> blocks of frames -> network at its own size -> colours settled along the motion
         -> join with the full-resolution lightness -> H.264 in parts -> one file with the sound

A few blocks are under way at any time, however long the clip.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import av
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.coloring.colorize import LONGEST, Settings, lightness, predict_coarse
from workbench.errors import Problem
from workbench.images import draw_mark
from workbench.video.clips import Clip, Encoder, pad_to_even, probe, read_frames, to_rgb, to_upright
from workbench.video.motion import Carry, Smoother, Steady, motion_size
from workbench.video.painted import PaintedColors, open_painted
from workbench.video.parts import Parts, guard_writing
from workbench.video.stages import make_ahead, share_of_cores
from workbench.video.suffixes import STRENGTH
from workbench.video.trace import Trace, cdc_of_rows, mean
from workbench.video.yuv import Mark, join_yuv

TakePlace = Callable[[], AbstractContextManager[Any]]
BLOCK = 16  # frames that go through the network and the smoothing together
HELD_BYTES = 192 * 2**20  # of frames under way; 4K takes smaller blocks
BATCH = 4  # frames in one call of the network: the quickest on two cores
COLOR_SIDE = 128  # colours are settled at this short side, or half the network's if that is more
PART = 256  # frames of a part: what a kill can cost


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    frames: int
    total: int  # 0 when unknown
    rate: float  # frames/s
    left: float | None  # seconds, None when unknown


@dataclass(frozen=True)
class VideoReport:
    """What became of a clip."""

    out: Path
    frames: int
    stopped: bool  # True when stopped before the end: the same call goes on
    elapsed: float  # seconds of this call
    rate: float  # frames/s of this call
    notes: list[str]  # sentences for the user: what was broken, what was converted
    rows: list[dict[str, Any]] = field(repr=False, default_factory=list)  # as `trace.Trace`

    @property
    def cuts(self) -> list[float]:
        """Times, in seconds, at which a new scene begins (the first frame is none)."""
        return [row["time"] for row in self.rows[1:] if row["cut"]]

    @property
    def scenes(self) -> list[int]:
        """The numbers of the frames with which scenes begin, the first frame (0) among them."""
        return [i for i, row in enumerate(self.rows) if i == 0 or row["cut"]]

    def summary(self) -> dict[str, float | None]:
        """CDC, warped-ab error and PSNR, before and after the smoothing."""
        table: dict[str, float | None] = {}
        for name in ("before", "after"):
            table[f"cdc_{name}"] = cdc_of_rows(self.rows, name)
            table[f"drift_{name}"] = mean(self.rows, f"drift_{name}")
            table[f"psnr_{name}"] = mean(self.rows, f"psnr_{name}")
        return table


@dataclass
class Block:
    """Frames on their way through the house."""

    times: list[int]  # ticks
    frames: list[av.VideoFrame]
    L: Tensor  # (N, 1, h, w), upright, at the network's size
    small: Tensor  # uint8 RGB (N, 3, ., .), upright, at the size for motion


@dataclass(frozen=True)
class Colored:
    """A block with its colours: ab (N, 2, h, w) from the network and as settled."""

    block: Block
    given: Tensor
    steady: Steady


def network_size(clip: Clip, size: int) -> tuple[int, int]:
    """(h, w) of the upright picture with `size` as its short side, in pixels."""
    sides = clip.upright
    scale = min(size / min(sides), LONGEST * size / max(sides))
    return max(1, round(sides[0] * scale)), max(1, round(sides[1] * scale))


def block_length(clip: Clip) -> int:
    """Frames of a block: about four blocks are under way, and large frames are heavy."""
    frame = clip.width * clip.height * 3 // 2
    return max(2, min(BLOCK, HELD_BYTES // (4 * frame)))


def read_blocks(clip: Clip, size: int, start: int, notes: list[str]) -> Iterator[Block]:
    """Blocks of frames from frame number `start` on, with their small upright pictures."""
    large = network_size(clip, size)
    little = motion_size(large)
    length = block_length(clip)
    times: list[int] = []
    frames: list[av.VideoFrame] = []
    L: list[Tensor] = []
    small: list[Tensor] = []

    def upright(frame: av.VideoFrame, size: tuple[int, int]) -> Tensor:
        return torch.from_numpy(to_upright(frame, clip, size)).permute(2, 0, 1)

    for moment, frame in read_frames(clip, start, notes):
        times.append(moment)
        frames.append(frame)
        L.append(lightness(upright(frame, large)))
        small.append(upright(frame, little))
        if len(times) == length:
            yield Block(times, frames, torch.stack(L), torch.stack(small))
            times, frames, L, small = [], [], [], []
    if times:
        yield Block(times, frames, torch.stack(L), torch.stack(small))


def color_blocks(
    clip: Clip,
    blocks: Iterable[Block],
    net: nn.Module,
    settings: Settings,
    strength: float,
    every: int = 1,
    carry: Carry | None = None,
    take_place: TakePlace = nullcontext,
    painted: PaintedColors | None = None,
) -> Iterator[Colored]:
    """Colours for each block: the network on every `every`-th frame, settled along the motion.

    strength in [0, 1]: seconds for which a colour is remembered; 0 takes the network's word.
    take_place: entered around each call of the network. painted: frames whose colours are given,
    in place of the network's.
    """
    smoother = Smoother(strength, carry)
    painted = painted or PaintedColors({})
    waiting: tuple[Block, Tensor] | None = None
    for block in blocks:
        L = block.L
        moves = smoother.find_motion(L)
        known = moves.cut.clone()
        known[::every] = True
        known[painted.pick_painted(len(L))] = True
        with take_place():
            ab = predict(net, L[known], settings)[known.cumsum(0) - 1]
        ab = painted.mix(ab, moves)
        seconds = [float(moment * clip.time_base) for moment in block.times]
        steady = smoother.add_block(L, ab, known, seconds, moves)
        smoother.carry.place = painted.place
        if waiting and steady:
            yield Colored(*waiting, steady)
        waiting = (block, ab)
    steady = smoother.close()
    if waiting and steady:
        yield Colored(*waiting, steady)


def predict(net: nn.Module, L: Tensor, settings: Settings) -> Tensor:
    """L (N, 1, h, w), at the network's size -> ab (N, 2, ., .), float32, a few at a time.

    Networks draw colour at half or a quarter of their size, or at 128 pixels: half the
    size, but no less than 128 pixels at the short side, loses nothing of it.
    """
    size = min(L.shape[-2:])
    scale = min(1.0, max(COLOR_SIDE, size / 2) / size)
    shape = [max(1, round(side * scale)) for side in L.shape[-2:]]
    parts = [predict_coarse(net, part, size, settings) for part in L.split(BATCH)]
    ab = F.interpolate(torch.cat(parts), size=shape, mode="bilinear", align_corners=False)
    return ab * settings.chroma


def colorize_video(
    source: Path,
    out: Path,
    net: nn.Module,
    *,
    size: int,
    settings: Settings | None = None,
    strength: float = STRENGTH,
    every: int = 2,
    quality: int = 18,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    take_place: TakePlace = nullcontext,
    marks: Mapping[str, str] | None = None,
    stamp: str = "",
    painted: Mapping[int, Path] | None = None,
) -> VideoReport:
    """Colour the clip `source` with `net` and write `out`, an MP4 that a browser plays.

    Times, size, rotation and sound of the source are kept. size: short side, in pixels, at which
    the network looks (`settings.size` wins). strength in [0, 1]: seconds for which colours are
    remembered along the motion; 0 is off. every: the network looks at each `every`-th frame and
    the motion carries its colours to those between (with no strength, it
    looks at all). quality: CRF of x264. take_place: entered around each call of the network, so
    that a server's visitors queue for it. marks: what the file says of how it was made
    (`colorize.make_marks`), with IPTC's mark that AI had a part in it. stamp: words that every
    frame shows in its lower right corner. painted: pictures of frames, by the frame's number from
    0, whose colours are carried through their scenes in place of the network's (`video.painted`).

    When `stop()` is true, or on Ctrl-C, what is done is written as a playable file. After that,
    or after a kill, the same call goes on where it was (`<out>.parts`). Raises Problem.
    """
    settings = settings or Settings()
    size = settings.size or size
    source, out = Path(source), Path(out)
    clip = probe(source)
    _check(clip, out, strength, every)
    every = every if strength else 1
    notes: list[str] = []
    frames = open_painted(clip, painted or {}, notes)
    with guard_writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    key = {
        "source": [str(source.resolve()), source.stat().st_size, source.stat().st_mtime_ns],
        "net": fingerprint(net),
        "size": size,
        "settings": asdict(settings),
        "smoothing": [strength, every],
        "quality": quality,
        "stamp": stamp,
        "painted": [[number, frame.sha256] for number, frame in frames.items()],
    }
    with guard_writing(out):
        parts = Parts(out, key)
    began, start = time.monotonic(), parts.frames
    if start:
        notes.append(f"Went on after frame {start}, where an earlier run had ended.")
    net.eval()
    done, stopped = start, False
    blocks = make_ahead(read_blocks(clip, size, start, notes))
    carry = parts.carry
    hand = PaintedColors(frames, start, carry.place if carry else None)
    colored = make_ahead(
        color_blocks(clip, blocks, net, settings, strength, every, carry, take_place, hand)
    )
    writer = _Writing(clip, parts, quality, stamp)
    with share_of_cores(), closing(blocks), closing(colored), guard_writing(out):
        try:
            for item in colored:
                writer.add(item)
                done += len(item.block.times)
                if progress:
                    progress(_progress(done, start, clip.frames, time.monotonic() - began))
                if stop():
                    stopped = True
                    break
        except KeyboardInterrupt:
            stopped = True
        finally:
            writer.end_part()
    with guard_writing(out):
        parts.join(out, clip, not stopped, notes, marks)
    if not stopped:
        parts.remove()
    elapsed = time.monotonic() - began
    rate = (parts.frames - start) / elapsed
    return VideoReport(out, parts.frames, stopped, elapsed, rate, notes, parts.rows)


def fingerprint(net: nn.Module) -> str:
    """12 hex digits that change with every weight of the network."""
    digest = hashlib.sha256()
    for name, value in net.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:12]


def _check(clip: Clip, out: Path, strength: float, every: int) -> None:
    if out.suffix.lower() != ".mp4":
        raise Problem(f"The result is an MP4: name it like {out.with_suffix('.mp4').name}.")
    if out.resolve() == clip.path.resolve():
        raise Problem(f"{out} is the clip itself. Give the result another name.")
    if not 0 <= strength <= 1:
        raise Problem(f"The strength of the smoothing is {strength}; give a number from 0 to 1.")
    if every < 1:
        raise Problem(f"The network cannot look at every {every}-th frame; give 1, 2, 3 or so.")


def _progress(done: int, start: int, total: int, elapsed: float) -> Progress:
    rate = (done - start) / max(elapsed, 1e-9)
    left = max(0, total - done) / rate if total else None
    return Progress(done, max(total, done) if total else 0, rate, left)


class _Writing:
    """Writes coloured blocks into parts."""

    def __init__(self, clip: Clip, parts: Parts, quality: int, stamp: str) -> None:
        self.clip, self.parts, self.quality = clip, parts, quality
        self.quarters = -(clip.rotation // 90)  # from an upright picture to the stored one
        self.mark: Mark | None = None
        if stamp:
            height, width = clip.upright
            self.mark = Mark(draw_mark(height, width, stamp).numpy(), height, width, self.quarters)
        self.trace = Trace()
        self.encoder: Encoder | None = None
        self.start = self.frames = 0
        self.rows: list[dict[str, Any]] = []
        self.carry: Carry | None = None

    @torch.inference_mode()
    def add(self, item: Colored) -> None:
        """Encode a block; a part that is long enough is ended."""
        block, steady = item.block, item.steady
        if self.encoder is None:
            self.encoder = Encoder(self.parts.next_file(), self.clip, self.quality)
            self.start, self.frames, self.rows = block.times[0], 0, []
        for moment, frame, ab in zip(block.times, block.frames, steady.ab, strict=True):
            rgb = pad_to_even(to_rgb(frame))
            yuv = join_yuv(rgb, torch.rot90(ab, self.quarters, (-2, -1)))
            if self.mark:
                self.mark.write(yuv)
            self.encoder.add(yuv, moment - self.start, frame.duration)
        seconds = [float(moment * self.clip.time_base) for moment in block.times]
        self.rows += self.trace.rows(seconds, block.small, item.given, steady.ab, steady.moves)
        self.frames += len(block.times)
        self.carry = steady.carry
        if self.frames >= PART:
            self.end_part()

    def end_part(self) -> None:
        """Finish the part in work, if there is one, and count it as done."""
        if self.encoder is None:
            return
        self.encoder.close()
        self.encoder = None
        self.parts.add(self.start, self.frames, self.carry, self.rows)
