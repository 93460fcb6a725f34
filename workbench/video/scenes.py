"""The scenes of a clip: where they begin, and single frames as pictures, to be coloured by hand."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from workbench.errors import Problem
from workbench.images import encode
from workbench.names import printable, shorten_stem
from workbench.video.clips import Clip, read_frames, to_upright
from workbench.video.motion import find_motion_after
from workbench.video.painted import name_frame
from workbench.video.pipeline import read_blocks
from workbench.video.stages import share_of_cores
from workbench.writing import write_whole

LOOK = 128  # short side at which scenes are looked for, pixels


@dataclass(frozen=True)
class SceneFrame:
    """A frame that stands for a scene, or for a part of one."""

    scene: int  # from 1
    frame: int  # its number in the clip, from 0
    seconds: float


@torch.inference_mode()
def find_scenes(
    clip: Clip, at: Sequence[float] = (), size: int = LOOK, notes: list[str] | None = None
) -> list[SceneFrame]:
    """The first frame of every scene, and those at the times `at` (seconds), in their order.

    size: short side at which is looked; the network's own gives the very cuts of `colorize_video`.
    What is broken in the clip is said in `notes`. Raises Problem for a time outside the clip.
    """
    starts: list[int] = []
    times: list[float] = []
    last: Tensor | None = None
    with share_of_cores():
        for block in read_blocks(clip, size, 0, [] if notes is None else notes):
            cut = find_motion_after(last, block.L).cut
            starts += [len(times) + i for i, new in enumerate(cut.tolist()) if new]
            times += [float(moment * clip.time_base) for moment in block.times]
            last = block.L[-1:]
    chosen = set(starts)
    for moment in at:
        number = bisect.bisect_left(times, moment)
        if moment < 0 or number == len(times):
            raise Problem(f"There is no frame at {moment:g} s: the clip ends at {times[-1]:.2f} s.")
        chosen.add(number)
    return [SceneFrame(bisect.bisect(starts, n), n, times[n]) for n in sorted(chosen)]


def read_pictures(clip: Clip, numbers: Collection[int]) -> Iterator[tuple[int, Tensor]]:
    """Yield (number, uint8 RGB (3, H, W), upright) of these frames, in the clip's order."""
    left = set(numbers)
    with closing(read_frames(clip)) as frames:
        for number, (_, frame) in enumerate(frames):
            if number in left:
                left.remove(number)
                rgb = torch.from_numpy(to_upright(frame, clip))
                yield number, rgb.permute(2, 0, 1).contiguous()
            if not left:
                return


def write_scenes(clip: Clip, out: Path, frames: Sequence[SceneFrame]) -> list[Path]:
    """Write these frames as PNGs, named so that they are known when they come back coloured.

    Nothing that is there is written over. Raises Problem.
    """
    stem = shorten_stem(clip.path.stem)
    paths = {each.frame: out / name_frame(stem, each.scene, each.frame) for each in frames}
    if there := [path for path in paths.values() if path.exists()]:
        raise Problem(
            f"{printable(there[0])} is there already, and may hold your work. Choose another --out."
        )
    for number, rgb in read_pictures(clip, paths.keys()):
        write_whole(out, {paths[number].name: encode(rgb)})
    return list(paths.values())
