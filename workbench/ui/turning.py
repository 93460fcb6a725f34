"""Turning: several samples of one network, a colour at a point, a grid of one parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.ui import state
from workbench.ui.results import Made, grey
from workbench.ui.viewers import Cell, gallery

if TYPE_CHECKING:
    from workbench.checkpoints import Checkpoint
    from workbench.colorize import Settings
    from workbench.images import Picture


def samples(
    picture: Picture, made: list[Made], checkpoints: list[Checkpoint], settings: Settings
) -> None:
    """Several plausible colourings, drawn from the distribution that Colorful predicts."""
    able = [checkpoint for checkpoint in checkpoints if state.has_bins(checkpoint)]
    if not able:
        st.info(
            "Only a network that predicts a distribution of colours can be sampled: "
            "choose Colorful among the models."
        )
        return
    left, middle, right = st.columns(3)
    count = left.slider("Samples", 2, 12, 6, key="samples")
    temperature = middle.slider(
        "Temperature of the samples", 0.05, 1.0, 0.25, 0.05, key="samples_temperature"
    )
    seed = right.number_input("Seed", 0, 9999, 0, key="samples_seed")
    for checkpoint in able:
        drawn = state.sampled(checkpoint, picture, count, int(seed), temperature)
        shown = [Cell(f"Sample {number}", rgb) for number, rgb in enumerate(drawn, 1)]
        st.caption(f"{checkpoint.title}: {count} draws, each possible to the network.")
        cells = [Cell("What the networks see", grey(picture)), *shown]
        gallery(cells, key=f"samples_{checkpoint.name}", cell=300)
