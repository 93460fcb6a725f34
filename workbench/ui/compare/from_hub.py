"""A model by its name on the Hub: what it is, then fetched for this visit or for everybody."""

from __future__ import annotations

import json
import shutil
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import streamlit as st

from workbench import hub, spare
from workbench.checkpoints import Checkpoint, open_folder, revision_of
from workbench.errors import Problem
from workbench.names import escape_markdown
from workbench.ui import gate, state, widgets

MOST_MODELS = 3  # of one visit


class Visit:
    """The models that one visitor fetched for themselves; their folder goes with the visit."""

    def __init__(self) -> None:
        self.folder = spare.make_folder("hub")
        self.models: dict[str, Checkpoint] = {}
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


def offer_hub_model() -> None:
    """A name to look up, what it is, and two ways to have it."""
    with st.expander("A model from the Hub", icon=":material/cloud_download:"):
        if not gate.may_control():
            st.caption(
                "Models are fetched by those who know this server's password; it is asked for on "
                "the page *Study results*."
            )
            return
        with st.form("hub", border=False):
            name = st.text_input("Name", placeholder="USER/NAME or USER/NAME@REVISION").strip()
            if st.form_submit_button("Look it up") and name:
                st.session_state.pop("hub_found", None)
                try:
                    with st.spinner("Asking the Hub…"):
                        st.session_state["hub_found"] = hub.look_up(name)
                except Problem as problem:
                    widgets.show_problem(problem)
        found: hub.Published | None = st.session_state.get("hub_found")
        if found is None:
            return
        try:
            _describe(found)
            for words, everybody in (
                ("Fetch for this visit", False),
                ("Fetch for everybody", True),
            ):
                if st.button(words, disabled=found.bytes > hub.MOST_BYTES):
                    st.session_state["hub_chosen"] = _bring(found, everybody)
                    del st.session_state["hub_found"]
                    st.rerun()
        except Problem as problem:
            widgets.show_problem(problem)


def _describe(found: hub.Published) -> None:
    """What it is. Raises Problem where it is no network of ours."""
    from workbench.models import MODELS

    model = found.config.get("model")
    if not isinstance(model, str) or model not in MODELS:
        raise Problem(f"{found.repo} is not one of this workbench's networks.")
    facts = {
        "Network": MODELS[model].title,
        "Size": f"{found.bytes / 1e6:.1f} MB",
        "Licence": found.licence or "not said",
        "Commit": found.commit[:12],
    }
    st.markdown("  \n".join(f"{key}: **{escape_markdown(said)}**" for key, said in facts.items()))
    if found.bytes > hub.MOST_BYTES:
        st.info(f"More than {hub.MOST_BYTES >> 20} MB are not fetched here.")
    with st.popover("Its card", width="stretch"):
        st.code(found.card[:50_000], language=None, height=320)


def _bring(found: hub.Published, everybody: bool) -> str:
    """Fetch it, saying how far it has come; the name under which it can be chosen.

    It is listed even where the visitor does something else meanwhile and this run ends early.
    """
    visit: Visit = st.session_state.setdefault("hub_visit", Visit())
    st.session_state["hub_models"] = visit.models
    if not everybody and len(visit.models) >= MOST_MODELS:
        raise Problem(f"One visit keeps {MOST_MODELS} models. Fetch this one for everybody.")
    root = None if everybody else visit.folder
    bar = st.progress(0.0)
    with ThreadPoolExecutor(1) as side:
        coming = side.submit(_fetch, found, root, visit)
        while not coming.done():
            come = min(hub.count_coming(found.repo, root), found.bytes)
            bar.progress(come / max(found.bytes, 1), f"{come / 1e6:.1f} MB have come")
            time.sleep(0.2)
    if everybody:
        state.checkpoints.clear()
    return coming.result()


def _fetch(found: hub.Published, root: Path | None, visit: Visit) -> str:
    """Fetch and list it; its name. Knows nothing of the page: it runs beside it."""
    folder = hub.fetch(found.name, root, hub.MOST_BYTES)
    try:
        checkpoint = _open(folder)
    except Problem:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if root is None:
        return folder.name
    name = f"{folder.name}@{found.commit[:7]}"
    visit.models[name] = replace(checkpoint, name=name)
    return name


def _open(folder: Path) -> Checkpoint:
    """The checkpoint, if its revision is that of its weights: results are kept under it."""
    checkpoint = open_folder(folder)
    if checkpoint is not None:
        told = revision_of(checkpoint.config["files"], checkpoint.gain)
        if told == checkpoint.revision:
            return checkpoint
    repo = json.loads((folder / "fetched.json").read_text())["repo"]
    raise Problem(f"{repo}: the revision in config.json is not that of its weights.")
