"""Picture files in and out."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageCms

from workbench.errors import Problem
from workbench.images import encode, files, open_image, stamp_corner
from workbench.images.grey import is_grey

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
    assert not is_grey(np.asarray(sepia).transpose(2, 0, 1))
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
    assert any("upright" in note for note in picture.notes) == (orientation != 1)
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
    assert stamp_corner(picture.rgb, "AI").shape == (3, 1, 1)
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


@pytest.mark.parametrize(("side", "millions"), [(20_000, "400"), (8_100, "66")])
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
    marked = stamp_corner(rgb, "colourized by AI")
    changed = (marked.int() != rgb.int()).any(0)
    assert changed[-20:, -150:].any()
    assert not changed[:150].any()
    assert not changed[:, :100].any()
    assert marked.int().max() > limit * 0.85


def test_the_readable_suffixes_are_those_of_the_readable_formats():
    readable = files.formats()
    known = {suffix for suffix, form in Image.EXTENSION.items() if form in readable}
    assert known >= files.SUFFIXES


def tiff(values: np.ndarray, **options: object) -> bytes:
    import tifffile

    out = BytesIO()
    tifffile.imwrite(out, values, **options)
    return out.getvalue()


RAMP = np.linspace(0, 1, 64 * 48).reshape(48, 64)


@pytest.mark.parametrize(
    ("values", "options", "levels"),
    [
        (np.float32(RAMP), {}, RAMP),
        (np.float32(RAMP * 0.5), {}, RAMP * 0.5),
        (np.float16(RAMP), {}, RAMP),
        (np.float64(RAMP) * 40 - 3, {}, RAMP),
        (np.uint32(RAMP * (2**32 - 1)), {}, RAMP),
        (np.uint64(RAMP * 2**52) * 2**11, {}, RAMP / 2),
        (np.int16(RAMP * 60000 - 30000), {}, RAMP),
        (np.int8(RAMP * 250 - 125), {}, RAMP),
        (np.uint16(RAMP * 65535), {"photometric": "miniswhite"}, 1 - RAMP),
        (np.uint16(RAMP * 65535), {"bigtiff": True}, RAMP),
        (np.uint16(RAMP * 65535), {"byteorder": ">"}, RAMP),
        (np.uint16(RAMP * 65535), {"compression": "zlib", "predictor": True}, RAMP),
        (np.uint16(RAMP * 65535), {"tile": (16, 16)}, RAMP),
        (np.float32(RAMP), {"compression": "zlib", "tile": (16, 16)}, RAMP),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, np.ndarray) else str(value),
)
def test_a_deep_tiff_of_any_numbers_keeps_its_levels(values, options, levels):
    picture = open_image(tiff(values, **options), "deep.tif")
    assert picture.depth == 16
    assert picture.grey
    off = np.abs(picture.full[0].numpy() / 65535 - levels).max()
    assert off < (0.01 if values.dtype in (np.int8, np.float16) else 1e-3)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("kind", [np.uint16, np.uint32, np.float32])
def test_deep_colour_tiffs_are_read_in_pixels_or_planes_with_their_transparency(planar, kind):
    rgb = np.stack((RAMP, RAMP[::-1], 0 * RAMP + 0.5, 0 * RAMP + 1), -1)
    rgb[:8, :, 3] = 0
    values = rgb * np.iinfo(kind).max if kind is not np.float32 else rgb
    values = values.astype(np.float64).clip(0, None).astype(kind)
    stored = values.transpose(2, 0, 1) if planar == "separate" else values
    options = {"photometric": "rgb", "planarconfig": planar, "extrasamples": ["unassalpha"]}
    picture = open_image(tiff(stored, **options), "deep.tif")
    assert picture.notes == ("The transparent parts are shown on white.",)
    assert (picture.full[:, :8] == 65535).all()
    off = np.abs(picture.full.numpy().transpose(1, 2, 0)[8:] / 65535 - rgb[8:, :, :3])
    assert off.max() < 1e-3


def test_infinite_values_are_the_ends_and_nan_is_black():
    values = np.float32(RAMP * 3)
    values[0, :3] = np.nan, np.inf, -np.inf
    picture = open_image(tiff(values), "scan.tif")
    assert picture.full[0, 0, :3].tolist() == [0, 65535, 0]
    assert abs(float(picture.rgb.float().mean()) - 127) < 2


@pytest.mark.parametrize("broken", ["chain", "page", "loop", "sixty thousand pages"])
def test_what_comes_after_the_first_page_of_a_tiff_costs_nothing(broken):
    data = bytearray(saved(Image.fromarray(photo()), "TIFF"))
    start = struct.unpack_from("<I", data, 4)[0]
    link = start + 2 + 12 * struct.unpack_from("<H", data, start)[0]
    if broken == "sixty thousand pages":
        end = len(data)
        struct.pack_into("<I", data, link, end)
        for number in range(60_000):
            data += struct.pack("<HI", 0, end + 6 * (number + 1))
    else:
        target = {"chain": 2**31, "page": len(data) - 3, "loop": start}[broken]
        struct.pack_into("<I", data, link, target)
    picture = open_image(bytes(data), "scan.tif")
    assert (pixels(picture.rgb) == photo()).all()


def test_a_page_behind_all_that_can_be_counted_is_no_page():
    data = bytearray(tiff(np.uint8(RAMP * 255), bigtiff=True))
    struct.pack_into("<Q", data, 8, 2**64 - 1)
    with pytest.raises(Problem, match="no page of this TIFF"):
        open_image(bytes(data), "scan.tif")


@pytest.mark.parametrize("marked", [True, False])
def test_the_photograph_behind_a_preview_is_the_picture(marked):
    import tifffile

    out = BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(photo()[::2, ::2], photometric="rgb", subfiletype=int(marked))
        writer.write(photo(), photometric="rgb")
    picture = open_image(out.getvalue(), "camera.tif")
    assert (pixels(picture.rgb) == photo()).all()
    assert "preview" in picture.notes[0]


def test_the_raw_file_of_a_camera_is_called_so():
    import tifffile

    out = BytesIO()
    with tifffile.TiffWriter(out) as writer:
        options = {"photometric": "rgb", "subfiletype": 1, "subifds": 1}
        writer.write(photo()[::2, ::2], **options)
        writer.write(np.uint16(RAMP * 4000), photometric=32803, subfiletype=0)
    with pytest.raises(Problem, match=r"raw file \(DNG"):
        open_image(out.getvalue(), "camera.dng")


def test_a_kind_of_tiff_that_nobody_reads_is_described_and_not_called_damaged():
    data = tiff(np.complex64(RAMP))
    with pytest.raises(Problem, match=r"of a kind that cannot be read here \(64 bits, complex"):
        open_image(data, "waves.tif")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"8BPS\0\1", "Photoshop"),
        (b"\xff\x0a123", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0", "raw file"),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\xff\xd8\xff\xc3\0\x0b\x0e\0\1\0\1\1\1\x11\0", "14 bits, process 3"),
    ],
)
def test_sound_but_unsupported_files_are_called_by_their_name(data, words):
    with pytest.raises(Problem, match=words) as caught:
        open_image(data, "thing")
    assert "damaged" not in str(caught.value)


def gamma_png(gamma: float, depth: int = 8, **chunks: bytes) -> bytes:
    kind = np.uint8 if depth == 8 else np.dtype(">u2")
    values = np.round(RAMP**gamma * (2**depth - 1)).astype(kind)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    data = png(64, 48, depth=depth, kind=0, rows=rows)
    extra = b""
    for name, body in {"gAMA": struct.pack(">I", round(gamma * 100_000)), **chunks}.items():
        block = name.encode() + body
        extra += struct.pack(">I", len(body)) + block + struct.pack(">I", zlib.crc32(block))
    return data[:33] + extra + data[33:]


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8])
def test_a_png_of_another_gamma_is_lightened_as_browsers_do(gamma, depth):
    picture = open_image(gamma_png(gamma, depth), "linear.png")
    light = RAMP  # what the gamma undoes
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    srgb = srgb if gamma == 1.0 else RAMP * 0 + srgb
    step = 0.02 if depth == 8 else 1e-3
    dark = RAMP > 0.05
    assert np.abs(picture.full[0].numpy() / (2**depth - 1) - srgb)[dark].max() < step
    assert "gamma" in picture.notes[0]


def test_a_png_that_says_srgb_or_sRGBs_own_gamma_is_left_alone():
    for data in (gamma_png(0.45455), gamma_png(1.0, sRGB=b"\0")):
        picture = open_image(data, "usual.png")
        assert picture.notes == ()


def test_primaries_of_a_png_are_brought_to_srgb_and_white_stays_white():
    adobe = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
    body = struct.pack(">8I", *(round(value * 100_000) for value in adobe))
    row = bytes([255, 255, 255, 200, 100, 100])
    data = png(2, 1, kind=2, rows=b"\0" + row)
    extra = b""
    for name, chunk in ((b"gAMA", struct.pack(">I", 45455)), (b"cHRM", body)):
        extra += struct.pack(">I", len(chunk)) + name + chunk
        extra += struct.pack(">I", zlib.crc32(name + chunk))
    picture = open_image(data[:33] + extra + data[33:], "wide.png")
    assert picture.rgb[:, 0, 0].tolist() == [255, 255, 255]
    red, green, blue = picture.rgb[:, 0, 1].tolist()
    assert red > 215  # a red of wide primaries is a stronger one in sRGB
    assert abs(green - 100) < 6
    assert abs(blue - 100) < 6


@pytest.mark.parametrize("form", ["png", "jpeg"])
@pytest.mark.parametrize("deep", [False, True])
def test_the_resolution_stays(form, deep):
    out = BytesIO()
    Image.fromarray(photo()).save(out, "JPEG", dpi=(300, 600))
    picture = open_image(out.getvalue())
    rgb = picture.rgb.to(torch.int32).mul(257).to(torch.uint16) if deep else picture.rgb
    with Image.open(BytesIO(encode(rgb, form=form, dpi=picture.dpi))) as written:
        assert [round(float(dots)) for dots in written.info["dpi"]] == [300, 600]


def test_a_long_exif_block_loses_the_makers_notes_in_a_jpeg_and_nothing_in_a_png():
    before = Image.Exif()
    before[ExifTags.Base.Artist] = "A. Person"
    before.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = b"\x5a" * 70_000
    picture = open_image(saved(Image.fromarray(photo()), "WEBP", exif=before.tobytes()))
    for form in ("png", "jpeg"):
        data = encode(picture.rgb, form=form, exif=picture.exif, marks=MARKS)
        with Image.open(BytesIO(data)) as written:
            exif = written.getexif()
            assert exif[ExifTags.Base.Artist] == "A. Person"
            notes = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.MakerNote)
            assert (notes is None) == (form == "jpeg")


def test_a_side_that_no_jpeg_has_is_a_problem():
    with pytest.raises(Problem, match="Choose PNG"):
        encode(torch.zeros(3, 1, 70_000, dtype=torch.uint8), form="jpeg")


def test_sixteen_bits_are_limited_by_bytes_and_24_megapixels_of_them_are_allowed():
    with pytest.raises(Problem, match="365 MB, and the limit is 300 MB"):
        open_image(png(7800, 7800, depth=16), "bomb.png")
    with pytest.raises(Problem, match="pixels a side"):
        open_image(png(1, 70_000), "tall.png")
    with pytest.raises(Problem, match="written as text"):
        open_image(b"P3 1 1 255 " + b" " * files.MOST_TEXT, "text.ppm")
    files._limit("photograph", (6000, 4000), 4, 2)


def test_heic_is_read_with_its_turn_and_exif():
    heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "A. Person"
    exif[ExifTags.Base.Orientation] = 6
    out = BytesIO()
    heif.from_pillow(Image.fromarray(photo(48, 64))).save(out, exif=exif.tobytes(), quality=90)
    picture = open_image(out.getvalue(), "phone.heic")
    assert picture.rgb.shape[-2:] in ((48, 64), (64, 48))
    assert b"A. Person" in picture.exif


def test_a_slip_of_our_own_is_no_damaged_file(monkeypatch):
    monkeypatch.setattr(files, "flat_rgb", None)
    with pytest.raises(TypeError):
        open_image(saved(Image.fromarray(photo())))
