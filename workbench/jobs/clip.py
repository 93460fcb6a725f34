"""A clip being coloured in the background, and our own sample clip."""

from __future__ import annotations

import shutil
import threading
import weakref
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workbench import spare
from workbench.errors import Problem
from workbench.jobs.form import Form
from workbench.jobs.painting import Painter, colorize_picture
from workbench.names import safe_path, shorten_stem
from workbench.samples import SAMPLES
from workbench.serving.studio import shared_studio
from workbench.video.suffixes import STRENGTH
from workbench.writing import write_whole

if TYPE_CHECKING:
    from torch import nn

    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.video import Progress, VideoReport

SAMPLE = "sample.mp4"
THUMBNAIL = 320  # longer side of a scene's frame on the screen, pixels
MOST_SCENES = 60  # whose first frames are drawn for a visitor; the command line draws all


class Upload(Protocol):
    """What a visitor sent: its file name and its bytes."""

    name: str

    def getbuffer(self) -> memoryview:
        """All of it."""
        ...


class Folder:
    """A folder for one visitor's clip; it goes with the last thing that holds it."""

    def __init__(self) -> None:
        self.path = spare.make_folder("video")
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class VideoJob(threading.Thread):
    """One clip on its way. Read `progress`, `report`, `problem`; call `stop`.

    After a stop, `renew()` is a job that goes on where this one ended.
    """

    def __init__(
        self,
        folder: Folder,
        source: Path,
        checkpoint: Checkpoint,
        net: nn.Module,
        settings: Settings,
        strength: float,
        take_place: Callable[[], AbstractContextManager[None]],
        stamp: str = "",
        painted: Mapping[int, Path] | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self.folder, self.source, self.checkpoint, self.net = folder, source, checkpoint, net
        self.settings, self.strength, self.take_place = settings, strength, take_place
        self.stamp = stamp  # words in the corner of every frame
        self.painted = dict(painted or {})  # frames coloured by hand, by number
        self.out = folder.path / "result" / f"{source.stem}.mp4"
        self.progress: Progress | None = None
        self.report: VideoReport | None = None
        self.problem: Problem | None = None
        self._halt = threading.Event()

    def run(self) -> None:
        """Colour the clip."""
        from workbench.coloring.colorize import make_marks
        from workbench.video import colorize_video

        made_by = self.checkpoint
        also = {"strength": self.strength}
        try:
            self.report = colorize_video(
                self.source, self.out, self.net,
                size=self.checkpoint.size, settings=self.settings, strength=self.strength,
                progress=self._heard, stop=self._halt.is_set, take_place=self.take_place,
                marks=make_marks(
                    made_by.name, made_by.revision, self.settings, made_by.title, also
                ),
                stamp=self.stamp, painted=self.painted,
            )  # fmt: skip
        except Problem as problem:
            self.problem = problem
        except OSError as error:
            self.problem = Problem(f"The clip could not be written: {error.strerror or error}.")

    def _heard(self, progress: Progress) -> None:
        self.progress = progress

    def stop(self) -> None:
        """End after the frames in hand; what is done becomes a playable file."""
        self._halt.set()

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it."""
        return self._halt.is_set()

    def renew(self) -> VideoJob:
        """The same job, to go on after a stop."""
        return VideoJob(
            self.folder, self.source, self.checkpoint, self.net,
            self.settings, self.strength, self.take_place, self.stamp, self.painted,
        )  # fmt: skip

    def repaint(self, uploads: Sequence[Upload]) -> VideoJob:
        """A job of its own for the same clip, with frames that a visitor painted.

        Raises Problem where one of them cannot be used; this job and its result stay.
        """
        from workbench.video import probe
        from workbench.video.painted import MOST_PAINTED, find_painted, open_painted

        folder, files = Folder(), []
        if len(uploads) > MOST_PAINTED:
            raise Problem(
                f"These are {len(uploads)} painted frames, and {MOST_PAINTED} are taken here. "
                "`python -m workbench colorize CLIP --painted FOLDER` takes any number."
            )
        for upload in uploads:
            file = folder.path / "painted" / str(len(files)) / safe_path(Path(upload.name).name)
            write_whole(file.parent, {file.name: bytes(upload.getbuffer())})
            files.append(file)
        painted = find_painted(files)
        open_painted(probe(self.source), painted, [])
        source = folder.path / self.source.name
        shutil.copyfile(self.source, source)
        return VideoJob(
            folder, source, self.checkpoint, self.net,
            self.settings, self.strength, self.take_place, self.stamp, painted,
        )  # fmt: skip


@dataclass(frozen=True)
class DrawnFrame:
    """The frame with which a scene begins, as the network colours it."""

    number: int  # in the clip, from 0
    seconds: float
    small: bytes  # a small picture of it, for the screen


@dataclass(frozen=True)
class DrawnScenes:
    """The first frames of a clip's scenes, and all of them in a ZIP."""

    folder: Folder
    frames: list[DrawnFrame]
    left: int  # scenes that are not among them

    @property
    def archive(self) -> Path:
        """The ZIP with the frames at full size, named so that they are known again."""
        return self.folder.path / "scenes.zip"


def draw_scenes(job: VideoJob) -> DrawnScenes:
    """The first frame of every scene of a finished job, at most MOST_SCENES, in colour."""
    from workbench.images import Picture, encode_for_screen, to_eight_bits
    from workbench.video import probe
    from workbench.video.painted import name_frame
    from workbench.video.scenes import read_pictures

    starts, rows = job.report.scenes, job.report.rows
    found = DrawnScenes(Folder(), [], max(0, len(starts) - MOST_SCENES))
    painter = Painter(job.checkpoint, job.net)
    pictures = read_pictures(probe(job.source), starts[:MOST_SCENES])
    with zipfile.ZipFile(found.archive, "w", zipfile.ZIP_STORED) as archive:
        for scene, (number, rgb) in enumerate(pictures, 1):
            name = name_frame(job.source.stem, scene, number)
            picture = Picture(name, rgb, grey=False, sha256="")
            for made in colorize_picture(picture, [painter], job.settings, job.take_place):
                archive.writestr(name, Form("png").encode(picture, made.rgb, made.marks))
                small, _ = encode_for_screen(to_eight_bits(made.rgb), THUMBNAIL)
                found.frames.append(DrawnFrame(number, rows[number]["time"], small))
    return found


def start(
    checkpoint: Checkpoint,
    settings: Settings,
    strength: float = STRENGTH,
    upload: Upload | None = None,
    stamp: str = "",
) -> VideoJob:
    """A job for the upload, or for our sample clip, under way."""
    folder = Folder()
    source = folder.path / (_name(upload.name) if upload else SAMPLE)
    if upload:
        source.write_bytes(upload.getbuffer())
    else:
        sample_clip(source)
    net, take_place = shared_studio().network(checkpoint), shared_studio().queue.take_place
    job = VideoJob(folder, source, checkpoint, net, settings, strength, take_place, stamp)
    job.start()
    return job


def _name(name: str) -> str:
    """A visitor's file name as one that can be written here."""
    path = Path(safe_path(name))
    return f"{shorten_stem(path.stem, 80)}{path.suffix[:8]}"


def sample_clip(path: Path, seconds: float = 1.5) -> Path:
    """Write our own clip: a camera that moves over three of the sample pictures, two cuts."""
    import av
    from PIL import Image

    width, height, rate = 432, 320, 24
    frames = round(seconds * rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for name in ("coffee", "chelsea", "astronaut"):
            picture = Image.open(SAMPLES[name].path).convert("RGB")
            scale = max(width / picture.width, height / picture.height) * 1.15
            picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
            for i in range(frames):
                x = (picture.width - width) * i // frames
                y = (picture.height - height) * i // frames
                cut = picture.crop((x, y, x + width, y + height))
                container.mux(stream.encode(av.VideoFrame.from_image(cut)))
        container.mux(stream.encode(None))
    return path
