"""Colour hints: points and rectangles of a given colour, spread to the edges of the lightness.

After Levin, Lischinski & Weiss, "Colorization using Optimization" (SIGGRAPH 2004): neighbours
that look alike should get colours that are alike, a quadratic cost that a sparse solver
minimises. Differs from the paper: what is spread is not the colour but its *difference* to the
model's colour, and every pixel is drawn weakly to a difference of zero. So a hint corrects the
model where it is connected to the hint, and fades out where it is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workbench.color import split_lab
from workbench.coloring.edges import shrink, upsample_along_edges
from workbench.errors import Problem

SIDE = 192  # short side at which the system is solved, pixels
ALIKE_L = 2.0  # neighbours this far apart in L are held together by exp(-1/2)
ALIKE_AB = 4.0  # the same for the model's own ab, which also tells things apart
WEAKEST = 1e-6  # of the hold between two neighbours
HOLD = 1e3  # of a hinted pixel to its hint
REACH = 1e-5  # pull of every pixel to the model's colour: smaller reaches farther


@dataclass(frozen=True)
class Hint:
    """A colour for a disc around a point, for a rectangle, or for a region of any shape."""

    color: str | tuple[int, int, int]  # "#RRGGBB", "#RGB" or (R, G, B)
    x: float = 0.0  # pixels from the left
    y: float = 0.0  # pixels from the top
    radius: float = 3.0  # of the disc, pixels
    to: tuple[float, float] | None = None  # (x, y) of the opposite corner: a rectangle, no disc
    region: Tensor | None = None  # bool (H, W); used in place of both

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Its colour as three numbers 0 to 255; raises Problem if it is no colour."""
        if isinstance(self.color, str):
            digits = self.color.strip().removeprefix("#")
            if re.fullmatch(r"[0-9a-fA-F]{3}", digits):
                digits = "".join(2 * digit for digit in digits)
            if not re.fullmatch(r"[0-9a-fA-F]{6}", digits):
                raise Problem(f"{self.color!r} is no colour: write it as #RRGGBB, e.g. #3070C0.")
            red, green, blue = bytes.fromhex(digits)
            return red, green, blue
        values = tuple(self.color)
        if len(values) != 3 or not all(0 <= value <= 255 for value in values):
            raise Problem(f"{self.color!r} is no colour: red, green and blue are 0 to 255.")
        return values

    @property
    def ab(self) -> Tensor:
        """Its a and b, (2,); its lightness is not used, the picture keeps its own."""
        return split_lab(torch.tensor(self.rgb, dtype=torch.uint8).view(3, 1, 1))[1].flatten()


def apply_hints(L: Tensor, ab: Tensor, hints: Sequence[Hint], reach: float = REACH) -> Tensor:
    """The model's ab (2, H, W) corrected by hints, along the edges of L (1, H, W) -> (2, H, W).

    Raises Problem when a hint is no colour or lies outside the picture.
    """
    height, width = L.shape[-2:]
    if not hints:
        return ab
    scale = min(1.0, SIDE / min(height, width), 4 * SIDE / max(height, width))
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    coarse_L, coarse_ab = shrink(L[None], small)[0], shrink(ab[None], small)[0]
    held = torch.zeros(small, dtype=torch.bool)
    wanted = torch.zeros(2, *small)
    for hint in hints:
        cover = _cover(hint, height, width, small)
        held |= cover
        wanted[:, cover] = hint.ab[:, None] - coarse_ab[:, cover]
    coarse = _spread(coarse_L, coarse_ab, held, wanted, reach)
    return ab + upsample_along_edges(coarse[None], L[None])[0]


def _cover(hint: Hint, height: int, width: int, small: tuple[int, int]) -> Tensor:
    """The coarse pixels (h, w) that a hint covers, at least one."""
    h, w = small
    if hint.region is not None:
        if hint.region.shape != (height, width) or not hint.region.any():
            raise Problem(f"A hint's region is a mask of {width} x {height} pixels, not empty.")
        share = shrink(hint.region[None, None].float(), small)[0, 0]
        return share >= min(0.5, float(share.max()))
    for x, y in [(hint.x, hint.y), *([hint.to] if hint.to else [])]:
        if not (0 <= x < width and 0 <= y < height):
            raise Problem(
                f"The hint at ({x:g}, {y:g}) is outside the picture of {width} x {height}."
            )
    if hint.to:
        across = _mark_between(hint.x, hint.to[0], width, w)
        return _mark_between(hint.y, hint.to[1], height, h)[:, None] & across
    x, y = (hint.x + 0.5) * w / width - 0.5, (hint.y + 0.5) * h / height - 0.5
    radius = max(hint.radius * h / height, 0.75)
    down, across = torch.arange(h)[:, None] - y, torch.arange(w)[None] - x
    return down * down + across * across <= radius * radius


def _mark_between(one: float, other: float, side: int, count: int) -> Tensor:
    """The coarse pixels (count,) of a side whose middles lie from pixel to pixel, at least one."""
    low, high = min(one, other), max(one, other) + 1
    middles = (torch.arange(count) + 0.5) * side / count
    inside = (low <= middles) & (middles <= high)
    inside[int((low + high) / 2 * count / side)] = True
    return inside


def _spread(L: Tensor, ab: Tensor, held: Tensor, wanted: Tensor, reach: float) -> Tensor:
    """Minimise sum w_rs |u_r - u_s|^2 + HOLD sum_held |u - wanted|^2 + reach sum |u|^2.

    L (1, h, w), ab (2, h, w), held bool (h, w), wanted (2, h, w) -> u (2, h, w).
    """
    from scipy.sparse import coo_array, diags_array
    from scipy.sparse.linalg import spsolve

    height, width = held.shape
    features = torch.cat((L / ALIKE_L, ab / ALIKE_AB)).double().numpy()  # (3, h, w)
    index = np.arange(height * width).reshape(height, width)
    rows, columns, weights = [], [], []
    for here, there in ((np.s_[..., :-1], np.s_[..., 1:]), (np.s_[..., :-1, :], np.s_[..., 1:, :])):
        apart = ((features[here] - features[there]) ** 2).sum(0)
        rows.append(index[here].ravel())
        columns.append(index[there].ravel())
        weights.append(np.maximum(np.exp(-apart / 2), WEAKEST).ravel())
    i, j, w = (np.concatenate(part) for part in (rows, columns, weights))
    count = index.size
    links = coo_array((np.r_[w, w], (np.r_[i, j], np.r_[j, i])), shape=(count, count)).tocsc()
    hold = HOLD * held.flatten().double().numpy()
    system = diags_array(links.sum(0) + hold + reach) - links
    target = hold[:, None] * wanted.flatten(1).T.double().numpy()
    solution = spsolve(system.tocsc(), target, permc_spec="MMD_AT_PLUS_A")
    return torch.from_numpy(solution.T.reshape(2, height, width)).float()
