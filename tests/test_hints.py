"""Colour hints and how far they spread."""

from __future__ import annotations

import time

import pytest
import torch

from workbench.color import split_lab
from workbench.coloring.hints import Hint, apply_hints
from workbench.errors import Problem

BLUE = "#2040c0"


def two_halves(side: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """A dark half on the left and a light one on the right, faintly rough, both grey."""
    random = torch.Generator().manual_seed(0)
    L = 30 + torch.rand(1, side, side, generator=random)
    L[:, :, side // 2 :] += 40
    return L, torch.zeros(2, side, side)


def test_the_hinted_side_takes_the_colour_and_the_other_side_of_the_edge_keeps_its_own():
    L, ab = two_halves()
    out = apply_hints(L, ab, [Hint(BLUE, x=10, y=30)])
    wanted = Hint(BLUE).ab.view(2, 1, 1)
    left, right = out[:, :, 2:30], out[:, :, 34:62]
    assert ((left - wanted).norm(dim=0) / wanted.norm()).max() < 0.25
    assert right.norm(dim=0).max() < 0.05 * wanted.norm()


def test_two_hints_share_the_picture_along_the_edge():
    L, ab = two_halves()
    out = apply_hints(L, ab, [Hint(BLUE, x=10, y=30), Hint((200, 40, 30), x=50, y=30)])
    for x, hint in ((20, Hint(BLUE)), (44, Hint((200, 40, 30)))):
        assert torch.allclose(out[:, 32, x], hint.ab, atol=0.1 * float(hint.ab.norm()))


def test_a_hint_corrects_the_model_and_does_not_paint_over_its_variation():
    L, ab = two_halves()
    ab[0] = torch.linspace(0, 3, 64)[:, None]  # the model's own gentle shading
    out = apply_hints(L, ab, [Hint(BLUE, x=10, y=30)])
    assert out[0, 60, 10] > out[0, 4, 10] + 1


def test_a_hint_in_the_models_own_colour_changes_nothing():
    L, _ = two_halves()
    ab = Hint(BLUE).ab.view(2, 1, 1).expand(2, 64, 64).clone()
    assert torch.allclose(apply_hints(L, ab, [Hint(BLUE, x=10, y=30)]), ab, atol=1e-3)
    assert apply_hints(L, ab, []) is ab


def test_a_region_takes_the_colour_whatever_lies_in_it():
    L, ab = two_halves()
    region = torch.zeros(64, 64, dtype=torch.bool)
    region[20:40, 16:48] = True  # across the edge
    out = apply_hints(L, ab, [Hint(BLUE, region=region)])
    inside = out[:, 24:36, 20:44].mean((1, 2))
    assert torch.allclose(inside, Hint(BLUE).ab, atol=0.1 * float(Hint(BLUE).ab.norm()))


@pytest.mark.parametrize("corners", [(16, 20, 47, 39), (47, 39, 16, 20), (47, 20, 16, 39)])
def test_a_rectangle_is_its_region_from_whichever_corner_it_was_drawn(corners):
    L, ab = two_halves()
    region = torch.zeros(64, 64, dtype=torch.bool)
    region[20:40, 16:48] = True
    x, y, *to = corners
    out = apply_hints(L, ab, [Hint(BLUE, x=x, y=y, to=to)])
    assert torch.equal(out, apply_hints(L, ab, [Hint(BLUE, region=region)]))


def test_a_rectangle_smaller_than_a_pixel_of_the_solver_still_counts():
    L, ab = torch.full((1, 800, 1000), 50.0), torch.zeros(2, 800, 1000)
    out = apply_hints(L, ab, [Hint(BLUE, x=500, y=400, to=(500, 400))])
    assert torch.allclose(out[:, 400, 500], Hint(BLUE).ab, atol=0.1 * float(Hint(BLUE).ab.norm()))


def test_any_size_of_picture_and_a_hint_in_its_corner():
    for size in ((1, 1), (1, 50), (37, 1000)):
        L, ab = torch.full((1, *size), 50.0), torch.zeros(2, *size)
        out = apply_hints(L, ab, [Hint(BLUE, x=size[1] - 1, y=size[0] - 1)])
        assert out.shape == ab.shape
        assert torch.allclose(out[:, -1, -1], Hint(BLUE).ab, atol=2.0)


@pytest.mark.parametrize("written", ["#2040c0", "2040C0", " #24c", (32, 64, 192), (34, 68, 204)])
def test_a_colour_may_be_written_in_several_ways(written):
    rgb = Hint(written).rgb
    assert rgb in ((32, 64, 192), (34, 68, 204))
    pixel = torch.tensor(rgb, dtype=torch.uint8).view(3, 1, 1)
    assert torch.equal(Hint(written).ab, split_lab(pixel)[1].flatten())


@pytest.mark.parametrize(
    "hint",
    [
        Hint("blue", x=3, y=3),
        Hint("#12345", x=3, y=3),
        Hint((300, 0, 0), x=3, y=3),
        Hint(BLUE, x=64, y=3),
        Hint(BLUE, x=3, y=-1),
        Hint(BLUE, x=3, y=3, to=(64, 9)),
        Hint(BLUE, region=torch.zeros(64, 64, dtype=torch.bool)),
        Hint(BLUE, region=torch.ones(3, 3, dtype=torch.bool)),
    ],
)
def test_a_hint_that_is_no_colour_or_lies_outside_is_a_problem(hint):
    with pytest.raises(Problem):
        apply_hints(*two_halves(), [hint])


def test_a_hint_at_512_pixels_takes_about_a_second_of_one_core():
    L, ab = two_halves(512)
    apply_hints(*two_halves(), [Hint(BLUE, x=3, y=3)])  # scipy is loaded
    start = time.process_time()
    apply_hints(L, ab, [Hint(BLUE, x=100, y=100)])
    assert time.process_time() - start < 3  # measured 0.4 s; room for a crowded machine
