"""What the lessons share: the projector switch, a small picture, figures to take home, exercises.

And the three lessons on colour and on measures; what happens inside a network is in insides.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from workbench.names import escape_markdown, write_number
from workbench.ui import state
from workbench.ui.viewers import Cell, show_gallery
from workbench.ui.widgets import choose_picture, offer_figure, show_plot

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from workbench.charts import Figure
    from workbench.checkpoints import Checkpoint
    from workbench.images import Picture

T = TypeVar("T")
PROJECTED = "<style>html {font-size: 23px !important} [data-testid=stCaptionContainer] p "
PROJECTED += ", [data-testid=stTable] {font-size: 1rem} "
PROJECTED += "body .stMainBlockContainer {padding-top: 3.5rem}</style>"
PROJECTED_CHART = 20  # type of a chart's axes, pixels
AXIS = 128  # grey of the axes of a gamut: seen on light and on dark
GUTTER = 8  # white pixels between the pictures of a figure


def switch_projector() -> bool:
    """The switch for a classroom: larger type, and the choice of the picture is put away."""
    on = st.toggle(
        "Projector",
        key="projector",
        help="Larger type and fewer controls, to be read from the back row.",
        bind="query-params",
    )
    if on:
        st.html(PROJECTED)
    return on


def choose_small_picture(projected: bool, *, truth: bool = False, longest: int = 0) -> Picture:
    """Choose a picture; it is reduced so that every view answers at once.

    `longest` is its longest side, pixels; 0 is the lessons' usual one.
    """
    where = st.popover("Picture", icon=":material/image:") if projected else st.container()
    with where:
        opened = choose_picture(truth=truth)
    from dataclasses import replace

    from workbench.lessons.colors import SIDE, reduce_picture

    picture = opened()
    longest = longest or SIDE
    key = ("lesson", picture.sha256, longest)
    if (rgb := state.shelf().get(key)) is None:
        rgb = reduce_picture(picture.rgb, longest)
        state.shelf().put(key, rgb, rgb.nbytes)
    # another picture, so that the shelf does not take one's results for the other's
    sha256 = f"{picture.sha256}-{longest}"
    return replace(picture, rgb=rgb, rgb16=None, depth=8, sha256=sha256, notes=())


def show_figure(
    cells: list[Cell], key: str, *, cell: int = 280, marks: list[dict] | None = None,
    pick: bool = False, enlarge: bool = False,
) -> tuple[int, int] | None:  # fmt: skip
    """Pictures side by side, and a button that gives them as one PNG.

    With `pick`, a click gives its point (x, y) in the first picture's pixels, once. With `enlarge`,
    smaller pictures (maps) are first brought to the first one's size, in squares.
    """
    from torch.nn.functional import interpolate

    if enlarge:
        size = cells[0].rgb.shape[-2:]
        cells = [
            Cell(each.title, interpolate(each.rgb[None], size=size)[0], each.note) for each in cells
        ]
    picked = show_gallery(cells, key=key, cell=cell, marks=marks, pick="point" if pick else None)
    offer_figure(lambda: as_png([each.rgb for each in cells]), f"{key}.png")
    return (int(picked["x"]), int(picked["y"])) if picked else None


def as_png(pictures: list[Tensor]) -> bytes:
    """uint8 RGB (3, H, W) of one size -> one PNG, side by side on white."""
    import torch

    from workbench.images import encode

    gap = pictures[0].new_full((3, pictures[0].shape[1], GUTTER), 255)
    parts = [part for rgb in pictures for part in (rgb, gap)][:-1]
    return encode(torch.cat(parts, 2))


def show_drawing(svg: str, file: str, *, wide: bool = False) -> None:
    """Show an SVG, at its own size or as wide as the page, and offer it as a file."""
    st.image(svg, width="stretch" if wide else "content", alt=f"Drawing: {Path(file).stem}")
    offer_figure(svg, file, "image/svg+xml")


def show_numbers(frame: pd.DataFrame, digits: int = 3) -> None:
    """A small table as text: it grows with the projector, which a grid on a canvas does not.

    "+ classification" stays what it is: a table reads Markdown, to which that is a list.
    """
    words = frame.map(lambda cell: escape_markdown(cell) if isinstance(cell, str) else cell)
    st.table(
        words.style.format(
            lambda cell: write_number(cell, f".{digits}f") if isinstance(cell, float) else cell,
            na_rep="–",
        ),
        hide_index=True,
    )


def show_chart(figure: Figure, key: str, projected: bool) -> None:
    """A chart with its own button for a PNG; larger, type and all, for the back row."""
    if projected:
        figure.update_layout(font_size=PROJECTED_CHART, height=1.5 * figure.layout.height)
    show_plot(figure, key)


def show_exercise(question: str, answer: str) -> None:
    """A question, its answer behind a click."""
    st.markdown(f"**{question}**")
    with st.expander("Answer"):
        st.markdown(answer)


# ------------------------------------------------------------------------------------ colour


def richest_lightness() -> str:
    """At which lightness most colours can be shown, computed, in a sentence."""
    from workbench.lessons.colors import find_richest, most_chroma_at

    best, share, first, last = find_richest()
    blue, yellow = most_chroma_at(-54), most_chroma_at(103)  # the hues of sRGB's pure two
    return (
        f"At L = {best} ({share:.1%} of the square), and nearly as many from {first} to {last}. "
        f"The purest blue is at L = {blue}, the purest yellow at L = {yellow}."
    )


def show_one_color() -> None:
    """Lab on three sliders, the patch, and the gamut of that lightness with the colour in it."""
    from workbench.lessons.colors import REACH, color_of_lab, gamut_plane, share_in_gamut

    left, middle, right = st.columns([2, 1, 2])
    with left:
        L = st.slider("L: black to white", 1, 99, 65, key="lab_L")
        a = st.slider("a: green to red", -REACH, REACH, 40, key="lab_a")
        b = st.slider("b: blue to yellow", -REACH, REACH, 30, key="lab_b")
    (red, green, blue), shown = color_of_lab(L, a, b)
    with middle:
        st.html(
            f'<div role="img" aria-label="The colour: red {red}, green {green}, blue {blue}" '
            f'style="height:11rem;border-radius:.5rem;background:rgb({red} {green} {blue})"></div>'
        )
        st.markdown(f"sRGB **{red}, {green}, {blue}**")
        if not shown:
            st.warning("No screen of sRGB shows this colour: the patch is the clipped one.")
    plane = gamut_plane(L)
    with right:
        share = share_in_gamut(L)
        marked = _mark_color(plane, a, b)
        st.image(
            marked.permute(1, 2, 0).numpy(),
            width="stretch",
            alt="All colours of this lightness that a screen can show; the chosen one is marked",
        )
        st.caption(
            f"Every a (right: red) and b (up: yellow) that sRGB has at L {L}: "
            f"{share:.0%} of the square."
        )
        offer_figure(lambda: as_png([_on_white(marked)]), "gamut.png")


def _mark_color(plane: Tensor, a: float, b: float) -> Tensor:
    """The plane (4, S, S) in its square, with axes through grey and a ring where a colour is."""
    from workbench.lessons.colors import REACH

    side = plane.shape[-1]
    column, row = ((value + REACH) / (2 * REACH) * (side - 1) for value in (a, -b))
    import torch

    axis = torch.arange(side)
    distance = torch.hypot(axis[None] - column, axis[:, None] - row)
    out = plane.clone()
    lines = torch.zeros(side, side, dtype=torch.bool)
    for line in (0, side // 2, side - 1):
        lines[line], lines[:, line] = True, True
    out[:, lines & (out[3] == 0)] = torch.tensor([[AXIS]] * 3 + [[255]]).to(out)
    out[:, (distance > 6) & (distance <= 8)] = torch.tensor([[0], [0], [0], [255]]).to(out)
    out[:, (distance > 8) & (distance <= 10)] = 255
    return out


def _on_white(rgba: Tensor) -> Tensor:
    """uint8 RGBA (4, S, S), wholly opaque or wholly clear, on white."""
    return rgba[:3].where(rgba[3] > 0, 255)


def show_planes(picture: Picture) -> None:
    """The picture, its L, its a and its b."""
    from workbench.lessons.colors import planes

    parts = planes(picture.rgb)
    show_figure(
        [
            Cell("The picture", picture.rgb),
            Cell("L", parts["L"], "what every network is given"),
            Cell("a", parts["a"], "green to red, at one lightness"),
            Cell("b", parts["b"], "blue to yellow, at one lightness"),
        ],
        "planes",
        cell=240,
    )


def show_one_grey(picture: Picture) -> None:
    """A dozen colours with one L; then the picture with its hues rotated: the same grey."""
    import torch

    from workbench.lessons.colors import draw_alike, grey_of, rotate_hues

    L = st.slider("Lightness of all of them", 5, 95, 60, key="alike_L")
    colors, grey = draw_alike(L)
    strips = torch.cat((colors, grey), 1)
    st.image(
        strips.permute(1, 2, 0).numpy(),
        width="stretch",
        alt="Twelve colours of one lightness; below them the one grey that is left of each",
    )
    st.caption("Above: twelve colours of one L. Below: what is left of each. Nothing tells them "
               "apart, so a network must know *what* it sees to guess the colour.")  # fmt: skip
    offer_figure(lambda: as_png([strips]), "one_grey.png")
    degrees = st.slider("Rotate all hues of the picture by, degrees", 0, 360, 180, 10, key="hue")
    rotated = rotate_hues(picture.rgb, degrees)
    grey_rotated = grey_of(rotated)
    differ = float((grey_rotated.int() - grey_of(picture.rgb).int()).abs().float().mean())
    show_figure(
        [
            Cell("The picture", picture.rgb),
            Cell("Its hues rotated", rotated, f"by {degrees}°"),
            Cell("The grey of both", grey_rotated, f"they differ by {differ:.2f} of 255"),
        ],
        "rotated",
        cell=340,
    )


# --------------------------------------------------------------------------- traps of metrics


def make_candidates(
    picture: Picture, checkpoint: Checkpoint | None, degrees: float
) -> dict[str, Tensor]:
    """What is measured against the picture: grey, wrong hues, one step off, a network's guess."""
    from workbench.coloring.colorize import Settings
    from workbench.lessons.colors import grey_of, rotate_hues
    from workbench.lessons.traps import one_step_off

    found = {
        "Grey": grey_of(picture.rgb),
        f"Hues rotated by {degrees:g}°": rotate_hues(picture.rgb, degrees),
        "One step of 255 off": one_step_off(picture.rgb),
    }
    if checkpoint is not None:
        found[checkpoint.title] = state.colorize(checkpoint, picture, Settings())[0]
    return found


def _keep_measured(name: str, rgb: Tensor, truth: Tensor, measure: Callable[[], T]) -> T:
    """What `measure` gives for two pictures: from the shelf where they have been measured."""
    pixels = [hashlib.blake2b(each.contiguous().numpy()).digest() for each in (rgb, truth)]
    key = ("trap", name, *pixels)
    if (known := state.shelf().get(key)) is None:
        known = state.shelf().put(key, measure(), 1024)
    return known


def measure_candidates(picture: Picture, found: dict[str, Tensor], name: str) -> dict[str, float]:
    """Candidate -> its value by one of the lesson's measures."""
    from workbench.evaluation import metrics
    from workbench.lessons.traps import argmax_accuracy, ssim_of_luma

    measures = {
        "PSNR, dB": metrics.psnr, "SSIM": metrics.ssim, "SSIM of luma": ssim_of_luma,
        "CIEDE2000": metrics.delta_e, "AuC, %": metrics.auc, "Pixels that differ": metrics.pixdiff,
        "Argmax accuracy": argmax_accuracy,
        "Colourfulness": lambda prediction, truth: metrics.colorfulness(prediction),
    }  # fmt: skip
    truth, measure = picture.rgb, measures[name]
    return {
        title: _keep_measured(
            name, rgb, truth, lambda rgb=rgb: float(measure(rgb[None], truth[None]))
        )
        for title, rgb in found.items()
    }


def describe_spread(picture: Picture, found: dict[str, Tensor], name: str) -> str:
    """From which value to which the candidates reach, and who has them, in a sentence."""
    values = measure_candidates(picture, found, name)
    low, high = min(values, key=values.get), max(values, key=values.get)
    if f"{values[low]:.3f}" == f"{values[high]:.3f}":
        return f"all {len(values)} have {values[low]:.3f}."
    return (
        f"the {len(values)} lie between {values[low]:.3f} ({low}) and {values[high]:.3f} ({high})."
    )


def show_table(picture: Picture, found: dict[str, Tensor], names: tuple[str, ...]) -> None:
    """A row per candidate, a column per measure."""
    import pandas as pd

    columns = {name: measure_candidates(picture, found, name) for name in names}
    show_numbers(
        pd.DataFrame(
            {"": title} | {name: columns[name][title] for name in names} for title in found
        )
    )


def show_protocols(prediction: Tensor, truth: Tensor) -> None:
    """One pair of pictures under every variant, and how far each is from the usual measure."""
    import pandas as pd

    from workbench.lessons.traps import variants

    rows = _keep_measured("protocols", prediction, truth, lambda: variants(prediction, truth))
    usual = {name: value for name, _, value in rows}
    show_numbers(
        pd.DataFrame(
            {
                "Measure": name,
                "How": how,
                "Value": value,
                "Moved by": write_number(moved, "+.3f")
                if (moved := value - usual[name[:4]])
                else "",
            }
            for name, how, value in rows
        )
    )
