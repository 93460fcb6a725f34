"""What a picture of numbers shows about a colouring: chroma, doubt, error."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from workbench.color import delta_e_map
from workbench.coloring.colorize import SIZE, predict_logits
from workbench.coloring.edges import upsample

# Viridis (van der Walt & Smith 2015) at nine even steps: even in lightness, safe for the
# colour-blind, and readable when it is printed in grey.
_VIRIDIS = (
    (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141),
    (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37),
)  # fmt: skip


def chroma_map(ab: Tensor) -> Tensor:
    """ab (..., 2, H, W) -> chroma (..., H, W), CIELAB units: the distance from grey."""
    return torch.hypot(ab[..., 0, :, :], ab[..., 1, :, :])


def entropy_map(net: nn.Module, L: Tensor, size: int = SIZE) -> Tensor:
    """L (1, H, W) -> (H, W) in bits: 0 where the network is sure, 8.3 where all 313 bins are alike.

    The Shannon entropy of its distribution at temperature 1, per pixel. Raises Problem for a
    network that predicts no distribution.
    """
    logits = predict_logits(net, L[None], size).log_softmax(1)  # (1, bins, h, w)
    bits = -(logits.exp() * logits).sum(1, keepdim=True) / math.log(2)
    return upsample(bits, L.shape[-2:])[0, 0]


def error_map(prediction: Tensor, truth: Tensor) -> Tensor:
    """CIEDE2000 per pixel: two uint8 RGB (3, H, W) -> (H, W); 1 is just noticed side by side."""
    return delta_e_map(prediction, truth)


def shade_map(values: Tensor, low: float, high: float) -> Tensor:
    """(H, W) -> uint8 RGB (3, H, W) in the viridis colours, `low` darkest, `high` lightest."""
    stops = torch.tensor(_VIRIDIS, dtype=torch.float32)
    place = ((values - low) / max(high - low, 1e-9)).clamp(0, 1) * (len(stops) - 1)
    below = place.floor().clamp(max=len(stops) - 2).long()
    share = (place - below)[..., None]
    rgb = stops[below] * (1 - share) + stops[below + 1] * share
    return (rgb + 0.5).to(torch.uint8).permute(2, 0, 1).contiguous()
