"""Models x one parameter, as one labelled figure with its settings written into the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from workbench.coloring.colorize import Settings, colorize_lightness, has_temperature, lightness
from workbench.errors import Problem
from workbench.images import encode, to_eight_bits

PARAMETERS = {"temperature": "T = {:g}", "size": "{:g} px", "chroma": "chroma x {:g}"}
GROUND, INK = (119, 119, 119), (255, 255, 255)  # L = 50, neutral: colour is judged on grey
GAP = 8  # between cells, pixels


def parameter_grid(
    nets: Mapping[str, tuple[nn.Module, int]],
    rgb: Tensor,
    parameter: str,
    values: Sequence[float],
    settings: Settings = Settings(),
) -> dict[str, list[Tensor]]:
    """Colour one picture by each network, name -> (net, its size), at each value of a parameter.

    Returns name -> one uint8 RGB (3, H, W) per value. Raises Problem for a parameter that is not
    one of `PARAMETERS`, a value out of its range, or a temperature that no chosen network has.
    """
    if parameter not in PARAMETERS:
        raise Problem(f"{parameter!r} cannot be varied. One of: {', '.join(PARAMETERS)}.")
    if not nets or not values:
        raise Problem("A grid needs at least one model and one value.")
    if parameter == "temperature" and not any(has_temperature(net) for net, _ in nets.values()):
        raise Problem("None of the chosen models has a temperature: choose `colorful`, too.")
    L = lightness(rgb)
    cells: dict[str, list[Tensor]] = {}
    for name, (net, size) in nets.items():
        row: list[Tensor] = []
        for value in values:
            if row and parameter == "temperature" and not has_temperature(net):
                row.append(row[0])  # a network without a distribution has one answer
                continue
            typed: Any = int(value) if parameter == "size" else float(value)
            changed = replace(settings, **{parameter: typed})
            row.append(to_eight_bits(colorize_lightness(net, L, changed, size, rgb.dtype).rgb))
        cells[name] = row
    return cells


def draw_figure(
    cells: Mapping[str, Sequence[Tensor]],
    columns: Sequence[str],
    caption: str = "",
    marks: Mapping[str, str] | None = None,
    side: int = 320,
) -> bytes:
    """Rows of pictures with labels -> the bytes of one PNG, `marks` as its text.

    cells: label of the row -> uint8 RGB (3, H, W), as many as there are column labels; a cell's
    longer side is at most `side` pixels. The caption stands below.
    """
    if not cells or any(len(row) != len(columns) for row in cells.values()):
        raise Problem("Every row of a figure has one picture for each of its columns.")
    height, width = next(iter(cells.values()))[0].shape[-2:]
    scale = min(1.0, side / max(height, width))
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    font = ImageFont.load_default(16)
    line = 16 + GAP
    left = max(int(font.getlength(label)) for label in cells) + 2 * GAP
    across = max(w, *(int(font.getlength(label)) for label in columns)) + GAP
    down = max(h, line) + GAP
    size = (left + across * len(columns), line + GAP + down * len(cells) + (line if caption else 0))
    size = (max(size[0], int(font.getlength(caption)) + 2 * GAP), size[1])
    sheet = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(sheet)
    for j, label in enumerate(columns):
        draw.text((left + j * across + w / 2, GAP), label, INK, font, anchor="ma")
    for i, (label, row) in enumerate(cells.items()):
        top = line + GAP + i * down
        draw.text((GAP, top + h / 2), label, INK, font, anchor="lm")
        for j, rgb in enumerate(row):
            cell = Image.fromarray(rgb.permute(1, 2, 0).contiguous().numpy())
            cell = cell if scale == 1 else cell.resize((w, h), Image.Resampling.LANCZOS)
            sheet.paste(cell, (left + j * across, top))
    if caption:
        draw.text((GAP, size[1] - GAP / 2), caption, INK, font, anchor="ld")
    return encode(torch.from_numpy(np.array(sheet)).permute(2, 0, 1), marks=marks)


def grid_figure(
    nets: Mapping[str, tuple[nn.Module, int]],
    rgb: Tensor,
    parameter: str,
    values: Sequence[float],
    settings: Settings = Settings(),
    *,
    titles: Mapping[str, str] | None = None,
    revisions: Mapping[str, str] | None = None,
) -> bytes:
    """`parameter_grid` drawn by `draw_figure`: one PNG that says in its text how it was made."""
    titles, revisions = titles or {}, revisions or {}
    cells = parameter_grid(nets, rgb, parameter, values, settings)
    fixed = {k: v for k, v in asdict(settings).items() if k != parameter}
    fixed = {k: v for k, v in fixed.items() if v != getattr(Settings(), k)}
    said = ", ".join(f"{k} = {v}" for k, v in fixed.items())
    labels = [PARAMETERS[parameter].format(value) for value in values]
    return draw_figure(
        {titles.get(name, name): row for name, row in cells.items()},
        labels,
        caption="Colourized by AI" + (f"; {said}" if said else ""),
        marks={
            "Software": "colorization-workbench",
            "Description": f"Colourized by AI: models x {parameter}",
            "Models": ", ".join(f"{n} {revisions.get(n, '')}".strip() for n in nets),
            "Parameter": f"{parameter}: {', '.join(f'{value:g}' for value in values)}",
            "Settings": said or "the models' own",
        },
    )
