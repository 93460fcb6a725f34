"""Files <-> uint8 tensors: everything that a picture file can be is dealt with here, once.

`open_image` takes what people upload (turned by EXIF, transparent, 16 bit, CMYK, palette, animated,
in another colour space, huge, broken) and returns a plain sRGB `Picture`. `encode` writes one back,
at 8 or 16 bits, and marks it as coloured by a machine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, ImageDraw, ImageFont, PngImagePlugin
from torch import Tensor

from workbench.errors import Problem
from workbench.images.depth import deep_pixels, encode_png16, halve
from workbench.images.profiles import deep_profile, flat_rgb, is_grey
from workbench.images.toned import NOTE, is_toned, without_tone

MAX_PIXELS = 120_000_000  # checked on the header, before anything is decoded
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "AVIF", "JPEG2000", "PPM")
READABLE = "PNG, JPEG, TIFF, WebP, AVIF, GIF, BMP, JPEG 2000 and PPM"
SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".webp", ".gif", ".bmp", ".avif"}
SUFFIXES |= {".jp2", ".j2k", ".ppm", ".pgm", ".pbm"}
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
XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/'
    'compositeWithTrainedAlgorithmicMedia"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
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

    @property
    def full(self) -> Tensor:
        """The pixels at the file's own depth: uint16 or uint8 (3, H, W)."""
        return self.rgb if self.rgb16 is None else self.rgb16


# ------------------------------------------------------------------------------------ in


def open_image(source: bytes | Path | BinaryIO, name: str = "") -> Picture:
    """Read any picture into sRGB; raise Problem where it is none, broken, or too large."""
    data, name = _read(source, name)
    notes: list[str] = []
    image = _header(data, name)
    _first_frame_note(image, notes)
    try:
        image.load()
        exif, turn = _exif(image, notes)
        icc = image.info.get("icc_profile")
        deep = deep_pixels(image, data, notes)
        keep, deep_icc = (False, None) if deep is None else deep_profile(icc, image.mode)
        if keep:
            rgb16, rgb8, icc = _turned(deep, turn), halve(deep), deep_icc
        else:
            rgb16 = None
            rgb8, icc = flat_rgb(image, deep, icc, notes)
            if deep is not None:
                notes.append("Of its 16 bits 8 are kept, because its colours were converted.")
        rgb8 = _turned(rgb8, turn)
    except MemoryError as error:
        raise Problem(f"{name} is too large for this machine's memory.") from error
    except Exception as error:  # decoders of broken files raise anything: struct.error, KeyError..
        raise Problem(
            f"{name} is damaged and cannot be read ({error}). Save or download it again."
        ) from error
    rgb, grey = _tensor(rgb8), is_grey(rgb8)
    if not grey and is_toned(rgb):
        rgb, grey = without_tone(rgb), True
        notes.append(NOTE)
    return Picture(
        name=name,
        rgb=rgb,
        grey=grey,
        sha256=hashlib.sha256(data).hexdigest(),
        depth=8 if rgb16 is None else 16,
        exif=exif,
        icc=icc,
        notes=tuple(notes),
        rgb16=None if rgb16 is None else _tensor(rgb16),
    )


def _read(source: bytes | Path | BinaryIO, name: str) -> tuple[bytes, str]:
    if isinstance(source, (str, Path)):
        path = Path(source)
        name = name or path.name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Problem(f"{path} cannot be read: {error.strerror}.") from error
    elif isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    else:
        name = name or Path(str(getattr(source, "name", ""))).name
        data = source.read()
    name = name or "The picture"
    if not data:
        raise Problem(f"{name} is empty (0 bytes). Save or download it again.")
    return data, name


def _header(data: bytes, name: str) -> Image.Image:
    """Open without decoding: kind and size are known, or there is a Problem."""
    Image.init()  # Pillow loads its plugins late, and a name in `formats` must be loaded
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\((\d+) pixels\)", str(error))
        raise _too_large(name, int(pixels[1]) if pixels else MAX_PIXELS) from error
    except Exception as error:  # UnidentifiedImageError, or whatever a broken header raises
        raise Problem(
            f"{name} is {_kind(data)}. The formats that can be read are {READABLE}."
        ) from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name, image.width * image.height)
    return image


def _too_large(name: str, pixels: int) -> Problem:
    return Problem(
        f"{name} is too large: {pixels / 1e6:.0f} million pixels, and the limit is "
        f"{MAX_PIXELS / 1e6:.0f} million. Make it smaller first."
    )


def _kind(data: bytes) -> str:
    """What a file that is no readable picture seems to be, for a sentence."""
    head = data[:1024].lstrip()
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    if head.startswith(b"%PDF"):
        return "a PDF document, not a picture"
    if b"<svg" in head.lower():
        return "an SVG drawing, which has no pixels"
    if brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return "a HEIC photo, which cannot be read here: export it as JPEG"
    if data[8:12] == b"WEBP" or brand == b"avif":
        return "a damaged picture"
    if brand or head.startswith((b"\x1a\x45\xdf\xa3", b"RIFF")):
        return "a film or sound, not a picture"
    if head.startswith(b"PK\x03\x04"):
        return "a ZIP archive, not a picture"
    if head.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", b"II*\0", b"MM\0*", b"BM")):
        return "a damaged picture"
    return "not a picture"


def _first_frame_note(image: Image.Image, notes: list[str]) -> None:
    if image.format == "MPO":  # phone photos: the others are previews and depth maps
        return
    if getattr(image, "is_animated", False):
        what = "pages" if image.format == "TIFF" else "frames"
        notes.append(f"The file holds {image.n_frames} {what}; the first one is used.")
        image.seek(0)


def _exif(image: Image.Image, notes: list[str]) -> tuple[bytes | None, int]:
    """The EXIF block without the orientation (None where there is none), and the orientation."""
    try:
        exif = image.getexif()
        turn = exif.pop(_ORIENTATION, 1)
        if image.format == "TIFF":
            for tag in set(exif) - _EXIF_KEPT:
                del exif[tag]
        block = exif.tobytes() if len(exif) else None
    except Exception:  # a damaged block must not cost the picture
        notes.append("The EXIF data is damaged and was left out.")
        return None, 1
    if turn not in range(2, 9):
        return block, 1
    notes.append("The picture was turned as its EXIF data says.")
    return block, turn


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) as EXIF orientation 1..8 says it should be seen."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) -> a contiguous tensor (3, H, W) that owns its memory."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)).copy())


# ----------------------------------------------------------------------------------- out


def encode(
    rgb: Tensor,
    *,
    form: str = "png",
    exif: bytes | None = None,
    icc: bytes | None = None,
    marks: Mapping[str, str] | None = None,
) -> bytes:
    """uint8 or uint16 RGB (3, H, W) -> the bytes of a PNG (8 or 16 bits) or a JPEG (8 bits).

    `marks` (name -> text; `Software`, `Description`, then what else should be known) say that a
    machine coloured the picture: as PNG text, as EXIF Software, ImageDescription and UserComment,
    and as IPTC's digital source type in XMP. Without marks nothing of this is written.
    """
    marks = dict(marks or {})
    if form not in ("png", "jpeg"):
        raise Problem(f"There is no output format {form!r}: it is png or jpeg.")
    if marks:
        exif = _marked_exif(exif, marks)
    if form == "png" and rgb.dtype == torch.uint16:
        return encode_png16(rgb, exif=exif, icc=icc, text=_text(marks), level=_level(rgb))
    image = Image.fromarray(to_eight_bits(rgb).permute(1, 2, 0).contiguous().numpy())
    out = BytesIO()
    options: dict[str, object] = {"exif": exif} if exif else {}
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
    return out.getvalue()


def for_screen(rgb: Tensor, side: int = SHOWN_SIDE) -> tuple[bytes, str]:
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
    return torch.from_numpy(halve(rgb.numpy()))


def stamp(rgb: Tensor, text: str) -> Tensor:
    """Write a small visible mark into the lower right corner of uint8 or uint16 RGB (3, H, W)."""
    height, width = rgb.shape[-2:]
    size = max(9, min(height, width) // 40)
    font = ImageFont.load_default(size)
    left, top, right, bottom = (int(side) for side in font.getbbox(text))
    mask = Image.new("L", (right - left + size, bottom - top + size // 2), 90)
    ImageDraw.Draw(mask).text((size // 2 - left, size // 4 - top), text, fill=255, font=font)
    cover = torch.from_numpy(np.array(mask))[:height, :width]
    h, w = cover.shape
    limit = 65535 if rgb.dtype == torch.uint16 else 255
    corner = rgb[:, height - h :, width - w :].float()
    ink = (cover.float() - 90) / 165  # 0 on the label's ground, 1 in its letters
    shown = corner * 0.5 * (1 - ink) + 0.92 * limit * ink
    out = rgb.clone()
    out[:, height - h :, width - w :] = shown.to(torch.int32).to(rgb.dtype)
    return out


def _level(rgb: Tensor) -> int:
    """zlib level of a PNG: quick above four million pixels, where the file is large anyway."""
    return 6 if rgb.shape[-1] * rgb.shape[-2] <= 4_000_000 else 1


def _marked_exif(exif: bytes | None, marks: Mapping[str, str]) -> bytes:
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
