"""What the API answers, in plain values: models, pictures and what is known of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import checkpoints, images
from workbench.coloring.colorize import (
    Settings,
    has_temperature,
    join_at_depth,
    make_marks,
    sample_ab,
)
from workbench.coloring.finish import STRENGTH, Finish, finish_picture, read_hints
from workbench.coloring.hints import REACH
from workbench.coloring.suggestions import suggest_colors
from workbench.errors import Problem
from workbench.evaluation.metrics import measure_pair
from workbench.names import printable
from workbench.serving.studio import shared_studio

MOST_SAMPLES = 12  # draws in one call

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
    edges: bool = False,
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
        edges=bool(edges),
        chroma=1.0 if chroma is None else chroma,
    )


def colorize_upload(
    picture: Picture, checkpoint: Checkpoint, settings: Settings, finish: Finish = Finish()
) -> tuple[Tensor, dict]:
    """RGB (3, H, W) at the picture's depth, and what is known of it, as the API tells it."""
    rgb, seconds = shared_studio().colorize(checkpoint, picture, settings)
    if finish:
        with shared_studio().queue.take_place():
            rgb = finish_picture(picture, rgb, finish)
    facts = {
        "model": checkpoint.name,
        "title": checkpoint.title,
        "revision": checkpoint.revision,
        "seconds": round(seconds, 3),
    }
    told = finish.describe() if finish else {}
    return rgb, facts | _measure_upload(picture, rgb) | told


def _measure_upload(picture: Picture, rgb: Tensor) -> dict[str, float | None]:
    """PSNR (dB) and SSIM of a result against the picture's own colours; None where it had none."""
    if picture.grey:
        return {"psnr": None, "ssim": None}
    values = measure_pair(images.to_eight_bits(rgb), picture.rgb)
    numbers = [
        round(value, 4) if value is not None and math.isfinite(value) else None for value in values
    ]
    return dict(zip(("psnr", "ssim"), numbers, strict=True))


def read_finish(
    hints: Any = None,
    reach: float | None = None,
    exemplar: str | None = None,
    strength: float | None = None,
) -> Finish:
    """What is done after the network, from what a caller sent; raises Problem."""
    for name, value in {"reach": reach, "exemplar_strength": strength}.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise Problem(f"`{name}` is a number or nothing, not {str(value)[:60]!r}.")
    return Finish(
        read_hints(hints),
        REACH if reach is None else reach,
        open_upload(exemplar) if exemplar else None,
        STRENGTH if strength is None else strength,
    )


def draw_samples(
    picture: Picture, checkpoint: Checkpoint, count: Any, seed: Any, settings: Settings
) -> list[Tensor]:
    """Draws from a network's distribution, each RGB (3, H, W); raises Problem."""
    if not isinstance(count, int | float) or not 1 <= count <= MOST_SAMPLES:
        raise Problem(f"Between 1 and {MOST_SAMPLES} samples can be drawn.")
    if not isinstance(seed, int | float) or not 0 <= seed < 2**31:
        raise Problem("A seed is a whole number from 0 to 2147483647.")
    told = settings.temperature
    L = shared_studio().lightness(picture)
    with shared_studio().queue.take_place():
        planes = sample_ab(
            shared_studio().network(checkpoint), L, int(count), int(seed), checkpoint.size,
            **({"temperature": told} if told else {}),
        )  # fmt: skip
        return [join_at_depth(L, ab, picture.full.dtype) for ab in planes]


def suggest(
    file: str, x: float, y: float, model: str | None = "colorful", count: float = 5
) -> list[dict[str, Any]]:
    """Name the likeliest colours of one place in a picture, for a hint there.

    Args:
        file: The picture, as for /colorize.
        x: Pixels from its left.
        y: Pixels from its top.
        model: A model with a temperature (see /models).
        count: How many, 1 to 20.

    Returns:
        An object for each, likeliest first: color as #rrggbb, and share, how much of its belief
        the model has in that kind of colour, 0 to 1.
    """
    picture = open_upload(file)
    checkpoint = find_checkpoints([model] if model else ["colorful"])[0]
    for name, value in {"x": x, "y": y, "count": count}.items():
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if not (right and math.isfinite(value)):
            raise Problem(f"`{name}` is a number, not {str(value)[:60]!r}.")
    L = shared_studio().lightness(picture)
    with shared_studio().queue.take_place():
        net = shared_studio().network(checkpoint)
        found = suggest_colors(net, L, x, y, int(count), checkpoint.size)
    return [{"color": each.color, "share": round(each.share, 4)} for each in found]


def encode_png(
    picture: Picture,
    checkpoint: Checkpoint,
    settings: Settings,
    rgb: Tensor,
    also: dict[str, Any] | None = None,
) -> bytes:
    """A PNG of the result at full size that says what coloured it; also: what else was done."""
    about = make_marks(checkpoint.name, checkpoint.revision, settings, checkpoint.title, also)
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
