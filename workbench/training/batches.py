"""Batches: which pictures, cropped and rotated how. A function of (seed, images seen) alone, so
that a resumed run, or one on several processes, sees exactly what an uninterrupted one sees."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.training.run import Run

MARGIN = 9 / 8  # pictures are kept this much larger than the crop


def source_side(size: int) -> int:
    """The side at which pictures are cached for crops of `size`."""
    return round(size * MARGIN)


class Batches:
    """Batches of float RGB in [0, 1] with labels, made on the device.

    pixels uint8 (N, 3, S, S): a NumPy memory map, or a tensor that already lies on the device.
    """

    def __init__(
        self, pixels: np.ndarray | Tensor, labels: np.ndarray, run: Run, device: torch.device,
        rank: int = 0, ranks: int = 1, answers: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.pixels, self.run, self.device, self.answers = pixels, run, device, answers
        self.rank, self.ranks = rank, ranks
        self.labels = torch.from_numpy(np.array(labels)).to(device)
        self._orders: dict[int, np.ndarray] = {}

    def indices(self, seen: int) -> np.ndarray:
        """The pictures of the batch that begins after `seen` images; the last may be smaller."""
        count = len(self.pixels)
        places = np.arange(seen, seen + self.run.batch_at(seen, self.ranks))
        epochs = places // count
        self._orders = {e: o for e, o in self._orders.items() if e >= epochs[0]}
        for epoch in np.unique(epochs).tolist():
            if epoch not in self._orders:
                generator = np.random.default_rng([self.run.seed, epoch])
                self._orders[epoch] = generator.permutation(count)
        return np.array(
            [self._orders[e][p % count] for e, p in zip(epochs.tolist(), places, strict=True)]
        )

    def share(self, seen: int) -> slice:
        """This process's part of the batch."""
        part = self.run.batch_at(seen, self.ranks) // self.ranks
        return slice(self.rank * part, (self.rank + 1) * part)

    def fetch(self, seen: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """This process's part of a batch.

        uint8 pictures (n, 3, S, S), labels (n,), the eye's answers (n, 1000) where there are some.
        """
        chosen = self.indices(seen)[self.share(seen)]
        if isinstance(self.pixels, Tensor):
            picked = torch.from_numpy(chosen).to(self.device)
            pixels = self.pixels[picked]
        else:
            pixels = torch.from_numpy(self.pixels[np.sort(chosen)])
            pixels = pixels[torch.from_numpy(np.argsort(np.argsort(chosen)))]
            if self.device.type == "cuda":
                pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        answers = None
        if self.answers is not None:
            answers = torch.from_numpy(self.answers[chosen]).to(self.device).float()
        return pixels, self.labels[torch.from_numpy(chosen).to(self.device)], answers

    def augment(self, pixels: Tensor, seen: int) -> Tensor:
        """uint8 (n, 3, S, S) -> float RGB (n, 3, size, size): scaled, cropped, flipped, rotated."""
        run = self.run
        size = run.size_at(seen)
        generator = torch.Generator().manual_seed(run.seed * 1_000_000_007 + seen)
        draw = torch.rand(run.batch_size, 6, generator=generator)[self.share(seen)]
        draw = draw.to(pixels.device)
        side = source_side(size)
        x = pixels.float() / 255  # (n, 3, S, S)
        if side * 2 == x.shape[-1]:
            x = F.avg_pool2d(x, 2)
        elif side != x.shape[-1]:
            x = F.interpolate(x, (side, side), mode="bilinear", antialias=True).clamp(0, 1)
        if run.shear or run.zoom or run.rotate:
            x = affine(x, draw[:, 3:], run.shear, run.zoom, run.rotate)
        top, left = (draw[:, :2] * (side - size + 1)).long().unbind(1)  # (n,)
        span = torch.arange(size, device=x.device)
        columns = left[:, None] + span  # (n, size)
        if run.flip:
            columns = torch.where(draw[:, 2:3] < 0.5, columns.flip(1), columns)
        batch = torch.arange(len(x), device=x.device)[:, None, None]
        x = x.permute(0, 2, 3, 1)[batch, (top[:, None] + span)[:, :, None], columns[:, None]]
        return x.permute(0, 3, 1, 2)  # (n, 3, size, size)


def affine(x: Tensor, draw: Tensor, shear: float, zoom: float, rotate: float) -> Tensor:
    """Rotate, shear and zoom each picture about its centre; draw (n, 3) in [0, 1); edges repeat."""
    angle, slope, scale = (draw * 2 - 1).unbind(1)
    angle = angle * math.radians(rotate)
    slope = slope * shear
    scale = 1 + scale * zoom
    cos, sin, zero = angle.cos() * scale, angle.sin() * scale, torch.zeros_like(angle)
    rows = (cos, slope * cos - sin, zero, sin, slope * sin + cos, zero)
    theta = torch.stack(rows, 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
