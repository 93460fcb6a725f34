"""Looking at pictures: a grid that zooms together, and a line between before and after.

Both are our own Streamlit components (workbench/ui/components): no script from elsewhere, usable
by keyboard. Pictures reach the browser as files of the server, never inside the page's messages.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime import Runtime

from workbench.ui import state

if TYPE_CHECKING:
    from torch import Tensor


def _component(name: str):
    folder = Path(__file__).parent / "components"
    return st.components.v2.component(
        f"workbench_{name}",
        html=f'<div class="{name}"></div>',
        css=(folder / f"{name}.css").read_text("utf-8"),
        js="\n".join((folder / f"{part}.js").read_text("utf-8") for part in (name, "enlarge")),
    )


_gallery = _component("gallery")
_slider = _component("slider")


@dataclass(frozen=True)
class File:
    """A picture as a browser takes it, and the size of what it was made from, pixels."""

    data: bytes
    kind: str
    width: int
    height: int


@dataclass(frozen=True)
class Cell:
    """A picture on the screen: what it is, rgb uint8 (3, H, W) or its file, a line of numbers."""

    title: str
    rgb: Tensor | File
    note: str = ""


def show_gallery(
    cells: list[Cell],
    *,
    key: str,
    cell: int = 300,
    columns: int | None = None,
    most: int | None = None,
    pick: str | None = None,
    marks: list[dict] | None = None,
) -> dict | None:
    """Show pictures of one size in a labelled grid that zooms and moves together.

    `cell` is the least width of a picture, pixels of the screen; with `columns` they are that many
    in a row, however narrow the screen; with `most` never more, however wide. With `pick` "point"
    or "area", what a visitor clicked or drew comes back once, in the first picture's pixels:
    {x, y, to}, `to` (x, y) of a rectangle's opposite corner or None for a point; else None.
    `marks` to show: the same and color.
    """
    described = [_describe(each) for each in cells]
    result = _gallery(
        key=key,
        data={
            "cells": described,
            "width": described[0]["width"],
            "height": described[0]["height"],
            "cell": cell,
            "columns": columns,
            "most": most,
            "pick": pick,
            "marks": marks or [],
        },
        on_picked_change=lambda: None,
    )
    return dict(result.picked) if result.picked else None


def show_slider(before: Cell, after: Cell, *, key: str) -> None:
    """Show two pictures of one size, one behind the other, with a line to draw between them."""
    # a list: in a dictionary Streamlit looks for tables, and imports pandas for it
    _slider(key=key, data=[_describe(before), _describe(after)])


def encode_cell(cell: Cell) -> File:
    """The cell's picture as a browser takes it, made once."""
    if isinstance(cell.rgb, File):
        return cell.rgb
    pixels = cell.rgb.permute(1, 2, 0).contiguous().numpy()
    key = ("screen", hashlib.blake2b(pixels.data, digest_size=16).hexdigest(), pixels.shape)
    if (file := state.shelf().get(key)) is None:
        from workbench.images import encode_for_screen

        height, width = cell.rgb.shape[-2:]
        file = File(*encode_for_screen(cell.rgb), width, height)
        state.shelf().put(key, file, len(file.data))
    return file


def _describe(cell: Cell) -> dict:
    file = encode_cell(cell)
    name = hashlib.blake2b(file.data, digest_size=16).hexdigest()
    path = Runtime.instance().media_file_mgr.add(file.data, file.kind, coordinates=name)
    return {
        "title": cell.title,
        "note": cell.note,
        "src": f"{st.get_option('server.baseUrlPath').rstrip('/')}{path}",
        "width": file.width,
        "height": file.height,
    }
