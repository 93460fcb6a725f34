"""The likeliest colours of a pixel, from a network that predicts a distribution over colours.

As iDeepColor offers them (Zhang et al., Real-Time User-Guided Image Colorization, SIGGRAPH 2017).
Differs from it: no clusters of random draws; bins that are alike are taken together, the heaviest
first, so the same pixel has the same suggestions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.color import in_gamut, join_rgb, shares_of_chroma
from workbench.coloring.colorize import ALIKE_BINS, SIZE, has_temperature, predict_logits
from workbench.errors import Problem
from workbench.models.ab_bins import centres

MOST = 20  # suggestions that may be asked for


@dataclass(frozen=True)
class Suggestion:
    """A colour that a network finds likely."""

    color: str  # "#rrggbb" at the pixel's own lightness
    ab: tuple[float, float]  # CIELAB units
    share: float  # of the network's belief, 0 to 1


def suggest_colors(
    net: nn.Module,
    L: Tensor,
    x: float,
    y: float,
    count: int = 5,
    size: int = SIZE,
    rebalancing: float | None = None,
) -> list[Suggestion]:
    """The `count` likeliest kinds of colour at (x, y), pixels of L (1, H, W), likeliest first.

    Bins within `ALIKE_BINS` ab units of the heaviest are one kind: its share is their sum, its
    colour their mean, paler where sRGB cannot show it. Raises Problem for a network without a
    distribution, a point outside the picture and a count that is not 1 to `MOST`.
    """
    if not has_temperature(net):
        raise Problem(
            "Only a network that predicts a distribution over colours can suggest some: "
            "choose colorful or reference."
        )
    height, width = L.shape[-2:]
    if not (0 <= x < width and 0 <= y < height):
        raise Problem(f"The point ({x:g}, {y:g}) is outside the picture of {width} x {height}.")
    if not 1 <= count <= MOST:
        raise Problem(f"Between 1 and {MOST} colours can be suggested, not {count}.")
    return pick_likeliest(_beliefs(net, L, x, y, size, rebalancing), L[0, int(y), int(x)], count)


def pick_likeliest(beliefs: Tensor, lightness: Tensor, count: int) -> list[Suggestion]:
    """Beliefs in the bins (313,), summing to 1, and L of the pixel -> at most `count` kinds."""
    left, bins = beliefs.double().clone(), centres().double()
    near = torch.cdist(bins, bins) < ALIKE_BINS
    found: list[Suggestion] = []
    while len(found) < count and float(left.max()) > 0:
        heaviest = int((near.double() @ left).argmax())
        share = left * near[heaviest]
        ab = _within_gamut(lightness, (share @ bins / share.sum()).float())
        rgb = join_rgb(lightness.view(1, 1, 1).float(), ab.view(2, 1, 1)).flatten().tolist()
        color = "#" + "".join(f"{value:02x}" for value in rgb)
        found.append(Suggestion(color, (float(ab[0]), float(ab[1])), float(share.sum())))
        left[near[heaviest]] = 0
    return sorted(found, key=lambda each: -each.share)


def _beliefs(
    net: nn.Module, L: Tensor, x: float, y: float, size: int, rebalancing: float | None
) -> Tensor:
    """What the network believes of the pixel (313,): the four cells around it, by nearness."""
    probabilities = predict_logits(net, L[None], size, rebalancing=rebalancing).softmax(1)
    height, width = L.shape[-2:]
    place = torch.tensor([(x + 0.5) / width, (y + 0.5) / height]) * 2 - 1
    return torch.nn.functional.grid_sample(
        probabilities, place.view(1, 1, 1, 2), padding_mode="border", align_corners=False
    ).flatten()


def _within_gamut(lightness: Tensor, ab: Tensor) -> Tensor:
    """ab (2,) with as much of its chroma as sRGB can show at this lightness."""
    lab = torch.cat((lightness.float().view(1), ab))[:, None]  # (3, 1)
    return ab if in_gamut(lab[..., None]).all() else ab * shares_of_chroma(lab)
