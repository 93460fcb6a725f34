"""A clip that was sent to the API: bounded, coloured frame by frame in the queue, cleaned up."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from workbench import spare
from workbench.coloring.colorize import make_marks
from workbench.errors import Problem
from workbench.names import printable, safe_path, shorten_stem
from workbench.serving.studio import return_memory, shared_studio
from workbench.video.suffixes import STRENGTH, SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.video import Clip, Progress, VideoReport

MOST_SECONDS = 60  # of a clip
MOST_FRAMES = 1800  # a minute at 30 a second
MOST_PIXELS = 1920 * 1088  # of a frame, as encoders pad 1080 lines
ELSEWHERE = "The command line (`python -m workbench colorize`) takes clips of any length."

T = TypeVar("T")


@contextmanager
def spare_folder() -> Iterator[Path]:
    """A folder for one visitor's clip that is gone afterwards."""
    folder = spare.make_folder("video")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def colorize_clip_upload(
    file: str | None,
    checkpoint: Checkpoint,
    settings: Settings,
    strength: float | None,
    stamped: bool,
    keep: Callable[[Path], T],
    on_progress: Callable[[Progress], None] | None = None,
    painted: Any = None,
) -> tuple[T, dict[str, Any]]:
    """What `keep` makes of the coloured clip (an MP4 that goes afterwards), and what was done.

    The network takes a place in the queue for each few frames, so that nobody waits for a whole
    clip. painted: files of frames coloured by hand, named for their numbers. Raises Problem.
    """
    from workbench.video import colorize_video

    strength = read_strength(strength)
    clip = open_clip_upload(file)
    frames = read_painted(painted)
    marks = make_marks(
        checkpoint.name, checkpoint.revision, settings, checkpoint.title, {"strength": strength}
    )
    name = safe_path(clip.path.name)
    reached = 0

    def hear(progress: Progress) -> None:
        nonlocal reached
        reached = progress.frames
        if on_progress:
            on_progress(progress)

    with spare_folder() as folder:
        out = folder / f"{shorten_stem(Path(name).stem, 80)}_{checkpoint.name}.mp4"
        report = colorize_video(
            clip.path, out, shared_studio().network(checkpoint),
            size=checkpoint.size, settings=settings, strength=strength,
            progress=hear, stop=lambda: reached > MOST_FRAMES,
            take_place=shared_studio().queue.take_place,
            marks=marks, stamp=marks["Description"] if stamped else "", painted=frames,
        )  # fmt: skip
        if report.frames > MOST_FRAMES:  # the file had announced fewer, or nothing
            raise Problem(_too_long(clip, f"more than {MOST_FRAMES:,} frames"))
        kept = keep(out)
    return_memory()
    about = _describe(clip, checkpoint, settings, strength, stamped, report)
    return kept, about | {"painted": sorted(frames)}


def read_strength(strength: Any) -> float:
    """The strength of the smoothing from what a caller sent; raises Problem."""
    if strength is None:
        return STRENGTH
    right = isinstance(strength, int | float) and not isinstance(strength, bool)
    if not (right and math.isfinite(strength) and 0 <= strength <= 1):
        raise Problem(f"`strength` is a number from 0 to 1 or nothing, not {str(strength)[:60]!r}.")
    return float(strength)


def read_painted(files: Any) -> dict[int, Path]:
    """Painted frames by number from what a caller sent; raises Problem."""
    from workbench.video.painted import MOST_PAINTED, find_painted

    files = files or []
    if not (isinstance(files, list | tuple) and all(isinstance(each, str) for each in files)):
        raise Problem("`painted` is a list of files or nothing.")
    if len(files) > MOST_PAINTED:
        raise Problem(f"These are {len(files)} painted frames, and {MOST_PAINTED} are taken.")
    for file in files:
        if not Path(file).is_file():
            raise Problem(f"{printable(Path(file).name)} is no longer here. Upload it again.")
    return find_painted(map(Path, files))


def open_clip_upload(file: str | None) -> Clip:
    """The clip in an uploaded file, if it is one that is small enough; raises Problem."""
    from workbench.video import probe

    if not file or not isinstance(file, str):
        raise Problem("There is no clip yet. Send a file.")
    path = Path(file)
    name = printable(path.name)
    if path.suffix.lower() not in SUFFIXES:
        raise Problem(f"{name} is not named like a clip. Known are: {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise Problem(f"{name} is no longer here. Upload it again.")
    with shared_studio().queue.take_place():  # its first frame is decoded
        clip = probe(path)
    if clip.width * clip.height > MOST_PIXELS:
        raise Problem(
            f"The frames of {name} have {clip.width} × {clip.height} pixels, and this server takes "
            f"1920 × 1080. Make the clip smaller. {ELSEWHERE}"
        )
    if clip.seconds > MOST_SECONDS:
        raise Problem(_too_long(clip, f"{clip.seconds:,.0f} s"))
    if clip.frames > MOST_FRAMES:
        raise Problem(_too_long(clip, f"{clip.frames:,} frames"))
    return clip


def _too_long(clip: Clip, length: str) -> str:
    return (
        f"{printable(clip.path.name)} has {length}, and this server takes {MOST_SECONDS} s and "
        f"{MOST_FRAMES:,} frames. Cut it. {ELSEWHERE}"
    )


def _describe(
    clip: Clip,
    checkpoint: Checkpoint,
    settings: Settings,
    strength: float,
    stamped: bool,
    report: VideoReport,
) -> dict[str, Any]:
    """What was done, in plain values."""
    numbers = {
        name: None if value is None else round(value, 4) for name, value in report.summary().items()
    }
    return {
        "model": checkpoint.name,
        "title": checkpoint.title,
        "revision": checkpoint.revision,
        "seconds": round(report.elapsed, 3),
        "settings": asdict(settings) | {"size": settings.size or checkpoint.size},
        "strength": strength,
        "stamp": stamped,
        "frames": report.frames,
        "rate": round(float(clip.rate), 3),
        "width": clip.width,
        "height": clip.height,
        "cuts": [round(moment, 3) for moment in report.cuts],
        "scenes": report.scenes,
        **numbers,
        "sha256": hashlib.sha256(clip.path.read_bytes()).hexdigest(),
        "notes": list(report.notes),
        "colourized_by_ai": True,
    }
