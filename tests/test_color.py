"""Lab against scikit-image."""

import numpy as np
import pytest
import torch
from skimage import color as oracle

from workbench import color


@pytest.fixture
def rgb8() -> torch.Tensor:
    return torch.randint(0, 256, (3, 40, 50), generator=torch.manual_seed(0)).to(torch.uint8)


def test_lab_agrees_with_scikit_image_to_0_02(rgb8):
    ours = color.rgb_to_lab(rgb8.float() / 255).permute(1, 2, 0).numpy()
    theirs = oracle.rgb2lab(rgb8.permute(1, 2, 0).numpy())
    assert np.abs(ours - theirs).max() < 0.02


def test_lab_agrees_on_every_grey_and_near_black():
    greys = torch.arange(256, dtype=torch.uint8).view(1, 1, 256).expand(3, 1, 256)
    L, ab = color.split_lab(greys)
    theirs = oracle.rgb2lab(greys.permute(1, 2, 0).numpy())
    assert np.abs(L[0].numpy() - theirs[..., 0]).max() < 0.02
    assert ab.abs().max() < 0.02


def test_the_round_trip_is_exact_to_1e_4(rgb8):
    rgb = rgb8.float() / 255
    assert (color.lab_to_rgb(color.rgb_to_lab(rgb)) - rgb).abs().max() < 1e-4


def test_the_round_trip_gives_every_byte_back(rgb8):
    assert torch.equal(color.join_rgb(*color.split_lab(rgb8)), rgb8)


def test_colours_outside_srgb_are_clipped_and_known_as_such():
    lab = torch.tensor([50.0, 110.0, -110.0]).view(3, 1, 1)
    rgb = color.lab_to_rgb(lab)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    assert not color.in_gamut(lab)
    assert color.in_gamut(color.rgb_to_lab(torch.full((3, 1, 1), 0.5)))


def test_black_has_no_colour():
    black = torch.zeros(3, 1, 1)
    assert color.in_gamut(black)
    for chroma in ((20.0, 0.0), (0.0, -20.0), (-5.0, 5.0)):
        black[1:, 0, 0] = torch.tensor(chroma)
        assert not color.in_gamut(black)


def test_lab_passes_gradients():
    rgb = torch.rand(1, 3, 4, 4, requires_grad=True)
    color.lab_to_rgb(color.rgb_to_lab(rgb)).sum().backward()
    assert torch.isfinite(rgb.grad).all()


def test_a_worked_example_pure_red():
    L, ab = color.split_lab(torch.tensor([255, 0, 0], dtype=torch.uint8).view(3, 1, 1))
    assert L.item() == pytest.approx(53.24, abs=0.02)
    assert ab.flatten().tolist() == pytest.approx([80.09, 67.20], abs=0.03)
