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

    @property
    def path(self) -> Path:
        """Where the JPEG lies."""
        return FOLDER / self.file


# All five come with scikit-image (skimage.data), saved here as JPEG at quality 92.
SAMPLES: dict[str, Sample] = {
    "chelsea": Sample(
        "chelsea.jpg", "Chelsea the cat", "Stefan van der Walt", "skimage.data.chelsea", "CC0"
    ),
    "coffee": Sample(
        "coffee.jpg", "A cup of coffee", "Rachel Michetti", "skimage.data.coffee", "CC0"
    ),
    "astronaut": Sample(
        "astronaut.jpg", "Eileen Collins", "NASA", "https://flic.kr/p/r9qvLn", "Public domain"
    ),
    "rocket": Sample(
        "rocket.jpg",
        "Falcon 9 with DSCOVR",
        "SpaceX",
        "https://www.flickr.com/photos/spacexphotos/16511594820/",
        "CC0",
    ),
    "camera": Sample(
        "camera.jpg", "Cameraman (black and white)", "Lav Varshney", "skimage.data.camera", "CC0"
    ),
}
