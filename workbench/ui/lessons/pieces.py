"""What the lessons share: the projector switch, a small picture, figures to take home, exercises.

And the three lessons on colour and on measures; what happens inside a network is in insides.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.ui import state
from workbench.ui.viewers import Cell, gallery
from workbench.ui.widgets import choose_picture, plot, take_home

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from workbench.charts import Figure
    from workbench.checkpoints import Checkpoint
    from workbench.images import Picture

PROJECTED = "<style>html {font-size: 23px !important} [data-testid=stCaptionContainer] p "
PROJECTED += "{font-size: 1rem}</style>"
PROJECTED_CHART = 20  # type of a chart's axes, pixels
AXIS = 128  # grey of the axes of a gamut: seen on light and on dark
GUTTER = 8  # white pixels between the pictures of a figure


def projector() -> bool:
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


def small_picture(projected: bool) -> Picture:
    """Choose a picture; it is reduced so that every view answers at once."""
    if projected:
        with st.popover("Picture", icon=":material/image:"):
            opened = choose_picture()
    else:
        opened = choose_picture()
    from dataclasses import replace

    from workbench.lessons.colors import reduced

    picture = opened()
    key = ("lesson", picture.sha256)
    if (rgb := state.shelf().get(key)) is None:
        rgb = reduced(picture.rgb)
        state.shelf().put(key, rgb, rgb.nbytes)
    # another picture, so that the shelf does not take one's results for the other's
    return replace(
        picture, rgb=rgb, rgb16=None, depth=8, sha256=f"{picture.sha256}-reduced", notes=()
    )


def figure(
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
    picked = gallery(cells, key=key, cell=cell, marks=marks, pick="point" if pick else None)
    take_home(lambda: as_png([each.rgb for each in cells]), f"{key}.png")
    return (int(picked["x"]), int(picked["y"])) if picked else None


def as_png(pictures: list[Tensor]) -> bytes:
    """uint8 RGB (3, H, W) of one size -> one PNG, side by side on white."""
    import torch

    from workbench.images import encode

    gap = pictures[0].new_full((3, pictures[0].shape[1], GUTTER), 255)
    parts = [part for rgb in pictures for part in (rgb, gap)][:-1]
    return encode(torch.cat(parts, 2))


def drawing(svg: str, file: str, *, wide: bool = False) -> None:
    """Show an SVG, at its own size or as wide as the page, and offer it as a file."""
    st.image(svg, width="stretch" if wide else "content")
    take_home(svg, file, "image/svg+xml")


def numbers(frame: pd.DataFrame, digits: int = 3) -> None:
    """A small table as text: it grows with the projector, which a grid on a canvas does not."""
    st.table(frame.style.format(precision=digits, na_rep="–"), hide_index=True)


def chart(figure: Figure, key: str, projected: bool) -> None:
    """A chart with its own button for a PNG; larger, type and all, for the back row."""
    if projected:
        figure.update_layout(font_size=PROJECTED_CHART, height=1.5 * figure.layout.height)
    plot(figure, key)


def exercise(question: str, answer: str) -> None:
    """A question, its answer behind a click."""
    st.markdown(f"**{question}**")
    with st.expander("Answer"):
        st.markdown(answer)


# ------------------------------------------------------------------------------------ colour


def one_color() -> None:
    """Lab on three sliders, the patch, and the gamut of that lightness with the colour in it."""
    from workbench.lessons.colors import REACH, colored, gamut_plane, share_in_gamut

    left, middle, right = st.columns([2, 1, 2])
    with left:
        L = st.slider("L: black to white", 1, 99, 65, key="lab_L")
        a = st.slider("a: green to red", -REACH, REACH, 40, key="lab_a")
        b = st.slider("b: blue to yellow", -REACH, REACH, 30, key="lab_b")
    (red, green, blue), shown = colored(L, a, b)
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
        marked = _marked(plane, a, b)
        st.image(marked.permute(1, 2, 0).numpy(), width="stretch")
        st.caption(
            f"Every a (right: red) and b (up: yellow) that sRGB has at L {L}: "
            f"{share:.0%} of the square."
        )
        take_home(lambda: as_png([_on_white(marked)]), "gamut.png")


def _marked(plane: Tensor, a: float, b: float) -> Tensor:
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


def picture_planes(picture: Picture) -> None:
    """The picture, its L, its a and its b."""
    from workbench.lessons.colors import planes

    parts = planes(picture.rgb)
    figure(
        [
            Cell("The picture", picture.rgb),
            Cell("L", parts["L"], "what every network is given"),
            Cell("a", parts["a"], "green to red, at one lightness"),
            Cell("b", parts["b"], "blue to yellow, at one lightness"),
        ],
        "planes",
        cell=240,
    )


def many_colors_one_grey(picture: Picture) -> None:
    """A dozen colours with one L; then the picture with its hues turned: the same grey."""
    import torch

    from workbench.lessons.colors import alike, grey_of, hue_turned

    L = st.slider("Lightness of all of them", 5, 95, 60, key="alike_L")
    colors, grey = alike(L)
    strips = torch.cat((colors, grey), 1)
    st.image(strips.permute(1, 2, 0).numpy(), width="stretch")
    st.caption("Above: twelve colours of one L. Below: what is left of each. Nothing tells them "
               "apart, so a network must know *what* it sees to guess the colour.")  # fmt: skip
    take_home(lambda: as_png([strips]), "one_grey.png")
    degrees = st.slider("Turn all hues of the picture by, degrees", 0, 360, 180, 10, key="turn")
    turned = hue_turned(picture.rgb, degrees)
    grey_turned = grey_of(turned)
    differ = float((grey_turned.int() - grey_of(picture.rgb).int()).abs().float().mean())
    figure(
        [
            Cell("The picture", picture.rgb),
            Cell("Its hues turned", turned, f"by {degrees}°"),
            Cell("The grey of both", grey_turned, f"they differ by {differ:.2f} of 255"),
        ],
        "turned",
        cell=340,
    )


# --------------------------------------------------------------------------- traps of metrics


def candidates(
    picture: Picture, checkpoint: Checkpoint | None, degrees: float
) -> dict[str, Tensor]:
    """What is measured against the picture: grey, wrong hues, one step off, a network's guess."""
    from workbench.coloring.colorize import Settings
    from workbench.lessons.colors import grey_of, hue_turned
    from workbench.lessons.traps import one_step_off

    found = {
        "Grey": grey_of(picture.rgb),
        f"Hues turned by {degrees:g}°": hue_turned(picture.rgb, degrees),
        "One step of 255 off": one_step_off(picture.rgb),
    }
    if checkpoint is not None:
        found[checkpoint.title] = state.colorized(checkpoint, picture, Settings())[0]
    return found


def table(picture: Picture, found: dict[str, Tensor], names: tuple[str, ...]) -> None:
    """A row per candidate, a column per measure."""
    import pandas as pd

    from workbench.evaluation import metrics
    from workbench.lessons.traps import argmax_accuracy, ssim_of_luma

    measures = {
        "PSNR, dB": metrics.psnr, "SSIM": metrics.ssim, "SSIM of luma": ssim_of_luma,
        "CIEDE2000": metrics.delta_e, "AuC, %": metrics.auc, "Pixels that differ": metrics.pixdiff,
        "Argmax accuracy": argmax_accuracy,
        "Colourfulness": lambda prediction, truth: metrics.colorfulness(prediction),
    }  # fmt: skip
    truth = picture.rgb[None]
    rows = [
        {"": title} | {name: float(measures[name](rgb[None], truth)) for name in names}
        for title, rgb in found.items()
    ]
    numbers(pd.DataFrame(rows))


def protocols(prediction: Tensor, truth: Tensor) -> None:
    """One pair of pictures under every variant, and how far each is from the usual measure."""
    import pandas as pd

    from workbench.lessons.traps import variants

    rows = variants(prediction, truth)
    usual = {name: value for name, _, value in rows}
    numbers(
        pd.DataFrame(
            {
                "Measure": name,
                "How": how,
                "Value": value,
                "Moved by": f"{moved:+.3f}" if (moved := value - usual[name[:4]]) else "",
            }
            for name, how, value in rows
        )
    )
