"""Turning: several samples of one network, colours by hand, a grid of one parameter."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from workbench.ui import state
from workbench.ui.compare.results import Made, grey
from workbench.ui.exports import chosen_form, download_one
from workbench.ui.viewers import Cell, gallery
from workbench.ui.widgets import stem, take_home

GRID_SIDE = 1024  # a larger picture is reduced for the grid, whose cells have 320 pixels
REACHES = {  # of a colour hint: what a visitor reads -> the pull back to the model's colour
    "a spot": 1e-3,
    "near": 1e-4,
    "the thing": 1e-5,
    "far": 1e-6,
    "everything alike": 1e-7,
}
GRID_VALUES = {  # parameter -> (title, values to choose from, values chosen at first)
    "temperature": (
        "Temperature",
        [0.05, 0.1, 0.2, 0.3, 0.38, 0.5, 0.7, 1.0],
        [0.1, 0.38, 0.7, 1.0],
    ),
    "size": ("Network input", [64, 96, 128, 192, 256, 320, 384, 512], [64, 128, 256, 384]),
    "chroma": ("Chroma", [0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0], [0.5, 1.0, 1.5, 2.0]),
}

if TYPE_CHECKING:
    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.images import Picture


def samples(
    picture: Picture, made: list[Made], checkpoints: list[Checkpoint], settings: Settings
) -> None:
    """Several plausible colourings, drawn from the distribution that Colorful predicts."""
    from workbench.coloring.grid import figure

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
        drawn = state.sampled(checkpoint, picture, count, int(seed), temperature)
        shown = [Cell(f"Sample {number}", rgb) for number, rgb in enumerate(drawn, 1)]
        st.caption(
            f"{checkpoint.title}: {count} draws from its distribution. What looks alike to the "
            "network is drawn alike."
        )
        cells = [Cell("What the networks see", grey(picture)), *shown]
        gallery(cells, key=f"samples_{checkpoint.name}", cell=300)
        said = f"T = {temperature:g}, seed {seed}"
        take_home(
            partial(
                figure,
                {checkpoint.title: [each.rgb for each in shown]},
                [each.title for each in shown],
                f"Colourized by AI; {said}",
                {
                    "Description": f"Colourized by AI: samples of {checkpoint.title}",
                    "Models": f"{checkpoint.name} {checkpoint.revision}",
                    "Settings": said,
                },
            ),
            f"{stem(picture.name)}_{checkpoint.name}_samples.png",
        )


def hint(
    picture: Picture, made: list[Made], checkpoints: list[Checkpoint], settings: Settings
) -> None:
    """Give points and rectangles a colour; it spreads to the lightness's edges, after any model."""
    from workbench.coloring.hints import REACH

    hints: list[dict] = st.session_state.setdefault("hints", {}).setdefault(picture.sha256, [])
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
    hinted = _hinted(picture, start, hints, REACHES[reach])
    count = f"{len(hints)} hint{'s' if len(hints) != 1 else ''}"
    cells = [Cell(start.title, start.rgb), Cell("With your colours", hinted.rgb, count)]
    picked = gallery(cells, key="hint_pictures", cell=380, pick="area", marks=hints)
    if picked:
        hints.append(picked | {"color": color, "radius": radius})
        st.rerun()
    bar = st.container(horizontal=True)
    if bar.button("Undo", disabled=not hints, icon=":material/undo:"):
        hints.pop()
        st.rerun()
    if bar.button("Clear", disabled=not hints, icon=":material/delete:"):
        hints.clear()
        st.rerun()
    download_one(picture, hinted, chosen_form(), where=bar)


def grid(
    picture: Picture, made: list[Made], checkpoints: list[Checkpoint], settings: Settings
) -> None:
    """Models down, the values of one parameter across, as one figure to take home."""
    from workbench.coloring.grid import PARAMETERS

    left, right = st.columns([1, 2])
    parameter = left.selectbox(
        "Across", list(GRID_VALUES), format_func=lambda p: GRID_VALUES[p][0], key="grid_parameter"
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
    with st.spinner(f"{len(checkpoints) * len(chosen)} pictures are being made…"):
        figure = _grid_figure(picture, checkpoints, parameter, tuple(sorted(chosen)), settings)
    st.image(figure)
    take_home(figure, f"{stem(picture.name)}_{parameter}.png")


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
    with state.queue().turn():
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


def _hinted(picture: Picture, start: Made, hints: list[dict], reach: float) -> Made:
    """The result with the hints' colours spread over it."""
    from workbench.coloring.colorize import paint
    from workbench.coloring.hints import Hint, apply_hints

    if not hints:
        return start
    origin = {**start.settings, "hints": [dict(each) for each in hints], "hint_reach": reach}
    key = ("hinted", picture.sha256, json.dumps(origin, sort_keys=True))
    if (full := state.shelf().get(key)) is None:
        L = state.lightness(picture)
        with state.queue().turn():
            ab = apply_hints(L, start.ab, [Hint(**each) for each in hints], reach)
        full = state.shelf().put(key, paint(L, ab, picture.full.dtype), start.full.nbytes)
    return Made(f"{start.name}_hints", f"{start.title} with hints", full, start.seconds, origin)
