"""Signs that a network has collapsed: one colour everywhere, or units that no longer learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

ONE_COLOR = 0.1  # times the truth's spread of colours
COLORED = 5.0  # ab units: mean chroma under which a picture counts as grey
DEAD = 0.5  # share of units without a gradient


def say_collapse(line: Mapping[str, Any]) -> list[str]:
    """Sentences when a line of the log tells of one colour everywhere or of dead units."""
    said = []
    colors = line.get("colors", {})
    kept = [colors.get(name) for name in ("chroma", "spread", "truth_spread")]
    numbers = all(isinstance(value, (int, float)) for value in kept)
    if numbers and kept[0] > COLORED and kept[1] < ONE_COLOR * kept[2]:
        said.append(
            f"One colour everywhere: a and b vary by {colors['spread']:.1f} over the watched "
            f"pictures, by {colors['truth_spread']:.1f} in the truth. Train with a lower learning "
            "rate or another seed."
        )
    if line.get("dead", 0.0) >= DEAD:
        said.append(
            f"{line['dead']:.0%} of the network's units no longer learn: no picture of the last "
            "batch reached them. Train with a lower learning rate or another seed."
        )
    return said


def measure_colors(painted_ab: Tensor, truth_ab: Tensor) -> dict[str, float]:
    """How far colours vary over pictures (N, 2, H, W), ab units: theirs and the truth's."""
    return {
        "chroma": round(float(painted_ab.norm(dim=1).mean()), 2),
        "spread": round(spread(painted_ab), 2),
        "truth_spread": round(spread(truth_ab), 2),
    }


def spread(ab: Tensor) -> float:
    """The root mean square distance of all pixels of ab (N, 2, H, W) from their mean colour."""
    return float(ab.var(dim=(0, 2, 3), correction=0).sum().sqrt())


def share_dead(net: nn.Module) -> float:
    """The share of units (output channels of trained convolutions and linear layers) whose last
    gradient is 0 in every weight; 0.0 before the first step."""
    dead, units = 0.0, 0
    for layer in net.modules():
        kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
        if isinstance(layer, kinds) and layer.weight.grad is not None:
            grad: Tensor = layer.weight.grad
            grad = grad.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else grad
            silent = (grad.flatten(1) == 0).all(1)
            dead += float(silent.sum())
            units += len(silent)
    return dead / units if units else 0.0
