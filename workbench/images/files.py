"""Files <-> uint8 tensors: everything that a picture file can be is dealt with here, once.

`open_image` takes what people upload (on its side, transparent, 16 bit, CMYK, palette, animated,
in another colour space, huge, broken) and returns a plain sRGB `Picture`. `encode` writes one back,
at 8 or 16 bits, and marks it as coloured by a machine.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, ImageDraw, ImageFont, PngImagePlugin
from torch import Tensor

from workbench.errors import Problem, guard_decoder, reason_of
from workbench.images import tiff as image_tiff
from workbench.images.depth import (
    DEEP_MODES,
    deep_grey,
    encode_png16,
    ffmpeg_pixels,
    flatten_alpha,
    halve_depth,
    strips,
)
from workbench.images.grey import is_grey
from workbench.images.profiles import convert_to_srgb, deep_profile, flat_rgb, png_colors
from workbench.images.signing import SOURCE_TYPE, sign
from workbench.images.toned import NOTE, is_toned, remove_tone
from workbench.names import printable

# Checked on the header, before anything is decoded. At these limits opening a picture, colouring
# and writing it takes less than 1.5 GB, and 25 s on two loaded cores (docs/security.md).
MAX_PIXELS = 62_000_000
MAX_SIDE = 65_500  # pixels, as libjpeg has it
MAX_BYTES = 300_000_000  # of the pixels as the file has them: pixels x channels x bytes of each
MOST_TEXT = 16 << 20  # bytes of a PPM in digits and spaces, which Pillow reads one by one
SLOW = {"JPEG2000": 30_000_000}  # pixels, where a decoder takes its time
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "AVIF", "JPEG2000", "PPM")
READABLE = "PNG, JPEG, TIFF, WebP, AVIF, HEIC, GIF, BMP, JPEG 2000 and PPM"
SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".webp", ".gif", ".bmp", ".avif"}
SUFFIXES |= {".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".heic", ".heif"}
AGAIN = "Save or download it again."
UPRIGHT = "The picture was set upright as its EXIF data says."
DAMAGED = "a damaged picture, or one of a kind that cannot be read here"
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
UNREADABLE = {  # the first bytes of what is known by name and cannot be read
    b"8BPS": "a Photoshop file (PSD), which cannot be read here: export it as TIFF or PNG",
    b"\xff\x0a": "a JPEG XL picture, which cannot be read here: export it as JPEG or PNG",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture, which cannot be read here: export it as JPEG or PNG",
    b"II\xbc": "a JPEG XR picture, which cannot be read here: export it as JPEG or PNG",
    b"\xff\xd8\xff\xf7": "a JPEG-LS picture, which cannot be read here: export it as PNG",
    b"gimp xcf": "a GIMP file (XCF), which cannot be read here: export it as TIFF or PNG",
    b"\x76\x2f\x31\x01": "an OpenEXR picture, which cannot be read here: export it as TIFF or PNG",
    b"#?RADIANCE": "a Radiance HDR picture, which cannot be read here: export it as TIFF or PNG",
    **dict.fromkeys(
        (b"FUJIFILMCCD-RAW", b"IIRO", b"IIU\0"),
        "a camera's raw file, which cannot be read here: develop it as JPEG or TIFF",
    ),
    b"\0\0\1\0": "an icon (ICO), which cannot be read here: export it as PNG",
    b"DDS ": "a DDS texture, which cannot be read here: export it as PNG",
    b"qoif": "a QOI picture, which cannot be read here: export it as PNG",
    b"SIMPLE  =": "a FITS file, which cannot be read here: export it as TIFF",
    b"%!PS": "a PostScript file, which has no pixels: export it as PNG or TIFF",
    b"PK\x03\x04": "a ZIP archive, not a picture",
    b"7z\xbc\xaf\x27\x1c": "an archive, not a picture",
    b"Rar!": "an archive, not a picture",
    b"\x1f\x8b": "an archive, not a picture",
}
SHOWN_SIDE = 4096  # pixels; a larger picture is reduced for the screen
_PNG_PIXELS = 1_500_000  # up to here the screen gets PNG; above, JPEG at quality 95, 4:4:4
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own alarm, set to the same limit

_ORIENTATION = ExifTags.Base.Orientation
# TIFF keeps its own structure (sizes, offsets, compression..) in the same table as EXIF.
_EXIF_KEPT = {
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.IFD.Exif,
    ExifTags.IFD.GPSInfo,
}
JPEG_EXIF = 65_533  # bytes of one segment
XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    f' Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


@dataclass(frozen=True)
class Picture:
    """A picture as the engine sees it: upright, opaque, sRGB."""

    name: str
    rgb: Tensor  # uint8 (3, H, W)
    grey: bool  # no colour in it, apart from what JPEG compression leaves; or a toned print
    sha256: str  # of the file, 64 hex digits
    depth: int = 8  # bits a channel in the file that we can keep: 8 or 16
    exif: bytes | None = None  # without the orientation, which is already applied
    icc: bytes | None = None  # the profile that `rgb` is in; always some sRGB
    notes: tuple[str, ...] = ()  # what was done to the file, in sentences
    rgb16: Tensor | None = None  # uint16 (3, H, W) where depth is 16
    dpi: tuple[float, float] | None = None  # dots an inch across and down, as the file says

    @property
    def full(self) -> Tensor:
        """The pixels at the file's own depth: uint16 or uint8 (3, H, W)."""
        return self.rgb if self.rgb16 is None else self.rgb16


# ------------------------------------------------------------------------------------ in


def open_image(source: bytes | Path | BinaryIO, name: str = "") -> Picture:
    """Read any picture into sRGB; raise Problem where it is none, broken, or too large."""
    data, name = _read(source, name)
    notes: list[str] = []
    rgb8, rgb16, found = _upright(data, name, notes)
    rgb, grey = torch.from_numpy(rgb8), is_grey(rgb8)
    if not grey and is_toned(rgb):
        rgb, grey = remove_tone(rgb), True
        notes.append(NOTE)
    return Picture(
        name=name,
        rgb=rgb,
        grey=grey,
        sha256=hashlib.sha256(data).hexdigest(),
        depth=8 if rgb16 is None else 16,
        exif=found.exif,
        icc=found.icc,
        notes=tuple(notes),
        rgb16=None if rgb16 is None else torch.from_numpy(rgb16),
        dpi=found.dpi,
    )


def open_pixels(data: bytes, name: str = "", at_least: int | None = None) -> np.ndarray:
    """The pixels that `open_image` gives, uint8 RGB (H, W, 3), and nothing else of the file.

    With `at_least` a JPEG may come at 1/2, 1/4 or 1/8 while its short side keeps that many
    pixels: quicker, and good enough for training. Raises Problem.
    """
    data, name = _read(data, name)
    rgb8, _, _ = _upright(data, name, [], at_least)
    return rgb8.transpose(1, 2, 0)


def size_of(data: bytes, name: str = "") -> tuple[int, int]:
    """Width and height as the picture is seen, from the file's header. Raises Problem."""
    data, name = _read(data, name)
    if data[:4] in image_tiff.MAGIC:
        page, _ = image_tiff.find_photograph(data, name, [])
        orientation, size = page.first_number(image_tiff.ORIENTATION, 1), page.size
    else:
        image = _header(data, name)
        orientation, size = _exif(image, [])[1], image.size
    return size[::-1] if orientation in (5, 6, 7, 8) else size


@dataclass
class _Found:
    """What a decoder made of a file: `image`, or `deep` where that has more bits."""

    image: Image.Image | None
    deep: np.ndarray | None = None  # uint16 (H, W, 1 | 3)
    orientation: int = 1  # EXIF orientation that is still to be applied
    exif: bytes | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    colors: tuple[float, np.ndarray | None] | None = None  # a PNG's own gamma and primaries


def _upright(
    data: bytes, name: str, notes: list[str], at_least: int | None = None
) -> tuple[np.ndarray, np.ndarray | None, _Found]:
    """uint8 (3, H, W) in sRGB, uint16 of the same where the file is so deep, and the rest of it."""
    found = (_decode_tiff if data[:4] in image_tiff.MAGIC else _decode_plain)(
        data, name, notes, at_least
    )
    rgb16 = None
    with guard_decoder(f"{name} is damaged and cannot be read ({{error}}). {AGAIN}"):
        keep, icc = False, None
        if found.deep is not None:
            keep, icc = deep_profile(found.icc, grey=found.deep.shape[2] == 1)
        if keep:
            rgb16 = _three(found.deep)
            rgb8, found.icc = to_eight_bits(torch.from_numpy(rgb16)).numpy(), icc
        else:
            rgb8, found.icc = flat_rgb(found.image, found.deep, found.icc, notes)
            if found.deep is not None:
                notes.append("Of its 16 bits 8 are kept, because its colours were converted.")
    found.image = found.deep = None  # a large picture is not held twice
    if found.colors:
        for pixels in (rgb8, rgb16):
            if pixels is not None:
                convert_to_srgb(pixels, *found.colors)
        notes.append("The picture was converted from the PNG's own gamma to sRGB.")
    return (
        _set_upright(rgb8, found.orientation),
        None if rgb16 is None else _set_upright(rgb16, found.orientation),
        found,
    )


def _three(deep: np.ndarray) -> np.ndarray:
    """uint16 (H, W, 1 | 3) -> (3, H, W)."""
    planes = deep.transpose(2, 0, 1)
    return np.ascontiguousarray(planes) if len(planes) == 3 else np.repeat(planes, 3, axis=0)


def _decode_plain(data: bytes, name: str, notes: list[str], at_least: int | None = None) -> _Found:
    """Decode everything but TIFF."""
    if data[:2] in (b"P1", b"P2", b"P3") and len(data) > MOST_TEXT:
        raise Problem(
            f"{name} is a picture written as text of more than {MOST_TEXT >> 20} MB. "
            "Save it in the binary form of PPM, or as PNG."
        )
    image = _header(data, name)
    sixteen = image.format == "PNG" and len(data) > 24 and data[24] == 16
    _limit(name, image.size, len(image.getbands()), 2 if sixteen else _depth_bytes(image))
    if image.width * image.height > SLOW.get(image.format, MAX_PIXELS):
        raise _too_large(name, image.width * image.height, SLOW[image.format])
    if at_least and image.format == "JPEG":
        image.draft(None, (at_least, at_least))
    damaged = f"{name} is damaged and cannot be read ({{error}}). {AGAIN}"
    with guard_decoder(damaged):
        _first_frame_note(image, len(data), notes)
    found = _Found(image)
    if sixteen:
        with guard_decoder(damaged):
            pixels = ffmpeg_pixels(data, "png_pipe")
        if pixels is None:
            raise Problem(f"{name} is damaged and cannot be read (not 16 bits). {AGAIN}")
        found.deep = flatten_alpha(pixels, notes)
        if "exif" in image.info or b"eXIf" not in data:
            image.load = lambda: None  # its pixels are here already
    else:
        found.image = image = _load_pixels(image, data, damaged, notes)
        if image.mode in DEEP_MODES:
            found.deep = deep_grey(image, 16, notes)
    found.exif, found.orientation = _exif(image, notes)
    if found.orientation != 1:
        notes.append(UPRIGHT)
    found.icc, found.dpi = image.info.get("icc_profile"), _dpi(image.info.get("dpi"))
    found.colors = png_colors(image)
    return found


def _load_pixels(image: Image.Image, data: bytes, damaged: str, notes: list[str]) -> Image.Image:
    """The image with its pixels. A JPEG that only lacks its end mark is whole."""
    try:
        with guard_decoder(damaged):
            image.load()
        return image
    except Problem as problem:
        if image.format not in ("JPEG", "MPO") or data.rstrip(b"\0").endswith(b"\xff\xd9"):
            raise
        # What is missing is filled from what follows: where that changes nothing, nothing is.
        tails = (b"\xff\xd9", b"\x55\xaa\x33\x99" * 64 + b"\xff\xd9")
        try:
            with guard_decoder(damaged):
                first, second = (
                    Image.open(BytesIO(data + tail), formats=("JPEG",)) for tail in tails
                )
                same = first.tobytes() == second.tobytes()
        except Problem:
            same = False
        if not same:
            raise problem from None
        notes.append("The end mark of this JPEG is missing; its pixels are all there.")
        return first


def _decode_tiff(data: bytes, name: str, notes: list[str], at_least: int | None = None) -> _Found:
    """Decode the photograph of a TIFF: by Pillow where that is right, else by others."""
    page, data = image_tiff.find_photograph(data, name, notes)
    stored = page.samples if page.photometric != 3 else 3
    _limit(name, page.size, stored, max(1, min(page.bits, 16 if page.bits < 33 else 32) // 8))
    found = _Found(
        None, icc=page.blobs.get(image_tiff.ICC), dpi=_dpi(image_tiff.read_resolution(page))
    )
    orientation = page.first_number(image_tiff.ORIENTATION, 1)
    image, said = None, ""
    try:
        with guard_decoder("{error}"):
            image = Image.open(BytesIO(data), formats=("TIFF",))
            found.exif, _ = _exif(image, notes)
    except Problem as problem:  # Pillow knows fewer kinds than others do
        image, said = None, str(problem)
    if page.deep:
        found.deep = image_tiff.tiff_pixels(page, data, name, notes)
    if found.deep is not None and found.deep.dtype == np.uint8:  # CMYK
        found.image, found.deep = Image.fromarray(found.deep, mode="CMYK"), None
        found.orientation = orientation
    elif found.deep is not None:
        found.orientation = orientation
    elif image is None:
        pixels = image_tiff.tiff_pixels(page, data, name, notes) if page.bits >= 8 else None
        if pixels is None:
            raise Problem(
                f"{name} is damaged, or a TIFF of a kind that cannot be read here "
                f"({page.describe()}; {said}). Save it as a plain TIFF, or as PNG."
            )
        found.deep, found.orientation = pixels, orientation
    else:
        with guard_decoder(
            f"{name} is damaged, or a TIFF of a kind that cannot be read here "
            f"({page.describe()}; {{error}}). {AGAIN}"
        ):
            image.load()  # Pillow sets it upright
        found.image = image
        if image.mode in DEEP_MODES:
            found.deep = deep_grey(image, page.bits, notes)
            if page.photometric == 0 and image.mode != "F":  # which Pillow leaves at 16 bits
                found.deep = 65535 - found.deep
        elif page.deep:
            notes.append("The 16 bits of this TIFF cannot be read; 8 are used.")
    if orientation in range(2, 9):
        notes.append(UPRIGHT)
    return found


def _read(source: bytes | Path | BinaryIO, name: str) -> tuple[bytes, str]:
    if isinstance(source, (str, Path)):
        path = Path(source)
        name = name or path.name
        try:
            data = path.read_bytes()
        except (OSError, ValueError) as error:
            raise Problem(f"{printable(path)} cannot be read: {reason_of(error)}.") from error
    elif isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    else:
        name = name or Path(str(getattr(source, "name", ""))).name
        data = source.read()
    name = printable(name) or "The picture"
    if not data:
        raise Problem(f"{name} is empty (0 bytes). {AGAIN}")
    return data, name


@cache
def formats() -> tuple[str, ...]:
    """What Pillow is let read here, HEIC among it where pillow-heif is installed."""
    Image.init()  # Pillow loads its plugins late, and a name in `formats` must be loaded
    if importlib.util.find_spec("pillow_heif") is None:
        return FORMATS
    import pillow_heif

    pillow_heif.register_heif_opener()
    return (*FORMATS, "HEIF")


def _header(data: bytes, name: str) -> Image.Image:
    """Open without decoding: kind and size are known, or there is a Problem."""
    try:
        with guard_decoder(
            f"{name} is {kind_of(data)}. The formats that can be read are {READABLE}."
        ):
            image = Image.open(BytesIO(data), formats=formats())
    except Problem as problem:
        if isinstance(problem.__cause__, (Image.DecompressionBombError, Warning)):
            pixels = re.search(r"\((\d+) pixels\)", str(problem.__cause__))
            if pixels:
                raise _too_large(name, int(pixels[1])) from problem
        raise
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name, image.width * image.height)
    return image


def _depth_bytes(image: Image.Image) -> int:
    return {"I": 4, "F": 4}.get(image.mode, 2 if image.mode.startswith("I;16") else 1)


def _limit(name: str, size: tuple[int, int], channels: int, depth_bytes: int) -> None:
    """Problem where the pixels alone would be too many bytes; checked before they are decoded."""
    pixels = size[0] * size[1]
    if pixels > MAX_PIXELS:
        raise _too_large(name, pixels)
    if max(size) > MAX_SIDE:
        raise Problem(
            f"{name} is too long: {max(size):,} pixels a side, and the limit is {MAX_SIDE:,}. "
            "Make it smaller first."
        )
    each = max(3, channels) * depth_bytes
    if pixels * each > MAX_BYTES:
        raise Problem(
            f"{name} is too large: {pixels / 1e6:.0f} million pixels of {each} bytes are "
            f"{pixels * each / 1e6:.0f} MB, and the limit is {MAX_BYTES / 1e6:.0f} MB. "
            "Save it with 8 bits a channel, or make it smaller first."
        )


def _too_large(name: str, pixels: int, limit: int = MAX_PIXELS) -> Problem:
    return Problem(
        f"{name} is too large: {pixels / 1e6:.0f} million pixels, and the limit is "
        f"{limit / 1e6:.0f} million. Make it smaller first."
    )


def kind_of(data: bytes) -> str:
    """What a file that is no readable picture seems to be, for a sentence."""
    head = data[:1024].lstrip()
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    if head.startswith(b"%PDF"):
        return "a PDF document, not a picture"
    if b"<svg" in head.lower():
        return "an SVG drawing, which has no pixels"
    if brand in HEIC_BRANDS:
        if "HEIF" in formats():
            return "a damaged HEIC photo, or one of a kind that cannot be read here"
        return "a HEIC photo, which cannot be read here: export it as JPEG"
    if brand == b"crx ":
        return "a camera's raw file (CR3), which cannot be read here: develop it as JPEG or TIFF"
    for start, words in UNREADABLE.items():
        if data.startswith(start):
            return words
    if head[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "a web page, not a picture: download the picture itself"
    if data[8:12] == b"WEBP" or brand in (b"avif", b"avis"):
        return DAMAGED
    if brand or head.startswith((b"\x1a\x45\xdf\xa3", b"RIFF", b"FLV\1", b"\x30\x26\xb2\x75")):
        return "a film or sound, not a picture"
    if data.startswith(b"\xff\xd8\xff"):
        return _kind_of_jpeg(data)
    if head.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", *image_tiff.MAGIC, b"BM")):
        return DAMAGED
    if data[257:262] == b"ustar":
        return "an archive, not a picture"
    return "not a picture"


def _kind_of_jpeg(data: bytes) -> str:
    """A JPEG that Pillow does not open: of another process than the usual ones, or damaged."""
    place = 2
    while place + 5 < len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if marker not in (0xC0, 0xC1, 0xC2) or data[place + 4] != 8:
                return (
                    f"a JPEG of a rare kind ({data[place + 4]} bits, process {marker - 0xC0}), "
                    "which cannot be read here: save it as a usual JPEG or as PNG"
                )
            break
        place += 2 + max(2, length)
    return DAMAGED


def _first_frame_note(image: Image.Image, size: int, notes: list[str]) -> None:
    if image.format in ("MPO", "HEIF"):  # phone photos: the others are previews and depth maps
        return
    if getattr(image, "is_animated", False):
        # a GIF is walked through to be counted: a large one is not
        few = image.format != "GIF" or size < 2**20
        many = f"{image.n_frames} frames" if few else "several frames"
        notes.append(f"The file holds {many}; the first one is used.")
        image.seek(0)


def _dpi(said: object) -> tuple[float, float] | None:
    """Dots an inch across and down, where a file says something sensible."""
    try:
        across, down = (float(dots) for dots in said)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return (across, down) if 1 <= across <= 20_000 and 1 <= down <= 20_000 else None


def _exif(image: Image.Image, notes: list[str]) -> tuple[bytes | None, int]:
    """The EXIF block without the orientation (None where there is none), and the orientation."""
    try:
        with guard_decoder("{error}"):  # a damaged block must not cost the picture
            exif = image.getexif()
            orientation = exif.pop(_ORIENTATION, 1)
            if image.format == "TIFF":  # which may be a BigTIFF, and keeps its own tags there
                exif = _of_photograph(exif)
            block = exif.tobytes() if len(exif) else None
    except Problem:
        notes.append("The EXIF data is damaged and was left out.")
        return None, 1
    return block, orientation if orientation in range(2, 9) else 1


def _of_photograph(exif: Image.Exif) -> Image.Exif:
    """What says something of the photograph, in a table of its own."""
    fresh = Image.Exif()
    for tag in _EXIF_KEPT & set(exif):
        if tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            fresh._ifds[tag] = dict(exif.get_ifd(tag))
            fresh[tag] = fresh._ifds[tag]
        else:
            fresh[tag] = exif[tag]
    return fresh


def _set_upright(planes: np.ndarray, orientation: int) -> np.ndarray:
    """(C, H, W) as EXIF orientation 1..8 says it should be seen, contiguous."""
    if orientation in (5, 6, 7, 8):
        planes = planes.swapaxes(1, 2)
    if orientation in (2, 3, 6, 7):
        planes = planes[:, :, ::-1]
    if orientation in (3, 4, 7, 8):
        planes = planes[:, ::-1]
    return np.ascontiguousarray(planes)


# ----------------------------------------------------------------------------------- out


def encode(
    rgb: Tensor,
    *,
    form: str = "png",
    exif: bytes | None = None,
    icc: bytes | None = None,
    marks: Mapping[str, str] | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """uint8 or uint16 RGB (3, H, W) -> the bytes of a PNG (8 or 16 bits) or a JPEG (8 bits).

    `marks` (name -> text; `Software`, `Description`, then what else should be known) say that a
    machine coloured the picture: as PNG text, as EXIF Software, ImageDescription and UserComment,
    and as IPTC's digital source type in XMP, and are signed where the operator has named a key
    (`signing.py`). Without marks nothing of this is written. A JPEG
    holds 64 kB of EXIF: a longer one loses its maker's notes first. `dpi`: dots an inch.
    """
    marks = dict(marks or {})
    if form not in ("png", "jpeg"):
        raise Problem(f"There is no output format {form!r}: it is png or jpeg.")
    if form == "jpeg" and max(rgb.shape[-2:]) > MAX_SIDE:
        raise Problem(
            f"A JPEG has at most {MAX_SIDE} pixels a side, and this picture has "
            f"{max(rgb.shape[-2:])}. Choose PNG."
        )
    if marks:
        exif = _mark_exif(exif, marks)
    if form == "png" and rgb.dtype == torch.uint16:
        level = _level(rgb)
        data = encode_png16(rgb, exif=exif, icc=icc, text=_text(marks), level=level, dpi=dpi)
        return sign(data, form, marks) if marks else data
    image = Image.fromarray(to_eight_bits(rgb).permute(1, 2, 0).contiguous().numpy())
    out = BytesIO()
    options: dict[str, object] = {"dpi": dpi} if dpi else {}
    if form == "jpeg":
        exif = _short_exif(exif)
    if exif:
        options["exif"] = exif
    if icc:
        options["icc_profile"] = icc
    if form == "jpeg":
        if marks:
            options["xmp"] = XMP.encode()
        image.save(out, "JPEG", quality=95, subsampling=0, **options)
    else:
        info = PngImagePlugin.PngInfo()
        for key, value in _text(marks).items():
            info.add_itxt(key, value)
        image.save(out, "PNG", compress_level=_level(rgb), pnginfo=info, **options)
    return sign(out.getvalue(), form, marks) if marks else out.getvalue()


def _short_exif(exif: bytes | None) -> bytes | None:
    """An EXIF block that fits into a JPEG: without maker's notes, then without all that is long."""
    if not exif or len(exif) <= JPEG_EXIF:
        return exif
    for longest in (4096, 256):
        table = Image.Exif()
        table.load(exif)
        for part in (
            table,
            *(table.get_ifd(tag) for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)),
        ):
            for tag, value in list(part.items()):
                size = len(value) if isinstance(value, (bytes, str, tuple)) else 0
                if tag == ExifTags.Base.MakerNote or size > longest:
                    del part[tag]
        exif = table.tobytes()
        if len(exif) <= JPEG_EXIF:
            return exif
    return None


def encode_result(
    picture: Picture, rgb: Tensor, marks: Mapping[str, str], form: str = "png"
) -> bytes:
    """`encode` with the EXIF block, the ICC profile and the resolution of the picture it is of."""
    return encode(rgb, form=form, exif=picture.exif, icc=picture.icc, marks=marks, dpi=picture.dpi)


def encode_for_screen(rgb: Tensor, side: int = SHOWN_SIDE) -> tuple[bytes, str]:
    """uint8 RGB (3, H, W) -> a file for a browser, and its kind: image/png or image/jpeg.

    Reduced to `side` where a side is longer, which no download is; without marks.
    """
    image = Image.fromarray(rgb.permute(1, 2, 0).contiguous().numpy())
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = BytesIO()
    if image.width * image.height <= _PNG_PIXELS:
        image.save(out, "PNG", compress_level=1)
        return out.getvalue(), "image/png"
    image.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue(), "image/jpeg"


def to_eight_bits(rgb: Tensor) -> Tensor:
    """uint16 or uint8 (..., H, W) -> uint8, rounded."""
    if rgb.dtype == torch.uint8:
        return rgb
    out = torch.empty(rgb.shape, dtype=torch.uint8)
    for rows in strips(*rgb.shape[-2:]):
        out[..., rows, :] = torch.from_numpy(halve_depth(rgb[..., rows, :].numpy()))
    return out


def draw_mark(height: int, width: int, text: str) -> Tensor:
    """The visible mark for a picture of that size: ink (h, w) in [0, 1] of its lower right corner.

    0 is the label's ground, which halves what is under it, 1 is in its letters.
    """
    size = max(9, min(height, width) // 40)
    font = ImageFont.load_default(size)
    left, top, right, bottom = (int(side) for side in font.getbbox(text))
    mask = Image.new("L", (right - left + size, bottom - top + size // 2), 0)
    ImageDraw.Draw(mask).text((size // 2 - left, size // 4 - top), text, fill=255, font=font)
    return torch.from_numpy(np.array(mask))[:height, :width].float() / 255


def stamp_corner(rgb: Tensor, text: str) -> Tensor:
    """Write a small visible mark into the lower right corner of uint8 or uint16 RGB (3, H, W)."""
    height, width = rgb.shape[-2:]
    ink = draw_mark(height, width, text)
    h, w = ink.shape
    limit = 65535 if rgb.dtype == torch.uint16 else 255
    corner = rgb[:, height - h :, width - w :].float()
    shown = corner * 0.5 * (1 - ink) + 0.92 * limit * ink
    out = rgb.clone()
    out[:, height - h :, width - w :] = shown.to(torch.int32).to(rgb.dtype)
    return out


def _level(rgb: Tensor) -> int:
    """zlib level of a PNG: quick above four million pixels, where the file is large anyway.

    3 takes 0.4 times the time of 6 for files 0.3 % larger (the samples).
    """
    return 3 if rgb.shape[-1] * rgb.shape[-2] <= 4_000_000 else 1


def _mark_exif(exif: bytes | None, marks: Mapping[str, str]) -> bytes:
    table = Image.Exif()
    if exif:
        table.load(exif)
    table[ExifTags.Base.Software] = marks.get("Software", "")
    description = marks.get("Description", "")
    before = str(table.get(ExifTags.Base.ImageDescription, "")).strip("\0 ")
    if description and description not in before:
        description = f"{before} ({description})" if before else description
        table[ExifTags.Base.ImageDescription] = description
    comment = "; ".join(f"{name}: {text}" for name, text in marks.items())
    inner = table.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.UserComment] = b"UNICODE\0" + comment.encode("utf-16-le")
    return table.tobytes()


def _text(marks: Mapping[str, str]) -> dict[str, str]:
    """The text chunks of a PNG: the marks and the XMP packet."""
    return {**marks, "XML:com.adobe.xmp": XMP} if marks else {}
