"""A backbone of one's own for inception_attention: a small classifier that sees only L."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from workbench.data import pictures as data
from workbench.errors import Problem
from workbench.models.inception_attention import Backbone, ClassifierRecipe
from workbench.training.batches import source_shape
from workbench.training.plan import Plan, hold_back, known_classes
from workbench.training.run import Run
from workbench.writing import write_whole


class Watched(Backbone):
    """A classifier that can stand where the loop expects a colorizer: it paints grey."""

    def forward(self, L: torch.Tensor) -> torch.Tensor:
        """In training: class scores (N, classes). In evaluation: ab = 0 (N, 2, H, W)."""
        if self.training:
            return super().forward(L)
        return L.new_zeros(len(L), 2, *L.shape[-2:])


def train_backbone(
    sources: Sequence[str], out: Path, name: str, images: int, size: int, batch_size: int
) -> tuple[Plan, Callable[[nn.Module, Path, dict[str, Any]], dict[str, Any]]]:
    """The plan of the run, and how its weights are saved: one file that names its architecture."""
    pictures, held = hold_back(known_classes(data.load(sources, source_shape((size, size)))))
    if not pictures.classes:
        raise Problem("A backbone needs labelled pictures: class folders, or a label column.")
    classes = len(pictures.classes)

    def make(total: int) -> ClassifierRecipe:
        torch.manual_seed(0)
        return ClassifierRecipe(Watched(name, classes, size, pretrained=False), total)

    def save(net: nn.Module, folder: Path, config: dict[str, Any]) -> dict[str, Any]:
        from safetensors.torch import save as serialise

        told = {"backbone": name, "classes": str(classes), "size": str(size)}
        state = {k: v.contiguous() for k, v in net.state_dict().items()}
        content = serialise(state, metadata=told)
        write_whole(out.parent, {out.name: content})
        return {**config, "files": {str(out.absolute()): hashlib.sha256(content).hexdigest()}}

    about = {"model": "backbone", "options": {"name": name, "classes": classes}, "size": size,
             "trained_on": list(sources)}  # fmt: skip
    run = Run(images, batch_size, str(size), half_life=2000, precision="fp32")
    return Plan(make, pictures, held, run, about), save
