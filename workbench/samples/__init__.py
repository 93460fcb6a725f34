"""The bundled sample pictures: ours to ship, with where each comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Sample:
    """A picture in this folder and the terms it came under."""

    file: str
    title: str
    author: str
    source: str
    licence: str
    grey: bool = False  # black and white: there is no truth to measure against

    @property
    def path(self) -> Path:
        """Where the JPEG lies."""
        return FOLDER / self.file


# What people bring, first: old photographs and portraits, then colour ones with their truth. Those
# in colour come with scikit-image (skimage.data), saved here as JPEG at quality 92.
SAMPLES: dict[str, Sample] = {
    "street": Sample(
        "street.jpg",
        "A street in Buffalo, about 1908",
        "Detroit Publishing Company",
        "Library of Congress: Erie County Savings Bank, Niagara Street",
        "Public domain",
        grey=True,
    ),
    "family": Sample(
        "family.jpg",
        "A mother and her children, 1936",
        "Dorothea Lange, Farm Security Administration",
        "Library of Congress, LC-USF34-009058-C",
        "Public domain",
        grey=True,
    ),
    "landscape": Sample(
        "landscape.jpg",
        "Mountains in Colorado, 1941",
        "Ansel Adams, National Park Service",
        "US National Archives",
        "Public domain",
        grey=True,
    ),
    "astronaut": Sample(
        "astronaut.jpg", "Eileen Collins", "NASA", "https://flic.kr/p/r9qvLn", "Public domain"
    ),
    "chelsea": Sample(
        "chelsea.jpg", "Chelsea the cat", "Stefan van der Walt", "skimage.data.chelsea", "CC0"
    ),
    "coffee": Sample(
        "coffee.jpg", "A cup of coffee", "Rachel Michetti", "skimage.data.coffee", "CC0"
    ),
    "rocket": Sample(
        "rocket.jpg",
        "Falcon 9 with DSCOVR",
        "SpaceX",
        "https://www.flickr.com/photos/spacexphotos/16511594820/",
        "CC0",
    ),
}
FIRST = next(iter(SAMPLES))  # what a visitor sees who has chosen nothing yet
IN_COLOR = [name for name, sample in SAMPLES.items() if not sample.grey]
