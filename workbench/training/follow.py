"""Runs as others see them: what their folders say, how one is started and stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench import places
from workbench.errors import Problem
from workbench.training import record
from workbench.training.collapse import say_collapse
from workbench.training.stopping import find_stop_signal

OUTPUT = "training/output.txt"  # what a run that was started from here printed
RUNNING, FINISHED, STOPPED = "running", "finished", "stopped"


@dataclass(frozen=True)
class Followed:
    """A run as its folder tells it now.

    header: the first line of log.jsonl (run, check, machine, what was trained); {} before the
    pictures are read. lines: the others, one for each point of the curves. status: the newest.
    """

    folder: Path
    header: dict[str, Any] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)

    @property
    def grey(self) -> dict[str, float]:
        """Metric -> what no colour at all scores on the watched pictures; {} in an older log."""
        return self.header.get("scores_of_grey", {})

    @property
    def images(self) -> int:
        """Images that it is to see; 0 while that is not settled."""
        return self.header.get("run", {}).get("images") or self.status.get("images", 0)

    @property
    def seen(self) -> int:
        """Images that it has seen at its last line."""
        return self.lines[-1]["seen"] if self.lines else 0

    @property
    def state(self) -> str:
        """RUNNING, FINISHED or STOPPED (also what was killed, or runs on another machine)."""
        if self.images and self.seen >= self.images:
            return FINISHED
        return RUNNING if _alive(self.status.get("pid")) else STOPPED

    @property
    def stop_signal(self) -> str | None:
        """Why more training would not pay, by `stopping.RULE`; None while validation rises."""
        return find_stop_signal(self.lines)

    @property
    def kept(self) -> str:
        """Which look's weights a finished run ships, where they are not its last; else ""."""
        return self.lines[-1].get("kept", "") if self.lines else ""

    @property
    def collapse(self) -> list[str]:
        """Sentences when the network, at the newest look, has collapsed; [] where all is well."""
        looks = [line for line in self.lines if "validation" in line]
        return say_collapse(looks[-1]) if looks else []

    @property
    def frames(self) -> dict[int, Path]:
        """Images seen -> frame of the film-strip (eight fixed pictures in a row), in order."""
        files = sorted((self.folder / "strip").glob("[0-9]*.webp"))
        return {int(file.stem): file for file in files if file.stem.isdecimal()}

    @property
    def truth(self) -> Path | None:
        """The strip of the pictures themselves."""
        file = self.folder / "strip" / "truth.webp"
        return file if file.is_file() else None

    @property
    def said(self) -> str:
        """The last lines that a run started from here printed."""
        try:
            text = (self.folder / OUTPUT).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-6:])


def follow(folder: Path) -> Followed:
    """Read what a run's folder says. Raises Problem when it is not the folder of a run."""
    lines = record.read_log(folder)
    status: dict[str, Any] = {}
    try:
        status = json.loads((folder / record.STATUS).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError, RecursionError):
        raise Problem(f"{folder / record.STATUS} is damaged: remove it.") from None
    status, lines = _sound(status), [_sound(line) for line in lines]
    if not lines and not status:
        raise Problem(
            f"There is no run in {folder}: a run has a log.jsonl, which "
            "`python -m workbench train` writes."
        )
    header = lines[0] if lines and "seen" not in lines[0] else {}
    return Followed(folder, header, [line for line in lines if "seen" in line], status)


_KINDS: dict[str, type | tuple[type, ...]] = {  # of what is read here and on the page
    **dict.fromkeys(("seen", "images", "pid"), int),
    **dict.fromkeys(("rate", "seconds", "learning_rate", "dead"), (int, float)),
    **dict.fromkeys(("run", "check", "machine", "options", "recipe"), dict),
    **dict.fromkeys(("losses", "validation", "scores_of_grey", "labels", "colors"), dict),
    "kept": str,
    **dict.fromkeys(("unreadable", "trained_on", "collapse"), list),
}


def _sound(line: object) -> dict[str, Any]:
    """A line of a log without what is of another kind than `train` writes."""
    if not isinstance(line, dict):
        return {}
    kept: dict[str, Any] = {
        name: value
        for name, value in line.items()
        if (isinstance(value, _KINDS.get(name, object)) and not isinstance(value, bool))
        or (isinstance(value, bool) and name not in _KINDS)
    }
    for name in ("losses", "validation", "scores_of_grey"):
        if name in kept:
            numbers = kept[name].items()
            kept[name] = {k: v for k, v in numbers if isinstance(v, int | float)}
    for name in ("run", "check"):
        if name in kept:
            kept[name] = _sound(kept[name])
    if "labels" in kept:
        kept["labels"] = {k: v for k, v in kept["labels"].items() if isinstance(v, int)}
    if "seen" in kept:
        kept = {"rate": 0.0, "seconds": 0.0, "learning_rate": 0.0, "losses": {}} | kept
    return kept


def find(*roots: Path) -> list[Path]:
    """Folders of runs: the roots themselves, or what lies in them, or one folder deeper."""
    found: dict[Path, None] = {}
    for root in roots:
        for depth in ("", "*", "*/*"):
            for name in ("log.jsonl", record.STATUS):
                for file in sorted(root.glob(f"{depth}/{name}" if depth else name)):
                    found[file.parent if name == "log.jsonl" else file.parent.parent] = None
    return list(found)


def start(arguments: Sequence[str], out: Path) -> int:
    """Start `python -m workbench train ARGUMENTS --out OUT` in a process of its own.

    Returns its number. It goes on when whoever started it ends; what it prints is in OUT.
    Raises Problem when the folder holds a run or cannot be written.
    """
    if (out / "log.jsonl").exists() or (out / record.STATUS).exists():
        raise Problem(f"{out} holds a run already: give the new one another name.")
    command = [sys.executable, "-m", "workbench", "train", *arguments, "--out", str(out)]
    try:
        (out / "training").mkdir(parents=True, exist_ok=True)
        with (out / OUTPUT).open("wb") as printed:
            process = subprocess.Popen(
                command, cwd=places.START, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed,
                start_new_session=True,
            )  # fmt: skip
    except OSError as error:
        raise Problem(f"{out} could not be made: {error.strerror or error}.") from None
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay as a zombie
    record.write_status(out, {"seen": 0, "images": 0, "done": False}, process.pid)
    return process.pid


def stop(folder: Path) -> None:
    """Ask a run to stop at its next step; its state is kept and the same command goes on."""
    try:
        (folder / record.STOP).touch()
    except OSError as error:
        raise Problem(
            f"The run in {folder} cannot be stopped: {error.strerror or error}."
        ) from None


def is_stopping(folder: Path) -> bool:
    """Whether a run has been asked to stop and has not done so yet."""
    return (folder / record.STOP).exists()


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
