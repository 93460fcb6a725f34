"""Pictures without colour, by the two questions that are asked of them.

`is_grey`: is this file a black-and-white picture? Then nothing can be measured against it.
`is_faint`: is there too little colour to learn or to judge from? The data of every bundled weight
were chosen by this one, so its bound is part of the protocol of training.
"""

from __future__ import annotations

import numpy as np
import torch

from workbench.color import split_lab
from workbench.images.depth import strips

FAINT = 3.0  # mean Lab chroma below which a picture has no colour to learn from
# Lab chroma is nowhere in the sRGB cube less than this times (max - min of R, G, B): 0.1707 at
# (0, 214, 255), by trying all 2^24 colours.
CHROMA_PER_SPREAD = 0.17


def is_faint(rgb8: np.ndarray) -> bool:
    """Whether the mean Lab chroma of uint8 RGB (3, H, W) is under FAINT."""
    spread = (rgb8.max(axis=0) - rgb8.min(axis=0)).mean()
    if spread * CHROMA_PER_SPREAD >= FAINT:
        return False  # sure, without the conversion
    _, ab = split_lab(torch.from_numpy(rgb8))
    return bool(ab.norm(dim=0).mean() < FAINT)


def is_grey(rgb8: np.ndarray) -> bool:
    """No colour in uint8 (3, H, W): all but one pixel in a thousand differ by at most 12 steps.

    The mean difference must also be under 4, so that an evenly tinted print (sepia) has colour.
    """
    far = total = 0
    for rows in strips(*rgb8.shape[1:]):
        red, green, blue = rgb8[:, rows]
        high = np.maximum(np.maximum(red, green), blue)
        spread = high - np.minimum(np.minimum(red, green), blue)
        far += int((spread > 12).sum())
        total += int(spread.sum(dtype=np.int64))
    pixels = rgb8[0].size
    return far < 0.001 * pixels and total < 4 * pixels
