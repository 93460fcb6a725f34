"""Several results as one: whose colours count how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.jobs.made import Made
from workbench.names import escape_markdown
from workbench.ui import state

if TYPE_CHECKING:
    from workbench.checkpoints import Checkpoint
    from workbench.images import Picture


def choose_weights(checkpoints: list[Checkpoint]) -> dict[str, float]:
    """The weight of each chosen model, by name; nothing where no blend is wanted."""
    if len(checkpoints) < 2:
        return {}
    if not st.toggle("Add a blend", key="blend", help="The mean colours of the chosen models."):
        return {}
    weights = {
        each.name: st.slider(
            f"Weight of {escape_markdown(each.title)}",
            0.0,
            4.0,
            1.0,
            0.25,
            key=f"blend_{each.name}",
            persist_state="session",
        )
        for each in checkpoints
    }
    if not any(weights.values()):
        st.info("Every weight is 0: give one of them more.")
        return {}
    return weights


def blend_results(picture: Picture, made: list[Made], weights: dict[str, float]) -> Made:
    """The weighted mean of the results' colours, under the picture's own L."""
    from workbench.coloring.colorize import blend_ab, join_at_depth

    used = [each for each in made if weights.get(each.name)]
    shares = [weights[each.name] for each in used]
    ab = blend_ab([each.ab for each in used], shares)
    full = join_at_depth(state.lightness(picture), ab, picture.full.dtype)
    blended = [each.settings | {"weight": share} for each, share in zip(used, shares, strict=True)]
    seconds = sum(each.seconds for each in used)
    return Made("blend", f"Blend of {len(used)}", full, seconds, {"blend": blended})
