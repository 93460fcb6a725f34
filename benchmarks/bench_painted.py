"""What one painted frame is worth as its scene goes on: `python -m benchmarks.bench_painted CLIP`.

The first frame of every scene of a clip in colour stands for a painted one; then CIEDE2000 against
the clip's own colours, by the seconds since that frame: of the network alone, and with the frame's
colours carried on. Both are settled along the motion; measured on small frames (72 pixels), before
H.264. Without a CLIP: our sample, a camera that moves over three photographs, 4 seconds each.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from workbench import checkpoints
from workbench.color import delta_e_map, split_lab
from workbench.coloring.colorize import Settings
from workbench.jobs.clip import sample_clip
from workbench.video import Clip, probe
from workbench.video.painted import PaintedColors, PaintedFrame
from workbench.video.pipeline import color_blocks, read_blocks
from workbench.video.scenes import find_scenes, read_pictures
from workbench.video.suffixes import STRENGTH

EDGES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # seconds since the painted frame


@torch.inference_mode()
def measure_errors(
    clip: Clip, net: nn.Module, size: int, painted: dict[int, PaintedFrame]
) -> np.ndarray:
    """Mean CIEDE2000 of every frame."""
    errors: list[float] = []
    blocks = read_blocks(clip, size, 0, [])
    hand = PaintedColors(painted)
    for item in color_blocks(clip, blocks, net, Settings(), STRENGTH, 2, painted=hand):
        L, truth = split_lab(item.block.small)
        ab = F.interpolate(item.steady.ab, size=L.shape[-2:], mode="area")
        found = delta_e_map(torch.cat((L, ab), 1), torch.cat((L, truth), 1))
        errors += found.flatten(1).mean(1).tolist()
    return np.array(errors)


def main() -> None:
    """Print a table for each clip."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", type=Path, nargs="*", metavar="CLIP")
    parser.add_argument("--models", nargs="+", default=["reference", "vanilla_cnn"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = arguments.clips or [sample_clip(Path(folder, "sample.mp4"), 4.0)]
        for path in clips:
            clip = probe(path)
            for name in arguments.models:
                checkpoint = checkpoints.find(name)
                scenes = find_scenes(clip, size=checkpoint.size)
                starts = [each.frame for each in scenes]
                pictures = read_pictures(clip, starts)
                painted = {number: PaintedFrame(rgb, "") for number, rgb in pictures}
                net = checkpoint.net()
                alone, carried = (
                    measure_errors(clip, net, checkpoint.size, frames) for frames in ({}, painted)
                )
                numbers = np.arange(len(alone))
                first = np.array(starts)[np.searchsorted(starts, numbers, side="right") - 1]
                since = (numbers - first) / float(clip.rate)
                print(f"{path.name}, {len(starts)} scenes, {name}: CIEDE2000 alone -> painted")
                for low, high in pairwise(EDGES):
                    of = (since >= low) & (since < high)
                    if of.any():
                        values = f"{alone[of].mean():5.2f} -> {carried[of].mean():5.2f}"
                        print(f"  {low:4.1f} to {high:4.1f} s: {values}  ({of.sum()} frames)")
                print(f"  all: {alone.mean():.2f} -> {carried.mean():.2f}", flush=True)


if __name__ == "__main__":
    main()
