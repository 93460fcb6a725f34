"""Pictures made like old prints: their lightness alone, for a share of them, the same each time."""

from __future__ import annotations

import numpy as np
import torch

from workbench.training import old_prints
from workbench.training.batches import Batches
from workbench.training.run import Run

FIELD = old_prints.make_field()


def drawn(**numbers: float) -> torch.Tensor:
    """Numbers of one picture: chosen, and in the middle or at 0 but for those that are named."""
    names = ("chosen", "gamma", "black", "white", "soft", "rough", "down", "right")
    still = {"gamma": 0.5}
    return torch.tensor([[numbers.get(name, still.get(name, 0.0)) for name in names]])


def aged(L: torch.Tensor, **numbers: float) -> torch.Tensor:
    return old_prints.make_old(L, drawn(**numbers), 0.5, FIELD)


def test_each_number_does_one_thing():
    L = torch.linspace(1, 99, 64).repeat(64, 1)[None, None]  # (1, 1, 64, 64)
    assert torch.allclose(aged(L), L, atol=1e-4)
    assert torch.allclose(aged(L, gamma=1.0)[..., 31], 100 * (L / 100)[..., 31] ** 1.5, atol=1e-3)
    assert abs(aged(L, black=1.0).min() - (1 * 0.8 + 20)) < 0.01
    assert abs(aged(L, white=1.0).max() - 99 * 0.75) < 0.01
    step = torch.where(L < 50, 20.0, 80.0)
    softened = aged(step, soft=1.0)
    assert 20 < softened[..., 31].mean() < softened[..., 32].mean() < 80
    assert torch.allclose(softened[..., :16], step[..., :16], atol=1e-3)
    grain = (aged(torch.full_like(L, 50), rough=1.0) - 50).flatten()
    assert abs(grain.mean()) < 0.3
    assert abs(grain.std() - old_prints.GRAIN) < 0.3
    assert not torch.equal(aged(L, rough=1.0), aged(L, rough=1.0, down=0.3))


def test_a_share_of_the_pictures_and_never_their_colour():
    pixels = np.random.default_rng(0).integers(0, 255, (64, 3, 36, 36), dtype=np.uint8)
    labels = np.full(64, -1)
    plain, old, all_old = (
        Batches(pixels, labels, Run(64, 64, "32", old_prints=share), torch.device("cpu"))
        for share in (0, 0.5, 1)
    )
    labs = [each.lab(each.fetch(0)[0], 0) for each in (plain, old, all_old)]
    changed = [(lab[:, 0] != labs[0][:, 0]).flatten(1).any(1) for lab in labs]
    assert 16 < changed[1].sum() < 48
    assert changed[2].all()
    for lab in labs[1:]:
        assert torch.equal(lab[:, 1:], labs[0][:, 1:])
        assert lab[:, 0].min() >= 0
        assert lab[:, 0].max() <= 100
    again = Batches(pixels, labels, Run(64, 64, "32", old_prints=0.5), torch.device("cpu"))
    assert torch.equal(again.lab(again.fetch(0)[0], 0), labs[1])
