"""Many pictures, any models, in the background: progress, stop, and one ZIP to take home.

A batch runs in its own thread, so the page stays usable; it takes its place in the same queue
as everybody else, picture by picture. A file that cannot be read is named and the rest go on.
"""

from __future__ import annotations

import io
import json
import shutil
import threading
import weakref
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from workbench import __version__, spare
from workbench.errors import Problem, guard_decoder, reason_of
from workbench.jobs.form import Form
from workbench.jobs.painting import Painter, colorize_picture, find_free
from workbench.names import is_passed_over, printable, safe_path
from workbench.writing import as_csv

if TYPE_CHECKING:
    from workbench.coloring.colorize import Settings

MOST_FILES = 2000
MOST_BYTES = 64 * 2**20  # of one picture inside a ZIP, unpacked
SHOWN = 6  # files whose pictures are kept small, to be looked at
THUMBNAIL = 200  # longer side of those, pixels
COLUMNS = ("picture", "model", "revision", "width", "height", "seconds", "psnr_db", "ssim", "file")


@dataclass(frozen=True)
class File:
    """A picture file to be coloured: its name (with folders inside a ZIP) and how to read it."""

    name: str
    read: Callable[[], bytes]


def unpack_uploads(uploads: Iterable[tuple[str, bytes]]) -> tuple[list[File], list[str]]:
    """Uploads (name, bytes) -> the files in them, ZIPs opened, and sentences about what is not one.

    Raises Problem when there are more than MOST_FILES.
    """
    files: list[File] = []
    failures: list[str] = []
    for name, data in uploads:
        shown = printable(name)
        if not name.lower().endswith(".zip"):
            files.append(File(safe_path(PurePosixPath(name).name), lambda data=data: data))
            continue
        try:
            with guard_decoder(f"{shown} is not a ZIP archive, or a damaged one."):
                archive = zipfile.ZipFile(io.BytesIO(data))
                members = archive.infolist()
        except Problem as problem:
            failures.append(str(problem))
            continue
        if len(members) > 5 * MOST_FILES:
            raise Problem(
                f"{shown} holds {len(members):,} files, and a batch takes {MOST_FILES:,}."
            )
        for member in members:
            path = PurePosixPath(member.filename.replace("\\", "/"))
            below = PurePosixPath(*(part for part in path.parts if part not in ("..", "/")))
            if member.is_dir() or is_passed_over(below):
                continue
            inside = safe_path(member.filename)
            if member.file_size > MOST_BYTES:
                failures.append(f"{inside} in {shown} is larger than 64 MB.")
                continue
            files.append(File(inside, partial(_unpack, archive, member, shown)))
    if len(files) > MOST_FILES:
        raise Problem(
            f"These are {len(files):,} pictures, and a batch takes {MOST_FILES:,}. "
            "Use `python -m workbench colorize FOLDER --out DIR` for more."
        )
    return files, failures


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    """One file of an archive, at most MOST_BYTES of it. Raises Problem."""
    if member.flag_bits & 1:
        raise Problem(f"It is encrypted in {name}: make the archive without a password.")
    with (
        guard_decoder(
            f"It is damaged in {name}, or packed in a way that is not known here ({{error}})."
        ),
        archive.open(member) as file,
    ):
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Problem(f"It is larger than 64 MB in {name}.")
    return data


class Batch(threading.Thread):
    """One batch. Read `done`, `total`, `current`, `failures`; call `stop`; then take `archive`.

    `shown` has the first files by name: a small file for what went in and for each model's picture.
    """

    def __init__(
        self,
        files: list[File],
        painters: list[Painter],
        settings: Settings,
        take_place: Callable[[], AbstractContextManager[None]],
        failures: Iterable[str] = (),
        form: Form = Form(),
    ) -> None:
        super().__init__(daemon=True)
        self.files, self.painters, self.settings = files, painters, settings
        self.take_place = take_place
        self.failures, self.form = list(failures), form
        self.done, self.total, self.current = 0, len(files), ""
        self.shown: dict[str, list[tuple[str, bytes]]] = {}  # file -> (title, picture), in order
        self.folder = spare.make_folder("batch")
        self.archive = self.folder / "colourized.zip"
        self._halt = threading.Event()
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def stop(self) -> None:
        """End after the picture in hand; what is done is kept."""
        self._halt.set()

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it."""
        return self._halt.is_set()

    def discard(self) -> None:
        """Stop, and remove its files."""
        self.stop()
        if self.is_alive():
            self.join(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self) -> None:
        """Colour all files; write pictures, metrics.csv, settings.json and report.txt."""
        rows: list[dict[str, object]] = []
        try:
            with zipfile.ZipFile(self.archive, "w", zipfile.ZIP_STORED) as out:
                taken: set[str] = set()
                for file in self.files:
                    if self.stopped:
                        break
                    self.current = file.name
                    try:
                        for name, data, row in self._color(file, taken):
                            out.writestr(name, data)
                            rows.append(row)
                    except Problem as problem:
                        said = str(problem)
                        named = said.startswith(file.name)
                        self.failures.append(said if named else f"{file.name}: {said}")
                    self.done += 1
                out.writestr("metrics.csv", _table(rows))
                out.writestr("settings.json", json.dumps(self._about(), indent=2))
                out.writestr("report.txt", self.report)
        except OSError as error:  # a full disk: nothing of the page is lost but this archive
            self.archive.unlink(missing_ok=True)
            self.failures.append(
                f"The archive could not be written ({reason_of(error)}): there is no room on the "
                "server. Try fewer pictures, or later."
            )
        except BaseException:
            self.archive.unlink(missing_ok=True)  # half an archive is none
            self.failures.append("The batch broke off by a fault of ours; the log says which.")
            raise
        finally:
            self.current = ""

    @property
    def report(self) -> str:
        """What was done and what was not, in sentences."""
        lines = [f"{self.done} of {self.total} files by {len(self.painters)} models."]
        if self.stopped and self.done < self.total:
            lines.append("It was stopped before the end.")
        lines += [f"Not coloured: {failure}" for failure in self.failures]
        return "\n".join(lines) + "\n"

    def _color(self, file: File, taken: set[str]) -> Iterator[tuple[str, bytes, dict[str, object]]]:
        """Yield (name in the archive, file, row of metrics.csv) for each model."""
        from workbench.evaluation.metrics import measure_pair
        from workbench.images import encode_for_screen, open_image, to_eight_bits

        data = file.read()
        with self.take_place():  # one picture is decoded at a time, as one network runs
            picture = open_image(data, file.name)
        path = find_free(
            PurePosixPath(file.name).with_suffix(self.form.suffix),
            lambda path: str(path).lower() not in taken,
        )
        taken.add(str(path).lower())
        shown: list[tuple[str, bytes]] | None = None
        if len(self.shown) < SHOWN:
            shown = self.shown[str(path)] = [
                ("The file", encode_for_screen(picture.rgb, THUMBNAIL)[0])
            ]
        height, width = picture.rgb.shape[-2:]
        for made in colorize_picture(picture, self.painters, self.settings, self.take_place):
            checkpoint = made.painter.checkpoint
            data = self.form.encode(picture, made.rgb, made.marks)
            rgb = to_eight_bits(made.rgb)
            if shown:
                shown.append((checkpoint.title, encode_for_screen(rgb, THUMBNAIL)[0]))
            row: dict[str, object] = {
                "picture": file.name,
                "model": checkpoint.name,
                "revision": checkpoint.revision,
                "width": width,
                "height": height,
                "seconds": f"{made.seconds:.3f}",
                "file": f"{checkpoint.name}/{path}",
            }
            if not picture.grey:
                psnr, ssim = measure_pair(rgb, picture.rgb)
                row["psnr_db"] = f"{psnr:.3f}"
                if ssim is not None:
                    row["ssim"] = f"{ssim:.4f}"
            yield f"{checkpoint.name}/{path}", data, row

    def _about(self) -> dict[str, object]:
        return {
            "workbench": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": asdict(self.settings),
            "form": asdict(self.form),
            "models": [
                {"name": c.name, "title": c.title, "revision": c.revision, "size": c.size}
                for c in (each.checkpoint for each in self.painters)
            ],
            "files": self.total,
            "done": self.done,
            "failures": self.failures,
        }


def _table(rows: list[dict[str, object]]) -> str:
    return as_csv(rows, COLUMNS)
