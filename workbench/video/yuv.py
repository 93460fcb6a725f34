"""The lightness of a frame under new colours, written straight into 4:2:0 YUV.

Luma at full resolution from a table over (grey level, a, b), chroma at half resolution through
`color.lab_to_rgb`: the picture that `color.join_rgb` gives, to about one level, in half the time.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workbench import color
from workbench.color import lab_to_rgb, rgb_to_lab

REC_601, REC_709 = (0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722)  # weights of R', G', B' in Y'
SPACE_601, SPACE_709 = 6, 1  # as H.264 names them: SMPTE 170M and BT.709


def space_of(height: int) -> int:
    """What players take a clip for that does not say: BT.709 from 720 lines, else BT.601."""
    return SPACE_709 if height >= 720 else SPACE_601


@lru_cache(maxsize=1)
def _grey_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Linear light of each channel (3, 256) uint16; light -> grey level (65536,); level -> L."""
    levels = torch.arange(256).float() / 255
    grey = rgb_to_lab(levels.view(1, 256, 1).expand(3, 256, 1))[0, :, 0].double().numpy()
    lines = [
        rgb_to_lab(torch.stack([levels * (i == k) for i in range(3)]).unsqueeze(-1))
        for k in range(3)
    ]
    light = np.stack([_light(line[0, :, 0].double().numpy()) for line in lines])
    steps = _light(grey)
    edges = (steps[1:] + steps[:-1]) / 2
    level = np.searchsorted(edges, np.arange(65536) / 65535).astype(np.uint8)
    return np.round(light * 65535).astype(np.uint16), level, grey.astype(np.float32)


def _light(L: np.ndarray) -> np.ndarray:
    """CIE lightness -> luminance Y in [0, 1]."""
    f = (L + 16) / 116
    return np.clip(np.where(f > color.EDGE_F, f**3, (f - color.OFFSET) / color.SLOPE), 0, 1)


def grey_levels(rgb: np.ndarray) -> np.ndarray:
    """uint8 RGB (H, W, 3) -> the grey level (H, W) of the same L, uint8."""
    light, level, _ = _grey_tables()
    total = light[0][rgb[..., 0]].astype(np.uint32)
    total += light[1][rgb[..., 1]]
    total += light[2][rgb[..., 2]]
    return level[np.minimum(total, 65535)]


@lru_cache(maxsize=2)
def _luma_table(weights: tuple[float, float, float]) -> np.ndarray:
    """Y' of (grey level, a, b), a and b in steps of 2 from -128: uint8 (256 * 128 * 128,)."""
    grey = torch.from_numpy(_grey_tables()[2])
    steps = torch.arange(-128, 128, 2).float()
    rows = []
    for part in grey.split(32):
        lab = torch.stack(torch.meshgrid(part, steps, steps, indexing="ij")).flatten(2)
        luma = torch.tensordot(torch.tensor(weights), lab_to_rgb(lab), 1)
        rows.append((luma * 219 + 16.5).to(torch.uint8).flatten())
    return torch.cat(rows).numpy()


def join_yuv(rgb: np.ndarray, ab: Tensor) -> np.ndarray:
    """The lightness of `rgb` under the colours `ab`, as one 4:2:0 picture.

    rgb uint8 (H, W, 3) with H and W even; ab (2, h, w) of any size, CIELAB units -> uint8
    (H * 3 / 2, W), limited range: Y' then U then V, with BT.709 from 720 lines, else BT.601.
    Within about one level of `join_rgb` seen through the same matrix.
    """
    height, width = rgb.shape[:2]
    half = (height // 2, width // 2)
    weights = REC_709 if space_of(height) == SPACE_709 else REC_601
    grey = grey_levels(rgb)
    ab = F.interpolate(ab.unsqueeze(0).float(), size=half, mode="bilinear", align_corners=False)[0]
    L = F.avg_pool2d(torch.from_numpy(_grey_tables()[2][grey]).unsqueeze(0), 2)
    shown = lab_to_rgb(torch.cat((L, ab))).numpy()

    index = ((ab + 129) / 2).clamp(0, 127).to(torch.int32).numpy()
    index = (index[0] * 128 + index[1]).repeat(2, 0).repeat(2, 1)
    index += grey.astype(np.int32) << 14
    out = np.empty((height * 3 // 2, width), np.uint8)
    np.take(_luma_table(weights), index, out=out[:height], mode="clip")
    luma = np.tensordot(np.float32(weights), shown, 1)
    for plane, channel, weight in ((0, 2, weights[2]), (1, 0, weights[0])):
        chroma = (shown[channel] - luma) * (112 / (1 - weight)) + 128.5
        area = out[height:].reshape(2, *half)
        area[plane] = chroma
    return out


class Mark:
    """A visible mark in the lower right corner of every frame.

    ink (h, w) in [0, 1] as `images.draw_mark` gives it for an upright picture of height x width;
    quarters: how often the frames are turned counter-clockwise before they are stored.
    """

    def __init__(self, ink: np.ndarray, height: int, width: int, quarters: int) -> None:
        whole = np.full((height, width), -1, np.float32)  # -1: not covered
        whole[height - ink.shape[0] :, width - ink.shape[1] :] = ink
        whole = np.rot90(whole, quarters)
        whole = np.pad(whole, [(0, side % 2) for side in whole.shape], constant_values=-1)
        rows, columns = (np.flatnonzero((whole >= 0).any(axis)) for axis in (1, 0))
        ends = [-(-(each[-1] + 1) // 2) * 2 for each in (rows, columns)]  # whole cells of chroma
        self.rows, self.columns = (
            slice(each[0] // 2 * 2, end) for each, end in zip((rows, columns), ends, strict=True)
        )
        self.height, self.ink = whole.shape[0], whole[self.rows, self.columns]

    def write(self, yuv: np.ndarray) -> None:
        """Write it into a 4:2:0 picture as `join_yuv` gives it, in place."""
        marked, ink = self.ink >= 0, self.ink
        luma = yuv[: self.height][self.rows, self.columns]
        shown = 16 + (luma - 16.0) * 0.5 * (1 - ink) + 0.92 * 219 * ink
        luma[marked] = shown[marked]
        marked, ink = marked[::2, ::2], ink[::2, ::2]
        rows, columns = (slice(s.start // 2, s.stop // 2) for s in (self.rows, self.columns))
        planes = yuv[self.height :].reshape(2, self.height // 2, -1)
        for chroma in planes[:, rows, columns]:
            chroma[marked] = (128 + (chroma - 128.0) * 0.5 * (1 - ink))[marked]
