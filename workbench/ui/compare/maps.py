"""Maps of a result: where colours are wrong, how strong they are, how unsure the network was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from workbench.jobs.form import stem_of
from workbench.jobs.made import Made
from workbench.ui import state
from workbench.ui.viewers import Cell, show_gallery
from workbench.ui.widgets import offer_figure

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.images import Picture

Drawn = list[tuple[str, "Tensor"]]  # title, values (H, W)


@dataclass(frozen=True)
class Kind:
    """A kind of map: how to compute it, and how to read it."""

    of: Callable[[Picture, list[Made], list[Checkpoint]], Drawn]
    top: float  # value painted brightest
    unit: str
    says: str
    absent: str = ""
    needs_truth: bool = False


def draw_error(picture: Picture, made: list[Made], checkpoints: list[Checkpoint]) -> Drawn:
    """CIEDE2000 between each result and the upload, per pixel."""
    from workbench.coloring.maps import error_map

    return [(each.title, error_map(each.rgb, picture.rgb)) for each in made]


def draw_chroma(picture: Picture, made: list[Made], checkpoints: list[Checkpoint]) -> Drawn:
    """The distance of each shown colour from grey, per pixel."""
    from workbench.coloring.maps import chroma_map

    return [(each.title, chroma_map(each.ab)) for each in made]


def draw_entropy(picture: Picture, made: list[Made], checkpoints: list[Checkpoint]) -> Drawn:
    """The entropy in bits of the predicted distribution over 313 colours, per pixel."""
    return [
        (checkpoint.title, state.entropy(checkpoint, picture))
        for checkpoint in checkpoints
        if state.has_bins(checkpoint)
    ]


KINDS = {
    "Error": Kind(
        draw_error,
        40,
        "CIEDE2000",
        "How far each colour is from the upload's, as an eye would judge it. About 2 is just seen.",
        needs_truth=True,
    ),
    "Chroma": Kind(draw_chroma, 60, "CIELAB units", "How strong each colour is; 0 is grey."),
    "Entropy": Kind(
        draw_entropy,
        8.29,
        "bits",
        "How undecided the network was: 0 knows one colour, 8.3 bits finds all 313 equally likely.",
        absent="Only a network that predicts a distribution of colours has an entropy: "
        "choose Colorful among the models.",
    ),
}


def show(
    picture: Picture, made: list[Made], checkpoints: list[Checkpoint], settings: Settings
) -> None:
    """Choose a kind of map; one map per result beside the upload."""
    kinds = {name: kind for name, kind in KINDS.items() if not (kind.needs_truth and picture.grey)}
    name = st.pills("Map", list(kinds), default=next(iter(kinds)), required=True, key="map")
    kind = kinds[name]
    drawn = kind.of(picture, made, checkpoints)
    if not drawn:
        st.info(kind.absent)
        return
    from workbench.coloring.grid import draw_figure
    from workbench.coloring.maps import shade_map

    _legend(kind)
    shown = [
        Cell(title, shade_map(values, 0, kind.top), f"mean {values.mean():.1f} {kind.unit}")
        for title, values in drawn
    ]
    cells = [Cell("The photograph", picture.rgb), *shown]
    show_gallery(cells, key="maps", cell=290)
    offer_figure(
        partial(
            draw_figure,
            {name: [each.rgb for each in cells]},
            [f"{each.title} {each.note}".strip() for each in cells],
            f"{kind.unit}: dark is 0, bright {kind.top:g} or more",
            {"Description": f"{name} in {kind.unit} of {len(drawn)} colourings by AI"},
        ),
        f"{stem_of(picture.name)}_{name.lower()}.png",
    )


def _legend(kind: Kind) -> None:
    import torch

    from workbench.coloring.maps import shade_map

    ramp = shade_map(torch.linspace(0, 1, 9)[None], 0, 1)[:, 0].T.tolist()
    stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in ramp)
    st.html(
        f'<div style="font-size:.85rem;opacity:.85">{kind.says}</div>'
        f'<div style="display:flex;gap:.5rem;align-items:center;font-size:.8rem;margin-top:.3rem">'
        f'0<span style="width:10rem;height:.6rem;background:linear-gradient(90deg,{stops})"></span>'
        f"{kind.top:g} {kind.unit} or more</div>"
    )
