"""Video: how far a clip is, and what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime import Runtime

from workbench.errors import Problem
from workbench.jobs.clip import SAMPLE, draw_scenes
from workbench.names import count_of, escape_markdown, write_number
from workbench.ui import state
from workbench.ui.viewers import _component
from workbench.ui.widgets import show_plot, show_problem
from workbench.video.suffixes import SUFFIXES

if TYPE_CHECKING:
    from workbench.jobs.clip import DrawnScenes, VideoJob

TYPES = [suffix.removeprefix(".") for suffix in SUFFIXES]

WIDTH = 150  # of a scene's frame, pixels of the screen

_pair = _component("pair")


def find_quickest() -> str:
    """The name of the smallest network, which is shown first; "" where there is none."""
    found = state.checkpoints().values()
    return min(found, key=lambda each: each.bytes).name if found else ""


def show_in_step(
    before: Path, after: Path, titles: tuple[str, str], rate: float, *, key: str
) -> None:
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


def name_clip(job: VideoJob) -> str:
    """The clip of this job in words."""
    if job.source.name == SAMPLE:
        name = "our sample clip"
    else:
        name = f"{escape_markdown(job.source.name)}, yours"
    if painted := len(job.painted):
        name += f", {count_of(painted, 'frame')} painted by hand"
    return name


def show_progress(job: VideoJob, running: bool) -> None:
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


def show_result(job: VideoJob) -> None:
    """The original and the result in step, what was measured, and the file to take home."""
    from workbench.video import probe

    for note in job.report.notes:
        st.warning(escape_markdown(note), icon=":material/info:")
    rate = float(probe(job.out).rate)
    show_in_step(job.source, job.out, ("Original", job.checkpoint.title), rate, key="video_pair")
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
        _start_again(job.renew())
    mend_scenes(job)
    show_flicker(job)


def _start_again(job: VideoJob) -> None:
    """Put this job in place of the one before it."""
    st.session_state["video_job"] = job
    job.start()
    st.rerun()


def mend_scenes(job: VideoJob) -> None:
    """Scenes' frames to take home, and back, coloured by hand: the clip is then coloured anew."""
    with st.expander("Mend scenes by hand", icon=":material/brush:"):
        st.markdown(
            "Take each scene's first frame as the network colours it, and mend it: with a brush in "
            "any program, or with hints on the page *Compare*. Bring back those that you changed, "
            "with `frame-NUMBER` still in their names: their colours are carried through the scene "
            "along the motion, in place of the network's."
        )
        job_of, frames = st.session_state.get("video_scenes", (None, None))
        place = st.empty()
        if job_of is not job and place.button("Show the scenes’ frames", icon=":material/image:"):
            with place, st.spinner("Colouring them…"):
                frames = draw_scenes(job)
            job_of, _ = st.session_state["video_scenes"] = (job, frames)
        if job_of is job:
            show_scenes(job, frames)
        uploads = st.file_uploader(
            "Painted frames", accept_multiple_files=True, key="video_painted"
        )
        label = "Colour the clip with them"
        if st.button(label, disabled=not uploads, icon=":material/play_arrow:"):
            try:
                _start_again(job.repaint(uploads))
            except Problem as problem:
                show_problem(problem)


def show_scenes(job: VideoJob, found: DrawnScenes) -> None:
    """The scenes' first frames, small, and the ZIP with all of them."""
    titles = [
        f"{i}: {each.seconds:.1f} s, frame {each.number}" for i, each in enumerate(found.frames, 1)
    ]
    st.image(
        [each.small for each in found.frames], titles, width=WIDTH,
        alt=[f"Scene {title}" for title in titles],
    )  # fmt: skip
    if found.left:
        st.caption(
            f"{found.left} more scenes: `python -m workbench scenes CLIP` writes the frames of all."
        )
    st.download_button(
        "The scenes’ frames (ZIP)",
        found.archive.read_bytes,
        f"{job.source.stem}_scenes.zip",
        "application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
    )


def show_flicker(job: VideoJob) -> None:
    """How much the colours change over time, with and without the smoothing."""
    from workbench import charts

    rows, numbers = job.report.rows, job.report.summary()
    st.subheader("Flicker")
    drop = numbers["cdc_after"] - numbers["cdc_before"]
    drift = numbers["drift_after"] or 0.0
    columns = st.columns(3)
    _show_change(columns[0], "CDC", numbers["cdc_after"], drop, ".4f", better=drop < 0)
    change = drift - (numbers["drift_before"] or 0.0)
    name = "Colours along the motion, ΔE"
    _show_change(columns[1], name, drift, change, ".2f", better=change < 0)
    if numbers["psnr_after"] is not None:
        gain = numbers["psnr_after"] - numbers["psnr_before"]
        after = numbers["psnr_after"]
        _show_change(columns[2], "PSNR, dB", after, gain, ".2f", better=gain > 0)
    color = job.checkpoint.spec.color
    show_plot(charts.over_time(rows, "drift", "change of colour, ΔE", color), "change_of_colour")
    if numbers["psnr_after"] is not None:
        show_plot(charts.over_time(rows, "psnr", "PSNR, dB", color), "psnr")
    st.caption(
        "CDC compares the histograms of frames 1, 2 and 4 apart; the change of colour compares a "
        "frame with the one before it, followed along the motion (ΔE in ab, 0 is steady). Arrows "
        "are against the same network without smoothing; dashed lines are cuts. Measured on small "
        "frames."
    )


def _show_change(where, name: str, value: float, change: float, form: str, better: bool) -> None:
    """A number and how far it moved; Streamlit takes only a hyphen for less: it is told which."""
    moved = write_number(change, f"+{form}")
    arrow = {"+": "up", "−": "down"}.get(moved[0], "off")
    where.metric(
        name,
        write_number(value, form),
        moved,
        delta_color="off" if arrow == "off" else "green" if better else "red",
        delta_arrow=arrow,
    )
