"""Lab to look at: its gamut, its planes, and how many colours share one lightness."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from workbench.color import in_gamut, join_rgb, split_lab
from workbench.coloring.colorize import join_at_depth
from workbench.coloring.edges import shrink

REACH = 110  # the ab plane is shown from -REACH to REACH on both axes
SHOWN_AT = 65.0  # lightness at which a plane of a or b is shown
SIDE = 384  # longest side of a picture in the lessons, pixels: every view stays under 2 s


def reduce_picture(rgb: Tensor, longest: int = SIDE) -> Tensor:
    """uint8 RGB (3, H, W) -> the same picture with no side above `longest` pixels."""
    scale = longest / max(rgb.shape[-2:])
    if scale >= 1:
        return rgb
    size = tuple(max(1, round(side * scale)) for side in rgb.shape[-2:])
    return (shrink(rgb[None].float(), size)[0] + 0.5).clamp(0, 255).to(torch.uint8)


def color_of_lab(L: float, a: float, b: float) -> tuple[tuple[int, int, int], bool]:
    """The sRGB colour (0 to 255) of one Lab colour, and whether sRGB can show it unclipped."""
    lab = torch.tensor([L, a, b], dtype=torch.float32).view(3, 1, 1)
    red, green, blue = join_rgb(lab[:1], lab[1:]).flatten().tolist()
    return (red, green, blue), bool(in_gamut(lab))


def gamut_plane(L: float, step: float = 0.5) -> Tensor:
    """The ab plane at lightness L (above 0) as uint8 RGBA (4, S, S).

    True colours, transparent outside sRGB; a grows to the right from -REACH to REACH, b
    upwards; `step` CIELAB units a pixel.
    """
    axis = torch.arange(-REACH, REACH + step / 2, step)
    b, a = torch.meshgrid(axis.flip(0), axis, indexing="ij")
    lab = torch.stack((torch.full_like(a, L), a, b))
    rgb = join_rgb(lab[:1], lab[1:])
    return torch.cat((rgb, in_gamut(lab)[None].to(torch.uint8) * 255))


def share_in_gamut(L: float) -> float:
    """How much of the shown ab plane sRGB has at lightness L, 0 to 1."""
    return float((gamut_plane(L, 2)[3] > 0).float().mean())


@cache
def find_richest() -> tuple[int, float, int, int]:
    """The lightness with most displayable colours, and where there are nearly as many.

    Returns (L, its share of the shown ab plane, first and last L with 98 % of that share).
    """
    shares = {L: share_in_gamut(L) for L in range(1, 100)}
    best = max(shares, key=lambda L: shares[L])
    near = [L for L, share in shares.items() if share >= 0.98 * shares[best]]
    return best, shares[best], near[0], near[-1]


@cache
def most_chroma_at(hue: float) -> int:
    """The lightness at which sRGB has the most chroma of one hue, degrees (0: +a, 90: +b)."""
    L = torch.arange(1.0, 100.0)  # (99,)
    chroma = torch.arange(0.0, 140.0)  # (140,)
    a, b = (f(math.radians(hue)) * chroma for f in (math.cos, math.sin))
    lab = torch.stack(
        (L[:, None].expand(-1, 140), a.expand(99, -1), b.expand(99, -1))
    )  # (3, 99, 140)
    reach = (in_gamut(lab) * chroma).amax(1)  # (99,)
    return int(L[reach.argmax()])


def planes(rgb: Tensor) -> dict[str, Tensor]:
    """uint8 RGB (3, H, W) -> its L as grey, and a and b each alone at lightness 65, as RGB."""
    L, ab = split_lab(rgb)
    nothing = torch.zeros_like(ab)
    flat = torch.full_like(L, SHOWN_AT)
    a, b = nothing.clone(), nothing.clone()
    a[0], b[1] = ab[0], ab[1]
    return {"L": join_rgb(L, nothing), "a": join_at_depth(flat, a), "b": join_at_depth(flat, b)}


def draw_alike(L: float, count: int = 12, side: int = 64) -> tuple[Tensor, Tensor]:
    """Many colours, one grey: `count` hues at one lightness and below them what L keeps.

    Returns the two strips as uint8 RGB (3, side, count * side). Each colour has the most chroma
    that sRGB can show, at least 0.
    """
    angle = torch.arange(count) * (2 * math.pi / count)
    ab = torch.stack((angle.cos(), angle.sin()))[:, None] * 2 * REACH  # (2, 1, count), out of gamut
    plane = torch.full((1, 1, count), float(L))
    strips = []
    for strip in (join_at_depth(plane, ab), join_at_depth(plane, torch.zeros_like(ab))):
        strips.append(strip.repeat_interleave(side, 2).repeat_interleave(side, 1))
    return strips[0], strips[1]


def rotate_hues(rgb: Tensor, degrees: float) -> Tensor:
    """uint8 RGB (3, H, W) with every hue rotated and its L kept: another picture, the same grey.

    What is out of gamut then loses chroma, never lightness.
    """
    L, ab = split_lab(rgb)
    angle = math.radians(degrees)
    a = ab[0] * math.cos(angle) - ab[1] * math.sin(angle)
    b = ab[0] * math.sin(angle) + ab[1] * math.cos(angle)
    return join_at_depth(L, torch.stack((a, b)))


def grey_of(rgb: Tensor) -> Tensor:
    """uint8 RGB (3, H, W) -> its L alone, as RGB."""
    L, ab = split_lab(rgb)
    return join_at_depth(L, torch.zeros_like(ab))
