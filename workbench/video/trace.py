"""Numbers of each frame: flicker and PSNR, before and after the smoothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.color import join_rgb, split_lab
from workbench.evaluation.flicker import STEPS, divergence, histogram, warped_ab_error
from workbench.video.motion import Motion, make_grid, sample_at

COLORED = 4.0  # mean chroma from which a frame counts as coloured


class Trace:
    """Rows of numbers, one a frame, with the few past frames that they need."""

    def __init__(self) -> None:
        self._past: dict[str, deque[Tensor]] = {}
        self._last: dict[str, Tensor] = {}

    def rows(
        self,
        times: Sequence[float],
        rgb: Tensor,
        before: Tensor,
        after: Tensor,
        moves: Motion,
    ) -> Iterable[dict[str, Any]]:
        """Measure a block of frames, uint8 RGB (N, 3, h, w), at the small size of `moves`.

        before and after: ab (N, 2, ., .) of any size. Keys of a row: `time` in seconds; `cut`;
        then for before and after `flicker_D_*` (divergence from the frame D before), `drift_*`
        (warped-ab error, CIELAB units), `psnr_*` (dB; None where the clip has no colour).
        """
        size = moves.back.shape[-2:]
        before, after = (F.interpolate(ab, size=size, mode="area") for ab in (before, after))
        L, truth = split_lab(rgb)
        colored = truth.square().sum(1).sqrt().mean((1, 2)) > COLORED
        rows = [{"time": t, "cut": bool(c)} for t, c in zip(times, moves.cut, strict=True)]
        for name, ab in (("before", before), ("after", after)):
            shown = join_rgb(L, ab)
            error = (shown.float() - rgb.float()).square().mean((1, 2, 3)).clamp(min=1e-3)
            psnr = 10 * torch.log10(255**2 / error)
            earlier = torch.cat((self._last.get(name, ab[:1]), ab[:-1]))
            self._last[name] = ab[-1:]
            followed = sample_at(earlier, make_grid(moves.back))
            drift = warped_ab_error(ab, followed, moves.trust_back)
            past = self._past.setdefault(name, deque(maxlen=max(STEPS)))
            for i, row in enumerate(rows):
                now = histogram(shown[i])
                for step in STEPS:
                    near = past[-step] if len(past) >= step else None
                    row[f"flicker_{step}_{name}"] = (
                        None if near is None else float(divergence(near, now).mean())
                    )
                past.append(now)
                row[f"drift_{name}"] = None if row["cut"] else float(drift[i])
                row[f"psnr_{name}"] = float(psnr[i]) if colored[i] else None
        return rows


def mean(rows: Sequence[dict[str, Any]], key: str) -> float | None:
    """The mean of a column over the frames that have it, None when none has."""
    values = [row[key] for row in rows if row[key] is not None]
    return sum(values) / len(values) if values else None


def cdc_of_rows(rows: Sequence[dict[str, Any]], name: str) -> float:
    """CDC of the clip, `before` or `after`: the mean over the steps of their means over time."""
    means = [mean(rows, f"flicker_{step}_{name}") for step in STEPS]
    means = [value for value in means if value is not None]
    return sum(means) / len(means) if means else 0.0
