"""One picture, coloured by the chosen models, and the numbers that stand below it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import streamlit as st

from workbench.errors import Problem
from workbench.jobs.made import Made
from workbench.names import write_number
from workbench.ui import state
from workbench.ui.viewers import Cell
from workbench.ui.widgets import show_problem

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from torch import Tensor

    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.images import Picture


def make_all(
    picture: Picture,
    checkpoints: list[Checkpoint],
    settings: Settings,
    line: DeltaGenerator,
) -> list[Made]:
    """Colour the picture with the models at once; a model that fails is named, the rest go on.

    `line` is a place of its own height, where a visitor who waits is told so.
    """
    made = []

    def wait(place: int) -> None:
        line.markdown(f":material/groups: The networks are busy: {place} in front of you.")

    with line, st.spinner("The networks are colouring…"):
        found = state.colorize_by_all(checkpoints, picture, settings, on_wait=wait)
    for checkpoint in checkpoints:
        if isinstance(problem := found[checkpoint.name], Problem):
            show_problem(problem)
            continue
        full, seconds = found[checkpoint.name]
        origin = {
            "model": checkpoint.name,
            "revision": checkpoint.revision,
            "settings": asdict(settings),
        }
        made.append(Made(checkpoint.name, checkpoint.title, full, seconds, origin))
    line.empty()
    return made


def describe_result(picture: Picture, made: Made) -> str:
    """Seconds, and PSNR and SSIM against the upload where that had colour."""
    numbers = [f"{made.seconds:.2f} s"]
    if not picture.grey:
        numbers += _measure(picture, made)
    return " · ".join(numbers)


def make_cells(picture: Picture, made: list[Made]) -> list[Cell]:
    """The input, each result, and the truth where there is one."""
    seen = Cell("What the networks see", show_grey(picture), "lightness only")
    truth = [] if picture.grey else [Cell("The photograph", picture.rgb, "the truth")]
    return [
        seen,
        *(Cell(each.title, each.rgb, describe_result(picture, each)) for each in made),
        *truth,
    ]


def show_grey(picture: Picture) -> Tensor:
    """The picture's lightness as uint8 RGB (3, H, W)."""
    return state.studio().grey(picture)


def _measure(picture: Picture, made: Made) -> list[str]:
    """PSNR and SSIM of a result against the upload, in words; from the shelf when known."""
    key = ("measured", picture.sha256, json.dumps(made.settings, sort_keys=True))
    if found := state.shelf().get(key):
        return found
    from workbench.evaluation.metrics import PAIR_PIXELS, measure_pair

    psnr, ssim = measure_pair(made.rgb, picture.rgb)
    words = [f"{psnr:.1f} dB"]
    if ssim is not None:
        words.append(f"SSIM {write_number(ssim, '.3f')}")
    if picture.rgb[0].numel() > PAIR_PIXELS:
        words.append("measured at 4 megapixels")
    return state.shelf().put(key, words, 256)
