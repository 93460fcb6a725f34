"""Several networks as one: the weighted mean of their colours."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Blend(nn.Module):
    """Networks, the side in pixels at which each looks, and their shares, which sum to 1.

    Whoever colours with it asks every member at its own size: `coloring.colorize.predict_coarse`.
    """

    def __init__(
        self, members: Sequence[nn.Module], sizes: Sequence[int], weights: Sequence[float]
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.sizes = tuple(sizes)
        self.shares = tuple(weight / sum(weights) for weight in weights)

    def forward(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> ab (N, 2, H, W): the mean, all at this one size."""
        planes = [share * net(L) for net, share in zip(self.members, self.shares, strict=True)]
        return sum(planes[1:], planes[0])
