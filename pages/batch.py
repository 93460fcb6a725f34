"""Batch: many files or a ZIP in, a ZIP with every model's pictures out."""

import streamlit as st

from workbench.errors import Problem
from workbench.jobs.batch import Batch
from workbench.ui import batch, exports, widgets

st.title("Many photographs at once")
left, right = st.columns([3, 1], gap="medium")
uploads = left.file_uploader(
    "Photographs, or a ZIP of them", accept_multiple_files=True, key="batch_files"
)
with right:  # no sidebar: it would come late and push everything
    checkpoints = widgets.choose_models(key="batch_models")
    with st.expander("Settings", icon=":material/tune:"):
        settings = widgets.choose_settings()
    form = exports.choose_form()

job: Batch | None = st.session_state.get("batch")
running = job is not None and job.is_alive()
label = "Colour them" if uploads else "Try it on our samples"
with left:
    if st.button(label, type="primary", disabled=running, icon=":material/play_arrow:"):
        try:
            st.session_state["batch"] = batch.start(uploads, checkpoints, settings, form)
            st.session_state["batch_from"] = widgets.files_of(uploads)
            if job is not None:
                job.discard()
            st.rerun()
        except Problem as problem:
            widgets.show_problem(problem)
    st.caption(
        "Each model's pictures come in a folder of their own, with their names and sizes kept, "
        "and metrics where a photograph had colour. A file that cannot be read is named; the "
        "rest go on."
    )

if widgets.are_new(uploads, "batch_from") and not running:
    st.info(f"{len(uploads)} chosen, not coloured yet.")
elif job is not None:
    widgets.refresh_while(batch.show_progress, running)(job, running)
    if not running and job.archive.exists():
        batch.show_result(job)
else:
    batch.show_samples()
