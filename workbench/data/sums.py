"""The sha256 of files' contents, so that a copied folder is known for what it holds.

A file is read once: the sum of one with the same path, size and time is kept, in the cache's
folder `sums`, a file for each folder of pictures.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workbench import places
from workbench.writing import replacing

Known = dict[str, list]  # name below the root -> [size, time in ns, sha256]

_known: dict[Path, Known] = {}  # by the file in which they are kept
_fresh: set[Path] = set()  # of those, which have sums that are not written yet


def sums_of(files: Sequence[Path], root: Path) -> list[str]:
    """The sha256 of each file, in hex; "" where it cannot be read."""
    home = places.cache() / "sums" / f"{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.json"
    known = _known.setdefault(home, {})
    if not known:
        with contextlib.suppress(OSError, ValueError):
            known.update(json.loads(home.read_text(encoding="utf-8")))

    def look_up(file: Path) -> str:
        name = file.relative_to(root).as_posix()
        try:
            about = file.stat()
            size, changed, total = known.get(name) or (-1, -1, "")
            if (size, changed) != (about.st_size, about.st_mtime_ns):
                with file.open("rb") as opened:
                    total = hashlib.file_digest(opened, "sha256").hexdigest()
                known[name] = [about.st_size, about.st_mtime_ns, total]
                _fresh.add(home)
        except OSError:
            return ""
        return total

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(look_up, files))


def keep_sums() -> None:
    """Write what was read since the last time; where that is refused they are read again."""
    while _fresh:
        home = _fresh.pop()
        with contextlib.suppress(OSError):
            home.parent.mkdir(parents=True, exist_ok=True)
            with replacing(home) as partial:
                partial.write_text(json.dumps(_known[home]), encoding="utf-8")
