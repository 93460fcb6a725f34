"""Toned prints: a sepia photograph is no colour photograph.

In a toned print colour is a function of lightness: one warm hue over the whole picture, pale, and
nothing beside it. Nothing can be measured against such a "truth", and a network that guesses brown
everywhere would win. Blue tones (cyanotypes) are not told from sky, sea and snow and stay colour.
Of 8,325 photographs looked at, about 5 of brown things on sand or beige floors are taken for
prints; what they lose are their numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from workbench.color import join_rgb, split_lab

NOTE = (
    "A toned print: one hue over the whole picture. The tone is taken off before it is coloured, "
    "and nothing is measured against it."
)
SIDE = 96  # pixels of the longer side at which the hue is looked at
HUES = (50.0, 98.0)  # degrees in ab: sepia, selenium, yellowed paper; red light is at 40
PALE = 40.0  # chroma that 95 % of a print stay under
LEAST = 8.0  # mean chroma under which there is no tone to speak of
STEPS = 16  # of lightness, each with its own colour
STRAY, STRAYS = 3.6, 14.0  # distance in ab from it that 90 % and 99.5 % stay under


def is_toned(rgb: Tensor) -> bool:
    """Whether uint8 RGB (3, H, W) is a warm toned print, as far as its colours tell."""
    step = -(-max(rgb.shape[-2:]) // SIDE)
    sides = [max(1, side // step) for side in rgb.shape[-2:]]
    small = torch.nn.functional.adaptive_avg_pool2d(rgb[None].float(), sides)[0]
    small = small.round().to(torch.uint8).flatten(1)[:, None]  # (3, 1, N)
    L, ab = split_lab(small)
    L, ab = L.flatten(), ab.flatten(1)  # (N,), (2, N)
    chroma = ab.norm(dim=0)
    middle = ab.mean(1)
    hue = math.degrees(math.atan2(float(middle[1]), float(middle[0])))
    if not (HUES[0] <= hue <= HUES[1]) or not float(chroma.mean()) >= LEAST:
        return False
    colorful = chroma > 4
    along = (middle @ ab) / (chroma * middle.norm() + 1e-6)  # cosine to the mean hue
    if float(chroma.quantile(0.95)) > PALE or float((along[colorful] > 0.9).float().mean()) < 0.93:
        return False
    top, bottom = small.amax(0).flatten().float(), small.amin(0).flatten().float()
    if float(((top - bottom) / top.clamp(min=1))[L > 15].median()) > 0.55:
        return False  # saturated: red or orange light, not a tone
    strays = torch.zeros_like(L)
    steps = (L * STEPS / 100).clamp(0, STEPS - 1).long()
    for number in range(STEPS):
        here = steps == number
        if here.any():
            usual = ab[:, here].median(1, keepdim=True).values
            strays[here] = (ab[:, here] - usual).norm(dim=0)
    return float(strays.quantile(0.9)) <= STRAY and float(strays.quantile(0.995)) <= STRAYS


def remove_tone(rgb: Tensor) -> Tensor:
    """uint8 RGB (3, H, W) -> its lightness alone."""
    out = torch.empty_like(rgb)
    for top in range(0, rgb.shape[1], 512):  # a large picture is not held as floats
        L, ab = split_lab(rgb[:, top : top + 512])
        out[:, top : top + 512] = join_rgb(L, torch.zeros_like(ab))
    return out
