"""What the API answers, in plain values: models, pictures and what is known of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import checkpoints, images
from workbench.coloring.colorize import Settings, has_temperature, make_marks
from workbench.errors import Problem
from workbench.evaluation.metrics import measure_pair
from workbench.names import printable
from workbench.serving.studio import shared_studio

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.checkpoints import Checkpoint
    from workbench.images import Picture


def find_checkpoints(names: list[str] | None = None) -> list[Checkpoint]:
    """The trained models of these names, all of them without names; raises Problem.

    NAME+NAME is a blend of them: `checkpoints.find_blend`.
    """
    every = checkpoints.available()
    if not every:
        raise Problem("There is no trained model on this server. Train one, or fetch one.")
    if names is not None and not isinstance(names, list | tuple):
        raise Problem(f"Models are a list of names. There are: {', '.join(every)}.")
    found = []
    for name in dict.fromkeys(map(str, names or every)):
        if name not in every and "+" in name[:1000]:
            found.append(checkpoints.find_blend(name[:1000], every))
        elif name in every:
            found.append(every[name])
        else:
            raise Problem(f"There is no model {name[:60]!r}. There are: {', '.join(every)}.")
    return found


def open_upload(file: str | None) -> Picture:
    """The picture in an uploaded file, from the shelf when it was just opened."""
    if not file or not isinstance(file, str):
        raise Problem("There is no picture yet. Send a file, or choose one of the samples.")
    path = Path(file)
    try:
        key = (file, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        raise Problem(f"{printable(path.name)} is no longer here. Upload it again.") from None
    return shared_studio().open_picture(key, lambda: images.open_image(path))


def read_settings(
    size: float | None,
    temperature: float | None,
    chroma: float | None,
    rebalancing: float | None = None,
    mirror: bool = False,
) -> Settings:
    """Settings from what a form or a caller sent; nothing is the model's own, as 0 is.

    A rebalancing of 0 is 0.
    """
    told = {"size": size, "temperature": temperature, "chroma": chroma, "rebalancing": rebalancing}
    for name, value in told.items():
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (right and math.isfinite(value)):
            raise Problem(f"`{name}` is a number or nothing, not {str(value)[:60]!r}.")
    return Settings(
        size=int(size) if size else None,
        temperature=temperature or None,
        rebalancing=rebalancing,
        mirror=bool(mirror),
        chroma=1.0 if chroma is None else chroma,
    )


def colorize_upload(
    picture: Picture, checkpoint: Checkpoint, settings: Settings
) -> tuple[Tensor, dict]:
    """RGB (3, H, W) at the picture's depth, and what is known of it, as the API tells it."""
    rgb, seconds = shared_studio().colorize(checkpoint, picture, settings)
    facts = {
        "model": checkpoint.name,
        "title": checkpoint.title,
        "revision": checkpoint.revision,
        "seconds": round(seconds, 3),
        "psnr": None,
        "ssim": None,
    }
    if not picture.grey:
        values = measure_pair(images.to_eight_bits(rgb), picture.rgb)
        facts["psnr"], facts["ssim"] = (
            round(value, 4) if value is not None and math.isfinite(value) else None
            for value in values
        )
    return rgb, facts


def encode_png(picture: Picture, checkpoint: Checkpoint, settings: Settings, rgb: Tensor) -> bytes:
    """A PNG of the result at full size that says what coloured it."""
    about = make_marks(checkpoint.name, checkpoint.revision, settings, checkpoint.title)
    return images.encode_result(picture, rgb, about)


def list_models() -> list[dict[str, Any]]:
    """List the models that can be named in /colorize and /compare.

    Returns:
        An object for each model: name, title, paper, claim, revision of the weights, size (short
        side in pixels at which it looks at a picture), temperature (whether it has one),
        images_seen in training, trained_on, and parameters (how many numbers it learnt).
    """
    rows = []
    for name, checkpoint in checkpoints.available().items():
        net, spec = shared_studio().network(checkpoint), checkpoint.spec
        rows.append(
            {
                "name": name,
                "title": checkpoint.title,
                "paper": spec.source,
                "claim": spec.claim,
                "revision": checkpoint.revision,
                "size": checkpoint.size,
                "temperature": has_temperature(net),
                "images_seen": checkpoint.config.get("images_seen"),
                "trained_on": checkpoint.config.get("trained_on"),
                "parameters": sum(weight.numel() for weight in net.parameters()),
            }
        )
    return rows
