"""Re-classification after Zhang, Isola & Efros 2016, section 3.1, and realism of whole sets.

A classifier that never saw our colours looks at them: the eye (EfficientNet-Lite0). It is asked
what a coloured picture shows, and its answer is compared with that about the true picture, or with
the label; its 1280 pooled features are what the distances of sets are taken over.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from workbench.coloring.colorize import autocast_where_quick
from workbench.models.eye import CLASSES, Eye

LABELLED = "imagenet"  # how the names of sets begin that have ImageNet's labels


class Reader:
    """Names what is in pictures."""

    def __init__(self, device: str = "cpu") -> None:
        self.eye = Eye().to(device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def classify(self, rgb: Tensor) -> Tensor:
        """uint8 RGB (N, 3, H, W) -> the likeliest of 1000 classes (N,) int64, on the CPU."""
        with autocast_where_quick(rgb.device):
            return self.eye.answer(rgb.float() / 127.5 - 1).argmax(1).cpu()

    @torch.inference_mode()
    def features(self, rgb: Tensor) -> np.ndarray:
        """uint8 RGB (N, 3, H, W) -> pooled features (N, 1280) float64.

        In fp32 everywhere: in bf16, grey is 2 % further from the truth than it is.
        """
        return self.eye.pooled_features(rgb.float() / 127.5 - 1).double().cpu().numpy()

    def measure(
        self, prediction: Tensor, truth: Tensor, labels: Sequence[str | None], dataset: str
    ) -> dict[str, list[float | None]]:
        """`agreement` of each picture, 0 or 1, and `top1` where the set has ImageNet's labels.

        prediction: uint8 RGB (N, 3, H, W); truth (N,): what `classify` said of the true pictures.
        """
        answers = self.classify(prediction)
        found: dict[str, list[float | None]] = {"agreement": (answers == truth).double().tolist()}
        if dataset.startswith(LABELLED):
            known = [class_of(label) for label in labels]
            found["top1"] = [
                None if number is None else float(number == answer)
                for number, answer in zip(known, answers.tolist(), strict=True)
            ]
        return found


def class_of(label: str | None) -> int | None:
    """The number of an ImageNet class by one of its names; None where it is not among them."""
    return _numbers().get(label.lower()) if label else None


@cache
def _numbers() -> dict[str, int]:
    from timm.data import ImageNetInfo

    known = ImageNetInfo("imagenet-1k")
    numbers: dict[str, int] = {}
    for number in range(CLASSES):
        for name in known.index_to_description(number).split(","):
            numbers.setdefault(name.strip().lower(), number)
    return numbers
