"""How a coloured picture becomes a file: its kind, its name, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.images import Picture
    from workbench.jobs.made import Made

SUFFIXES = {"png": ".png", "jpeg": ".jpg"}  # kind -> the ending that is written
KINDS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}  # ending -> kind
STAMP = "Colourized by AI"  # what is written into the picture where that is asked for


def stem_of(name: str) -> str:
    """The picture's file name without folder and ending."""
    return Path(name).stem or "picture"


@dataclass(frozen=True)
class Form:
    """How pictures are written: `png` (at the upload's bit depth) or `jpeg`, marked visibly or not.

    The metadata always say that the colours are a machine's.
    """

    kind: str = "png"
    stamped: bool = False

    @property
    def suffix(self) -> str:
        """The ending of a file's name, with its dot."""
        return SUFFIXES[self.kind]

    def name(self, picture: Picture, made: Made) -> str:
        """The file's name: the upload's, then the model's."""
        return f"{stem_of(picture.name)}_{made.name}{self.suffix}"

    def write(self, picture: Picture, made: Made) -> bytes:
        """The picture's file, with EXIF and ICC of the upload and what made it."""
        from workbench.coloring.colorize import Settings, make_marks

        parts = made.settings.get("blend", [made.settings])
        models, revisions = (
            ", ".join(each[key] for each in parts) for key in ("model", "revision")
        )
        also = {k: v for k, v in made.settings.items() if k not in ("blend", *parts[0])}
        hints = {k: v for k, v in parts[0].items() if k not in ("model", "revision", "settings")}
        about = make_marks(
            models, revisions, Settings(**parts[0]["settings"]), made.title, also | hints
        )
        return self.encode(picture, made.full, about)

    def encode(
        self, picture: Picture, full: Tensor, marks: dict[str, str], stamp: str = STAMP
    ) -> bytes:
        """Colours (3, H, W) of a picture -> a file with its EXIF and ICC, and the marks."""
        from workbench.images import encode_result, stamp_corner

        rgb = stamp_corner(full, stamp) if self.stamped else full
        return encode_result(picture, rgb, marks, self.kind)
