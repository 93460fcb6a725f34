"""Where things lie. Every WORKBENCH_* variable of the environment is read here and nowhere else.

Constants are settled when this module is imported; what a running server may be told anew is a
function. In a checkout (and in a Space) everything lies beside the package. A wheel brings the
pages, app.py and the documents inside the package; models are then looked for in the cache, runs
are made where one stands, and what is worth keeping lies in ~/.local/share.
"""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent  # of the repository, or of a Space
INSTALLED = (PACKAGE / "browser").is_dir()  # only a wheel has app.py and pages/ in there
APP = (PACKAGE / "browser" if INSTALLED else ROOT) / "app.py"
DOCS = (PACKAGE if INSTALLED else ROOT) / "docs"
TEST_PICTURES = PACKAGE / "evaluation/pictures"  # a folder for each test set that may be shipped


def _folder(variable: str, default: Path) -> Path:
    """What a variable of the environment says, where it says something; ~ is the home folder."""
    chosen = os.environ.get(variable)
    return Path(chosen).expanduser() if chosen else default


def cache() -> Path:
    """Where this machine keeps what can be made again: WORKBENCH_CACHE, or a folder in ~/.cache."""
    return _folder("WORKBENCH_CACHE", Path.home() / ".cache/colorization-workbench")


CHECKPOINTS = _folder("WORKBENCH_CHECKPOINTS", (cache() if INSTALLED else ROOT) / "checkpoints")
START = Path.cwd() if INSTALLED else ROOT  # where commands that are typed for one begin
DEMO = ""  # where the demo stands beside the workbench, seen from a page; `serve` says so
HOST = ""  # the address that `serve` listens on, where it was started by that
RUNS = _folder("WORKBENCH_RUNS", START / "runs")  # what `train` makes by default
WORK = Path.home() / ".local/share/colorization-workbench" if INSTALLED else ROOT / ".work"


def say_no_models() -> str:
    """What to tell a person where there is no trained model at all."""
    return (
        f"There are no trained models in {CHECKPOINTS}. Set WORKBENCH_CHECKPOINTS to a folder of "
        "them (the checkpoints/ of a checkout), bring published ones with "
        "`workbench fetch USER/NAME`, or train one."
    )


def fetched_folder() -> Path:
    """The folder for models that came from the Hub."""
    return cache() / "hub"


def eye() -> Path:
    """Where the eye's weights lie: WORKBENCH_EYE, or `eye` beside the bundled models."""
    return _folder("WORKBENCH_EYE", (CHECKPOINTS if INSTALLED else ROOT / "checkpoints") / "eye")


def scores() -> Path:
    """Where scores of models that are not in this repository go: WORKBENCH_SCORES or .work/scores.

    The same tree as below checkpoints: `<root>/<name>/scores/<dataset>.csv`.
    """
    return _folder("WORKBENCH_SCORES", WORK / "scores")


def ablations() -> Path:
    """Where `ablate` trains its small networks."""
    return WORK / "ablation"


def fine_tuned() -> Path:
    """Where scores of fine-tuned weights are kept without the weights, beside the models."""
    return CHECKPOINTS / "fine_tuned"


def studies() -> Path:
    """Where the database and the rendered pictures lie: WORKBENCH_STUDIES or .work/studies."""
    return _folder("WORKBENCH_STUDIES", WORK / "studies")


def database_url() -> str:
    """The address of the studies' database as it was given: WORKBENCH_DATABASE_URL, or ""."""
    return os.environ.get("WORKBENCH_DATABASE_URL", "")


def study_backup() -> str:
    """The data set on the Hub that keeps the votes' journal: WORKBENCH_STUDY_BACKUP, or ""."""
    return os.environ.get("WORKBENCH_STUDY_BACKUP", "")


def study_password() -> str:
    """The password of whoever runs the studies: WORKBENCH_STUDY_PASSWORD, or ""."""
    return os.environ.get("WORKBENCH_STUDY_PASSWORD", "")


def is_local() -> bool:
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


def c2pa_key() -> Path | None:
    """The key that written files are signed with, PEM: WORKBENCH_C2PA_KEY, or None."""
    given = os.environ.get("WORKBENCH_C2PA_KEY")
    return Path(given).expanduser() if given else None


def c2pa_certificate() -> Path | None:
    """Its certificate and those above it, PEM: WORKBENCH_C2PA_CERTIFICATE, or None."""
    given = os.environ.get("WORKBENCH_C2PA_CERTIFICATE")
    return Path(given).expanduser() if given else None


def data() -> str:
    """The folder that holds the test sets: WORKBENCH_DATA, or ""."""
    return os.environ.get("WORKBENCH_DATA", "")
