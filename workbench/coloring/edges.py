"""Coarse colour to full resolution, so that it ends where the picture's edges are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.coloring.strips import work_by_strips

RADIUS = 1  # of the window, in coarse pixels
EPSILON = 100.0  # lightness steps squared: fainter texture than this carries little colour


def upsample(coarse: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear: (N, C, h, w) -> (N, C, H, W)."""
    return F.interpolate(coarse, size=tuple(size), mode="bilinear", align_corners=False)


def shrink(plane: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear with antialias where it gets smaller: (N, C, H, W) -> (N, C, h, w)."""
    return F.interpolate(
        plane, size=tuple(size), mode="bilinear", align_corners=False, antialias=True
    )


def upsample_along_edges(
    coarse: Tensor, L: Tensor, radius: int = RADIUS, epsilon: float = EPSILON
) -> Tensor:
    """Guided up-sampling: coarse (N, C, h, w) and L (N, 1, H, W) -> (N, C, H, W).

    Each window's colour is fitted as a line in L at the coarse resolution; the line's two
    coefficients are up-sampled and applied to the full L (He & Sun, Fast Guided Filter, 2015).
    What the coarse picture already shows smoothly is untouched: the fit corrects the difference.
    """
    guide = shrink(L, coarse.shape[-2:])  # (N, 1, h, w)
    mean_guide, mean = _box(guide, radius), _box(coarse, radius)
    variance = _box(guide * guide, radius) - mean_guide * mean_guide
    covariance = _box(guide * coarse, radius) - mean_guide * mean
    slope = _box(covariance / (variance.clamp(min=0) + epsilon), radius)  # (N, C, h, w)
    height, width = L.shape[-2:]
    # As wide as L, still as low as the coarse planes: (N, 2 C + 1, h, W)
    wide = upsample(torch.cat((coarse, slope, guide), 1), (coarse.shape[-2], width))
    channels = coarse.shape[1]
    out = L.new_empty(len(L), channels, height, width)

    def strip(rows: slice) -> None:
        tall = _upsample_rows(wide, height, rows)
        detail = L[..., rows, :] - tall[:, -1:]  # what the coarse L cannot show
        torch.addcmul(tall[:, :channels], tall[:, channels:-1], detail, out=out[..., rows, :])

    work_by_strips(strip, height, width)
    return out


def _upsample_rows(planes: Tensor, height: int, rows: slice) -> Tensor:
    """The rows of what `upsample` makes of planes (N, C, h, W) for a `height`: (N, C, n, W)."""
    last = planes.shape[-2] - 1
    at = torch.arange(height, dtype=torch.float32)[rows]
    at = ((at + 0.5) * (planes.shape[-2] / height) - 0.5).clamp(0, last)
    above = at.long()
    below = (above + 1).clamp(max=last)
    share = (at - above)[:, None]
    return torch.lerp(planes.index_select(-2, above), planes.index_select(-2, below), share)


def _box(plane: Tensor, radius: int) -> Tensor:
    """Mean over a (2 radius + 1)^2 window, cut at the border."""
    side = 2 * radius + 1
    return F.avg_pool2d(plane, side, 1, radius, count_include_pad=False)
