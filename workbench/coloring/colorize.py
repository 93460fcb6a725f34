"""A picture in, the same picture in colour out.

The lightness stays the upload's own, at full resolution; a network is shown it with its short
side at the network's size, and only the two colour planes come back up (`edges.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench import __version__, color
from workbench.coloring import edges
from workbench.coloring.strips import work_by_strips
from workbench.coloring.together import run_at_once
from workbench.errors import Problem
from workbench.models.blend import Blend
from workbench.spec import Colorizer

SIZE = 256  # short side shown to a network that has no size of its own
CELL = 8  # sides shown to a network with bins are a multiple: no bin hangs over the border
LONGEST = 8  # the long side is at most this many times the size, however long the picture is
ALIKE_BINS = 20.0  # ab units: colours this near to each other are drawn together
DRAWN_SOFTLY = 0.7  # temperature of the mean around a drawn colour
TOGETHER = 8_000_000  # pixels: a larger picture is coloured by one network at a time
STEPS = 1 << 16  # of linear light in the table of levels: no step holds two levels' borders


@dataclass(frozen=True)
class Settings:
    """What a visitor may set. None means the model's own."""

    size: int | None = None  # short side shown to the network, pixels
    temperature: float | None = None  # of a distribution's annealed mean; others ignore it
    rebalancing: float | None = None  # how much of it is kept, 1 is as trained; others ignore it
    mirror: bool = False  # the mean of the picture's and its mirror image's colours: twice the time
    chroma: float = 1.0  # ab is multiplied by this
    edges: bool = False  # colour follows the edges of L on its way up
    exact: bool = False  # fp32 also where the machine is faster in bf16

    def __post_init__(self) -> None:
        if self.size is not None and not 16 <= self.size <= 2048:
            raise Problem(f"The network's size is 16 to 2048 pixels, not {self.size}.")
        if self.temperature is not None and not 0 < self.temperature <= 10:
            raise Problem(f"The temperature is above 0 and at most 10, not {self.temperature}.")
        if self.rebalancing is not None and not 0 <= self.rebalancing <= 1:
            raise Problem(f"Rebalancing is 0 to 1, not {self.rebalancing}.")
        if not 0 <= self.chroma <= 10:
            raise Problem(f"The chroma gain is 0 to 10, not {self.chroma}.")


@dataclass(frozen=True)
class Result:
    """One picture coloured by one network."""

    rgb: Tensor  # (3, H, W), uint8 or uint16 as the source was
    ab: Tensor  # float32 (2, H, W), CIELAB units, before the gamut's clip
    seconds: float  # from L to rgb


def make_marks(
    model: str,
    revision: str,
    settings: Settings = Settings(),
    title: str = "",
    also: Mapping[str, object] | None = None,
) -> dict[str, str]:
    """What `images.encode` writes into the file: who coloured it, and how.

    also: what else was set, beside the settings of every model.
    """
    set_by_hand = {k: v for k, v in asdict(settings).items() if v != getattr(Settings(), k)}
    set_by_hand |= also or {}
    return {
        "Software": f"colorization-workbench {__version__}",
        "Description": f"Colourized by AI ({title or model})",
        "Model": model,
        "Revision": revision,
        "Settings": ", ".join(f"{k}={v}" for k, v in set_by_hand.items()) or "the model's own",
    }


# ------------------------------------------------------------------------- L and back again


def lightness(rgb: Tensor) -> Tensor:
    """uint8 or uint16 RGB (3, H, W) -> L (1, H, W) in [0, 100], float32.

    The same numbers as `color.split_lab` gives, to 1e-4, from the luminance alone: three tables
    of a channel's share of it (numpy's look-up takes a sixth of torch's time), in strips.
    """
    height, width = rgb.shape[-2:]
    steps = 256 if rgb.dtype == torch.uint8 else 65536
    values = torch.arange(steps, dtype=torch.float64) / (steps - 1)
    weights = torch.tensor(color.RGB_TO_XYZ[1], dtype=torch.float64)
    tables = (weights[:, None] * color.to_linear(values)).float().numpy()  # (3, steps)
    out = torch.empty(1, height, width)

    def strip(rows: slice) -> None:
        red, green, blue = rgb[:, rows].numpy()
        Y = torch.from_numpy(tables[0].take(red) + tables[1].take(green) + tables[2].take(blue))
        out[0, rows] = 116 * color.lab_curve(Y) - 16

    work_by_strips(strip, height, width)
    return out


def join_at_depth(L: Tensor, ab: Tensor, dtype: torch.dtype = torch.uint8) -> Tensor:
    """L (1, H, W) and ab (2, H, W) -> RGB (3, H, W) in uint8 or uint16.

    Within the gamut it is `color.join_rgb`, in strips, so that 24 megapixels need little memory.
    A colour outside keeps its lightness and its hue and gives up chroma until sRGB can show it,
    where `join_rgb` (the protocol's) clips the channels and so changes all three.
    """
    height, width = L.shape[-2:]
    out = torch.empty(3, height, width, dtype=dtype)

    def strip(rows: slice) -> None:
        lab = torch.cat((L[:, rows], ab[:, rows]))
        lab[1:] *= (lab[0] > 0) & (lab[0] < 100)  # of black and white there is no colour to find
        light = _light_within_gamut(lab)
        if dtype == torch.uint16:
            out[:, rows] = (color.to_srgb(light) * 65535 + 0.5).to(torch.int32).to(dtype)
        else:
            out[:, rows] = _nearest_level(light)

    work_by_strips(strip, height, width)
    return out


def _light_within_gamut(lab: Tensor) -> Tensor:
    """Lab (3, h, w) -> linear RGB in [0, 1], chroma reduced by bisection where out of gamut."""
    light = color.lab_to_linear_rgb(lab)
    outside = ~color.displayable(light)
    if outside.any():
        edge = lab[:, outside]  # (3, n)
        edge[1:] *= color.shares_of_chroma(edge)
        light[:, outside] = color.lab_to_linear_rgb(edge[..., None])[..., 0]
    return light.clamp_(0, 1)


@cache
def _levels() -> tuple[np.ndarray, np.ndarray]:
    """The level at the beginning of each step of linear light, and where each level ends."""
    middles = (torch.arange(256, dtype=torch.float64) + 0.5) / 255
    ends = color.to_linear(middles).numpy()
    ends[255] = 2.0  # light is at most 1
    starts = np.arange(STEPS + 1) / STEPS
    return np.searchsorted(ends, starts, side="right").astype(np.uint8), ends.astype(np.float32)


def _nearest_level(light: Tensor) -> Tensor:
    """Linear RGB in [0, 1] -> uint8 sRGB, rounded to the nearest, without a power of each value."""
    levels, ends = _levels()
    values = light.numpy()
    level = levels.take((values * np.float32(STEPS)).astype(np.int32))
    level += values >= ends.take(level)
    return torch.from_numpy(level)


# ------------------------------------------------------------------------------ the networks


@cache
def pick_quick_type() -> torch.dtype | None:
    """bfloat16 where this processor multiplies it faster than float32, else None."""
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else None


def autocast_where_quick(device: torch.device) -> AbstractContextManager:
    """A context in which networks compute in bf16, where this device is faster in it."""
    dtype = torch.bfloat16 if device.type == "cuda" else pick_quick_type()
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def _autocast(net: nn.Module, exact: bool) -> tuple[torch.device, AbstractContextManager]:
    weights = next(net.parameters(), None)
    device = torch.device("cpu") if weights is None else weights.device
    return device, nullcontext() if exact else autocast_where_quick(device)


def _methods_of(net: nn.Module) -> Any:
    """The network with the methods of its own class, of which `nn.Module` does not tell."""
    return net


def has_temperature(net: nn.Module) -> bool:
    """Whether a network predicts a distribution over colours (`logits`, `decode`)."""
    return isinstance(net, Colorizer) and net.bins


def has_rebalancing(net: nn.Module) -> bool:
    """Whether a network was trained with rare colours weighted up, so that this can be undone."""
    return isinstance(net, Colorizer) and net.bins and net.rebalanced


def own_settings(net: nn.Module, settings: Settings) -> Settings:
    """The settings without those that this network ignores."""
    if isinstance(net, Blend):
        told = [own_settings(member, settings) for member in net.members]
        return max(told, key=lambda own: (own.temperature is not None, own.rebalancing is not None))
    if not has_temperature(net):
        settings = replace(settings, temperature=None)
    return settings if has_rebalancing(net) else replace(settings, rebalancing=None)


def own_gain(net: nn.Module) -> float:
    """What these weights' colours are multiplied by, whatever a visitor sets on top of it."""
    return net.gain if isinstance(net, Colorizer) else 1.0


def network_input(L: Tensor, size: int, multiple: int = 1) -> Tensor:
    """L (N, 1, H, W) with its short side at `size` pixels, aspect kept, antialiased bilinear.

    Each side is rounded to a `multiple`.
    """
    height, width = L.shape[-2:]
    scale = min(size / min(height, width), LONGEST * size / max(height, width)) / multiple
    small = tuple(max(1, round(side * scale)) * multiple for side in (height, width))
    return L if small == (height, width) else edges.shrink(L, small)


@torch.inference_mode()
def predict_logits(
    net: nn.Module,
    L: Tensor,
    size: int = SIZE,
    exact: bool = False,
    rebalancing: float | None = None,
) -> Tensor:
    """L (N, 1, H, W) -> the scores of the colour bins (N, bins, h, w), float32.

    rebalancing: how much of that of the training is kept; None: the network's own choice.
    """
    if not has_temperature(net):
        raise Problem("Only a network that predicts a distribution over colours has bins.")
    device, cast = _autocast(net, exact)
    small = network_input(L, size, CELL).to(device, memory_format=torch.channels_last)
    with cast:
        logits = _methods_of(net).logits(small).float().to(L.device)
    if not has_rebalancing(net):
        return logits
    return (
        _methods_of(net).rebalance(logits)
        if rebalancing is None
        else _methods_of(net).rebalance(logits, rebalancing)
    )


@torch.inference_mode()
def predict_coarse(
    net: nn.Module,
    L: Tensor,
    size: int = SIZE,
    settings: Settings = Settings(),
) -> Tensor:
    """L (N, 1, H, W) -> ab (N, 2, h, w) at the network's own resolution, float32.

    That of a network with a distribution is the one of its bins: they are decoded there. A blend's
    is its largest member's; each looks at its own size, but at no more than `size` unless
    `settings.size` says so. The gain of the weights is in it, that of the settings is not.
    """
    if isinstance(net, Blend):
        sizes = [settings.size or min(own, size) for own in net.sizes]
        planes = [
            predict_coarse(member, L, own, settings)
            for member, own in zip(net.members, sizes, strict=True)
        ]
        finest = max((plane.shape[-2:] for plane in planes), key=min)
        return blend_ab([edges.upsample(plane, finest) for plane in planes], net.shares)
    if settings.mirror:
        both = torch.cat((L, L.flip(-1)))
        ab, mirrored = predict_coarse(net, both, size, replace(settings, mirror=False)).chunk(2)
        return (ab + mirrored.flip(-1)) / 2
    temperature, exact = settings.temperature, settings.exact
    if has_temperature(net):
        logits = predict_logits(net, L, size, exact, settings.rebalancing)
        decode = _methods_of(net).decode
        ab = decode(logits, temperature) if temperature else decode(logits)
    else:
        device, cast = _autocast(net, exact)
        small = network_input(L, size).to(device, memory_format=torch.channels_last)
        with cast:
            told = net.embed(L.to(device)) if isinstance(net, Colorizer) else None
            ab = net(small) if told is None else net(small, told)
    return own_gain(net) * ab.float().to(L.device).contiguous()


@torch.inference_mode()
def predict_ab(
    net: nn.Module,
    L: Tensor,
    size: int = SIZE,
    settings: Settings = Settings(),
) -> Tensor:
    """L (N, 1, H, W) in [0, 100] -> ab (N, 2, H, W) in CIELAB units, float32, before the gain.

    The network sees L with its short side at `size`; ab comes back up bilinearly, or along L's
    edges. bf16 where the machine is faster in it, unless `settings.exact`.
    """
    coarse = predict_coarse(net, L, size, settings)
    if settings.edges:
        return edges.upsample_along_edges(coarse, L)
    return edges.upsample(coarse, L.shape[-2:])


def colorize(
    net: nn.Module, rgb: Tensor, settings: Settings = Settings(), size: int = SIZE
) -> Result:
    """Colour one picture: uint8 or uint16 RGB (3, H, W) -> Result of the same size and depth.

    `size` is the network's own (`Checkpoint.size`); `settings.size` overrules it.
    """
    return colorize_lightness(net, lightness(rgb), settings, size, rgb.dtype)


@torch.inference_mode()
def colorize_lightness(
    net: nn.Module,
    L: Tensor,
    settings: Settings = Settings(),
    size: int = SIZE,
    dtype: torch.dtype = torch.uint8,
) -> Result:
    """`colorize` for an L (1, H, W) that several networks share."""
    start = time.perf_counter()
    size = settings.size or size
    ab = predict_ab(net, L[None], size, settings)[0]
    if settings.chroma != 1:
        ab *= settings.chroma
    return Result(join_at_depth(L, ab, dtype), ab, time.perf_counter() - start)


def colorize_all(
    nets: Mapping[str, tuple[nn.Module, int]], rgb: Tensor, settings: Settings = Settings()
) -> Iterator[tuple[str, Result]]:
    """Colour one picture by several networks, name -> (net, its size), in their order.

    L is computed once. All run before the first is given, several at a time (`together.py`); a
    picture above `TOGETHER` pixels one after the other, as it is asked for: at 24 megapixels a
    Result has 72 MB of rgb and 192 MB of ab, and whoever iterates keeps what it needs.
    """
    L = lightness(rgb)
    works = {
        name: partial(colorize_lightness, net, L, settings, size, rgb.dtype)
        for name, (net, size) in nets.items()
    }
    if L.numel() <= TOGETHER:
        yield from zip(works, run_at_once(list(works.values())), strict=True)
    else:
        for name, work in works.items():
            yield name, work()


# -------------------------------------------------------------------- more than one answer


def blend_ab(planes: Sequence[Tensor], weights: Sequence[float] | None = None) -> Tensor:
    """The weighted mean of several ab (..., 2, H, W); weights need not sum to 1."""
    shares = torch.tensor(list(weights) if weights is not None else [1.0] * len(planes))
    if not planes or len(shares) != len(planes):
        raise Problem(f"A blend needs a weight for each of its {len(planes)} pictures.")
    if (shares < 0).any() or shares.sum() <= 0:
        raise Problem("The weights of a blend are 0 or more, and not all 0.")
    out = torch.zeros_like(planes[0])
    for plane, share in zip(planes, shares / shares.sum(), strict=True):
        out.add_(plane, alpha=float(share))
    return out


@torch.inference_mode()
def sample_ab(
    net: nn.Module,
    L: Tensor,
    count: int = 4,
    seed: int = 0,
    size: int = SIZE,
    temperature: float = 0.38,
) -> Tensor:
    """`count` different colourings of one L (1, H, W) from the network's own distribution.

    Returns ab (count, 2, H, W). Perturb and decode: Gumbel noise is added to the scores of the
    bins over `temperature`, so that the winner is a draw from the distribution (Gumbel-max). The
    noise is the same all over the picture, so that what looks alike to the network is coloured
    alike, and nearly the same for bins of like colours (`ALIKE_BINS`), so that a kind of colour
    wins and not one bin; a mean over the winner's neighbours keeps it smooth (`DRAWN_SOFTLY`).
    """
    scores = predict_logits(net, L[None], size) / temperature  # (1, bins, h, w)
    bins = scores.shape[1]
    sure = (
        100 * torch.eye(bins)[..., None, None]
    )  # (bins, bins, 1, 1): sure of each, one after the other
    colors = _methods_of(net).decode(sure, 1.0).flatten(1)  # (bins, 2)
    mix = torch.exp(-0.5 * (torch.cdist(colors, colors) / ALIKE_BINS) ** 2)
    mix /= mix.norm(dim=1, keepdim=True)
    random = torch.Generator().manual_seed(seed)
    samples = []
    for _ in range(count):
        normal = mix @ torch.randn(bins, generator=random)
        uniform = (0.5 * torch.erfc(-normal / 2**0.5)).clamp(1e-6, 1 - 1e-6)
        gumbel = -torch.log(-torch.log(uniform))
        drawn = _methods_of(net).decode(scores + gumbel[:, None, None], DRAWN_SOFTLY)
        samples.append(drawn[0].float())
    return edges.upsample(own_gain(net) * torch.stack(samples), L.shape[-2:])
