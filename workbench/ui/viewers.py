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
        js=(folder / f"{name}.js").read_text("utf-8"),
    )


_gallery = _component("gallery")
_slider = _component("slider")


@dataclass(frozen=True)
class Cell:
    """A picture on the screen: what it is, rgb uint8 (3, H, W), and a line of numbers."""

    title: str
    rgb: Tensor
    note: str = ""


def show_gallery(
    cells: list[Cell],
    *,
    key: str,
    cell: int = 300,
    pick: str | None = None,
    marks: list[dict] | None = None,
) -> dict | None:
    """Show pictures of one size in a labelled grid that zooms and moves together.

    `cell` is the least width of a picture, pixels of the screen. With `pick` "point" or
    "area", what a visitor clicked or drew comes back once, in the first picture's pixels:
    {x, y, to}, `to` (x, y) of a rectangle's opposite corner or None for a point; else None.
    `marks` to show: the same and color.
    """
    height, width = cells[0].rgb.shape[-2:]
    result = _gallery(
        key=key,
        data={
            "cells": [_describe(each) for each in cells],
            "width": width,
            "height": height,
            "cell": cell,
            "pick": pick,
            "marks": marks or [],
        },
        on_picked_change=lambda: None,
    )
    return dict(result.picked) if result.picked else None


def show_slider(before: Cell, after: Cell, *, key: str) -> None:
    """Show two pictures of one size, one behind the other, with a line to draw between them."""
    height, width = before.rgb.shape[-2:]
    _slider(
        key=key,
        data={
            "before": _describe(before),
            "after": _describe(after),
            "width": width,
            "height": height,
        },
    )


def _describe(cell: Cell) -> dict:
    height, width = cell.rgb.shape[-2:]
    return {
        "title": cell.title,
        "note": cell.note,
        "src": _address(cell.rgb),
        "width": width,
        "height": height,
    }


def _address(rgb: Tensor) -> str:
    """Where the browser finds this picture: uint8 (3, H, W) -> a path on this server."""
    pixels = rgb.permute(1, 2, 0).contiguous().numpy()
    key = ("screen", hashlib.blake2b(pixels.data, digest_size=16).hexdigest(), pixels.shape)
    encoded = state.shelf().get(key)
    if encoded is None:
        from workbench.images import encode_for_screen

        data, kind = encode_for_screen(rgb)
        encoded = state.shelf().put(key, (data, kind), len(data))
    data, kind = encoded
    path = Runtime.instance().media_file_mgr.add(data, kind, coordinates=f"{key[1]}")
    return f"{st.get_option('server.baseUrlPath').rstrip('/')}{path}"
