"""What more than one network is built from."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def scale_channels(channels: int, width: float) -> int:
    """The paper's number of channels times `width`, at least 8."""
    return max(8, round(channels * width))


def pad_to_multiple(x: Tensor, stride: int) -> Tensor:
    """Repeat the last rows and columns until height and width are multiples of `stride`."""
    if torch.compiler.is_exporting():
        return _padded(_padded(x, stride, -2), stride, -1)
    down, right = -x.shape[-2] % stride, -x.shape[-1] % stride
    return F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x


def _padded(x: Tensor, stride: int, dim: int) -> Tensor:
    """`pad_to_multiple` along one dimension, in an exported graph: for every size, no branches."""
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    side = x.shape[dim]
    if statically_known_true(side % stride == 0):
        return x
    places = torch.arange((side + stride - 1) // stride * stride, device=x.device)
    return x.index_select(dim, places.clamp(max=side - 1))


def is_one_place(x: Tensor) -> bool | Tensor:
    """Whether x (N, C, H, W) is one place, 1 x 1; in an exported graph a tensor, for every size."""
    if torch.compiler.is_exporting():
        return torch.arange(x.shape[-2] * x.shape[-1], device=x.device).amax(0) == 0
    return x.shape[-2:] == (1, 1)


def crop_like(x: Tensor, like: Tensor) -> Tensor:
    """Undo `pad_to_multiple`: the top left corner of x, as large as `like`."""
    return x[..., : like.shape[-2], : like.shape[-1]]


def coordinates(count: int, device: torch.device) -> Tensor:
    """(count,): evenly from -1 to 1, made on the device."""
    if torch.compiler.is_exporting():  # the recorder of torch.linspace would fix the count
        steps = torch.arange(count, dtype=torch.float32, device=device)
        return 2 * steps / steps[-1:] - 1
    return torch.linspace(-1, 1, count, device=device)


def pool_to_two(x: Tensor) -> Tensor:
    """x (N, C, H, W) -> the mean of each quarter (N, C, 2, 2), the middle in both when odd."""
    if not torch.compiler.is_exporting():
        return F.adaptive_avg_pool2d(x, 2)
    for dim in (-2, -1):
        side = x.shape[dim]
        first = x.narrow(dim, 0, (side + 1) // 2).mean(dim, keepdim=True)
        last = x.narrow(dim, side // 2, side - side // 2).mean(dim, keepdim=True)
        x = torch.cat((first, last), dim)
    return x


def initialise(module: nn.Module, init: Callable[[Tensor], object]) -> nn.Module:
    """Apply `init` to the weights of every convolution and linear layer; biases become 0."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            init(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module
