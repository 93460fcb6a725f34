"""The first picture in colour, made ahead: it is on the screen before a network is awake.

It lies in the cache under what made it, the sample and the weights, and is made when somebody has
looked at it for the first time. Until then the pair in AHEAD is shown: such a folder, made with
the bundled weights, its two pictures saved as WebP. Nothing here needs torch to show it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from workbench import places
from workbench.errors import Problem
from workbench.samples import FIRST, SAMPLES
from workbench.ui import viewers
from workbench.ui.compare import looks, results
from workbench.writing import write_whole

if TYPE_CHECKING:
    from workbench.images import Picture
    from workbench.jobs.made import Made
    from workbench.ui.viewers import Cell

CELLS = "cells.json"
AHEAD = Path(__file__).parent / "ahead"


def show(view: str) -> None:
    """The slider as it was kept, until the networks have made theirs; once a visit."""
    if not st.session_state.get("opened") and view == looks.FIRST and _unchosen():
        try:
            before, after = _cells(_folder())
        except (OSError, ValueError, TypeError):  # nobody has looked yet
            before, after = _cells(AHEAD)
        with st.container(key="slider_ahead"):
            viewers.show_slider(before, after, key="opening")


def keep(picture: Picture, made: list[Made]) -> None:
    """Keep what the slider shows of the first sample, for those who come later."""
    st.session_state["opened"] = True
    from workbench.coloring.colorize import Settings

    folder = _folder()
    own = made[0].settings.get("settings") == asdict(Settings())
    if (folder / CELLS).exists() or not _unchosen() or not own:
        return
    files, rows = {}, []
    for which, cell in zip(("before", "after"), results.make_cells(picture, made), strict=False):
        file = viewers.encode_cell(cell)
        name = f"{which}.{file.kind.rpartition('/')[2]}"
        rows.append([name, file.kind, [file.width, file.height], cell.title])
        files[name] = file.data
    with suppress(Problem):  # a full disk is no visitor's business
        write_whole(folder, files | {CELLS: json.dumps(rows).encode()})


def _unchosen() -> bool:
    return st.session_state.get("chosen", FIRST) == FIRST


def _folder() -> Path:
    """Where the opening of this sample and these weights lies, or would."""
    made_from = [SAMPLES[FIRST].path, *sorted(places.CHECKPOINTS.glob("*/config.json"))]
    digest = blake2b(b"".join(file.read_bytes() for file in made_from), digest_size=8)
    return places.cache() / "opening" / digest.hexdigest()


def _cells(folder: Path) -> list[Cell]:
    return [
        viewers.Cell(title, viewers.File((folder / name).read_bytes(), kind, *size))
        for name, kind, size, title in json.loads((folder / CELLS).read_text("utf-8"))
    ]
