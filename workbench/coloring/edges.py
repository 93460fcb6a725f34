"""Coarse colour to full resolution, so that it ends where the picture's edges are."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

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
    size = L.shape[-2:]
    detail = upsample(guide, size).neg_().add_(L)  # (N, 1, H, W): what the coarse L cannot show
    out = upsample(coarse, size)
    for plane in range(out.shape[1]):  # one slope at a time: a large picture needs less memory
        out[:, plane].addcmul_(upsample(slope[:, plane : plane + 1], size)[:, 0], detail[:, 0])
    return out


def _box(plane: Tensor, radius: int) -> Tensor:
    """Mean over a (2 radius + 1)^2 window, cut at the border."""
    side = 2 * radius + 1
    return F.avg_pool2d(plane, side, 1, radius, count_include_pad=False)
