"""A run's log as events for TensorBoard, for those who have it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import Problem

FOLDER = "training/tensorboard"  # below the folder of a run


class TensorBoard:
    """Writes the statuses of `training.train`: scalars at every log line, film-strip frames.

    Steps are images seen. A run that goes on writes over what it had said after that point.
    Raises Problem where the package is missing.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise Problem(
                "--tensorboard needs the package tensorboard: pip install tensorboard. "
                "Without it the Training page shows the same curves."
            ) from None
        self.folder, self._writer_of = folder, SummaryWriter
        self._writer: SummaryWriter | None = None

    def __call__(self, status: Mapping[str, Any]) -> None:
        """Write a status; those between two log lines hold nothing new."""
        if "losses" not in status:
            return
        seen = status["seen"]
        if self._writer is None:
            self._writer = self._writer_of(str(self.folder / FOLDER), purge_step=seen)
        for name, value in scalars(status).items():
            self._writer.add_scalar(name, value, seen)
        frame = self.folder / "strip" / f"{seen:09d}.webp"
        if frame.is_file():
            from PIL import Image

            self._writer.add_image("strip", np.asarray(Image.open(frame)), seen, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Nothing waits: every status was flushed."""


def scalars(status: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a status, named as TensorBoard groups them."""
    named = {f"loss/{name}": value for name, value in status["losses"].items()}
    named |= {f"validation/{k}": v for k, v in status.get("validation", {}).items()}
    return named | {
        f"run/{key}": status[key] for key in ("learning_rate", "rate", "size", "waited")
    }
