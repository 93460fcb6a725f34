"""Lightness as old prints have it: other contrast, softness, grain. What it does is ours."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

NUMBERS = 8  # that are drawn for a picture
GAMMA = 1.5  # the largest exponent of L / 100, and the least turned round
BLACK, WHITE = 20.0, 75.0  # the lightest black and the darkest white of a print, L
BLUR = 1.2  # standard deviation of the softest, pixels
GRAIN = 4.0  # largest standard deviation of the grain, L
FIELD = 512  # side of the field that grain is cut from


def make_field() -> Tensor:
    """Grain to cut from, (FIELD, FIELD), always the same: mean 0, standard deviation 1."""
    return torch.randn(FIELD, FIELD, generator=torch.Generator().manual_seed(0))


def make_old(L: Tensor, draw: Tensor, share: float, field: Tensor) -> Tensor:
    """L (n, 1, h, w), numbers (n, NUMBERS) in [0, 1) -> L, `share` of the pictures like old prints.

    A gamma, a black and a white that are greyer, a blur, and grain cut from `field`.
    """
    chosen, gamma, black, white, soft, rough, down, right = draw[..., None, None, None].unbind(1)
    x = (L / 100).clamp(min=1e-4) ** ((2 * gamma - 1) * math.log(GAMMA)).exp()
    low, high = black * BLACK, 100 - white * (100 - WHITE)  # (n, 1, 1, 1)
    x = torch.lerp(low, high, x)
    x = torch.lerp(x, blur(x), soft)
    rows = (down * FIELD).long() + torch.arange(L.shape[-2], device=L.device)[:, None]
    columns = (right * FIELD).long() + torch.arange(L.shape[-1], device=L.device)
    x = x + rough * GRAIN * field[rows % FIELD, columns % FIELD]
    return torch.where(chosen < share, x.clamp(0, 100), L)


def blur(x: Tensor) -> Tensor:
    """x (n, 1, h, w) under a Gaussian of BLUR pixels; edges repeat."""
    at = torch.arange(-3, 4, device=x.device, dtype=x.dtype)
    kernel = (-((at / BLUR) ** 2) / 2).exp()
    kernel = kernel / kernel.sum()
    x = F.pad(x, (3, 3, 3, 3), mode="replicate")
    return F.conv2d(F.conv2d(x, kernel.view(1, 1, 7, 1)), kernel.view(1, 1, 1, 7))
