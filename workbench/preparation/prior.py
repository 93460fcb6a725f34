"""The prior of the 313 bins over a set of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from workbench.color import split_lab
from workbench.data import pictures as data
from workbench.models import ab_bins

SIDE = 72


def compute_prior(sources: Sequence[str], out: Path) -> dict[str, Any]:
    """Count the bins over all pixels (at a quarter of 72 x 72, as the network is asked), save.

    Returns what the file says about itself, with the mean ab of the pictures.
    """
    pictures = data.load(sources, SIDE)
    counts = torch.zeros(len(ab_bins.centres()), dtype=torch.int64)
    total = torch.zeros(2, dtype=torch.float64)
    for start in range(0, len(pictures.pixels), 256):
        _, ab = split_lab(torch.from_numpy(np.array(pictures.pixels[start : start + 256])))
        total += ab.double().mean((0, 2, 3)) * len(ab)
        counts += ab_bins.count_bins(F.avg_pool2d(ab, 4))
    about = {
        "data": list(sources), "key": pictures.key, "pictures": len(pictures.pixels),
        "mean_ab": [round(float(v), 4) for v in total / len(pictures.pixels)],
    }  # fmt: skip
    ab_bins.save_prior(out, counts, about)
    return about
