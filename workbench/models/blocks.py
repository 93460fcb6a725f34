"""What more than one of the five networks is built from."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F


def scaled(channels: int, width: float) -> int:
    """The paper's number of channels times `width`, at least 8."""
    return max(8, round(channels * width))


def pad_to_multiple(x: Tensor, stride: int) -> Tensor:
    """Repeat the last rows and columns until height and width are multiples of `stride`."""
    down, right = -x.shape[-2] % stride, -x.shape[-1] % stride
    return F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x


def crop_like(x: Tensor, like: Tensor) -> Tensor:
    """Undo `pad_to_multiple`: the top left corner of x, as large as `like`."""
    return x[..., : like.shape[-2], : like.shape[-1]]


def initialise(module: nn.Module, init: Callable[[Tensor], object]) -> nn.Module:
    """Apply `init` to the weights of every convolution and linear layer; biases become 0."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            init(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module
