"""Video: a clip in, the same clip in colour out, beside the original and without flicker."""

from pathlib import Path

import streamlit as st

from workbench.errors import Problem
from workbench.ui import state, videos, widgets

st.title("Video")
upload = st.file_uploader(
    "A clip, in colour or black and white", type=videos.TYPES, key="video_file"
)
with st.sidebar:
    checkpoint = widgets.choose_model(key="video_model")
    strength = st.slider(
        "Steadiness",
        0.0,
        1.0,
        0.5,
        0.05,
        key="video_strength",
        help="Seconds for which colours are remembered along the motion. 0: each frame for itself.",
    )
    st.subheader("Turning")
    settings = widgets.choose_settings()

job: videos.VideoJob | None = st.session_state.get("video_job")
running = job is not None and job.is_alive()
label = "Colour it" if upload else "Try it on our sample clip"
if st.button(label, type="primary", disabled=running, icon=":material/play_arrow:"):
    folder = videos.Folder()
    with st.spinner("The network is waking up…"):
        source = folder.path / (Path(upload.name).name if upload else videos.SAMPLE)
        if upload:
            source.write_bytes(upload.getbuffer())
        else:
            videos.sample_clip(source)
        net = state.network(checkpoint)
    turn = state.queue().turn
    job = videos.VideoJob(folder, source, checkpoint, net, settings, strength, turn)
    st.session_state["video_job"] = job
    job.start()
    st.rerun()


def progress(job: videos.VideoJob) -> None:
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
    if running and st.button("Stop", icon=":material/stop:", disabled=job.stopped):
        job.stop()


def result(job: videos.VideoJob) -> None:
    """The original and the result in step, what was measured, and the file to take home."""
    from workbench import charts
    from workbench.video import probe

    report, numbers = job.report, job.report.summary()
    for note in report.notes:
        st.warning(note, icon=":material/info:")
    rate = float(probe(job.out).rate)
    videos.in_step(job.source, job.out, ("Original", job.checkpoint.title), rate, key="video_pair")
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
    if report.stopped and right.button("Go on where it stopped", icon=":material/resume:"):
        st.session_state["video_job"] = again = job.again()
        again.start()
        st.rerun()
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
    widgets.plot(
        charts.over_time(report.rows, "drift", "change of colour, ΔE", color), "change_of_colour"
    )
    if numbers["psnr_after"] is not None:
        widgets.plot(charts.over_time(report.rows, "psnr", "PSNR, dB", color), "psnr")
    st.caption(
        "CDC compares the histograms of frames 1, 2 and 4 apart; the change of colour compares a "
        "frame with the one before it, followed along the motion (ΔE in ab, 0 is steady). Arrows "
        "are against the same network without smoothing; dashed lines are cuts. Measured on small "
        "frames."
    )


if job is None:
    st.caption(
        "The network colours the frames, and colours then follow the motion within each scene, so "
        "that they neither flicker nor ghost. Sound, size and the time of every frame are kept."
    )
elif job.problem:
    widgets.show_problem(job.problem)
else:
    widgets.ticking(progress, running)(job)
    if not job.is_alive() and job.report:
        try:
            result(job)
        except Problem as problem:
            widgets.show_problem(problem)
