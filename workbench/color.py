"""sRGB <-> CIELAB in torch, on any device.

CIE 1976 Lab under D65 / 2 degrees with the constants that scikit-image uses, so that
`skimage.color.rgb2lab` is an oracle for the tests. All functions take (..., 3 | 1 | 2, H, W),
float32, and keep gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_FORWARD = torch.tensor(RGB_TO_XYZ, dtype=torch.float64, device="cpu")
XYZ_TO_RGB = tuple(tuple(row) for row in torch.linalg.inv(_FORWARD).tolist())
WHITE = (0.95047, 1.0, 1.08883)  # D65, 2 degrees
# The curve of CIE 1976 is a cube root above EDGE (in light) or EDGE_F (in f), and a line below.
EDGE, EDGE_F, SLOPE, OFFSET = 0.008856, 0.2068966, 7.787, 16 / 116


def keep(function: Callable[..., Any]) -> Any:
    """Remember what a function of a device, numbers and types returned, as `functools.cache` does.

    It is made outside inference mode, so that it serves training too. torch's compiler looks
    behind `functools.cache` and would compute it anew in every step; behind this it does not.
    """
    found: dict[tuple[Any, ...], Any] = {}

    @wraps(function)
    def get(*key: Any) -> Any:
        if key not in found:
            with torch.inference_mode(False):
                found[key] = function(*key)
        return found[key]

    get.cache_clear = found.clear  # type: ignore[attr-defined]
    return get


@keep
def constant_on(
    device: torch.device, values: tuple[float | tuple[float, ...], ...], dtype: torch.dtype
) -> Tensor:
    """Numbers as a tensor on a device: copied there once, not in every step."""
    return torch.tensor(values, dtype=dtype, device=device)


def _matrix(values: tuple[float | tuple[float, ...], ...], like: Tensor) -> Tensor:
    return constant_on(like.device, values, like.dtype)


def _mix(matrix: Tensor, image: Tensor) -> Tensor:
    """Multiply the channels (dimension -3) of an image by a 3 x 3 matrix."""
    return torch.einsum("ij,...jhw->...ihw", matrix, image)


def to_linear(rgb: Tensor) -> Tensor:
    """sRGB in [0, 1] -> linear light in [0, 1], any shape."""
    return torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055).clamp(min=0) ** 2.4)


def lab_curve(xyz: Tensor) -> Tensor:
    """XYZ over the white's -> f of CIE 1976, any shape: L is 116 f(Y) - 16."""
    return torch.where(xyz > EDGE, xyz.clamp(min=1e-12) ** (1 / 3), SLOPE * xyz + OFFSET)


def lab_curve_inverse(f: Tensor) -> Tensor:
    """f of CIE 1976 -> XYZ over the white's, any shape."""
    return torch.where(f > EDGE_F, f**3, (f - OFFSET) / SLOPE)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB (..., 3, H, W) in [0, 1] -> Lab (..., 3, H, W), L in [0, 100], a and b about +-110."""
    white = _matrix(WHITE, rgb).view(3, 1, 1)
    xyz = _mix(_matrix(RGB_TO_XYZ, rgb), to_linear(rgb)) / white
    x, y, z = lab_curve(xyz).unbind(-3)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), dim=-3)


def lab_to_xyz(lab: Tensor) -> Tensor:
    """Lab (..., 3, H, W) -> XYZ of the same shape, white at Y = 1; unreal colours go below 0."""
    L, a, b = lab.unbind(-3)
    y = (L + 16) / 116
    f = torch.stack((y + a / 500, y, y - b / 200), dim=-3)
    return lab_curve_inverse(f) * _matrix(WHITE, lab).view(3, 1, 1)


def xyz_to_linear_rgb(xyz: Tensor) -> Tensor:
    """XYZ (..., 3, H, W) -> linear RGB, unclipped: outside [0, 1] is outside the sRGB gamut."""
    return _mix(_matrix(XYZ_TO_RGB, xyz), xyz)


def lab_to_linear_rgb(lab: Tensor) -> Tensor:
    """Lab (..., 3, H, W) -> linear RGB, unclipped: outside [0, 1] is outside the sRGB gamut."""
    return xyz_to_linear_rgb(lab_to_xyz(lab))


def to_srgb(light: Tensor) -> Tensor:
    """Linear light in [0, 1] -> sRGB in [0, 1], any shape."""
    curve = 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, 12.92 * light, curve)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Lab (..., 3, H, W) -> sRGB (..., 3, H, W) clipped to [0, 1], the sRGB gamut."""
    return to_srgb(xyz_to_linear_rgb(lab_to_xyz(lab).clamp(min=0)).clamp(0, 1))


def displayable(light: Tensor, tolerance: float = 1e-4) -> Tensor:
    """Linear RGB (..., 3, H, W) -> bool (..., H, W): True where sRGB can show the colour."""
    return (light - 0.5).abs().amax(dim=-3) <= 0.5 + tolerance


def in_gamut(lab: Tensor, tolerance: float = 1e-4) -> Tensor:
    """Lab (..., 3, H, W) -> bool (..., H, W): True where sRGB can show the colour."""
    return displayable(lab_to_linear_rgb(lab), tolerance)


def shares_of_chroma(lab: Tensor) -> Tensor:
    """Lab (3, n) out of gamut -> the largest share (n,) of its chroma that sRGB can show.

    By bisection, to 1/256 below: `in_gamut` eight times, but for what does not change with the
    share.
    """
    matrix = torch.tensor(XYZ_TO_RGB) * torch.tensor(WHITE)  # of XYZ over the white's
    y = (lab[0] + 16) / 116
    steps = lab[1:] * torch.tensor([[1 / 500], [-1 / 200]])  # (2, n): of x and z, from y
    grey = matrix[:, 1:2] * lab_curve_inverse(y)  # (3, n)
    low, high = torch.zeros_like(y), torch.ones_like(y)
    for _ in range(8):
        share = (low + high) / 2
        light = torch.addmm(grey, matrix[:, ::2], lab_curve_inverse(y + share * steps))
        fits = displayable(light[..., None])[..., 0]
        low, high = torch.where(fits, share, low), torch.where(fits, high, share)
    return low


def to_uint8(rgb: Tensor) -> Tensor:
    """sRGB float in [0, 1] -> uint8, rounded to the nearest step."""
    return (rgb * 255 + 0.5).clamp(0, 255).to(torch.uint8)


def split_lab(rgb8: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 RGB (..., 3, H, W) -> L (..., 1, H, W) and ab (..., 2, H, W), float32."""
    lab = rgb_to_lab(rgb8.float() / 255)
    return lab[..., :1, :, :], lab[..., 1:, :, :]


def join_rgb(L: Tensor, ab: Tensor) -> Tensor:
    """L (..., 1, H, W) and ab (..., 2, H, W) -> uint8 RGB (..., 3, H, W), clipped to the gamut."""
    return to_uint8(lab_to_rgb(torch.cat((L, ab), dim=-3).float()))


def ciede2000(first: Tensor, second: Tensor) -> Tensor:
    """CIEDE2000 of Lab pictures (..., 3, H, W) twice -> (..., H, W), k_L = k_C = k_H = 1."""
    L1, a1, b1 = first.unbind(-3)
    L2, a2, b2 = second.unbind(-3)
    mean_chroma = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * _seventh(mean_chroma)
    a1, a2 = a1 * stretch, a2 * stretch
    C1, C2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = torch.atan2(b1, a1), torch.atan2(b2, a2)

    difference = h2 - h1  # signed, the short way round
    difference = (
        difference - 2 * math.pi * (difference > math.pi) + 2 * math.pi * (difference < -math.pi)
    )
    colored = C1 * C2 != 0
    difference = difference * colored
    # a grey pixel has no hue: the mean hue is then the other's (Sharma's equation 14)
    hue = torch.where(colored, h1 + difference / 2, torch.where(C1 == 0, h2, h1))

    dL, dC, dH = L2 - L1, C2 - C1, 2 * (C1 * C2).sqrt() * torch.sin(difference / 2)
    from_50, chroma = ((L1 + L2) / 2 - 50) ** 2, (C1 + C2) / 2
    weight = (
        1
        - 0.17 * torch.cos(hue - math.radians(30))
        + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + math.radians(6))
        - 0.20 * torch.cos(4 * hue - math.radians(63))
    )
    S_L = 1 + 0.015 * from_50 / (20 + from_50).sqrt()
    S_C = 1 + 0.045 * chroma
    S_H = 1 + 0.015 * chroma * weight
    degrees = torch.rad2deg(hue) % 360
    rotation = torch.exp(-(((degrees - 275) / 25) ** 2)) * (math.pi / 3)
    R_T = -2 * _seventh(chroma) * torch.sin(rotation)
    L, C, H = dL / S_L, dC / S_C, dH / S_H
    return (L * L + C * C + H * H + R_T * C * H).clamp(min=0).sqrt()


def _seventh(chroma: Tensor) -> Tensor:
    power = chroma**7
    return (power / (power + 25.0**7)).sqrt()


def delta_e_map(prediction: Tensor, truth: Tensor) -> Tensor:
    """CIEDE2000 of each pixel: uint8 RGB (..., 3, H, W) twice -> float32 (..., H, W)."""
    return ciede2000(rgb_to_lab(prediction.float() / 255), rgb_to_lab(truth.float() / 255))
