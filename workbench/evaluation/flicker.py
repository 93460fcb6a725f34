"""How much a clip flickers: CDC, and the error of colours followed along the motion.

CDC (colour distribution consistency, Liu et al. 2021, "Temporally consistent video colorization"):
the Jensen-Shannon divergence (natural logarithm) of the 256-bin histograms of each channel between
frames i and i + d, d in {1, 2, 4}, mean over frames, channels and d. Lower is steadier. A clip has
a floor of its own: what its light and motion change.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

STEPS = (1, 2, 4)


def histogram(rgb: Tensor) -> Tensor:
    """uint8 RGB (3, H, W) -> share of the pixels at each level, (3, 256) float64."""
    counts = [torch.bincount(channel.flatten().long(), minlength=256) for channel in rgb]
    return torch.stack(counts).double() / rgb[0].numel()


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """Jensen-Shannon divergence of distributions over the last axis, natural logarithm, <= ln 2."""
    middle = (p + q) / 2
    return (_relative(p, middle) + _relative(q, middle)) / 2


def _relative(p: Tensor, q: Tensor) -> Tensor:
    return torch.where(p > 0, p * (p / q.clamp(min=1e-300)).clamp(min=1e-300).log(), 0.0).sum(-1)


def cdc_of_histograms(histograms: Sequence[Tensor] | Tensor) -> float:
    """CDC from the histograms (T, 3, 256) of a clip; 0 for a clip of one frame."""
    h = torch.stack(list(histograms)) if not isinstance(histograms, Tensor) else histograms
    means = [divergence(h[:-d], h[d:]).mean() for d in STEPS if len(h) > d]
    return float(torch.stack(means).mean()) if means else 0.0


def cdc(frames: Sequence[Tensor] | Tensor) -> float:
    """CDC of the frames of a clip, uint8 RGB (T, 3, H, W): lower is steadier, 0 is still."""
    return cdc_of_histograms([histogram(frame) for frame in frames])


def warped_ab_error(ab: Tensor, followed: Tensor, trust: Tensor) -> Tensor:
    """Mean distance in ab between a frame and the one before it, brought here along the motion.

    ab and `followed` (N, 2, H, W) in CIELAB units, trust (N, 1, H, W) in [0, 1] weighs the pixels
    -> (N,), CIELAB units. 0 where nothing can be followed.
    """
    distance = (ab - followed).square().sum(1, keepdim=True).sqrt()
    return (distance * trust).sum((1, 2, 3)) / trust.sum((1, 2, 3)).clamp(min=1e-6)
