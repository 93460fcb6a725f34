"""Drawings as SVG: the blocks of a network, and a distribution over the 313 colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import zip_longest

from torch import Tensor

from workbench.color import join_rgb
from workbench.lessons.blocks import Block, Shape
from workbench.models import ab_bins

BOX, ROW, GAP = 620, 58, 34  # width of a box, its height, the arrow between two; pixels
PAPER, INK, FAINT = "#ffffff", "#222222", "#6b6b6b"


def shape_text(shape: Shape) -> str:
    """(64, 128, 128) -> "64 × 128 × 128"."""
    return " × ".join(str(side) for side in shape)


def amount_text(number: float) -> str:
    """1234567 -> "1.2 M"; what is below a thousand stays whole."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"


def network_svg(found: Sequence[Block], color: str, title: str) -> str:
    """Boxes from top to bottom, shapes (channels × height × width) on the arrows between them.

    The bar in a box is its share of all multiply-adds. Colours do not depend on the page's theme,
    so that the file fits any slide.
    """
    most = max((block.multiply_adds for block in found), default=1) or 1
    height = len(found) * (ROW + GAP) + 2 * GAP + 20
    parts = [_text(BOX / 2 + 20, 18, title, 15, INK, "middle", bold=True)]
    y = 28
    parts.append(_arrow(y, f"L  {shape_text(found[0].takes)}" if found else ""))
    for block, after in zip_longest(found, found[1:]):
        y += GAP
        numbers = f"{amount_text(block.parameters)} parameters"
        if block.multiply_adds:
            numbers += f" · {amount_text(block.multiply_adds)} multiply-adds"
        parts += [
            f'<rect x="20" y="{y}" width="{BOX}" height="{ROW}" rx="6" fill="{color}" '
            f'fill-opacity="0.10" stroke="{color}"/>',
            f'<rect x="20" y="{y + ROW - 5}" width="{BOX * block.multiply_adds / most:.1f}" '
            f'height="5" rx="2" fill="{color}"/>',
            _text(34, y + 23, block.text, 15, INK),
            _text(34, y + 43, block.name, 12, FAINT),
            _text(BOX + 6, y + 43, numbers, 12, FAINT, "end"),
        ]
        y += ROW
        label = shape_text(block.gives)
        if after is not None and after.takes != block.gives:  # a skip, a fusion, an up-sampling
            label += f"   then taken: {shape_text(after.takes)}"
        parts.append(_arrow(y, label))
    return _svg(BOX + 40, height, parts)


def distribution_svg(p: Tensor, L: float) -> str:
    """The 313 bins on the ab plane: area is probability, each in its own colour at lightness L."""
    side, cell = 21, 18
    size = (side + 1) * cell
    centres = ab_bins.centres()
    lab = join_rgb(centres.new_full((1, 1, len(centres)), L), centres.T[:, None])
    most = float(p.max())
    parts = [
        f'<line x1="0" y1="{size / 2}" x2="{size}" y2="{size / 2}" stroke="{FAINT}" '
        'stroke-opacity=".3"/>',
        f'<line x1="{size / 2}" y1="0" x2="{size / 2}" y2="{size}" stroke="{FAINT}" '
        'stroke-opacity=".3"/>',
    ]
    for (a, b), share, rgb in zip(centres.tolist(), p.tolist(), lab[:, 0].T.tolist(), strict=True):
        x, y = size / 2 + a / 10 * cell, size / 2 - b / 10 * cell
        width = max(1.5, (cell - 1) * (share / most) ** 0.5)
        parts.append(
            f'<rect x="{x - width / 2:.1f}" y="{y - width / 2:.1f}" width="{width:.1f}" '
            f'height="{width:.1f}" fill="rgb{tuple(rgb)}" stroke="{FAINT}" stroke-width=".3">'
            f"<title>a {a:.0f}, b {b:.0f}: {share:.2%}</title></rect>"
        )
    parts += [
        _text(size - 4, size / 2 - 5, "a: red", 11, FAINT, "end"),
        _text(size / 2 + 5, 12, "b: yellow", 11, FAINT),
    ]
    return _svg(size, size, parts)


def _arrow(y: float, label: str) -> str:
    x = BOX / 2 + 20
    return (
        f'<path d="M{x} {y + 2}V{y + GAP - 6}" stroke="{INK}" fill="none"/>'
        f'<path d="M{x - 4} {y + GAP - 8}h8l-4 7z" fill="{INK}"/>'
        + _text(x + 12, y + GAP / 2 + 4, label, 12, INK)
    )


def _text(
    x: float, y: float, text: str, size: int, color: str, anchor: str = "start", bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="system-ui, sans-serif">'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )
