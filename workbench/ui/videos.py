"""Video: a clip being coloured in the background, our own sample clip, and what became of one."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime import Runtime

from workbench.errors import Problem
from workbench.samples import SAMPLES
from workbench.ui import state
from workbench.ui.viewers import _component
from workbench.ui.widgets import plot

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile
    from torch import nn

    from workbench.checkpoints import Checkpoint
    from workbench.colorize import Settings
    from workbench.video import Progress, VideoReport

TYPES = [
    *("mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "mpeg", "ogv", "ts", "gif", "wmv", "asf"),
    *("flv", "3gp", "3g2", "vob", "m2ts", "mts", "dv"),
]  # video.SUFFIXES, which would import torch
SAMPLE = "sample.mp4"
QUICKEST = "vanilla_cnn"  # the network that is shown first
STRENGTH = 0.5  # of the smoothing, unless a visitor turns it

_pair = _component("pair")


class Folder:
    """A folder for one visitor's clip; it goes with the last thing that holds it."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="workbench-video-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class VideoJob(threading.Thread):
    """One clip on its way. Read `progress`, `report`, `problem`; call `stop`.

    After a stop, `again()` is a job that goes on where this one ended.
    """

    def __init__(
        self,
        folder: Folder,
        source: Path,
        checkpoint: Checkpoint,
        net: nn.Module,
        settings: Settings,
        strength: float,
        turn: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__(daemon=True)
        self.folder, self.source, self.checkpoint, self.net = folder, source, checkpoint, net
        self.settings, self.strength, self.turn = settings, strength, turn
        self.out = folder.path / "result" / f"{source.stem}.mp4"
        self.progress: Progress | None = None
        self.report: VideoReport | None = None
        self.problem: Problem | None = None
        self._halt = threading.Event()

    def run(self) -> None:
        """Colour the clip."""
        from workbench.video import colorize_video

        try:
            self.report = colorize_video(
                self.source, self.out, self.net,
                size=self.checkpoint.size, settings=self.settings, strength=self.strength,
                progress=self._heard, stop=self._halt.is_set, turn=self.turn,
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

    def again(self) -> VideoJob:
        """The same job, to go on after a stop."""
        return VideoJob(
            self.folder, self.source, self.checkpoint, self.net,
            self.settings, self.strength, self.turn,
        )  # fmt: skip


def start(
    checkpoint: Checkpoint,
    settings: Settings,
    strength: float = STRENGTH,
    upload: UploadedFile | None = None,
) -> VideoJob:
    """A job for the upload, or for our sample clip, under way."""
    folder = Folder()
    source = folder.path / (Path(upload.name).name if upload else SAMPLE)
    if upload:
        source.write_bytes(upload.getbuffer())
    else:
        sample_clip(source)
    net, turn = state.network(checkpoint), state.queue().turn
    job = VideoJob(folder, source, checkpoint, net, settings, strength, turn)
    job.start()
    return job


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


def in_step(before: Path, after: Path, titles: tuple[str, str], rate: float, *, key: str) -> None:
    """Show two clips side by side, always at the same moment, with one set of controls."""
    _pair(
        key=key,
        data={
            "before": {"title": titles[0], "src": _address(before, f"{key}-before")},
            "after": {"title": titles[1], "src": _address(after, f"{key}-after")},
            "rate": rate,
        },
    )


def _address(path: Path, coordinates: str) -> str:
    """Where the browser finds a clip: a path on this server."""
    found = Runtime.instance().media_file_mgr.add(str(path), "video/mp4", coordinates=coordinates)
    return f"{st.get_option('server.baseUrlPath').rstrip('/')}{found}"


def progress(job: VideoJob, running: bool) -> None:
    """How far the clip is; once it has ended, the whole page runs again."""
    if running and not job.is_alive():
        st.rerun()
    step = job.progress
    if step and step.total:
        left = f", {step.left:.0f} s left" if step.left else ""
        text = f"{step.frames:,} of {step.total:,} frames, {step.rate:.1f} frames/s{left}"
        st.progress(min(step.frames / step.total, 1.0), text)
    elif running:
        st.progress(0.0, f"{step.frames:,} frames" if step else "The first frames…")
    own = st.session_state.get("video_job") is job  # our sample is everybody's
    if running and own and st.button("Stop", icon=":material/stop:", disabled=job.stopped):
        job.stop()


def result(job: VideoJob) -> None:
    """The original and the result in step, what was measured, and the file to take home."""
    from workbench.video import probe

    for note in job.report.notes:
        st.warning(note, icon=":material/info:")
    rate = float(probe(job.out).rate)
    in_step(job.source, job.out, ("Original", job.checkpoint.title), rate, key="video_pair")
    left, right = st.columns([1, 4])
    left.download_button(
        "The clip (MP4)",
        job.out.read_bytes,
        f"{job.out.stem}_colourized.mp4",
        "video/mp4",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
    )
    if job.report.stopped and right.button("Go on where it stopped", icon=":material/resume:"):
        st.session_state["video_job"] = again = job.again()
        again.start()
        st.rerun()
    flicker(job)


def flicker(job: VideoJob) -> None:
    """How much the colours change over time, with and without the smoothing."""
    from workbench import charts

    rows, numbers = job.report.rows, job.report.summary()
    st.subheader("Flicker")
    drop = numbers["cdc_after"] - numbers["cdc_before"]
    drift = numbers["drift_after"] or 0.0
    columns = st.columns(3)
    columns[0].metric("CDC", f"{numbers['cdc_after']:.4f}", f"{drop:+.4f}", delta_color="inverse")
    columns[1].metric(
        "Colours along the motion, ΔE",
        f"{drift:.2f}",
        f"{drift - (numbers['drift_before'] or 0.0):+.2f}",
        delta_color="inverse",
    )
    if numbers["psnr_after"] is not None:
        gain = numbers["psnr_after"] - numbers["psnr_before"]
        columns[2].metric("PSNR, dB", f"{numbers['psnr_after']:.2f}", f"{gain:+.2f}")
    color = job.checkpoint.spec.color
    plot(charts.over_time(rows, "drift", "change of colour, ΔE", color), "change_of_colour")
    if numbers["psnr_after"] is not None:
        plot(charts.over_time(rows, "psnr", "PSNR, dB", color), "psnr")
    st.caption(
        "CDC compares the histograms of frames 1, 2 and 4 apart; the change of colour compares a "
        "frame with the one before it, followed along the motion (ΔE in ab, 0 is steady). Arrows "
        "are against the same network without smoothing; dashed lines are cuts. Measured on small "
        "frames."
    )
