"""Several samples of one network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from workbench.jobs.form import stem_of
from workbench.jobs.made import Made
from workbench.ui import state
from workbench.ui.compare.results import show_grey
from workbench.ui.viewers import Cell, show_gallery
from workbench.ui.widgets import offer_figure

if TYPE_CHECKING:
    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.images import Picture


def show(
    picture: Picture, made: list[Made], checkpoints: list[Checkpoint], settings: Settings
) -> None:
    """Several plausible colourings, drawn from the distribution that Colorful predicts."""
    from workbench.coloring.grid import draw_figure

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
        "Temperature of the samples",
        0.1,
        1.0,
        0.38,
        0.02,
        key="samples_temperature",
        help="Small: only what the network finds likely. 1: as often as it believes in a colour.",
    )
    seed = right.number_input("Seed", 0, 9999, 0, key="samples_seed")
    for checkpoint in able:
        drawn = state.draw_samples(checkpoint, picture, count, int(seed), temperature)
        shown = [Cell(f"Sample {number}", rgb) for number, rgb in enumerate(drawn, 1)]
        st.caption(
            f"{checkpoint.title}: {count} draws from its distribution. What looks alike to the "
            "network is drawn alike."
        )
        cells = [Cell("What the networks see", show_grey(picture)), *shown]
        show_gallery(cells, key=f"samples_{checkpoint.name}", cell=300)
        said = f"T = {temperature:g}, seed {seed}"
        offer_figure(
            partial(
                draw_figure,
                {checkpoint.title: [each.rgb for each in shown]},
                [each.title for each in shown],
                f"Colourized by AI; {said}",
                {
                    "Description": f"Colourized by AI: samples of {checkpoint.title}",
                    "Models": f"{checkpoint.name} {checkpoint.revision}",
                    "Settings": said,
                },
            ),
            f"{stem_of(picture.name)}_{checkpoint.name}_samples.png",
        )
