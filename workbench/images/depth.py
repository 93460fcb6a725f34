"""Pictures with 16 bits a channel: Pillow reads colour ones at 8 bits and writes none."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO

import numpy as np
from PIL import Image
from torch import Tensor

DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")  # Pillow's modes of deep grey
STRIP = 1 << 20  # pixels converted at once: no second copy of a picture in a wider type
# FFmpeg's pixel format of 16 bits -> the one to take it in (no copy of grey + alpha is there)
_TAKEN = {
    "gray16be": "gray16be",
    "gray16le": "gray16le",
    "ya16be": "rgba64be",
    "ya16le": "rgba64le",
    "rgb48be": "rgb48be",
    "rgb48le": "rgb48le",
    "rgba64be": "rgba64be",
    "rgba64le": "rgba64le",
    "gbrp16le": "rgb48le",
    "gbrp16be": "rgb48be",
}


def strips(height: int, width: int) -> Iterator[slice]:
    """Slices of rows with about STRIP pixels each."""
    step = max(1, STRIP // max(1, width))
    for top in range(0, height, step):
        yield slice(top, min(height, top + step))


def halve_depth(deep: np.ndarray) -> np.ndarray:
    """uint16 -> uint8, rounded: 65535 is 255."""
    return ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)


def ffmpeg_pixels(data: bytes, form: str) -> np.ndarray | None:
    """uint16 (H, W, 1 | 2 | 3 | 4) of the first picture of a file, by FFmpeg; None: not of 16 bits.

    form: FFmpeg's name of the format, as `png_pipe`. Raises what PyAV raises.
    """
    import av  # PyAV is here for the films

    with av.open(BytesIO(data), format=form) as container:
        frame = next(container.decode(video=0))
        name = frame.format.name
        if name not in _TAKEN:
            return None
        pixels = frame.to_ndarray(format=_TAKEN[name])
        height, width = frame.height, frame.width
    pixels = pixels.reshape(height, width, -1)
    return pixels[..., ::3] if name.startswith("ya16") else pixels  # grey and transparency


def flatten_alpha(pixels: np.ndarray, notes: list[str]) -> np.ndarray:
    """uint16 (H, W, 1 | 2 | 3 | 4) -> (H, W, 1 | 3), transparency shown on white."""
    color = pixels[..., :1] if pixels.shape[2] < 3 else pixels[..., :3]
    if pixels.shape[2] not in (2, 4):
        return color
    out, seen = np.empty(color.shape, np.uint16), False
    for rows in strips(*pixels.shape[:2]):
        alpha = pixels[rows, :, -1:]
        if (alpha == 65535).all():
            out[rows] = color[rows]
            continue
        seen, alpha = True, alpha.astype(np.float32) / 65535
        out[rows] = color[rows] * alpha + 65535 * (1 - alpha) + 0.5
    if seen:
        notes.append("The transparent parts are shown on white.")
    return out


def scale_to_uint16(values: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned values of so many bits -> uint16 over its whole range, rounded."""
    if bits == 16 and values.dtype == np.uint16:
        return values
    if values.dtype.kind == "b":
        values = values.view(np.uint8)
    out, most = np.empty(values.shape, np.uint16), 2.0 ** min(bits, 64) - 1
    for rows in strips(*values.shape[:2]):
        part = values[rows].astype(np.float64) * (65535 / most) + 0.5
        out[rows] = np.minimum(part, 65535)
    return out


def stretch_to_uint16(values: np.ndarray, notes: list[str]) -> np.ndarray:
    """Signed or floating-point values (H, W, ..) -> uint16.

    Floating point within 0 to 1 is taken as it is, anything else from its lowest to its highest
    finite value; NaN is black, an infinite value the nearest end.
    """
    low, high = np.inf, -np.inf
    for rows in strips(*values.shape[:2]):
        part = values[rows]
        part = part[np.isfinite(part)]
        if part.size:
            low, high = min(low, float(part.min())), max(high, float(part.max()))
    if low > high:
        low, high = 0.0, 1.0  # nothing finite in it
    if values.dtype.kind == "f" and low >= 0 and high <= 1.001:
        low, high = 0.0, 1.0
    else:
        notes.append("Its values have no fixed range: they were stretched from black to white.")
    out = np.empty(values.shape, np.uint16)
    for rows in strips(*values.shape[:2]):
        part = (values[rows].astype(np.float64) - low) * (65535 / max(high - low, 1e-300))
        part = np.nan_to_num(part, nan=0.0, posinf=65535.0, neginf=0.0)
        out[rows] = np.rint(part.clip(0, 65535))
    return out


def deep_grey(image: Image.Image, bits: int, notes: list[str]) -> np.ndarray:
    """uint16 (H, W, 1) of a grey picture in one of Pillow's DEEP_MODES.

    bits: how many of them the file uses, where that is fewer than 16.
    """
    values = np.asarray(image)[..., None]
    if image.mode == "F":
        return stretch_to_uint16(values, notes)
    if image.mode == "I" and (values.min() < 0 or values.max() > 65535):
        return stretch_to_uint16(values, notes)
    return scale_to_uint16(values.astype(np.uint16, copy=False), min(bits, 16))


def encode_png16(
    rgb: Tensor,
    *,
    exif: bytes | None,
    icc: bytes | None,
    text: Mapping[str, str],
    level: int,
    dpi: tuple[float, float] | None = None,
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
    parts = [b"\x89PNG\r\n\x1a\n"]
    parts.append(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)))
    if icc:
        parts.append(chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
    if dpi:
        metre = [round(dots / 0.0254) for dots in dpi]
        parts.append(chunk(b"pHYs", struct.pack(">IIB", *metre, 1)))
    if exif:
        parts.append(chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    for name, value in text.items():
        parts.append(chunk(b"iTXt", name.encode("latin-1") + b"\0\0\0\0\0" + value.encode()))
    packer, above = zlib.compressobj(level), np.zeros((1, width * 6), np.uint8)
    for rows in strips(height, width):
        block = rgb[:, rows].permute(1, 2, 0).contiguous().numpy().astype(">u2").view(np.uint8)
        block = np.concatenate((above, block.reshape(-1, width * 6)))
        filtered = np.full((len(block) - 1, width * 6 + 1), 2, np.uint8)
        np.subtract(block[1:], block[:-1], out=filtered[:, 1:])
        above = block[-1:].copy()
        if packed := packer.compress(filtered.tobytes()):
            parts.append(chunk(b"IDAT", packed))
    parts.append(chunk(b"IDAT", packer.flush()))
    parts.append(chunk(b"IEND", b""))
    return b"".join(parts)
