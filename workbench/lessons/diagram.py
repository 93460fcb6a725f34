"""Drawings as SVG: the blocks of a network, and a distribution over the 313 colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise, zip_longest

from torch import Tensor

from workbench.color import join_rgb
from workbench.lessons.blocks import Block, Shape
from workbench.models import ab_bins

BOX, ROW, GAP = 620, 58, 34  # width of a box, its height, the arrow between two; pixels
PAPER, INK, FAINT = "#ffffff", "#222222", "#6b6b6b"
SIDE, BETWEEN, EDGE = 400, 330, 20  # of a U: a side, the room between both, its margin; pixels
STEP, GATE, LEVEL = 58, 32, 42  # of a U: heights of a step, of one that keeps the size, of an arrow

Rows = list[list[Block]]  # the steps of one side of a U, those of one size together


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
    """A network from its input to its output, shapes (channels × height × width) on the arrows.

    A U-Net is drawn as a U, anything else as boxes from top to bottom. The bar in a box is its
    share of the largest one's multiply-adds. Colours do not depend on the page's theme, so that
    the file fits any slide.
    """
    if sides := find_u(found):
        return _u_svg(*sides, color, title)
    most = max((block.multiply_adds for block in found), default=1) or 1
    height = len(found) * (ROW + GAP) + 2 * GAP + 20
    parts = [_text(BOX / 2 + 20, 18, title, 15, INK, "middle", bold=True)]
    y = 28
    parts.append(_arrow(y, f"L  {shape_text(found[0].takes)}" if found else ""))
    for block, after in zip_longest(found, found[1:]):
        y += GAP
        parts += [
            *_box(20, y, BOX, ROW, color, block.multiply_adds / most),
            _text(34, y + 23, block.text, 15, INK),
            _text(34, y + 43, block.name, 12, FAINT),
            _text(BOX + 6, y + 43, _numbers(block), 12, FAINT, "end"),
        ]
        y += ROW
        label = shape_text(block.gives)
        if after is not None and after.takes != block.gives:  # a skip, a fusion, an up-sampling
            label += f"   then taken: {shape_text(after.takes)}"
        parts.append(_arrow(y, label))
    return _svg(BOX + 40, height, parts)


def find_u(found: Sequence[Block]) -> tuple[Rows, Rows, list[Block]] | None:
    """The two sides of a U-Net, top row first, and what stands on its skips; else None.

    A U halves as often as it doubles, and what comes up is joined by what went down: there a step
    takes more channels than the one before it gives, at the same size.
    """
    joins = sum(
        len(before.gives) == len(block.takes) == 3
        and before.gives[1:] == block.takes[1:]
        and before.gives[0] < block.takes[0]
        for before, block in pairwise(found)
    )
    if joins < 2:
        return None
    down: Rows = []
    up: Rows = []
    beside: list[Block] = []
    here = found[0].takes
    for block in found:
        if up or _area(block.gives) > _area(block.takes):
            if not up or _area(block.gives) > _area(block.takes):
                up.append([])
            up[-1].append(block)
        elif block.takes != here:
            beside.append(block)
            continue
        else:
            if not down or _area(block.gives) < _area(block.takes):
                down.append([])
            down[-1].append(block)
        here = block.gives
    return (down, up[::-1], beside) if len(down) == len(up) else None


def _area(shape: Shape) -> int:
    return shape[-1] * shape[-2]


def _u_svg(down: Rows, up: Rows, beside: list[Block], color: str, title: str) -> str:
    """Down on the left, up on the right; dashed, what is handed across between two rows."""
    every = [block for row in [*down, *up, beside] for block in row]
    most = max(block.multiply_adds for block in every) or 1
    right = EDGE + SIDE + BETWEEN
    falls, rises = EDGE + SIDE - 60, right + 60  # where the arrows of both sides run
    width = right + SIDE + EDGE
    parts = [_text(width / 2, 26, title, 20, INK, "middle", bold=True)]
    y = 40
    parts += [
        _line(falls, y, falls, y + LEVEL),
        _text(falls - 14, y + LEVEL / 2 + 6, f"L  {shape_text(down[0][0].takes)}", 18, INK, "end"),
        _line(rises, y + LEVEL, rises, y),
        _text(rises + 14, y + LEVEL / 2 + 6, f"ab  {shape_text(up[0][-1].gives)}", 18, INK),
    ]
    y += LEVEL
    for number, (left, back) in enumerate(zip(down, up, strict=True)):
        fall, rise = (STEP + GATE * (len(row) - 1) for row in (left, back))
        tall = max(fall, rise)
        parts += _stack(left, EDGE, y, color, most)
        parts += _stack(back[::-1], right, y + tall - rise, color, most)
        y += tall
        parts += [  # on past the end of the side that has fewer steps
            _line(falls, y - tall + fall, falls, y, head=False),
            _line(rises, y - rise, rises, y - tall, head=False),
        ]
        gives, level = left[-1].gives, y + LEVEL / 2
        if number + 1 == len(down):  # the bottom
            parts += [
                _line(falls, y, falls, level, head=False),
                _line(falls, level, rises, level, head=False),
                _line(rises, level, rises, y),
                _text(width / 2, level - 8, shape_text(gives), 18, INK, "middle"),
            ]
            break
        parts += [
            _line(falls, y, falls, y + LEVEL),
            _text(falls - 14, level + 6, shape_text(gives), 18, INK, "end"),
            _line(rises, y + LEVEL, rises, y),
            _text(rises + 14, level + 6, shape_text(up[number + 1][-1].gives), 18, INK),
            _line(falls, level, rises - 3, level, dashed=True),
        ]
        top = level
        for block in (each for each in beside if each.gives[1:] == gives[1:]):
            x, top, room = EDGE + SIDE + 15, level - STEP / 2 - 10, BETWEEN - 30
            parts += [
                f'<rect x="{x}" y="{top}" width="{room}" height="{STEP + 20}" fill="{PAPER}"/>',
                *_box(x, top, room, STEP + 20, color, block.multiply_adds / most),
                _text(width / 2, top + 24, block.text, 20, INK, "middle"),
                _text(width / 2, top + 46, block.name, 13, FAINT, "middle"),
                _text(width / 2, top + 64, _numbers(block), 13, FAINT, "middle"),
            ]
        joined = shape_text(back[0].takes)
        parts.append(_text(width / 2, top - 8, f"joined: {joined}", 18, INK, "middle"))
        y += LEVEL
    return _svg(width, y + LEVEL, parts)


def _stack(row: Sequence[Block], x: float, y: float, color: str, most: int) -> list[str]:
    """The steps of one row of a U, the one that changes the size higher than the others."""
    parts = []
    for block in row:
        full = _area(block.gives) != _area(block.takes)
        high = STEP if full else GATE
        parts += _box(x, y, SIDE, high, color, block.multiply_adds / most)
        if full:
            parts += [
                _text(x + 14, y + 25, block.text, 20, INK),
                _text(x + 14, y + 46, block.name, 13, FAINT),
                _text(x + SIDE - 14, y + 46, _numbers(block), 13, FAINT, "end"),
            ]
        else:
            parts += [
                _text(x + 14, y + 22, block.text, 18, INK),
                _text(x + SIDE - 14, y + 21, block.name, 13, FAINT, "end"),
            ]
        y += high
    return parts


def _numbers(block: Block) -> str:
    """ "1.2 M parameters · 34 M multiply-adds"."""
    numbers = f"{amount_text(block.parameters)} parameters"
    if block.multiply_adds:
        numbers += f" · {amount_text(block.multiply_adds)} multiply-adds"
    return numbers


def _box(x: float, y: float, width: float, height: float, color: str, share: float) -> list[str]:
    return [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{color}" '
        f'fill-opacity="0.10" stroke="{color}"/>',
        f'<rect x="{x}" y="{y + height - 5}" width="{width * share:.1f}" height="5" rx="2" '
        f'fill="{color}"/>',
    ]


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


def _line(
    x1: float, y1: float, x2: float, y2: float, *, head: bool = True, dashed: bool = False
) -> str:
    """A line along an axis, with an arrow's head at its second end."""
    dashes = ' stroke-dasharray="6 5"' if dashed else ""
    line = f'<path d="M{x1} {y1}L{x2} {y2}" stroke="{INK}" fill="none"{dashes}/>'
    if not head:
        return line
    if y1 == y2:
        return line + f'<path d="M{x2 - 9} {y2 - 5}v10l9 -5z" fill="{INK}"/>'
    back = -9 if y2 > y1 else 9
    return line + f'<path d="M{x2 - 5} {y2 + back}h10l-5 {-back}z" fill="{INK}"/>'


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
