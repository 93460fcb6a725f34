"""Picture files in and out."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageCms

from workbench import images
from workbench.errors import Problem
from workbench.images import encode, open_image, stamp
from workbench.images.profiles import is_grey

MARKS = {
    "Software": "colorization-workbench",
    "Description": "Colourized by AI (colorful)",
    "Revision": "0123456789ab",
}


def photo(height: int = 24, width: int = 32) -> np.ndarray:
    """A smooth colour picture, uint8 (height, width, 3)."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.uint8(np.stack((40 + 200 * x, 60 + 150 * y, 200 - 150 * x * y), -1))


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def pixels(rgb: torch.Tensor) -> np.ndarray:
    return rgb.permute(1, 2, 0).numpy()


def test_a_png_comes_in_and_goes_out_with_the_same_pixels():
    source = photo()
    picture = open_image(saved(Image.fromarray(source)), "a.png")
    assert picture.rgb.shape == (3, 24, 32)
    assert picture.rgb.dtype == torch.uint8
    assert (pixels(picture.rgb) == source).all()
    assert picture.notes == ()
    assert picture.depth == 8
    again = open_image(encode(picture.rgb))
    assert torch.equal(again.rgb, picture.rgb)


def test_the_source_may_be_bytes_a_path_or_an_open_file(tmp_path):
    data = saved(Image.fromarray(photo()))
    path = tmp_path / "b.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        three = [open_image(data, "b.png"), open_image(path), open_image(file)]
    assert {picture.name for picture in three} == {"b.png"}
    assert len({picture.sha256 for picture in three}) == 1
    assert all(torch.equal(picture.rgb, three[0].rgb) for picture in three)


def test_grey_is_known_in_any_mode_and_through_jpeg_noise_but_not_in_sepia_or_a_small_red_spot():
    rng = np.random.default_rng(0)
    grey = np.uint8(np.clip(photo(64, 64)[..., 0] + rng.normal(0, 12, (64, 64)), 0, 255))
    three = Image.fromarray(np.repeat(grey[..., None], 3, 2))
    assert open_image(saved(Image.fromarray(grey))).grey
    assert open_image(saved(three)).grey
    noisy = np.int16(np.repeat(grey[..., None], 3, 2)) + rng.integers(-1, 2, (64, 64, 3))
    noisy = Image.fromarray(np.uint8(noisy.clip(0, 255)))
    assert open_image(saved(noisy, "JPEG", quality=40)).grey
    assert not open_image(saved(Image.fromarray(photo()))).grey
    sepia = Image.fromarray(np.uint8(np.asarray(three) * (1.0, 0.9, 0.75)))
    assert not is_grey(np.asarray(sepia))
    assert open_image(saved(sepia)).grey  # nothing to be measured against: images.toned
    spot = np.array(three)
    spot[:8, :8] = (200, 20, 20)
    assert not open_image(saved(Image.fromarray(spot))).grey


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_steps(form):
    steps = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    picture = open_image(saved(Image.fromarray(steps), form))
    assert picture.depth == 16
    assert picture.grey
    assert (picture.full.numpy() == steps).all()
    assert np.abs(picture.rgb[0].numpy() - steps / 257.0).max() <= 0.5


def test_16_bit_colour_png_goes_out_and_comes_in_unchanged():
    rng = torch.Generator().manual_seed(1)
    rgb16 = torch.randint(0, 65536, (3, 5, 7), generator=rng, dtype=torch.int32).to(torch.uint16)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encode(rgb16, icc=profile, marks=MARKS)
    picture = open_image(data)
    assert picture.depth == 16
    assert torch.equal(picture.rgb16, rgb16)
    assert torch.equal(picture.full, rgb16)
    assert picture.icc == profile
    with Image.open(BytesIO(data)) as outside:  # another reader takes it, with its text
        outside.load()
        assert outside.text["Revision"] == "0123456789ab"
        assert outside.getexif()[ExifTags.Base.Software] == "colorization-workbench"
        assert np.abs(np.int32(outside) - np.int32(pixels(picture.rgb))).max() <= 1
    assert encode(rgb16, form="jpeg")[:2] == b"\xff\xd8"


def test_16_bit_colour_tiff_keeps_its_steps():
    import tifffile

    rgb16 = np.random.default_rng(2).integers(0, 65536, (6, 5, 3), dtype=np.uint16)
    out = BytesIO()
    tifffile.imwrite(out, rgb16, photometric="rgb")
    picture = open_image(out.getvalue(), "c.tif")
    assert picture.depth == 16
    assert (pixels(picture.full) == rgb16).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_are_shown_on_white_and_noted(mode):
    rgba = np.dstack((photo(), np.full((24, 32), 255, np.uint8)))
    rgba[:8, :, 3] = 0
    image = Image.fromarray(rgba)
    image = image.quantize() if mode == "P" else image.convert(mode)
    picture = open_image(saved(image))
    assert (picture.rgb[:, :8] == 255).all()
    assert (picture.rgb[:, 12:] < 255).any()
    assert picture.notes == ("The transparent parts are shown on white.",)


def test_an_opaque_alpha_channel_changes_nothing():
    picture = open_image(saved(Image.fromarray(photo()).convert("RGBA")))
    assert (pixels(picture.rgb) == photo()).all()
    assert picture.notes == ()


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode):
    image = Image.fromarray(photo()).convert(mode)
    form = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    picture = open_image(saved(image, form))
    expected = np.int16(image.convert("RGB"))
    assert np.abs(np.int16(pixels(picture.rgb)) - expected).mean() < 4
    assert ("CMYK" in " ".join(picture.notes)) == (mode == "CMYK")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_as_pillow_would_and_is_not_applied_twice(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = "A. Person"
    data = saved(Image.fromarray(photo()), exif=exif)
    picture = open_image(data)
    with Image.open(BytesIO(data)) as outside:
        assert (pixels(picture.rgb) == np.asarray(ImageOps.exif_transpose(outside))).all()
    assert any("turned" in note for note in picture.notes) == (orientation != 1)
    again = open_image(encode(picture.rgb, form="jpeg", exif=picture.exif))
    assert again.rgb.shape == picture.rgb.shape
    kept = Image.Exif()
    kept.load(again.exif)
    assert kept[ExifTags.Base.Artist] == "A. Person"
    assert ExifTags.Base.Orientation not in kept


def test_only_the_first_frame_of_an_animation_is_used():
    frames = [Image.new("RGB", (8, 6), color) for color in ("red", "green", "blue")]
    picture = open_image(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert picture.rgb[:, 0, 0].tolist() == [255, 0, 0]
    assert picture.notes == ("The file holds 3 frames; the first one is used.",)


def test_an_srgb_profile_is_kept_and_another_one_is_converted():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = open_image(saved(Image.fromarray(photo()), icc_profile=srgb))
    assert picture.icc == srgb
    assert picture.notes == ()
    swapped = swap_red_and_blue(srgb)
    picture = open_image(saved(Image.fromarray(photo()), icc_profile=swapped))
    assert np.abs(np.int16(pixels(picture.rgb)) - photo()[..., ::-1]).max() <= 3
    assert "colour profile" in picture.notes[0]
    assert picture.icc is not None
    assert picture.icc != swapped


def swap_red_and_blue(profile: bytes) -> bytes:
    """The profile of a screen whose red and blue wires are crossed."""
    return profile.replace(b"rXYZ", b"tmp_").replace(b"bXYZ", b"rXYZ").replace(b"tmp_", b"bXYZ")


def test_a_damaged_profile_costs_a_note_and_not_the_picture():
    picture = open_image(saved(Image.fromarray(photo()), icc_profile=b"no profile at all" * 20))
    assert (pixels(picture.rgb) == photo()).all()
    assert "profile" in picture.notes[0]


def test_one_pixel_is_a_picture():
    picture = open_image(saved(Image.new("RGB", (1, 1), (10, 200, 30))))
    assert picture.rgb.flatten().tolist() == [10, 200, 30]
    assert stamp(picture.rgb, "AI").shape == (3, 1, 1)
    assert torch.equal(open_image(encode(picture.rgb)).rgb, picture.rgb)


def png(width: int, height: int, *, depth: int = 8, kind: int = 2, rows: bytes = b"") -> bytes:
    """A PNG written by hand; kind 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("kind", "values"), [(4, (1000, 65535, 5, 0)), (6, (1000,) * 3 + (65535,))]
)
def test_16_bit_transparency_is_shown_on_white(kind, values):
    channels = {4: 2, 6: 4}[kind]
    row = np.array([values], ">u2").tobytes()
    picture = open_image(png(len(values) // channels, 1, depth=16, kind=kind, rows=b"\0" + row))
    assert picture.depth == 16
    expected = [1000, 65535] if kind == 4 else [1000]
    assert picture.full[1, 0].tolist() == expected
    assert ("white" in " ".join(picture.notes)) == (kind == 4)


@pytest.mark.parametrize(("side", "millions"), [(20_000, "400"), (11_000, "121")])
def test_a_huge_header_is_refused_before_anything_is_decoded(side, millions):
    with pytest.raises(Problem, match=f"huge.png is too large: {millions} million pixels"):
        open_image(png(side, side), "huge.png")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "GIF", "WEBP"])
def test_a_truncated_file_is_named(form):
    data = saved(Image.fromarray(photo(90, 120)), form)
    with pytest.raises(Problem, match=r"cut\.x is (a )?damaged"):
        open_image(data[: len(data) // 3], "cut.x")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, this is text", "not a picture"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"<?xml version='1.0'?><svg width='3'></svg>", "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isom", "film"),
        (b"PK\x03\x04rest", "ZIP"),
    ],
)
def test_what_is_no_picture_is_said_with_the_formats_that_are(data, words):
    with pytest.raises(Problem, match=f"thing.*{words}") as caught:
        open_image(data, "thing")
    assert ("PNG, JPEG" in str(caught.value)) == bool(data)


def test_a_missing_file_is_a_problem(tmp_path):
    with pytest.raises(Problem, match="cannot be read"):
        open_image(tmp_path / "nothing.png")


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_marks_say_in_the_file_that_a_machine_coloured_it(form):
    before = Image.Exif()
    before[ExifTags.Base.ImageDescription] = "Grandmother, 1931"
    rgb = torch.from_numpy(photo()).permute(2, 0, 1)
    data = encode(rgb, form=form, exif=before.tobytes(), marks=MARKS)
    with Image.open(BytesIO(data)) as outside:
        exif = outside.getexif()
        assert exif[ExifTags.Base.Software] == "colorization-workbench"
        description = exif[ExifTags.Base.ImageDescription]
        assert description == "Grandmother, 1931 (Colourized by AI (colorful))"
        comment = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
        assert "Revision: 0123456789ab" in comment[8:].decode("utf-16-le")
        assert outside.size == (32, 24)
        if form == "png":
            assert outside.text["Description"] == MARKS["Description"]
    assert b"compositeWithTrainedAlgorithmicMedia" in data
    assert b"workbench" not in encode(rgb, form=form)


def test_an_unknown_output_format_is_a_problem():
    with pytest.raises(Problem, match="png or jpeg"):
        encode(torch.zeros(3, 2, 2, dtype=torch.uint8), form="bmp")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_a_stamp_changes_only_the_lower_right_corner(dtype):
    limit = 65535 if dtype == torch.uint16 else 255
    rgb = torch.full((3, 200, 300), limit // 2, dtype=torch.int32).to(dtype)
    marked = stamp(rgb, "colourized by AI")
    changed = (marked.int() != rgb.int()).any(0)
    assert changed[-20:, -150:].any()
    assert not changed[:150].any()
    assert not changed[:, :100].any()
    assert marked.int().max() > limit * 0.85


def test_the_readable_suffixes_are_those_of_the_readable_formats():
    Image.init()
    known = {suffix for suffix, form in Image.EXTENSION.items() if form in images.FORMATS}
    assert known >= images.SUFFIXES
