"""A run's log told to a tracker of experiments, for those who have one: trackio, Weights & Biases.

Both take init(project, name, config, resume), log(values, step), finish(); steps: images seen.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from workbench.errors import Problem
from workbench.training.tensorboard import scalars

TRACKERS = ("trackio", "wandb")  # names of packages and of options


class Tracker:
    """Tells the statuses of `training.train`: numbers at every log line, film-strip frames.

    Raises Problem where the package is missing or refuses to begin. What it refuses later is said
    once, and the training goes on without it.
    """

    def __init__(self, package: str, project: str, folder: Path, config: Mapping[str, Any]) -> None:
        """config: what the run is, shown beside its curves. The folder is the run's name there."""
        self.folder, self._package = folder, package
        self._module = _find(package)
        kind = {"id": name_run(folder)} if package == "wandb" else {}
        try:
            self._run: Any = self._module.init(
                project=project, name=name_run(folder), config=dict(config), resume="allow", **kind
            )
        except Exception as reason:  # network, login, name: the package says which
            raise Problem(f"--{package} {project} could not begin: {_line(reason)}.") from reason

    def __call__(self, status: Mapping[str, Any]) -> None:
        """Tell a status; those between two log lines hold nothing new."""
        if "losses" not in status or self._run is None:
            return
        values: dict[str, Any] = dict(scalars(status))
        frame = self.folder / "strip" / f"{status['seen']:09d}.webp"
        try:
            if frame.is_file():
                from PIL import Image

                values["strip"] = self._module.Image(Image.open(frame).convert("RGB"))
            self._run.log(values, step=status["seen"])
        except Exception as reason:  # the run is worth more than its curves
            self._run = None
            print(
                f"--{self._package} takes no more: {_line(reason)}. The training goes on.",
                file=sys.stderr,
            )

    def close(self) -> None:
        """Let what was told be sent."""
        if self._run is not None:
            self._run.finish()


def name_run(folder: Path) -> str:
    """The same name whenever this run goes on, another for a folder elsewhere."""
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9._-]', '-', folder.name)}-{place}"


def _find(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise Problem(
            f"--{package} needs the package {package}: pip install {package}. "
            "Without it the Training page shows the same curves."
        ) from None


def _line(reason: Exception) -> str:
    """The first line of what a package says, without its full stop."""
    return (str(reason).strip() or type(reason).__name__).splitlines()[0].rstrip(".")
