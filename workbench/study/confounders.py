"""Is it only more colourful? What a preference may be made of besides being right.

Three measures of each picture that was shown; their differences, left minus right, stand beside
the models in the Bradley-Terry model (`ranking.rank_adjusted`), as style control does for language
models (Li, Angelopoulos & Chiang 2024, "Does style matter?", LMSYS).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import Problem

if TYPE_CHECKING:
    from torch import Tensor

CONFOUNDERS = {
    "colorfulness": "Colourfulness",
    "chroma": "Mean chroma",
    "psnr_grey": "PSNR to grey",
}
Row = Mapping[str, Any]


def measure_confounders(rgb: Tensor) -> dict[str, float]:
    """uint8 RGB (3, H, W) -> colourfulness, mean chroma and PSNR to its own grey, in dB.

    The PSNR is bounded at 60 dB: a picture that is grey already is as near as can be.
    """
    from workbench.color import join_rgb, split_lab
    from workbench.evaluation import metrics

    L, ab = split_lab(rgb[None])
    grey = join_rgb(L, ab * 0)
    return {
        "colorfulness": round(metrics.colorfulness(rgb[None]).item(), 3),
        "chroma": round(ab.square().sum(1).sqrt().mean().item(), 3),
        "psnr_grey": round(min(60.0, metrics.psnr(rgb[None], grey).item()), 3),
    }


@cache
def _measure_file(path: Path, _written: int) -> dict[str, float]:
    from workbench.images import open_image

    return measure_confounders(open_image(path).rgb)


def measures_of(row: Row, picture_file: Callable[[str, str], Path]) -> list[dict[str, float]]:
    """The measures of what a row showed, left to right: those kept with it, else of its pictures.

    picture_file(sha256 of the photograph, "name@revision") -> where that picture lies.
    Raises Problem where there is neither.
    """
    if row.get("measures"):
        return json.loads(row["measures"])
    found = []
    for shown in row["shown"].split(","):
        path = picture_file(row["picture_sha256"], shown)
        try:
            found.append(_measure_file(path, path.stat().st_mtime_ns))
        except OSError:
            raise Problem(f"The picture {path.name} of this study is not here any more.") from None
    return found


def differences(measured: Sequence[Sequence[Mapping[str, float]]]) -> np.ndarray:
    """Measures of (left, right) of each vote -> left minus right (votes, confounders)."""
    rows = [[left[name] - right[name] for name in CONFOUNDERS] for left, right in measured]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(CONFOUNDERS))
