"""Colour spaces of picture files: anything -> sRGB, and whether there is colour at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from workbench.images.depth import halve_depth, strips

_CUBE = np.stack(np.meshgrid(*[np.linspace(0, 255, 6)] * 3), -1).reshape(6, 36, 3).astype(np.uint8)
_RAMP = np.arange(256, dtype=np.uint8)[None]


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _is_srgb(profile: ImageCms.ImageCmsProfile, mode: str) -> bool:
    """Whether colours mean the same in this profile as in sRGB, to two steps of 255."""
    probe = Image.fromarray(_RAMP if mode == "L" else _CUBE)
    converted = ImageCms.profileToProfile(probe, profile, _srgb(), outputMode="RGB")
    return bool(np.abs(np.int16(converted) - np.int16(probe.convert("RGB"))).max() <= 2)


def deep_profile(icc: bytes | None, grey: bool) -> tuple[bool, bytes | None]:
    """Whether 16-bit pixels can stay as they are (no profile, or sRGB), and the profile to keep.

    LittleCMS as Pillow binds it converts 8 bits only.
    """
    if not icc:
        return True, None
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        space = profile.profile.xcolor_space.strip()
        if grey:
            return space != "GRAY" or _is_srgb(profile, "L"), None
        return (_is_srgb(profile, "RGB"), icc) if space == "RGB" else (True, None)
    except (ImageCms.PyCMSError, OSError):
        return True, None  # damaged: no profile


def flat_rgb(
    image: Image.Image | None, deep: np.ndarray | None, icc: bytes | None, notes: list[str]
) -> tuple[np.ndarray, bytes | None]:
    """Pixels of any Pillow mode, or uint16 (H, W, 1 | 3) -> sRGB uint8 (3, H, W) on white.

    Also returns the profile they are in. In strips of rows, so that no second copy is made.
    """
    if deep is not None:
        height, width = deep.shape[:2]
        mode, clear = ("L" if deep.shape[2] == 1 else "RGB"), False
    else:
        width, height = image.size
        mode, clear = image.mode, image.has_transparency_data
    base = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK", "LAB": "LAB"}.get(mode, "RGB")
    convert, icc = _conversion(base, icc, notes)
    out, seen = np.empty((3, height, width), np.uint8), False
    for rows in strips(height, width):
        if deep is not None:
            pixels = halve_depth(deep[rows])
            part = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
        else:
            part = image.crop((0, rows.start, width, rows.stop))
        alpha = part.convert("RGBA").getchannel("A") if clear else None
        if mode in ("RGBa", "La"):
            part = part.convert("RGBA" if mode == "RGBa" else "LA")
        if base == "RGB" and alpha is not None:
            part = part.convert("RGBA")
        rgb = convert(part if part.mode == base else part.convert(base))
        if alpha is not None and alpha.getextrema()[0] < 255:
            seen = True
            rgb = Image.composite(rgb, Image.new("RGB", rgb.size, "white"), alpha)
        out[:, rows] = np.asarray(rgb).transpose(2, 0, 1)
    if seen:
        notes.append("The transparent parts are shown on white.")
    return out, icc


def _conversion(
    base: str, icc: bytes | None, notes: list[str]
) -> tuple[Callable[[Image.Image], Image.Image], bytes | None]:
    """The conversion of L, RGB, CMYK or LAB to sRGB, and the profile to write with the result."""

    def plain(image: Image.Image) -> Image.Image:
        return image.convert("RGB")

    if base == "CMYK":
        notes.append("The picture was converted from CMYK (print) colours.")
    if base == "LAB":
        lab = ImageCms.createProfile("LAB")
        transform = ImageCms.buildTransform(lab, _srgb(), "LAB", "RGB")
        return (lambda image: ImageCms.applyTransform(image, transform)), None
    if not icc:
        return plain, None
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        space = profile.profile.xcolor_space.strip()
        if space != {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}[base]:
            return plain, None
        if base != "CMYK" and _is_srgb(profile, base):
            return plain, icc if space == "RGB" else None
        srgb = _srgb()
        transform = ImageCms.buildTransform(profile, srgb, base, "RGB")
        ImageCms.applyTransform(Image.new(base, (1, 1)), transform)
        name = " ".join(ImageCms.getProfileDescription(profile).split())[:80]
    except (ImageCms.PyCMSError, OSError, ValueError):
        notes.append("The colour profile is damaged and was left out.")
        return plain, None
    notes.append(f"The picture was converted from its colour profile ({name}) to sRGB.")
    return (lambda image: ImageCms.applyTransform(image, transform)), srgb.tobytes()


def png_colors(image: Image.Image) -> tuple[float, np.ndarray | None] | None:
    """The gamma and the primaries (RGB -> linear sRGB, 3 x 3) of a PNG that says both itself.

    None where it has a profile, says sRGB, or says what is nearly sRGB's; as browsers do.
    """
    said, primaries = image.info, None
    gamma = said.get("gamma")
    if image.format != "PNG" or not gamma or "srgb" in said or said.get("icc_profile"):
        return None
    chroma = said.get("chromaticity")
    if chroma and np.abs(np.subtract(chroma, SRGB_CHROMA)).max() > 0.01:
        primaries = _to_linear_srgb(chroma)
    if primaries is None and abs(gamma - 1 / 2.2) < 0.02:
        return None
    return (gamma, primaries) if 0.05 <= gamma <= 10 else None


SRGB_CHROMA = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # white, red, green, blue: x, y

BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def _xyz(chroma: Sequence[float]) -> np.ndarray:
    """White and primaries (x, y of each) -> the matrix from linear RGB to XYZ."""
    points = np.array(
        [[x / y, 1, (1 - x - y) / y] for x, y in zip(chroma[::2], chroma[1::2], strict=True)]
    )
    return points[1:].T * np.linalg.solve(points[1:].T, points[0])


def _to_linear_srgb(chroma: Sequence[float]) -> np.ndarray | None:
    """Linear RGB of these primaries -> linear sRGB; white stays white. None: they are nonsense."""
    try:
        theirs, ours = _xyz(chroma), _xyz(SRGB_CHROMA)
        gains = (BRADFORD @ ours.sum(1)) / (BRADFORD @ theirs.sum(1))
        bent = np.linalg.inv(BRADFORD) @ np.diag(gains) @ BRADFORD
        found = np.linalg.inv(ours) @ bent @ theirs
    except (np.linalg.LinAlgError, ZeroDivisionError, FloatingPointError):
        return None
    return found if np.isfinite(found).all() and np.abs(found).max() < 20 else None


def convert_to_srgb(pixels: np.ndarray, gamma: float, primaries: np.ndarray | None) -> None:
    """Change uint8 or uint16 (3, H, W) of this gamma and these primaries into sRGB, in place."""
    top = np.iinfo(pixels.dtype).max
    linear = (np.arange(top + 1, dtype=np.float32) / top) ** np.float32(1 / gamma)

    def encode_srgb(light: np.ndarray) -> np.ndarray:
        light = light.clip(0, 1)
        rgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
        return np.rint(rgb * top).astype(pixels.dtype)

    if primaries is None:
        pixels[:] = encode_srgb(linear)[pixels]
        return
    for rows in strips(*pixels.shape[1:]):
        light = np.tensordot(primaries.astype(np.float32), linear[pixels[:, rows]], 1)
        pixels[:, rows] = encode_srgb(light)
