"""Maps of a result: where colours are wrong, how strong they are, how unsure the network was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import streamlit as st

from workbench.ui import state
from workbench.ui.results import Made
from workbench.ui.viewers import Cell, gallery

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.checkpoints import Checkpoint
    from workbench.colorize import Settings
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


def error(picture: Picture, made: list[Made], checkpoints: list[Checkpoint]) -> Drawn:
    """CIEDE2000 between each result and the upload, per pixel."""
    from workbench.evaluation.metrics import delta_e_map

    truth = picture.rgb[None]
    return [(each.title, delta_e_map(each.rgb[None], truth)[0]) for each in made]


def chroma(picture: Picture, made: list[Made], checkpoints: list[Checkpoint]) -> Drawn:
    """The length of (a, b) as shown, per pixel."""
    from workbench.color import split_lab

    return [(each.title, split_lab(each.rgb)[1].norm(dim=0)) for each in made]


def entropy(picture: Picture, made: list[Made], checkpoints: list[Checkpoint]) -> Drawn:
    """The entropy in bits of the predicted distribution over 313 colours, per pixel."""
    return [
        (checkpoint.title, state.entropy(checkpoint, picture))
        for checkpoint in checkpoints
        if state.has_bins(checkpoint)
    ]


KINDS = {
    "Error": Kind(
        error,
        40,
        "CIEDE2000",
        "How far each colour is from the upload's, as an eye would judge it. About 2 is just seen.",
        needs_truth=True,
    ),
    "Chroma": Kind(chroma, 60, "CIELAB units", "How strong each colour is; 0 is grey."),
    "Entropy": Kind(
        entropy,
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
    _legend(kind)
    shown = [
        Cell(title, painted(values, kind.top), f"mean {values.mean():.1f} {kind.unit}")
        for title, values in drawn
    ]
    gallery([Cell("The upload", picture.rgb), *shown], key="maps", cell=290)


def painted(values: Tensor, top: float) -> Tensor:
    """Values (H, W) from 0 to `top` -> uint8 RGB (3, H, W) in Cividis, dark to bright."""
    index = (values.float() / top * 255).round().clamp(0, 255).long()
    return _cividis()[index].permute(2, 0, 1).contiguous()


def _legend(kind: Kind) -> None:
    stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in _cividis()[::32].tolist())
    st.html(
        f'<div style="font-size:.85rem;opacity:.85">{kind.says}</div>'
        f'<div style="display:flex;gap:.5rem;align-items:center;font-size:.8rem;margin-top:.3rem">'
        f'0<span style="width:10rem;height:.6rem;background:linear-gradient(90deg,{stops})"></span>'
        f"{kind.top:g} {kind.unit} or more</div>"
    )


@lru_cache(maxsize=1)
def _cividis() -> Tensor:
    """(256, 3) uint8: a scale that colour-blind eyes read too (Nunez, Anderton & Renslow 2018)."""
    import torch
    from plotly.colors import sample_colorscale

    colours = sample_colorscale("Cividis", [i / 255 for i in range(256)], colortype="tuple")
    return (torch.tensor(colours) * 255).round().to(torch.uint8)
