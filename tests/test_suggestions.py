"""The likeliest colours of a pixel."""

from __future__ import annotations

import pytest
import torch

from workbench import checkpoints
from workbench.color import split_lab
from workbench.coloring.colorize import ALIKE_BINS
from workbench.coloring.suggestions import pick_likeliest, suggest_colors
from workbench.errors import Problem
from workbench.models.ab_bins import centres


def believing(**colors: float) -> torch.Tensor:
    """Beliefs with these shares at bins a_b: believing(**{"20_30": 1})."""
    beliefs = torch.zeros(313)
    for name, share in colors.items():
        ab = torch.tensor([float(part) for part in name.split("_")])
        beliefs[int((centres() - ab).norm(dim=1).argmin())] += share
    return beliefs


def test_the_heaviest_kind_comes_first_and_kinds_that_are_alike_are_one():
    beliefs = believing(**{"50_40": 0.3, "60_40": 0.25, "0_-40": 0.4, "-40_40": 0.05})
    found = pick_likeliest(beliefs, torch.tensor(55.0), 5)
    assert [round(each.share, 4) for each in found] == [0.55, 0.4, 0.05]
    assert found[0].ab[0] == pytest.approx(54.5, abs=1)
    assert found[1].ab == pytest.approx((0, -40), abs=1)
    for one in found:
        for other in found:
            apart = torch.dist(torch.tensor(one.ab), torch.tensor(other.ab))
            assert one is other or apart > ALIKE_BINS / 2


def test_a_suggestion_has_the_pixels_lightness_and_can_be_shown():
    for lightness in (4.0, 30.0, 60.0, 97.0):
        for each in pick_likeliest(believing(**{"90_60": 0.6, "-60_60": 0.4}),
                                   torch.tensor(lightness), 5):  # fmt: skip
            rgb = torch.tensor(list(bytes.fromhex(each.color[1:])), dtype=torch.uint8)
            L, ab = split_lab(rgb.view(3, 1, 1))
            assert float(L) == pytest.approx(lightness, abs=1)
            assert ab.flatten().tolist() == pytest.approx(each.ab, abs=2.5)


@pytest.mark.parametrize("name", ["colorful", "reference"])
def test_a_network_suggests_five_colours_anywhere_in_a_picture(small_checkpoints, name):
    checkpoint = checkpoints.available(small_checkpoints)[name]
    net, L = checkpoint.net(), torch.rand(1, 50, 70) * 100
    for x, y in ((0, 0), (69, 49), (35.5, 20.2)):
        found = suggest_colors(net, L, x, y, size=checkpoint.size)
        assert len(found) == 5
        shares = [each.share for each in found]
        assert shares == sorted(shares, reverse=True)
        assert 0 < sum(shares) <= 1.0001
        assert found == suggest_colors(net, L, x, y, size=checkpoint.size)
    assert len(suggest_colors(net, L, 3, 3, count=2, size=checkpoint.size)) == 2


@pytest.mark.parametrize(("x", "y", "count"), [(-1, 0, 5), (70, 0, 5), (0, 50, 5), (0, 0, 0),
                                               (0, 0, 21), (float("nan"), 0, 5)])  # fmt: skip
def test_what_cannot_be_asked_is_a_sentence(small_checkpoints, x, y, count):
    net = checkpoints.available(small_checkpoints)["colorful"].net()
    with pytest.raises(Problem, match=r"outside|Between"):
        suggest_colors(net, torch.rand(1, 50, 70) * 100, x, y, count, 64)


def test_a_network_without_a_distribution_says_who_has_one(small_checkpoints):
    net = checkpoints.available(small_checkpoints)["vanilla_cnn"].net()
    with pytest.raises(Problem, match="choose colorful or reference"):
        suggest_colors(net, torch.rand(1, 50, 70) * 100, 0, 0)
