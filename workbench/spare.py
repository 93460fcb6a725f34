"""Folders for what a visitor sent: removed after the visit, or later where a process was killed.

They are named after this process, `workbench-KIND-PID-*`, in the system's folder for temporary
files. `sweep_folders` is called when a server starts: what an ended process left goes after
ten minutes, everything after a day. Gradio's uploads and results are kept by the same rule, a day.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

KINDS = ("video", "batch", "hub")
DAY = 86_400.0  # seconds
LEFT = 600.0  # seconds after which an ended process's folder is nobody's
_NAMED = re.compile(rf"workbench-(?:{'|'.join(KINDS)})-(?:(\d+)-)?\w+")
_BEGAN = time.time()


def make_folder(kind: str) -> Path:
    """A new empty folder of one of KINDS."""
    return Path(tempfile.mkdtemp(prefix=f"workbench-{kind}-{os.getpid()}-"))


def sweep_folders(*uploads: Path, now: float | None = None) -> list[Path]:
    """Remove old folders, and files in `uploads` that are a day old; what went."""
    now = time.time() if now is None else now
    gone = []
    for path in Path(tempfile.gettempdir()).glob("workbench-*"):
        named = _NAMED.fullmatch(path.name)
        if named is None or path.is_symlink() or not path.is_dir():
            continue
        quiet = now - _newest(path)
        if quiet > DAY or (quiet > LEFT and not _at_work(named[1], path)):
            shutil.rmtree(path, ignore_errors=True)
            gone.append(path)
    for root in uploads:
        for path in sorted(root.rglob("*"), reverse=True):
            try:
                if path.is_file() and now - path.lstat().st_mtime > DAY:
                    path.unlink()
                    gone.append(path)
                elif path.is_dir() and not any(path.iterdir()):
                    path.rmdir()
            except OSError:
                continue  # another server was quicker, or it is not ours
    return gone


def _newest(path: Path) -> float:
    """When anything in a folder last changed, seconds since 1970."""
    times = [path.stat().st_mtime]
    for below in path.rglob("*"):
        try:
            times.append(below.lstat().st_mtime)
        except OSError:
            continue
    return max(times)


def _at_work(pid: str | None, path: Path) -> bool:
    """Whether the process that made a folder still runs; a number may have been given anew."""
    if pid is None:
        return False
    if int(pid) == os.getpid():
        return path.stat().st_ctime >= _BEGAN
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
