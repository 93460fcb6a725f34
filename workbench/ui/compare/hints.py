"""Colours by hand: points and rectangles that spread to the edges of the lightness."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import streamlit as st

from workbench.jobs.made import Made
from workbench.ui import state
from workbench.ui.compare import suggestions
from workbench.ui.exports import offer_download, read_form
from workbench.ui.viewers import Cell, show_gallery

if TYPE_CHECKING:
    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.images import Picture

REACHES = {  # of a colour hint: what a visitor reads -> the pull back to the model's colour
    "a spot": 1e-3,
    "near": 1e-4,
    "the thing": 1e-5,
    "far": 1e-6,
    "everything alike": 1e-7,
}


def show(
    picture: Picture, made: list[Made], checkpoints: list[Checkpoint], settings: Settings
) -> None:
    """Give points and rectangles a colour; it spreads to the lightness's edges, after any model."""
    from workbench.coloring.hints import REACH

    hints: list[dict] = st.session_state.setdefault("hints", {}).setdefault(picture.sha256, [])
    pictures, bar, likely = st.container(), st.container(horizontal=True), st.container()
    left, middle, right = st.columns([2, 1, 2], vertical_alignment="bottom")
    title = left.selectbox("Start from", [each.title for each in made], key="hint_from")
    color = middle.color_picker("Colour", "#3070c0", key="hint_color")
    radius = right.slider("Size of the point, pixels", 1, 40, 6, key="hint_radius")
    usual = next(name for name, pull in REACHES.items() if pull == REACH)
    reach = st.select_slider(
        "A colour spreads over",
        list(REACHES),
        usual,
        key="hint_reach",
        help="Colours always stop at edges of the lightness; this is how far they go where there "
        "are none.",
    )
    start = next(each for each in made if each.title == title)
    hinted = _apply_hints(picture, start, hints, REACHES[reach])
    count = f"{len(hints)} hint{'s' if len(hints) != 1 else ''}"
    cells = [Cell(start.title, start.rgb), Cell("With your colours", hinted.rgb, count)]
    with pictures:  # both on the screen, on a phone too: a hint and what it does
        picked = show_gallery(cells, key="hint_pictures", columns=2, pick="area", marks=hints)
    if picked:
        hints.append(picked | {"color": color, "radius": radius})
        st.rerun()
    if bar.button("Undo", disabled=not hints, icon=":material/undo:"):
        hints.pop()
        st.rerun()
    if bar.button("Clear", disabled=not hints, icon=":material/delete:"):
        hints.clear()
        st.rerun()
    offer_download(picture, hinted, read_form(), where=bar)
    with likely:
        suggestions.offer_suggestions(picture, checkpoints, hints)


def _apply_hints(picture: Picture, start: Made, hints: list[dict], reach: float) -> Made:
    """The result with the hints' colours spread over it."""
    from workbench.coloring.colorize import join_at_depth
    from workbench.coloring.hints import Hint, apply_hints

    if not hints:
        return start
    origin = {**start.settings, "hints": [dict(each) for each in hints], "hint_reach": reach}
    key = ("hinted", picture.sha256, json.dumps(origin, sort_keys=True))
    if (full := state.shelf().get(key)) is None:
        L = state.lightness(picture)
        with state.queue().take_place():
            ab = apply_hints(L, start.ab, [Hint(**each) for each in hints], reach)
        full = state.shelf().put(key, join_at_depth(L, ab, picture.full.dtype), start.full.nbytes)
    return Made(f"{start.name}_hints", f"{start.title} with hints", full, start.seconds, origin)
