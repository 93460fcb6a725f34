"""Frames of a clip that somebody painted: their colours carried through the scene.

A painted frame stands for the network from its moment to the end of its scene, or to the next
painted frame: every pixel's way back to it is followed along the motion. What comes into the
picture later has no way back, and there the network's colours stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.color import split_lab
from workbench.errors import Problem
from workbench.images import SUFFIXES, open_image
from workbench.names import printable
from workbench.video.clips import Clip
from workbench.video.motion import Motion, Place, make_grid, resize_flow, sample_at, warp

NUMBER = re.compile(r"frame-(\d{1,9})(?!\d)")  # in a file's name: which frame it is, from 0
STRETCH = 0.02  # by which a painted frame's proportion may differ from the clip's
MOST_PAINTED = 60  # that a server takes from a visitor
NEAR = 2  # frames after a painted one, at which a cut is taken for that frame's own
SIDE = 256  # painted frames are kept at this short side, pixels: colours are settled at 128


def name_frame(stem: str, scene: int, number: int) -> str:
    """A frame's file name, by which it is known when it comes back painted."""
    return f"{stem}_scene-{scene:03d}_frame-{number:06d}.png"


def find_painted(paths: Iterable[Path]) -> dict[int, Path]:
    """Painted frames by their number in the clip, from files and folders of files.

    A folder's other files are passed over. Raises Problem for a file whose name has no number,
    for two of one number, and where there is none at all.
    """
    found: dict[int, Path] = {}
    for path in paths:
        if path.is_dir():
            files = sorted(
                each for each in path.iterdir()
                if each.suffix.lower() in SUFFIXES and NUMBER.search(each.name)
            )  # fmt: skip
            if not files:
                raise Problem(
                    f"No picture in {printable(path)} is named like a frame of a clip "
                    f"({name_frame('NAME', 1, 42)}). `scenes` writes such pictures."
                )
        else:
            files = [path]
        for file in files:
            number = number_of(file.name)
            if number in found:
                raise Problem(
                    f"{printable(file.name)} and {printable(found[number].name)} are both frame "
                    f"{number}. Keep one of them."
                )
            found[number] = file
    return found


def number_of(name: str) -> int:
    """The number of the frame that a file's name says, the last if several; else a Problem."""
    if found := NUMBER.findall(name):
        return int(found[-1])
    raise Problem(
        f"The name of {printable(name)} does not say which frame it is: keep "
        f"`frame-NUMBER` in it, as in {name_frame('clip', 1, 42)}."
    )


@dataclass(frozen=True)
class PaintedFrame:
    """A painted frame, made small: all that is carried is its colours."""

    rgb: Tensor  # uint8 (3, h, w), short side at most SIDE
    sha256: str  # of its file


def open_painted(
    clip: Clip, files: Mapping[int, Path], notes: list[str]
) -> dict[int, PaintedFrame]:
    """Painted frames that can be used; one without colour is left out, with a sentence in `notes`.

    Raises Problem where a file is no picture, or has another proportion than the clip.
    """
    kept: dict[int, PaintedFrame] = {}
    sides = clip.upright
    for number, file in sorted(files.items()):
        picture = open_image(file)
        name, (height, width) = printable(file.name), picture.rgb.shape[1:]
        if abs(width * sides[0] / (height * sides[1]) - 1) > STRETCH:
            raise Problem(
                f"{name} is {width} x {height}, and the clip's frames are {sides[1]} x {sides[0]}: "
                "keep their proportion."
            )
        if picture.grey:
            notes.append(f"{name} has no colour: its scene is left to the network.")
        elif clip.frames and number >= clip.frames:
            notes.append(f"{name} is behind the end: the clip has {clip.frames:,} frames.")
        else:
            scale = min(1.0, SIDE / min(height, width))
            size = (max(1, round(height * scale)), max(1, round(width * scale)))
            kept[number] = PaintedFrame(_shrink(picture.rgb, size), picture.sha256)
    return kept


def _shrink(rgb: Tensor, size: Sequence[int]) -> Tensor:
    """uint8 RGB (3, H, W) at another size (h, w), each pixel the mean of those it covers."""
    small = F.interpolate(rgb[None].float(), tuple(size), mode="area")[0]
    return small.round().to(torch.uint8)


class PaintedColors:
    """Puts painted frames' colours in place of the network's, block by block."""

    def __init__(
        self, painted: Mapping[int, PaintedFrame], first: int = 0, place: Place | None = None
    ) -> None:
        """`painted` by frame number; `first`: the number of the first frame that will come.

        place: what an earlier run had reached (`Carry.place`).
        """
        self.painted = painted
        self.next = first
        self.place = place
        self._ab: tuple[int, Tensor] | None = None  # of which painted frame, (1, 2, h, w)

    def pick_painted(self, count: int) -> list[int]:
        """Which of the next `count` frames are painted, from 0."""
        return [i for i in range(count) if self.next + i in self.painted]

    def mix(self, ab: Tensor, moves: Motion) -> Tensor:
        """Colours of the next frames, ab (N, 2, h, w): painted where there is a way back."""
        made = []
        for i, own in enumerate(ab.split(1)):
            number, back = self.next + i, moves.back[i : i + 1]
            if number in self.painted:
                self.place = Place(number, torch.zeros_like(back))
            elif moves.cut[i]:  # looked for at another size, a cut may fall a frame later
                near = self.place is not None and number - self.place.number <= NEAR
                self.place = Place(self.place.number, torch.zeros_like(back)) if near else None
            elif self.place:
                self.place = Place(self.place.number, back + warp(self.place.way, back))
            made.append(self._bring_colors(self.place, own) if self.place else own)
        self.next += len(ab)
        return torch.cat(made)

    def _bring_colors(self, place: Place, own: Tensor) -> Tensor:
        """The painted frame's ab, along the way back to it, over the network's (1, 2, h, w)."""
        size = own.shape[-2:]
        if self._ab is None or self._ab[0] != place.number:
            rgb = _shrink(self.painted[place.number].rgb, size)
            self._ab = place.number, split_lab(rgb[None])[1].to(own)
        points = make_grid(resize_flow(place.way, size))
        inside = F.grid_sample(torch.ones_like(own[:, :1]), points, align_corners=False)
        return own + inside * (sample_at(self._ab[1], points) - own)
