"""The eye's class scores of the training pictures: computed once, kept in the cache."""

from __future__ import annotations

import numpy as np
import torch

from workbench import places
from workbench.color import split_lab
from workbench.data.pictures import Pictures
from workbench.models import eye
from workbench.writing import replacing

BATCH = 32


@torch.inference_mode()
def eye_answers(pictures: Pictures, about: str, bf16: bool, device: torch.device) -> np.ndarray:
    """The eye's class scores of every picture, float16 (N, 1000), from the cache or made.

    about: "grey" asks about L alone, "colour" about the picture as it is. The whole picture is
    shown, not a crop.
    """
    count = len(pictures.pixels)
    place = places.cache() / "eye" / f"{pictures.key}-{count}-{about}.npy"
    if place.is_file():
        kept = np.load(place)
        if kept.shape == (count, eye.CLASSES):
            return kept
    net = eye.Eye().to(device, memory_format=torch.channels_last)
    parts = []
    for start in range(0, count, BATCH):
        chosen = np.arange(start, min(count, start + BATCH))
        pixels = torch.from_numpy(np.array(pictures.pixels[chosen])).to(device)
        x = split_lab(pixels)[0] / 50 - 1 if about == "grey" else pixels.float() / 127.5 - 1
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            parts.append(net.answer(x).half().cpu().numpy())
    answers = np.concatenate(parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    with replacing(place) as partial, partial.open("wb") as file:
        np.save(file, answers)
    return answers
