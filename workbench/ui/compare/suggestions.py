"""The likeliest colours of the place that was last given one, each one click away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.names import escape_markdown
from workbench.ui import state

if TYPE_CHECKING:
    from workbench.checkpoints import Checkpoint
    from workbench.coloring.suggestions import Suggestion
    from workbench.images import Picture

WIDTH = 88  # of a colour and its button, pixels: five and a gap fit a phone in two rows


def offer_suggestions(picture: Picture, checkpoints: list[Checkpoint], hints: list[dict]) -> None:
    """Show what a network with a distribution finds likely at the last hint; a click takes it."""
    able = next((each for each in checkpoints if state.has_bins(each)), None)
    if able is None or not hints:
        return
    last = hints[-1]
    across, down = last.get("to") or (last["x"], last["y"])
    x, y = (last["x"] + across) / 2, (last["y"] + down) / 2
    st.caption(f"Likely at the last place, says {escape_markdown(able.title)}: take one")
    with st.container(horizontal=True):
        for number, each in enumerate(_find(picture, able, x, y)):
            with st.container(width=WIDTH, gap="xxsmall"):
                st.html(f'<div style="height:1.5rem;background:{each.color}"></div>')
                taken = st.button(
                    f"{each.share:.0%}",
                    key=f"suggestion_{number}",
                    help=f"Take {each.color}",
                    width="stretch",
                )
            if taken:
                last["color"] = each.color
                st.rerun()


def _find(picture: Picture, checkpoint: Checkpoint, x: float, y: float) -> list[Suggestion]:
    from workbench.coloring.suggestions import suggest_colors

    key = ("suggested", checkpoint.revision, picture.sha256, x, y)
    if (found := state.shelf().get(key)) is None:
        L = state.lightness(picture)
        with state.queue().take_place():
            found = suggest_colors(state.network(checkpoint), L, x, y, size=checkpoint.size)
        state.shelf().put(key, found, 1024)
    return found
