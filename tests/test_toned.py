"""Sepia is no colour: a toned print is known, its tone taken off, and nothing measured by it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.data.pictures import decode_square
from workbench.data.sources import open_source
from workbench.images import encode, open_image
from workbench.images.toned import NOTE, is_toned, remove_tone


def scene(seed: int = 0, side: int = 160) -> np.ndarray:
    """Lightness of a made-up scene, float (side, side) in [0, 1]: shapes and grain."""
    random = np.random.default_rng(seed)
    coarse = random.random((6, 6), dtype=np.float32)
    smooth = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
    return np.clip(smooth + random.normal(0, 0.02, (side, side)), 0, 1)


def rgb_of(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> torch.Tensor:
    stacked = np.clip(np.stack((red, green, blue)), 0, 1) * 255
    return torch.from_numpy(stacked.astype(np.uint8))


def sepia(seed: int = 0) -> torch.Tensor:
    y = scene(seed)
    return rgb_of(y**0.8, y**0.95, y**1.25)


def brown_dog() -> torch.Tensor:
    """A brown animal on grass under a pale sky: one brown, but not one hue over the picture."""
    rgb = sepia(1).float() / 255
    y = torch.from_numpy(scene(2)).float()
    grass = torch.stack((0.35 * y, 0.55 * y, 0.2 * y))
    sky = torch.stack((0.75 * y, 0.82 * y, 0.95 * y))
    rgb[:, 110:], rgb[:, :40] = grass[:, 110:], sky[:, :40]
    return (rgb * 255).byte()


def sunset() -> torch.Tensor:
    """From dark blue over rose to orange."""
    y = np.linspace(0, 1, 160)[:, None] * np.ones((1, 160))
    grain = scene(3) * 0.1
    return rgb_of(0.15 + 0.85 * y + grain, 0.15 + 0.4 * y**1.5 + grain, 0.4 - 0.3 * y + grain)


def red_stage() -> torch.Tensor:
    """Everything in the light of one red lamp."""
    y = scene(4)
    return rgb_of(y, 0.12 * y, 0.1 * y)


def amber_stage() -> torch.Tensor:
    """The same in the light of one amber lamp, whose hue is that of sepia."""
    y = scene(5)
    return rgb_of(y, 0.6 * y, 0.08 * y)


@pytest.mark.parametrize("seed", range(4))
def test_a_sepia_print_is_known(seed) -> None:
    assert is_toned(sepia(seed))


@pytest.mark.parametrize("made", [brown_dog, sunset, red_stage, amber_stage])
def test_a_colour_photograph_of_one_warm_colour_is_not_taken_for_a_print(made) -> None:
    assert not is_toned(made())
    assert not open_image(encode(made()), "a.png").grey


def test_a_blue_sky_is_not_taken_for_a_cyanotype() -> None:
    y = scene(6)
    assert not is_toned(rgb_of(0.5 * y, 0.75 * y, y))


def test_a_print_is_opened_as_grey_with_its_lightness_and_a_note() -> None:
    print_ = sepia()
    picture = open_image(encode(print_), "print.png")
    assert picture.grey
    assert NOTE in picture.notes
    assert torch.equal(picture.rgb, remove_tone(print_))
    assert (picture.rgb[0].int() - picture.rgb[2].int()).abs().max() <= 1


@pytest.mark.parametrize("name", ["boy", "couple", "girl"])
def test_the_scratched_portraits_are_prints(shared, name) -> None:
    picture = open_image(shared / "data" / "legacy" / f"scratched_portrait_{name}.jpg")
    assert picture.grey
    assert NOTE in picture.notes


def test_no_photograph_of_cats_and_dogs_or_food_is_a_print(shared) -> None:
    for name in ("cats-dogs", "food"):
        source = open_source(str(shared / "data" / "test" / f"{name}.parquet"))
        toned = [
            item.name for item in source.items()
            if is_toned(torch.from_numpy(decode_square(item.data, 128)[0]))
        ]  # fmt: skip
        assert toned == []


def test_a_print_has_no_metrics_in_the_api_and_a_colour_photograph_has(small_checkpoints) -> None:
    from workbench import checkpoints
    from workbench.coloring.colorize import Settings
    from workbench.serving import api

    checkpoint = checkpoints.available(small_checkpoints)["vanilla_cnn"]
    for rgb, measured in ((sepia(), False), (sunset(), True)):
        picture = open_image(encode(rgb), "a.png")
        about = api.colorize_upload(picture, checkpoint, Settings())[1]
        assert (about["psnr"] is not None) == measured
