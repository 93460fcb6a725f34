"""Colours like those of another picture."""

from __future__ import annotations

import pytest
import torch

from workbench.color import split_lab
from workbench.coloring.exemplar import apply_exemplar
from workbench.errors import Problem
from workbench.images import open_image
from workbench.samples import SAMPLES


def lab_of(name: str):
    return split_lab(open_image(SAMPLES[name].path).rgb)


def distance(ab: torch.Tensor, other: torch.Tensor) -> float:
    """Mean distance of the sorted values of a and b: how far two palettes are apart."""
    places = torch.linspace(0, 1, 200)
    return float(
        torch.stack(
            [
                (torch.quantile(x, places) - torch.quantile(y, places)).abs().mean()
                for x, y in zip(ab.flatten(1)[:, ::7], other.flatten(1)[:, ::7], strict=True)
            ]
        ).mean()
    )


def test_full_strength_brings_the_palette_of_the_reference_and_half_brings_half():
    L, ab = lab_of("chelsea")
    L_reference, reference = lab_of("rocket")
    before = distance(ab, reference)
    full = distance(apply_exemplar(L, ab, L_reference, reference), reference)
    half = distance(apply_exemplar(L, ab, L_reference, reference, 0.5), reference)
    assert full < half < before
    assert full < 0.5 * before


def test_strength_nothing_and_the_picture_itself_change_nothing():
    L, ab = lab_of("coffee")
    assert torch.equal(apply_exemplar(L, ab, *lab_of("rocket"), 0), ab)
    itself = apply_exemplar(L, ab, L, ab)
    assert float((itself - ab).abs().mean()) < 0.5


def test_dark_pixels_take_the_colours_of_dark_ones_and_light_of_light_ones():
    L = torch.cat((torch.full((1, 40, 20), 20.0), torch.full((1, 40, 20), 80.0)), 2)
    grey = torch.zeros(2, 40, 40)
    reference = torch.zeros(2, 40, 40)
    reference[0, :, 20:], reference[1, :, :20] = 40, -40  # blue shadows, red lights
    moved = apply_exemplar(L, grey, L, reference)
    assert torch.allclose(moved[:, 20, 5], torch.tensor([0.0, -40.0]), atol=2)
    assert torch.allclose(moved[:, 20, 35], torch.tensor([40.0, 0.0]), atol=2)


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (37, 23)])
def test_any_size_of_picture_and_of_reference(shape):
    L, ab = torch.rand(1, *shape) * 100, torch.randn(2, *shape) * 10
    out = apply_exemplar(L, ab, *lab_of("coffee"))
    assert out.shape == ab.shape
    assert out.isfinite().all()
    back = apply_exemplar(*lab_of("coffee"), L, ab)
    assert back.isfinite().all()


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_another_strength_is_refused(strength):
    L, ab = torch.zeros(1, 4, 4), torch.zeros(2, 4, 4)
    with pytest.raises(Problem, match="0 to 1"):
        apply_exemplar(L, ab, L, ab, strength)
