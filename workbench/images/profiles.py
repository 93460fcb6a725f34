"""Colour spaces of picture files: anything -> sRGB, and whether there is colour at all."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from workbench.images.depth import DEEP_MODES, halve

_CUBE = np.stack(np.meshgrid(*[np.linspace(0, 255, 6)] * 3), -1).reshape(6, 36, 3).astype(np.uint8)
_RAMP = np.arange(256, dtype=np.uint8)[None]


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _is_srgb(profile: ImageCms.ImageCmsProfile, mode: str) -> bool:
    """Whether colours mean the same in this profile as in sRGB, to two steps of 255."""
    probe = Image.fromarray(_RAMP if mode == "L" else _CUBE)
    converted = ImageCms.profileToProfile(probe, profile, _srgb(), outputMode="RGB")
    return bool(np.abs(np.int16(converted) - np.int16(probe.convert("RGB"))).max() <= 2)


def deep_profile(icc: bytes | None, mode: str) -> tuple[bool, bytes | None]:
    """Whether 16-bit pixels can stay as they are (no profile, or sRGB), and the profile to keep.

    LittleCMS as Pillow binds it converts 8 bits only.
    """
    if not icc:
        return True, None
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        space = profile.profile.xcolor_space.strip()
        if mode in DEEP_MODES:
            return space != "GRAY" or _is_srgb(profile, "L"), None
        return (_is_srgb(profile, "RGB"), icc) if space == "RGB" else (True, None)
    except (ImageCms.PyCMSError, OSError):
        return True, None  # damaged: no profile


def flat_rgb(
    image: Image.Image, deep: np.ndarray | None, icc: bytes | None, notes: list[str]
) -> tuple[np.ndarray, bytes | None]:
    """Pixels of any Pillow mode -> sRGB uint8 (H, W, 3) on white, and the profile they are in."""
    if deep is not None:  # Pillow's own conversion clips 16 bits instead of scaling them
        pixels = halve(deep)
        grey = image.mode in DEEP_MODES
        image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels))
    alpha = None
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
    base = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK"}.get(image.mode, "RGB")
    if image.mode in ("RGBa", "La"):
        image = image.convert("RGBA" if image.mode == "RGBa" else "LA")
    if base == "RGB" and alpha is not None:
        image = image.convert("RGBA")
    colour = image if image.mode == base else image.convert(base)
    rgb, icc = _to_srgb(colour, icc, notes)
    if alpha is not None and alpha.getextrema()[0] < 255:
        notes.append("The transparent parts are shown on white.")
        white = Image.new("RGB", rgb.size, "white")
        rgb = Image.composite(rgb, white, alpha)
    return np.asarray(rgb), icc


def _to_srgb(
    image: Image.Image, icc: bytes | None, notes: list[str]
) -> tuple[Image.Image, bytes | None]:
    """L, RGB or CMYK -> RGB in sRGB, and the profile to write with it."""
    if image.mode == "CMYK":
        notes.append("The picture was converted from CMYK (print) colours.")
    if not icc:
        return image.convert("RGB"), None
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        space = profile.profile.xcolor_space.strip()
        if space != {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}[image.mode]:
            return image.convert("RGB"), None
        if image.mode != "CMYK" and _is_srgb(profile, image.mode):
            return image.convert("RGB"), icc if space == "RGB" else None
        srgb = _srgb()
        converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        notes.append("The colour profile is damaged and was left out.")
        return image.convert("RGB"), None
    name = ImageCms.getProfileDescription(profile).strip()
    notes.append(f"The picture was converted from its colour profile ({name}) to sRGB.")
    return converted, srgb.tobytes()


def is_grey(rgb8: np.ndarray) -> bool:
    """No colour: all but one pixel in a thousand have channels at most 12 steps apart.

    The mean difference must also be under 4, so that an evenly tinted print (sepia) has colour.
    """
    red, green, blue = (rgb8[..., i] for i in range(3))
    high = np.maximum(np.maximum(red, green), blue)
    spread = high - np.minimum(np.minimum(red, green), blue)
    return bool((spread > 12).mean() < 0.001 and spread.mean() < 4)
