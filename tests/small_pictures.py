"""Small pictures that tests make, and the commands that read them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import typer
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from workbench.cli import data
from workbench.data.sources import open_source


def colors(seed: int = 0, size: tuple[int, int] = (20, 16)) -> Image.Image:
    """A colourful picture: a smooth gradient that depends on the seed."""
    corners = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), dtype=np.uint8)
    corners[0, 0], corners[1, 1] = (220, 40, 30), (20, 60, 210)
    return Image.fromarray(corners).resize(size, Image.Resampling.BILINEAR)


def encoded(seed: int = 0, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    colors(seed).save(out, form)
    return out.getvalue()


def write(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    colors(seed).save(path)
    return path


def listed(text: object) -> list[tuple[str, str | None]]:
    """Names and labels of all pictures of a source."""
    source = open_source(str(text))
    found = [(item.name, item.label) for item in source.items()]
    assert source.count() in (None, len(found))
    return found


def run(arguments: list[str]) -> Result:
    """Run a command of `workbench.cli.data`."""
    app = typer.Typer()
    data.register(app)
    return CliRunner().invoke(app, arguments)
