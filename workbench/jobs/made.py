"""A picture that was coloured, and what made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Made:
    """A picture that a model (or a mix of models) coloured."""

    name: str  # for files
    title: str  # for people
    full: Tensor  # (3, H, W) at the picture's own depth, uint8 or uint16
    seconds: float
    settings: dict[str, Any]  # what made it: model, revision, settings

    @property
    def rgb(self) -> Tensor:
        """uint8 (3, H, W), as a screen shows it."""
        from workbench.images import to_eight_bits

        return to_eight_bits(self.full)

    @property
    def ab(self) -> Tensor:
        """(2, H, W) in CIELAB units, of the colours as shown."""
        from workbench.color import split_lab

        return split_lab(self.rgb)[1]
