"""Models down, the values of one parameter across."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.jobs.form import stem_of
from workbench.jobs.made import Made
from workbench.ui import state
from workbench.ui.widgets import offer_figure

if TYPE_CHECKING:
    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.images import Picture

GRID_SIDE = 1024  # a larger picture is reduced for the grid, whose cells have 320 pixels
GRID_VALUES = {  # parameter -> (title, values to choose from, values chosen at first)
    "temperature": (
        "Temperature",
        [0.05, 0.1, 0.2, 0.3, 0.38, 0.5, 0.7, 1.0],
        [0.1, 0.38, 0.7, 1.0],
    ),
    "size": ("Network input", [64, 96, 128, 192, 256, 320, 384, 512], [64, 128, 256, 384]),
    "chroma": ("Chroma", [0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0], [0.5, 1.0, 1.5, 2.0]),
}


def show(
    picture: Picture, made: list[Made], checkpoints: list[Checkpoint], settings: Settings
) -> None:
    """Models down, the values of one parameter across, as one figure to take home."""
    from workbench.coloring.grid import PARAMETERS

    with_one = [each for each in checkpoints if state.has_bins(each)]
    offered = [each for each in GRID_VALUES if each != "temperature" or with_one]
    left, right = st.columns([1, 2])
    parameter = left.selectbox(
        "Across", offered, format_func=lambda p: GRID_VALUES[p][0], key="grid_parameter"
    )
    _, values, first = GRID_VALUES[parameter]
    chosen = right.multiselect(
        "Values",
        values,
        default=first,
        format_func=PARAMETERS[parameter].format,
        key=f"grid_{parameter}",
    )
    if not chosen:
        st.info("Choose at least one value.")
        return
    if parameter == "temperature" and len(with_one) < len(checkpoints):
        st.caption("Models that have no temperature would be the same in each column: left out.")
        checkpoints = with_one
    with st.spinner(f"{len(checkpoints) * len(chosen)} pictures are being made…"):
        figure = _grid_figure(picture, checkpoints, parameter, tuple(sorted(chosen)), settings)
    said = f"Each model in a row, {GRID_VALUES[parameter][0].lower()} rising from left to right"
    st.image(figure, alt=said)
    offer_figure(figure, f"{stem_of(picture.name)}_{parameter}.png")


def _grid_figure(
    picture: Picture,
    checkpoints: list[Checkpoint],
    parameter: str,
    values: tuple[float, ...],
    settings: Settings,
) -> bytes:
    from torch.nn.functional import interpolate

    from workbench.coloring.grid import grid_figure

    revisions = {each.name: each.revision for each in checkpoints}
    key = ("grid", picture.sha256, tuple(revisions.items()), parameter, values, settings)
    if (figure := state.shelf().get(key)) is not None:
        return figure
    rgb = picture.rgb
    if (scale := GRID_SIDE / max(rgb.shape[-2:])) < 1:
        size = [max(1, round(side * scale)) for side in rgb.shape[-2:]]
        rgb = interpolate(rgb[None], size=size, mode="bilinear", antialias=True)[0]
    with state.queue().take_place():
        figure = grid_figure(
            {each.name: (state.network(each), each.size) for each in checkpoints},
            rgb,
            parameter,
            values,
            settings,
            titles={each.name: each.title for each in checkpoints},
            revisions=revisions,
        )
    return state.shelf().put(key, figure, len(figure))
