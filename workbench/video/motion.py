"""Motion between frames, scene cuts, and colours averaged along the motion.

Everything here works on small pictures (the network's own size or less), in torch, batched over
the pairs of a block of frames. A flow d (N, 2, h, w) is in pixels, x first, and says where a
point went: here(x) = there(x + d(x)).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 72  # motion is looked for at this short side, pixels
COARSEST = 12  # the pyramid stops at this short side, pixels
SWEEPS = 3  # Gauss-Newton steps at each level
NOISE = 4.0  # difference in L that a match may show, before it loses trust
SLIP = 1.0  # pixels by which the way there and back may disagree
CUT = 0.08  # a cut: motion explains less than this share of the picture,
CHANGE = 0.35  # or little of it, while this share of the pixels changes its level of L
LEAK = 1e-3  # the least trust inside a scene, so that no pixel is ever without a colour


def make_grid(flow: Tensor) -> Tensor:
    """Where `flow` (N, 2, h, w) points, in the coordinates of `grid_sample`: (N, h, w, 2)."""
    height, width = flow.shape[-2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = torch.arange(height, device=flow.device, dtype=flow.dtype).unsqueeze(1)
    return torch.stack(
        ((flow[:, 0] + x + 0.5) * (2 / width) - 1, (flow[:, 1] + y + 0.5) * (2 / height) - 1), -1
    )


def sample_at(picture: Tensor, points: Tensor) -> Tensor:
    """Read `picture` (N, C, h, w) at `points` (N, h, w, 2), bilinearly, edges held."""
    return F.grid_sample(picture, points, padding_mode="border", align_corners=False)


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Bring `picture` (N, C, h, w) here along `flow` (N, 2, h, w)."""
    return sample_at(picture, make_grid(flow))


def _blur(x: Tensor, side: int) -> Tensor:
    """Mean over side x side pixels, edges held; shifted sums are quicker here than pooling."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (side // 2,) * 4, mode="replicate")
    rows = padded[..., :width].clone()
    for i in range(1, side):
        rows += padded[..., i : i + width]
    total = rows[..., :height, :].clone()
    for i in range(1, side):
        total += rows[..., i : i + height, :]
    return total / side**2


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """A flow at another size (h, w), its pixels rescaled with it."""
    scale = flow.new_tensor([size[1] / flow.shape[-1], size[0] / flow.shape[-2]])
    return _resize(flow, size) * scale.view(1, 2, 1, 1)


def _slope(x: Tensor) -> tuple[Tensor, Tensor]:
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return (
        (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2,
        (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2,
    )


def optical_flow(here: Tensor, there: Tensor, window: int = 7) -> Tensor:
    """Dense pyramidal Lucas-Kanade, two L planes (N, 1, h, w) -> flow (N, 2, h, w).

    Lucas and Kanade, 1981, with the pyramid of Bouguet, 2000: at each level Gauss-Newton steps on
    the squared difference within a window, damped where the picture has no texture.
    """
    levels = [(here, there)]
    while min(levels[-1][0].shape[-2:]) >= 2 * COARSEST:
        levels.append(tuple(F.avg_pool2d(x, 2, ceil_mode=True) for x in levels[-1]))
    flow = here.new_zeros(len(here), 2, *levels[-1][0].shape[-2:])
    for a, b in reversed(levels):
        if flow.shape[-2:] != a.shape[-2:]:
            flow = resize_flow(flow, a.shape[-2:])
        for _ in range(SWEEPS):
            moved = warp(b, flow)
            x, y = _slope((a + moved) / 2)
            t = moved - a
            sums = _blur(torch.cat((x * x, x * y, y * y, x * t, y * t), 1), window)
            xx, xy, yy, xt, yt = sums.split(1, 1)
            xx, yy = xx + 0.5, yy + 0.5  # damping, in squared steps of L per pixel
            scale = 1 / (xx * yy - xy * xy)
            step = torch.cat((xy * yt - yy * xt, xy * xt - xx * yt), 1) * scale
            flow = _blur(flow + step.clamp(-1, 1), 3)
    return flow


def match_brightness(here: Tensor, there: Tensor) -> Tensor:
    """`there` (N, 1, h, w) with the brightness and contrast of `here`: film breathes."""
    gain = (here.std((-2, -1), keepdim=True) + 1) / (there.std((-2, -1), keepdim=True) + 1)
    mean = there.mean((-2, -1), keepdim=True)
    return (there - mean) * gain.clamp(0.7, 1.4) + here.mean((-2, -1), keepdim=True)


@dataclass(frozen=True)
class Motion:
    """What moved between each frame of a block and the frame before it.

    `back` (N, 2, h, w) points from a frame to the one before, `ahead` from that one to the frame;
    `trust_back`, `trust_ahead` (N, 1, h, w) in [0, 1] say where the two agree; `cut` (N,) is True
    where a new scene begins.
    """

    back: Tensor
    ahead: Tensor
    trust_back: Tensor
    trust_ahead: Tensor
    cut: Tensor

    def resize(self, size: tuple[int, int]) -> Motion:
        """The same motion at another size (h, w)."""
        if self.back.shape[-2:] == size:
            return self
        return Motion(
            resize_flow(self.back, size),
            resize_flow(self.ahead, size),
            _resize(self.trust_back, size),
            _resize(self.trust_ahead, size),
            self.cut,
        )


def _spread(L: Tensor) -> Tensor:
    """A soft histogram of L, (N, 32), that does not see where things are."""
    bins = (L.flatten(1) * (32 / 100)).long().clamp(0, 31)
    counts = L.new_zeros(len(L), 32).scatter_add_(1, bins, torch.ones_like(bins, dtype=L.dtype))
    return counts / bins.shape[1]


def motion_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size (h, w) at which motion is looked for in pictures of `size`."""
    scale = min(1.0, SIDE / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def find_motion(L: Tensor) -> Motion:
    """The motion between neighbours of L (N + 1, 1, h, w), N pairs, in frames' order."""
    size = motion_size(L.shape[-2:])
    small = L if L.shape[-2:] == size else F.interpolate(L, size=size, mode="area")
    before, now = small[:-1], small[1:]
    even = match_brightness(now, before)
    pairs = len(now)
    flows = optical_flow(torch.cat((now, even)), torch.cat((even, now)))
    points = make_grid(flows)
    other = torch.cat((flows[pairs:], flows[:pairs]))
    slip = (flows + sample_at(other, points)).square().sum(1, keepdim=True)
    rest = torch.cat((now, even)) - sample_at(torch.cat((even, now)), points)
    trust = torch.exp(-_blur(rest.square(), 3) / NOISE**2 - slip / SLIP**2)
    back, ahead = trust[:pairs], trust[pairs:]
    explained = back.mean((1, 2, 3))
    moved = (_spread(now) - _spread(even)).abs().sum(1) / 2
    cut = (explained < CUT) | ((explained < 4 * CUT) & (moved > CHANGE))
    return Motion(flows[:pairs], flows[pairs:], back, ahead, cut)


def find_motion_after(last: Tensor | None, L: Tensor) -> Motion:
    """The motion of L (N, 1, h, w), its first frame against `last` (1, 1, h, w).

    Without a last frame the first one begins a scene.
    """
    found = find_motion(torch.cat((L[:1] if last is None else last, L)))
    if last is None:
        found.cut[0] = True
    return found


@dataclass(frozen=True)
class Place:
    """Where a frame's pixels were in an earlier frame of its scene."""

    number: int  # of the earlier frame
    way: Tensor  # (1, 2, h, w), pixels: from here to there


@dataclass
class Carry:
    """All that the past leaves behind: the last frame's L, its weighted ab and their weights."""

    L: Tensor  # (1, 1, h, w)
    sums: Tensor  # (1, 3, h, w): weighted a, weighted b, weight
    time: float
    place: Place | None = None  # of the last frame in the painted one before it


@dataclass(frozen=True)
class Steady:
    """A block of frames whose colours are settled: ab (N, 2, h, w), and what follows it."""

    ab: Tensor
    moves: Motion  # as it was found, at its own size
    carry: Carry


class Smoother:
    """Average ab along the motion, within a scene, both ways in time.

    The weight of a frame k frames away is exp(-seconds / memory) times the trust in every step
    between: what cannot be followed is not averaged, so nothing ghosts. The past is a recursive
    sum; the future reaches to the end of the next block. `add_block` takes a block and returns the
    block before it; `close` returns the last.
    """

    def __init__(self, memory: float, carry: Carry | None = None) -> None:
        """`memory` in seconds: the time after which a frame's say has fallen to 1 / e."""
        self.memory = memory
        self.carry = carry
        self.waiting: _Block | None = None

    def find_motion(self, L: Tensor) -> Motion:
        """The motion of a block's L (N, 1, h, w), its first frame against the last one seen."""
        return find_motion_after(self.carry.L if self.carry else None, L)

    def add_block(
        self, L: Tensor, ab: Tensor, known: Tensor, times: list[float], moves: Motion
    ) -> Steady | None:
        """Add a block: L (N, 1, h, w), ab (N, 2, h, w), `known` (N,) False where ab is not given.

        `times` in seconds; `moves` as `find_motion` found them.
        """
        found, moves = moves, moves.resize(ab.shape[-2:])
        last = times[0] if self.carry is None else self.carry.time
        gaps = torch.tensor([b - a for a, b in zip([last, *times[:-1]], times, strict=True)])
        fade = torch.exp(-gaps.clamp(min=0) / max(self.memory, 1e-6)) * ~moves.cut
        fade = fade.view(-1, 1, 1, 1)
        block = _Block(
            own=torch.cat((ab, torch.ones_like(ab[:, :1])), 1) * known.view(-1, 1, 1, 1),
            from_past=moves.trust_back.clamp(min=LEAK) * fade,
            to_past=moves.trust_ahead.clamp(min=LEAK) * fade,
            back=make_grid(moves.back),
            ahead=make_grid(moves.ahead),
            moves=found,
            past=[],
            carry=None,
        )
        sums = block.own.new_zeros(1, *block.own.shape[1:])
        if self.carry is not None:
            sums = self.carry.sums
        for i in range(len(ab)):
            sums = block.own[i : i + 1] + block.from_past[i : i + 1] * sample_at(
                sums, block.back[i : i + 1]
            )
            block.past.append(sums)
        self.carry = block.carry = Carry(L[-1:], sums, times[-1])
        done, self.waiting = self.waiting, block
        return self._settle(done, block) if done else None

    def close(self) -> Steady | None:
        """The last block, when no more frames come."""
        done, self.waiting = self.waiting, None
        return self._settle(done, None) if done else None

    def _settle(self, block: _Block, later: _Block | None) -> Steady:
        """Add the future to a block's past: from the end of `later` back to its first frame."""
        to_come = torch.zeros_like(block.past[0])
        for part in (later, block):
            ab = []
            for i in reversed(range(len(part.past) if part else 0)):
                total = part.past[i] + to_come
                ab.append(total[:, :2] / total[:, 2:].clamp(min=1e-12))
                seen = part.own[i : i + 1] + to_come
                to_come = part.to_past[i : i + 1] * sample_at(seen, part.ahead[i : i + 1])
        return Steady(torch.cat(ab[::-1]), block.moves, block.carry)


@dataclass
class _Block:
    """A block on its way: its own sums, how it hangs on its neighbours, and its past."""

    own: Tensor  # (N, 3, h, w)
    from_past: Tensor  # (N, 1, h, w) weight of the frame before, seen from the frame
    to_past: Tensor  # (N, 1, h, w) weight of the frame, seen from the frame before
    back: Tensor  # (N, h, w, 2)
    ahead: Tensor  # (N, h, w, 2)
    moves: Motion
    past: list[Tensor]
    carry: Carry | None
