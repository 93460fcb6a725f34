"""The pieces of the page *Batch*: starting one, watching it, what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.jobs.batch import Batch, unpack_uploads
from workbench.jobs.painting import Painter
from workbench.names import escape_markdown
from workbench.samples import SAMPLES
from workbench.ui import state

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.jobs.form import Form

WIDTH = 150  # of a small picture, pixels of the screen


def show_samples() -> None:
    """Our own pictures, to be tried."""
    chosen = list(SAMPLES.values())
    titles = [each.title for each in chosen]
    st.image([each.path for each in chosen], titles, width=WIDTH, alt=titles)


def start(
    uploads: list[UploadedFile], checkpoints: list[Checkpoint], settings: Settings, form: Form
) -> Batch:
    """A batch of the uploads, or of our samples, under way. Raises Problem."""
    if uploads:
        chosen = [(file.name, file.getvalue()) for file in uploads]
    else:
        chosen = [(each.file, each.path.read_bytes()) for each in SAMPLES.values()]
    files, failures = unpack_uploads(chosen)
    with st.spinner("Loading the networks…"):
        painters = [Painter(each, state.network(each)) for each in checkpoints]
    batch = Batch(files, painters, settings, state.queue().take_place, failures, form)
    batch.start()
    return batch


def show_progress(batch: Batch, running: bool) -> None:
    """How far the batch is; once it has ended, the whole page runs again."""
    share = batch.done / max(batch.total, 1)
    text = f"{batch.done} of {batch.total} files"
    st.progress(share, f"{text} – {escape_markdown(batch.current)}" if batch.current else text)
    if running and not batch.is_alive():
        st.rerun()
    if running and st.button("Stop", icon=":material/stop:", disabled=batch.stopped):
        batch.stop()
    for failure in batch.failures:
        st.warning(escape_markdown(failure), icon=":material/error:")
    if running:
        show_pictures(batch)


def show_pictures(batch: Batch) -> None:
    """The first files, small: what went in and what came out."""
    for name, shown in list(batch.shown.items()):
        titles, files = zip(*shown, strict=True)
        st.caption(escape_markdown(name))
        said = [f"{name}: {title}" for title in titles]
        st.image(list(files), [escape_markdown(title) for title in titles], width=WIDTH, alt=said)


def show_result(batch: Batch) -> None:
    """The ZIP to take home, then the pictures."""
    st.download_button(
        "All results (ZIP)",
        batch.archive.read_bytes,
        "colourized.zip",
        "application/zip",
        type="primary",
        icon=":material/folder_zip:",
        on_click="ignore",
    )
    st.caption("With metrics.csv, settings.json and report.txt. The first files, small:")
    show_pictures(batch)
