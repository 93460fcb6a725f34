"""Measures that mislead, small enough to be understood; the true ones are evaluation.metrics."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from workbench.color import split_lab
from workbench.evaluation import metrics
from workbench.evaluation.protocols import lab_round_trip

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what "Y only" means


def luma(rgb: Tensor) -> Tensor:
    """uint8 RGB (N, 3, H, W) -> its luma (N, 1, H, W), float."""
    weights = torch.tensor(LUMA).view(3, 1, 1)
    return (rgb.float() * weights).sum(1, keepdim=True)


def ssim_of_luma(prediction: Tensor, truth: Tensor) -> Tensor:
    """SSIM that never looks at colour: uint8 RGB (N, 3, H, W) twice -> (N,)."""
    return metrics.ssim(luma(prediction), luma(truth))


def argmax_accuracy(prediction: Tensor, truth: Tensor) -> Tensor:
    """What Keras calls accuracy of an ab picture: (N,) in [0, 1].

    The share of pixels whose larger channel, a or b, is the same. How much colour there is plays
    no part; where both are alike, a counts.
    """
    larger = [split_lab(rgb)[1].argmax(1) for rgb in (prediction, truth)]
    return (larger[0] == larger[1]).double().flatten(1).mean(1)


def one_step_off(rgb: Tensor) -> Tensor:
    """uint8 RGB (3, H, W) with every red value moved by one of 255: no eye sees it."""
    out = rgb.clone()
    out[0] = torch.where(rgb[0] < 255, rgb[0] + 1, rgb[0] - 1)
    return out


# The same two pictures, measured as the field has measured them: name -> (text, measure).
VARIANTS = {
    "PSNR": ("over RGB, the usual one", metrics.psnr),
    "PSNR of luma": (
        "Y only: colour does not count",
        lambda prediction, truth: metrics.psnr(luma(prediction), luma(truth)),
    ),
    "PSNR of ab": ("peak 220, colour alone", metrics.psnr_ab),
    "PSNR, unsquared": ("as Ranjan & Agrawal print it", metrics.psnr_unsquared),
    "PSNR, truth through Lab": (
        "the truth rounded once more, as CT2 does",
        lambda prediction, truth: metrics.psnr(prediction, lab_round_trip(truth)),
    ),
    "SSIM": ("Gaussian window, per RGB channel", metrics.ssim),
    "SSIM, 7 × 7": ("scikit-image's defaults", metrics.ssim_u7),
    "SSIM, range 225": ("CT2's data range", partial(metrics.ssim_u7, data_range=225)),
    "SSIM of luma": ("Y only: colour does not count", ssim_of_luma),
}


def variants(prediction: Tensor, truth: Tensor) -> list[tuple[str, str, float]]:
    """(name, how it is computed, value) of one pair of uint8 RGB (3, H, W)."""
    pair = prediction[None], truth[None]
    return [(name, text, float(measure(*pair))) for name, (text, measure) in VARIANTS.items()]
