"""The ways to look at results on the Compare page.

`LOOKS` is the list that the page offers; each takes (picture, made, checkpoints, settings).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.jobs.made import Made
from workbench.ui.compare import grid, hints, maps, samples
from workbench.ui.compare.results import make_cells
from workbench.ui.viewers import show_gallery, show_slider

if TYPE_CHECKING:
    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.images import Picture


def show_side_by_side(
    picture: Picture, made: list[Made], checkpoints: list[Checkpoint], settings: Settings
) -> None:
    """All results in a grid that zooms together."""
    show_gallery(make_cells(picture, made), key="side_by_side", cell=290)


def show_before_and_after(
    picture: Picture, made: list[Made], checkpoints: list[Checkpoint], settings: Settings
) -> None:
    """Two pictures of choice with a line to draw between them."""
    shown = {cell.title: cell for cell in make_cells(picture, made)}
    # an empty container is not on the page at all: what is empty in it keeps its room
    pictures = st.container(key="slider_made").empty()
    choice = st.container(horizontal=True)
    before = choice.selectbox("Left of the line", list(shown), key="before")
    after = choice.selectbox("Right of the line", list(shown), index=1, key="after")
    with pictures:
        show_slider(shown[before], shown[after], key="slider")


LOOKS = {
    "Before / after": show_before_and_after,
    "Side by side": show_side_by_side,
    "Maps": maps.show,
    "Samples": samples.show,
    "Colour hint": hints.show,
    "Grid": grid.show,
}
FIRST = next(iter(LOOKS))
