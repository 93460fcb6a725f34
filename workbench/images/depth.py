"""Pictures with 16 bits a channel: Pillow reads colour ones at 8 bits and writes none."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO

import numpy as np
from PIL import Image
from torch import Tensor

DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")  # Pillow's modes of deep grey
# FFmpeg's pixel format of a 16-bit PNG -> the one to take it in (no copy of grey + alpha is there)
_PNG16 = {
    "gray16be": "gray16be",
    "ya16be": "rgba64be",
    "rgb48be": "rgb48be",
    "rgba64be": "rgba64be",
}


def halve(deep: np.ndarray) -> np.ndarray:
    """uint16 -> uint8, rounded: 65535 is 255."""
    return ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)


def deep_pixels(image: Image.Image, data: bytes, notes: list[str]) -> np.ndarray | None:
    """uint16 (H, W, 3) where the file has 16 bits a channel that we can read, else None."""
    if image.format == "PNG" and len(data) > 24 and data[24] == 16:
        return _deep_png(data, notes)
    if image.mode in DEEP_MODES:
        return np.repeat(_deep_grey(image, notes)[..., None], 3, axis=2)
    if image.format == "TIFF" and max(image.tag_v2.get(258, (8,))) > 8:
        return _deep_tiff(image, data, notes)
    return None


def _deep_png(data: bytes, notes: list[str]) -> np.ndarray:
    import av  # FFmpeg decodes 16-bit PNG; PyAV is here for the films

    with av.open(BytesIO(data), format="png_pipe") as container:
        frame = next(container.decode(video=0))
    pixels = frame.to_ndarray(format=_PNG16[frame.format.name]).astype(np.uint16)
    return _deep_flattened(pixels.reshape(frame.height, frame.width, -1), notes)


def _deep_flattened(pixels: np.ndarray, notes: list[str]) -> np.ndarray:
    """uint16 (H, W, 1 | 2 | 3 | 4) -> (H, W, 3), transparency shown on white."""
    colour = pixels[..., :1] if pixels.shape[2] < 3 else pixels[..., :3]
    if pixels.shape[2] in (2, 4) and (pixels[..., -1:] < 65535).any():
        notes.append("The transparent parts are shown on white.")
        alpha = pixels[..., -1:].astype(np.float32) / 65535
        colour = (colour * alpha + 65535 * (1 - alpha) + 0.5).astype(np.uint16)
    return np.repeat(colour, 3, axis=2) if colour.shape[2] == 1 else colour


def _deep_grey(image: Image.Image, notes: list[str]) -> np.ndarray:
    """uint16 (H, W) of a grey picture in Pillow's integer or floating-point modes."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        notes.append("Its values have no fixed range: they were stretched from black to white.")
        values = np.nan_to_num(values.astype(np.float64))
        low, high = float(values.min()), float(values.max())
        values = np.rint((values - low) / max(high - low, 1e-12) * 65535)
    values = values.astype(np.uint16)
    if image.format == "TIFF" and image.tag_v2.get(262) == 0 and image.mode != "F":
        values = 65535 - values  # "white is zero", which Pillow leaves as it is at 16 bits
    return values


def _deep_tiff(image: Image.Image, data: bytes, notes: list[str]) -> np.ndarray | None:
    import tifffile

    try:
        page = tifffile.TiffFile(BytesIO(data)).pages[0]
        pixels = page.asarray()
        if page.planarconfig == 2 and pixels.ndim == 3:
            pixels = pixels.transpose(1, 2, 0)
    except Exception:  # a compression that only Pillow knows: its 8 bits are used
        notes.append("The 16 bits of this TIFF cannot be read; 8 are used.")
        return None
    if pixels.dtype != np.uint16 or pixels.ndim != 3 or image.mode == "CMYK":
        notes.append("More than 8 bits of this kind of TIFF cannot be kept; 8 are used.")
        return None
    return _deep_flattened(pixels[..., :4], notes)


def encode_png16(
    rgb: Tensor, *, exif: bytes | None, icc: bytes | None, text: Mapping[str, str], level: int
) -> bytes:
    """uint16 RGB (3, H, W) -> a 16-bit PNG (W3C PNG, 3rd edition), rows filtered by 2 (up)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data))
            + kind
            + data
            + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
        )

    height, width = rgb.shape[-2:]
    rows = rgb.permute(1, 2, 0).contiguous().numpy().astype(">u2").view(np.uint8)
    rows = rows.reshape(height, width * 6)
    filtered = np.empty((height, width * 6 + 1), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    parts = [b"\x89PNG\r\n\x1a\n"]
    parts.append(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)))
    if icc:
        parts.append(chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
    if exif:
        parts.append(chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    for name, value in text.items():
        parts.append(chunk(b"iTXt", name.encode("latin-1") + b"\0\0\0\0\0" + value.encode()))
    parts.append(chunk(b"IDAT", zlib.compress(filtered.tobytes(), level)))
    parts.append(chunk(b"IEND", b""))
    return b"".join(parts)
