"""One picture, coloured by the chosen models, and what the page says and sends about it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench import __version__
from workbench.errors import Problem
from workbench.ui import state
from workbench.ui.viewers import Cell
from workbench.ui.widgets import show_problem, stem

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.checkpoints import Checkpoint
    from workbench.colorize import Settings
    from workbench.images import Picture

MEASURED_PIXELS = 4_000_000  # a larger picture is measured on a reduced copy, and the page says so


@dataclass(frozen=True)
class Made:
    """A picture that a model (or a mix of models) coloured."""

    name: str  # for files
    title: str  # for people
    full: Tensor  # (3, H, W) at the picture's own depth, uint8 or uint16
    seconds: float
    settings: dict[str, Any]  # what made it: model, revision, settings

    @property
    def rgb(self) -> Tensor:
        """uint8 (3, H, W), as a screen shows it."""
        from workbench.images import to_eight_bits

        return to_eight_bits(self.full)

    @property
    def ab(self) -> Tensor:
        """(2, H, W) in CIELAB units, of the colours as shown."""
        from workbench.color import split_lab

        return split_lab(self.rgb)[1]


def make_all(picture: Picture, checkpoints: list[Checkpoint], settings: Settings) -> list[Made]:
    """Colour the picture with each model in turn; a model that fails is named, the rest go on."""
    made = []
    line = st.empty()
    for number, checkpoint in enumerate(checkpoints, 1):
        title = checkpoint.title
        line.caption(f"{title} is colouring ({number} of {len(checkpoints)})…")

        def wait(place: int) -> None:
            line.info(f"The networks are busy: {place} in front of you.", icon=":material/groups:")

        try:
            full, seconds = state.colorized(checkpoint, picture, settings, on_wait=wait)
        except Problem as problem:
            show_problem(problem)
            continue
        origin = {
            "model": checkpoint.name,
            "revision": checkpoint.revision,
            "settings": asdict(settings),
        }
        made.append(Made(checkpoint.name, title, full, seconds, origin))
    line.empty()
    return made


def blend(picture: Picture, made: list[Made]) -> Made:
    """The mean of the results' colours, under the picture's own L."""
    from workbench.colorize import blend, paint

    ab = blend([each.ab for each in made])
    full = paint(state.lightness(picture), ab, picture.full.dtype)
    origin = {"blend": [each.settings for each in made]}
    return Made("blend", f"Blend of {len(made)}", full, sum(m.seconds for m in made), origin)


def note(picture: Picture, made: Made) -> str:
    """Seconds, and PSNR and SSIM against the upload where that had colour."""
    numbers = [f"{made.seconds:.2f} s"]
    if not picture.grey:
        numbers += _measured(picture, made)
    return " · ".join(numbers)


def cells(picture: Picture, made: list[Made]) -> list[Cell]:
    """The input, each result, and the truth where there is one."""
    seen = Cell("What the networks see", grey(picture), "lightness only")
    truth = [] if picture.grey else [Cell("The upload", picture.rgb, "the truth")]
    return [seen, *(Cell(each.title, each.rgb, note(picture, each)) for each in made), *truth]


def grey(picture: Picture) -> Tensor:
    """The picture's lightness as uint8 RGB (3, H, W)."""
    import torch

    from workbench.colorize import paint

    L = state.lightness(picture)
    return paint(L, torch.zeros(2, *L.shape[-2:]))


def file_of(picture: Picture, made: Made) -> bytes:
    """A PNG at the picture's size and depth, marked as coloured by AI, with what made it."""
    from workbench.images import encode

    marks = {
        "Software": f"colorization-workbench {__version__}",
        "Description": f"Colourized by AI ({made.title})",
        "Settings": json.dumps(made.settings),
    }
    return encode(made.full, form="png", exif=picture.exif, icc=picture.icc, marks=marks)


def sidecar(picture: Picture, made: list[Made]) -> dict:
    """What made these pictures: source, models, revisions, settings, in plain JSON."""
    return {
        "workbench": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "picture": {"name": picture.name, "sha256": picture.sha256},
        "results": [
            {
                "file": f"{stem(picture.name)}_{each.name}.png",
                "title": each.title,
                "seconds": round(each.seconds, 3),
                **each.settings,
            }
            for each in made
        ],
    }


def archive(picture: Picture, made: list[Made]) -> bytes:
    """A ZIP of all results as PNG with settings.json beside them."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as folder:
        for each in made:
            folder.writestr(f"{stem(picture.name)}_{each.name}.png", file_of(picture, each))
        text = json.dumps(sidecar(picture, made), indent=2, ensure_ascii=False)
        folder.writestr(f"{stem(picture.name)}_settings.json", text)
    return buffer.getvalue()


def downloads(picture: Picture, made: list[Made], where=st) -> None:
    """One button for all results, one for each; files are made when they are asked for."""
    name = stem(picture.name)
    where.download_button(
        "All results (ZIP)",
        lambda: archive(picture, made),
        file_name=f"{name}_colourized.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        type="primary",
        key="download_all",
    )
    with where.popover("One result (PNG)", icon=":material/download:"):
        for each in made:
            download_one(picture, each, label=each.title, width="stretch")


def download_one(
    picture: Picture, made: Made, where=st, *, label: str = "Download PNG", width: str = "content"
) -> None:
    """A button for one result as PNG; the file is made when it is asked for."""
    where.download_button(
        label,
        lambda: file_of(picture, made),
        file_name=f"{stem(picture.name)}_{made.name}.png",
        mime="image/png",
        on_click="ignore",
        width=width,
        key=f"download_{made.name}_{label}",
    )


def _measured(picture: Picture, made: Made) -> list[str]:
    """PSNR and SSIM of a result against the upload, in words; from the shelf when known."""
    from torch.nn.functional import interpolate

    from workbench.evaluation.metrics import psnr, ssim

    key = ("measured", picture.sha256, json.dumps(made.settings, sort_keys=True))
    if found := state.shelf().get(key):
        return found
    pair = [made.rgb[None], picture.rgb[None]]
    pixels = picture.rgb.shape[-1] * picture.rgb.shape[-2]
    if pixels > MEASURED_PIXELS:
        scale = (MEASURED_PIXELS / pixels) ** 0.5
        pair = [
            interpolate(each, scale_factor=scale, mode="bilinear", antialias=True) for each in pair
        ]
    words = [f"{float(psnr(*pair)):.1f} dB"]
    if min(pair[0].shape[-2:]) >= 11:  # SSIM's window
        words.append(f"SSIM {float(ssim(*pair)):.3f}")
    return state.shelf().put(key, words, 256)
