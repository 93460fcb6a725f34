"""The odd files that others sent: each comes out as `cases.tsv` says.

All of them lie in ../shared/cases; the ones that were once wrong are copied to tests/cases.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench import images
from workbench.errors import Problem

HERE = Path(__file__).parent / "cases"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "cases"
FOLDER = SHARED if SHARED.is_dir() else HERE
PICTURES = {".jpg", ".png", ".tif", ".webp", ".avif", ".jp2", ".ppm", ".pgm", ".psd"}


@dataclass(frozen=True)
class Case:
    file: str
    kind: str
    outcome: str

    @property
    def path(self) -> Path:
        path = FOLDER / self.file
        if not path.is_file():
            pytest.skip(f"needs ../shared/cases/{self.file}, which is not copied here")
        return path


def cases() -> list[Case]:
    with (FOLDER / "cases.tsv").open(encoding="utf-8") as file:
        return [Case(*row) for row in list(csv.reader(file, delimiter="\t"))[1:]]


def chosen(*suffixes: str) -> list[object]:
    found = [case for case in cases() if Path(case.file).suffix in suffixes]
    return [pytest.param(case, id=case.file) for case in found]


SENTENCES = {  # what is refused, and a word of why
    "drawing.psd": "Photoshop",
    "photo.jxl.jpg": "JPEG XL",
    "junk_before_start.jpg": "damaged",
    "progressive_half.jpg": "damaged",
}
GREY = 167  # the mean grey of the scan that most of the cases hold
ELSEWHERE = {  # and of those that hold something else
    "all_white.jpg": 255, "cmyk_adobe.jpg": 97, "float32_rgb.tif": 97, "grey2_packed.tif": 116,
    "grey4_white_is_zero.tif": 158, "grey16_icc_gamma18.png": 178, "grey_icc_gamma10.jpg": 205,
    "one_pixel_high_3000.png": 127, "panorama_50_to_1.jpg": 104, "rgb16_tiled_predictor.tif": 97,
    "rgba.jp2": 97, "scan_rgb16_orientation6.tif": 97, "real_flower-minisblack-32.tif": 93,
    "real_flower-rgb-planar-16.tif": 88, "real_hopper_bigtiff.tif": 88,
    "real_ifd-end-pointer.tif": 202,
}  # fmt: skip
SET_UPRIGHT = {
    "exif_orientation6.avif", "exif_orientation6.png", "exif_orientation7.jpg",
    "scan_grey16_orientation6.tif", "scan_rgb16_orientation6.tif",
}  # fmt: skip


@pytest.mark.parametrize("case", chosen(*PICTURES))
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_picture_comes_out_as_it_should(case):
    if case.file in SENTENCES:
        with pytest.raises(Problem, match=f"^{case.file} is .*{SENTENCES[case.file]}"):
            images.open_image(case.path)
        return
    picture = images.open_image(case.path)
    assert picture.name == case.file
    assert abs(float(picture.rgb.float().mean()) - ELSEWHERE.get(case.file, GREY)) < 1.5
    if case.file not in ELSEWHERE or case.file in SET_UPRIGHT:
        upright = (240, 180) if case.file in SET_UPRIGHT else (180, 240)
        assert tuple(picture.rgb.shape[-2:]) == upright
    for form in ("png", "jpeg"):
        marks = {"Software": "colorization-workbench"}
        data = images.encode(
            picture.full, form=form, exif=picture.exif, icc=picture.icc, marks=marks,
            dpi=picture.dpi,
        )  # fmt: skip
        again = images.open_image(data, f"again.{form}")
        assert again.rgb.shape == picture.rgb.shape
        assert again.notes == ()
        if form == "png":
            assert torch.equal(again.full, picture.full)


@pytest.mark.parametrize("case", chosen(*PICTURES))
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_trainer_evaluation_and_colorize_see_the_same_pixels(case):
    from workbench.data.pictures import decode, decode_square

    if case.file in SENTENCES:
        return
    rgb = images.open_image(case.path).rgb
    data = case.path.read_bytes()
    assert (images.open_pixels(data).transpose(2, 0, 1) == rgb.numpy()).all()
    assert images.size_of(data) == tuple(rgb.shape[:0:-1])
    whole, _ = decode_square(rgb.permute(1, 2, 0).numpy(), 32)
    assert (decode_square(data, 32)[0] == whole).all()
    quick, _ = decode(data, (32, 32), fraction=True)
    assert np.abs(np.int16(quick) - whole).mean() < 3
