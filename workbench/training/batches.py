"""Batches: which pictures, cropped and rotated how. A function of (seed, images seen) alone, so
that a resumed run, or one on several processes, sees exactly what an uninterrupted one sees."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.color import rgb_to_lab
from workbench.data.pictures import Shape
from workbench.training import old_prints
from workbench.training.run import Run

MARGIN = 9 / 8  # pictures are kept this much larger than the crop
STEPS_DRAWN = 256  # whose draws travel to the device together
ROWS = 4096  # pictures that travel together when all of them go to the device

Fetched = tuple[Tensor, Tensor, Tensor | None]  # pictures, labels, the eye's answers


def source_shape(crop: Shape) -> Shape:
    """Height and width at which pictures are cached for crops of this height and width."""
    return round(crop[0] * MARGIN), round(crop[1] * MARGIN)


def move_whole(pixels: np.ndarray, device: torch.device) -> Tensor:
    """uint8 (N, 3, H, W), a map perhaps, read-only too -> the same on the device."""
    whole = torch.empty(tuple(pixels.shape), dtype=torch.uint8, device=device)
    for start in range(0, len(whole), ROWS):
        rows = np.arange(start, min(len(whole), start + ROWS))
        whole[start : start + len(rows)] = torch.from_numpy(np.array(pixels[rows]))
    return whole


class Batches:
    """Batches of float RGB in [0, 1] with labels, made on the device.

    pixels uint8 (N, 3, H, W): a NumPy memory map, or a tensor that already lies on the device.
    """

    def __init__(
        self, pixels: np.ndarray | Tensor, labels: np.ndarray, run: Run, device: torch.device,
        rank: int = 0, ranks: int = 1, answers: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.pixels, self.run, self.device = pixels, run, device
        self.rank, self.ranks = rank, ranks
        self.labels = torch.from_numpy(np.array(labels)).to(device)
        self.answers = None if answers is None else torch.from_numpy(np.array(answers))
        if self.answers is not None and isinstance(pixels, Tensor):  # they fit, the scores do too
            self.answers = self.answers.to(device)
        self.weights = weigh(groups, run.balance) if run.balance and groups is not None else None
        self.field = old_prints.make_field().to(device) if run.old_prints else None
        # Copies to the device run beside the steps, on a stream of their own.
        self.stream = torch.cuda.Stream(device) if is_real_cuda(device) else None
        self._orders: dict[int, tuple[np.ndarray, Tensor]] = {}  # on the host and on the device
        self._draws: Tensor | None = None  # of STEPS_DRAWN steps from _drawn_from on
        self._drawn_from = 0

    def _order(self, epoch: int) -> tuple[np.ndarray, Tensor]:
        """An epoch's pictures in their order, on the host and on the device."""
        if epoch not in self._orders:
            generator = np.random.default_rng([self.run.seed, epoch])
            order = generator.permutation(len(self.pixels))
            if self.weights is not None:
                order = draw_weighted(order, self.weights, generator)
            self._orders = {e: o for e, o in self._orders.items() if e >= epoch - 1}
            self._orders[epoch] = order, torch.from_numpy(order).to(self.device)
        return self._orders[epoch]

    def _parts(self, seen: int) -> list[tuple[int, slice]]:
        """This process's part of the batch after `seen` images: (epoch, places in its order)."""
        count = len(self.pixels)
        mine = self.share(seen)
        place, last = seen + mine.start, seen + mine.stop
        parts = []
        while place < last:
            epoch, start = divmod(place, count)
            stop = min(count, start + last - place)
            parts.append((epoch, slice(start, stop)))
            place += stop - start
        return parts

    def indices(self, seen: int) -> np.ndarray:
        """This process's pictures of the batch that begins after `seen` images."""
        return np.concatenate([self._order(e)[0][part] for e, part in self._parts(seen)])

    def indices_on_device(self, seen: int) -> Tensor:
        """The same, from the order that lies on the device: nothing is copied."""
        parts = [self._order(e)[1][part] for e, part in self._parts(seen)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def draws(self, seen: int) -> Tensor:
        """Numbers in [0, 1) for this process's part of a batch, (n, 6 or more), on the device.

        Those of many steps travel together; each step has a generator of its own.
        """
        batch = self.run.batch_size
        step, rest = divmod(seen - self._drawn_from, batch)
        if self._draws is None or rest or not 0 <= step < STEPS_DRAWN:
            drawn = [self._draw(seen + i * batch) for i in range(STEPS_DRAWN)]
            self._draws, self._drawn_from, step = torch.stack(drawn).to(self.device), seen, 0
        return self._draws[step, self.share(seen)]

    def _draw(self, seen: int) -> Tensor:
        """The numbers of a whole batch: 6 for each picture, then those of old prints."""
        generator = torch.Generator().manual_seed(self.run.seed * 1_000_000_007 + seen)
        batch = self.run.batch_size
        drawn = torch.rand(batch, 6, generator=generator)
        if self.field is None:
            return drawn
        return torch.cat((drawn, torch.rand(batch, old_prints.NUMBERS, generator=generator)), 1)

    def share(self, seen: int) -> slice:
        """This process's part of the batch."""
        part = self.run.batch_at(seen, self.ranks) // self.ranks
        return slice(self.rank * part, (self.rank + 1) * part)

    def fetch(self, seen: int) -> Fetched:
        """This process's part of a batch, which `take` hands to the step.

        uint8 pictures (n, 3, H, W), labels (n,), the eye's answers (n, 1000) where there are some.
        """
        with torch.cuda.stream(self.stream) if self.stream else contextlib.nullcontext():
            return self._fetch(seen)

    def take(self, fetched: Fetched) -> Fetched:
        """What `fetch` gave, once it is there for the stream of the steps."""
        if self.stream:
            now = torch.cuda.current_stream(self.device)
            now.wait_stream(self.stream)
            for part in fetched:
                if part is not None:
                    part.record_stream(now)
        return fetched

    def _fetch(self, seen: int) -> Fetched:
        picked = self.indices_on_device(seen)
        if isinstance(self.pixels, Tensor):
            pixels = self.pixels[picked]
        else:
            chosen = self.indices(seen)
            pixels = torch.from_numpy(self.pixels[np.sort(chosen)])
            pixels = pixels[torch.from_numpy(np.argsort(np.argsort(chosen)))]
            pixels = self._send(pixels)
        answers = None
        if self.answers is not None and self.answers.device == picked.device:
            answers = self.answers[picked].float()
        elif self.answers is not None:
            answers = self._send(self.answers[torch.from_numpy(self.indices(seen))]).float()
        return pixels, self.labels[picked], answers

    def _send(self, part: Tensor) -> Tensor:
        """A part on the host -> on the device, without waiting where it is a GPU."""
        if self.stream:
            return part.pin_memory().to(self.device, non_blocking=True)
        return part.to(self.device)

    def augment(self, pixels: Tensor, seen: int) -> Tensor:
        """uint8 (n, 3, H, W) -> float RGB (n, 3, height, width) of the crops at this point of the
        run: scaled, cropped, flipped, rotated."""
        return cut(pixels, self.draws(seen), self.run, self.run.shape_at(seen))

    def lab(self, pixels: Tensor, seen: int) -> Tensor:
        """The same crops in Lab, as the step takes them: channels last."""
        return self.cut_lab(pixels, self.draws(seen), self.run.shape_at(seen))

    def cut_lab(self, pixels: Tensor, draw: Tensor, shape: Shape) -> Tensor:
        """uint8 (n, 3, H, W), draws (n, 6 or more) -> Lab (n, 3, height, width), channels last."""
        lab = rgb_to_lab(cut(pixels, draw, self.run, shape))
        if self.field is not None:
            L = old_prints.make_old(lab[:, :1], draw[:, 6:], self.run.old_prints, self.field)
            lab = torch.cat((L, lab[:, 1:]), 1)
        return lab.contiguous(memory_format=torch.channels_last)


def weigh(groups: np.ndarray, balance: float) -> np.ndarray:
    """groups int (N,) -> how often each picture is drawn, (N,), 1 in the mean.

    A group of n pictures is drawn in proportion to n to the power of 1 - balance: 0 draws every
    picture alike, 1 every group (Arivazhagan et al., Massively Multilingual NMT in the Wild, 2019,
    whose temperature is 1 / (1 - balance)).
    """
    counts = np.bincount(groups)[groups].astype(float)
    weights = counts**-balance
    return weights / weights.mean()


def draw_weighted(
    order: np.ndarray, weights: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """An order of N pictures -> N draws of them: each as often as its weight, rounded up or down.

    Systematic sampling: N equal steps along the weights, from a random start.
    """
    ends = np.cumsum(weights[order])
    steps = (np.arange(len(order)) + generator.random()) * (ends[-1] / len(order))
    return generator.permutation(order[np.searchsorted(ends, steps, side="right")])


def cut(pixels: Tensor, draw: Tensor, run: Run, shape: Shape) -> Tensor:
    """uint8 (n, 3, H, W), numbers (n, 6) in [0, 1) -> float RGB crops (n, 3, *shape)."""
    height, width = shape
    high, wide = source_shape(shape)
    x = pixels.float() / 255  # (n, 3, H, W)
    if (high * 2, wide * 2) == x.shape[-2:]:
        x = F.avg_pool2d(x, 2)
    elif (high, wide) != x.shape[-2:]:
        x = F.interpolate(x, (high, wide), mode="bilinear", antialias=True).clamp(0, 1)
    if run.shear or run.zoom or run.rotate:
        x = affine(x, draw[:, 3:6], run.shear, run.zoom, run.rotate)
    top = (draw[:, 0] * (high - height + 1)).long()  # (n,)
    left = (draw[:, 1] * (wide - width + 1)).long()
    rows = top[:, None] + torch.arange(height, device=x.device)  # (n, height)
    columns = left[:, None] + torch.arange(width, device=x.device)  # (n, width)
    if run.flip:
        columns = torch.where(draw[:, 2:3] < 0.5, columns.flip(1), columns)
    batch = torch.arange(len(x), device=x.device)[:, None, None]
    x = x.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None]]
    return x.permute(0, 3, 1, 2)  # (n, 3, height, width)


def is_real_cuda(device: torch.device) -> bool:
    """Whether it is a GPU that is there: a trace on fakes names one that is not."""
    return device.type == "cuda" and torch.cuda.is_available()


def affine(x: Tensor, draw: Tensor, shear: float, zoom: float, rotate: float) -> Tensor:
    """Rotate, shear and zoom each picture about its centre; draw (n, 3) in [0, 1); edges repeat."""
    angle, slope, scale = (draw * 2 - 1).unbind(1)
    angle = angle * math.radians(rotate)
    slope = slope * shear
    scale = 1 + scale * zoom
    cos, sin, zero = angle.cos() * scale, angle.sin() * scale, torch.zeros_like(angle)
    ratio = x.shape[-2] / x.shape[-1]  # the grid's units are half a height and half a width
    rows = (cos, (slope * cos - sin) * ratio, zero, sin / ratio, slope * sin + cos, zero)
    theta = torch.stack(rows, 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
