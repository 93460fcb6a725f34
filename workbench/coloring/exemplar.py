"""Colours like those of another picture: ab is moved toward a reference's, after any network.

Sliced optimal transport (Rabin, Peyre, Delon & Bernot, Wasserstein Barycenter and its Application
to Texture Mixing, SSVM 2011; Pitie, Kokaram & Dahyot 2007 for colours): along each of several
directions of the ab plane the picture's sorted values take the place of the reference's. Differs
from them: dark, middle and light pixels are moved apart from each other, each by the reference's
of the same lightness, and the move is blended between them, so that a blue sky does not paint the
shadows.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from workbench.coloring.edges import shrink, upsample
from workbench.errors import Problem

SIDE = 96  # longer side at which the moves are found, pixels
DIRECTIONS = 8  # over the half circle
ROUNDS = 6
BANDS = (25.0, 50.0, 75.0)  # L in the middle of each band
WIDTH = 25.0  # over which a band's weight falls to nothing
FEWEST = 24  # pixels of a band, in either picture; else its neighbours' reference is taken


def apply_exemplar(
    L: Tensor, ab: Tensor, L_reference: Tensor, ab_reference: Tensor, strength: float = 1.0
) -> Tensor:
    """ab (2, H, W) moved toward the colours of a reference (2, h, w) by `strength`, 0 to 1.

    L (1, H, W) and L_reference (1, h, w) in [0, 100] say which pixels answer which. Strength 0
    gives ab, 1 the reference's palette. Raises Problem for another strength.
    """
    if not 0 <= strength <= 1:
        raise Problem(f"The strength of an exemplar is 0 to 1, not {strength:g}.")
    if strength == 0:
        return ab
    coarse_L, coarse_ab = _small(L, ab)
    reference_L, reference_ab = _small(L_reference, ab_reference)
    shape = coarse_ab.shape
    moved = _move(
        coarse_L.flatten(), coarse_ab.flatten(1), reference_L.flatten(), reference_ab.flatten(1)
    )
    shift = (moved - coarse_ab.flatten(1)).view(shape)
    return ab + strength * upsample(shift[None], ab.shape[-2:])[0]


def _small(L: Tensor, ab: Tensor) -> tuple[Tensor, Tensor]:
    """Both with their longer side at `SIDE` pixels or less."""
    height, width = L.shape[-2:]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return shrink(L[None], size)[0], shrink(ab[None].float(), size)[0]


def _weights(L: Tensor) -> Tensor:
    """L (n,) -> how much each belongs to each band (bands, n), summing to 1."""
    inside = L.clamp(BANDS[0], BANDS[-1])
    near = torch.stack([(1 - (inside - middle).abs() / WIDTH).clamp(min=0) for middle in BANDS])
    return near / near.sum(0)


def _move(L: Tensor, ab: Tensor, L_reference: Tensor, ab_reference: Tensor) -> Tensor:
    """ab (2, n) -> ab (2, n): each band moved to the reference's, then mixed by its weight."""
    mine, theirs = _weights(L), _weights(L_reference)
    out = torch.zeros_like(ab)
    for weight, weight_reference in zip(mine, theirs, strict=True):
        here, there = weight > 0, weight_reference > 0
        if not here.any():
            continue
        target = ab_reference[:, there] if int(there.sum()) >= FEWEST else ab_reference
        source = ab[:, here] if int(here.sum()) >= FEWEST else ab
        shift = _transport(source, target) - source
        moved = ab.clone()
        if source.shape[1] == ab.shape[1]:
            moved += shift
        else:
            moved[:, here] += shift
        out += weight * moved
    return out


def _transport(source: Tensor, target: Tensor) -> Tensor:
    """Points (2, n) moved until they lie as the target's (2, m) do, along many directions."""
    moved, count = source.double(), source.shape[1]
    target = target.double()
    places = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    for number in range(ROUNDS):
        shift = torch.zeros_like(moved)
        for step in range(DIRECTIONS):
            angle = math.pi * (step + number / ROUNDS) / DIRECTIONS
            direction = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
            along = direction @ moved
            order = along.argsort(stable=True)
            wanted = _quantiles((direction @ target).sort().values, places)
            difference = torch.empty_like(along)
            difference[order] = wanted - along[order]
            shift += direction[:, None] * difference
        moved = moved + 2 * shift / DIRECTIONS  # 2: half of a move shows along a direction
    return moved.float()


def _quantiles(ordered: Tensor, places: Tensor) -> Tensor:
    """The values of a sorted (m,) at places (n,) in 0 to 1, linear between them."""
    at = (places * len(ordered) - 0.5).clamp(0, len(ordered) - 1)
    below = at.floor().long()
    above = (below + 1).clamp(max=len(ordered) - 1)
    return ordered[below].lerp(ordered[above], at - below)
