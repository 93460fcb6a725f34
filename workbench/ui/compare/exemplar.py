"""Colours like those of another picture, on every result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from workbench.errors import Problem
from workbench.jobs.made import Made
from workbench.samples import IN_COLOR, SAMPLES
from workbench.ui import state
from workbench.ui.widgets import show_problem

if TYPE_CHECKING:
    from workbench.coloring.finish import Finish
    from workbench.images import Picture


def choose_exemplar() -> Finish | None:
    """An upload or a sample whose colours are wanted, and how much; None without."""
    from workbench.coloring.finish import STRENGTH, Finish

    upload = st.file_uploader("A picture whose colours you like", key="exemplar_file")
    sample = st.selectbox(
        "or one of ours", IN_COLOR, index=None, format_func=lambda name: SAMPLES[name].title,
        key="exemplar_sample", persist_state="session",
    )  # fmt: skip
    if upload is None and sample is None:
        return None
    strength = st.slider(
        "Strength", 0.0, 1.0, STRENGTH, 0.05, key="exemplar_strength", persist_state="session",
        help="0 leaves the network's colours, 1 takes the other picture's palette.",
    )  # fmt: skip
    try:
        if upload is not None:
            found = state.open_picture(upload.getvalue(), upload.name, upload.file_id)
        else:
            path = SAMPLES[sample].path
            found = state.open_picture(path, path.name, sample)
        return Finish(exemplar=found, strength=strength) or None
    except Problem as problem:
        show_problem(problem)
        return None


def finish_results(picture: Picture, made: Sequence[Made], finish: Finish) -> list[Made]:
    """Every result with its colours moved toward the exemplar's, made once."""
    from workbench.coloring.finish import finish_picture

    told, finished = finish.describe(), []
    for each in made:
        settings = each.settings | told
        key = ("finished", picture.sha256, each.name, json.dumps(settings, sort_keys=True))
        if (full := state.shelf().get(key)) is None:
            with state.queue().take_place():
                full = finish_picture(picture, each.full, finish)
            state.shelf().put(key, full, full.nbytes)
        finished.append(replace(each, full=full, settings=settings))
    return finished
