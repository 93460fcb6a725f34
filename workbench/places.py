"""Where things lie. Every WORKBENCH_* variable of the environment is read here and nowhere else.

Constants are settled when this module is imported; what a running server may be told anew is a
function.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of the repository, or of a Space
DOCS = ROOT / "docs"
CHECKPOINTS = Path(os.environ.get("WORKBENCH_CHECKPOINTS", ROOT / "checkpoints"))
RUNS = Path(os.environ.get("WORKBENCH_RUNS", ROOT / "runs"))  # what `train` makes by default


def cache() -> Path:
    """Where this machine keeps what can be made again: WORKBENCH_CACHE, or a folder in ~/.cache."""
    chosen = os.environ.get("WORKBENCH_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache/colorization-workbench"


def fetched() -> Path:
    """The folder for models that came from the Hub."""
    return cache() / "hub"


def eye() -> Path:
    """Where the eye's weights lie: WORKBENCH_EYE, or `checkpoints/eye`."""
    return Path(os.environ.get("WORKBENCH_EYE", ROOT / "checkpoints" / "eye"))


def scores() -> Path:
    """Where scores of models that are not in this repository go: WORKBENCH_SCORES or .work/scores.

    The same tree as below checkpoints: `<root>/<name>/scores/<dataset>.csv`.
    """
    return Path(os.environ.get("WORKBENCH_SCORES", ROOT / ".work" / "scores"))


def ablations() -> Path:
    """Where `ablate` trains its small networks."""
    return ROOT / ".work" / "ablation"


def studies() -> Path:
    """Where the database and the rendered pictures lie: WORKBENCH_STUDIES or .work/studies."""
    return Path(os.environ.get("WORKBENCH_STUDIES") or ROOT / ".work" / "studies")


def database_url() -> str:
    """The address of the studies' database as it was given: WORKBENCH_DATABASE_URL, or ""."""
    return os.environ.get("WORKBENCH_DATABASE_URL", "")


def study_backup() -> str:
    """The data set on the Hub that keeps the votes' journal: WORKBENCH_STUDY_BACKUP, or ""."""
    return os.environ.get("WORKBENCH_STUDY_BACKUP", "")


def study_password() -> str:
    """The password of whoever runs the studies: WORKBENCH_STUDY_PASSWORD, or ""."""
    return os.environ.get("WORKBENCH_STUDY_PASSWORD", "")


def local() -> bool:
    """Whether this server is its visitor's own machine: WORKBENCH_LOCAL=1, as `make run` sets.

    Only then may anybody name folders and start runs without a password.
    """
    return os.environ.get("WORKBENCH_LOCAL", "") == "1"


def proxies() -> int:
    """How many proxies of ours stand before this server: WORKBENCH_PROXIES, or 0.

    Only then is the address that a visitor is counted by taken from X-Forwarded-For.
    """
    given = os.environ.get("WORKBENCH_PROXIES", "")
    return int(given) if given.isdecimal() else 0


def data() -> str:
    """The folder that holds the test sets: WORKBENCH_DATA, or ""."""
    return os.environ.get("WORKBENCH_DATA", "")
