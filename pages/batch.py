"""Batch: many files or a ZIP in, a ZIP with every model's pictures out."""

import streamlit as st

from workbench.errors import Problem
from workbench.samples import SAMPLES
from workbench.ui import batches, exports, state, widgets

st.title("Many photographs at once")
uploads = st.file_uploader(
    "Photographs, or a ZIP of them", accept_multiple_files=True, key="batch_files"
)
with st.sidebar:
    checkpoints = widgets.choose_models(key="batch_models")
    st.subheader("Turning")
    settings = widgets.choose_settings()
    st.subheader("Files")
    form = exports.choose_form()

batch: batches.Batch | None = st.session_state.get("batch")
running = batch is not None and batch.is_alive()
chosen = [(file.name, file.getvalue()) for file in uploads]
label = "Colour them" if chosen else "Try it on our five samples"
if st.button(label, type="primary", disabled=running, icon=":material/play_arrow:"):
    try:
        files, failures = batches.unpacked(
            chosen or [(each.file, each.path.read_bytes()) for each in SAMPLES.values()]
        )
        with st.spinner("The networks are waking up…"):
            painters = [
                batches.Painter(c.name, c.title, c.revision, state.network(c), c.size)
                for c in checkpoints
            ]
        if batch is not None:
            batch.discard()
        batch = batches.Batch(files, painters, settings, state.queue().turn, failures, form)
        batch.start()
        st.session_state["batch"] = batch
        st.rerun()
    except Problem as problem:
        widgets.show_problem(problem)


def pictures(batch: batches.Batch) -> None:
    """The first files, small: what went in and what came out."""
    for name, shown in list(batch.shown.items()):
        titles, files = zip(*shown, strict=True)
        st.caption(name)
        st.image(list(files), list(titles), width=150)


def progress(batch: batches.Batch) -> None:
    """How far the batch is; once it has ended, the whole page runs again."""
    share = batch.done / max(batch.total, 1)
    text = f"{batch.done} of {batch.total} files"
    st.progress(share, f"{text} – {batch.current}" if batch.current else text)
    if running and not batch.is_alive():
        st.rerun()
    if running and st.button("Stop", icon=":material/stop:", disabled=batch.stopped):
        batch.stop()
    for failure in batch.failures:
        st.warning(failure, icon=":material/error:")
    if running:
        pictures(batch)


if batch is not None:
    widgets.ticking(progress, running)(batch)
    if not running and batch.archive.exists():
        st.download_button(
            "All results (ZIP)",
            batch.archive.read_bytes,
            "colourized.zip",
            "application/zip",
            type="primary",
            icon=":material/folder_zip:",
            on_click="ignore",
        )
        st.caption(
            "A folder for each model with your file names kept, metrics.csv, settings.json and "
            "report.txt. The first files, small:"
        )
        pictures(batch)
else:
    st.caption(
        "Each model's pictures come in a folder of their own, with their names and sizes kept, "
        "and metrics where a photograph had colour. A file that cannot be read is named; the rest "
        "go on."
    )
    samples = list(SAMPLES.values())
    st.image([each.path for each in samples], [each.title for each in samples], width=150)
