"""Files that matter are written beside their places, then renamed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from workbench.errors import Problem


def write_whole(folder: Path, contents: dict[str, bytes]) -> None:
    """Write files into a folder: all of them beside their places, then renamed in order.

    Raises Problem, with everything that was there before still there, when the disk refuses.
    """
    partials: list[tuple[Path, Path]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            final = folder / name
            partial = final.with_name(final.name + ".part")
            partials.append((partial, final))
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for partial, final in partials:
            partial.replace(final)
    except OSError as error:
        for partial, _ in partials:
            partial.unlink(missing_ok=True)
        free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
        raise Problem(
            f"Could not write {partials[-1][1] if partials else folder}: "
            f"{error.strerror or error} ({free / 1e6:.0f} MB free). What was saved before is kept; "
            "make room and run the same command again."
        ) from None
