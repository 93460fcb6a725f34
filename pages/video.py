"""Video: a clip in, the same clip in colour out, beside the original and without flicker."""

import streamlit as st

from workbench.errors import Problem
from workbench.jobs import clip
from workbench.names import escape_markdown
from workbench.ui import exports, state, video, widgets

st.title("Video")
st.caption(
    "The network colours the frames, and colours then follow the motion within each scene, so "
    "that they neither flicker nor ghost. Sound, size and the time of every frame are kept."
)
left, right = st.columns([3, 1], gap="medium")
upload = left.file_uploader(
    "A clip, in colour or black and white", type=video.TYPES, key="video_file"
)
with right:  # no sidebar: it would come late and push everything
    checkpoint = widgets.choose_model(key="video_model", first=video.find_quickest())
    strength = st.slider(
        "Steadiness",
        0.0,
        1.0,
        clip.STRENGTH,
        0.05,
        key="video_strength",
        help="Seconds for which colours are remembered along the motion. 0: each frame for itself.",
    )
    with st.expander("Settings", icon=":material/tune:"):
        settings = widgets.choose_settings()
    stamp = exports.STAMP if exports.choose_stamp("clip") else ""

job: clip.VideoJob | None = st.session_state.get("video_job")
busy = job is not None and job.is_alive()
label = "Colour it" if upload else "Colour our sample clip with these settings"
if left.button(label, type="primary", disabled=busy, icon=":material/play_arrow:"):
    with left, st.spinner("Loading the network…"):
        job = st.session_state["video_job"] = clip.start(
            checkpoint, settings, strength, upload, stamp
        )
    st.session_state["video_from"] = widgets.files_of([upload])
    st.rerun()

if widgets.are_new([upload], "video_from") and not busy:  # another clip's result is not this one's
    st.info(f"{escape_markdown(upload.name)} is not coloured yet.")
    st.stop()
if not job:  # nobody's own yet: our sample, coloured once for all visitors
    with left, st.spinner("Loading the network…"):
        job = state.sample_video(checkpoint)
running = job.is_alive()
left.caption(f"Shown: {video.name_clip(job)}")
if job.problem:
    widgets.show_problem(job.problem)
else:
    widgets.refresh_while(video.show_progress, running)(job, running)
    if not job.is_alive() and job.report:
        try:
            video.show_result(job)
        except Problem as problem:
            widgets.show_problem(problem)
