"""What happens inside a network while it colours one picture, by hooks on the module itself.

Each function takes a network, which may be shared, and L (1, 1, h, w) as the network sees it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.errors import Problem
from workbench.models import ab_bins
from workbench.models.attention_pix2pix import SelfAttention
from workbench.models.cbam_gan import ChannelGate, SpatialGate
from workbench.models.inception_attention import Attention
from workbench.spec import Colorizer

ATTENTIONS = (SelfAttention, Attention)


def copy_modules(net: nn.Module) -> nn.Module:
    """The same weights in modules of one's own: hooks there disturb nobody who shares `net`."""
    kept = [each for part in net.modules() for each in vars(part).values()]  # a last call's scores
    tensors = [*net.parameters(), *net.buffers(), *(t for t in kept if isinstance(t, Tensor))]
    return copy.deepcopy(net, {id(each): each for each in tensors})


@torch.no_grad()
def record_modules(
    net: nn.Module, L: Tensor, kinds: type | tuple[type, ...]
) -> dict[str, tuple[Tensor, Tensor]]:
    """What the modules of these kinds took and gave, by their names, in running order."""
    mine, found = copy_modules(net), {}
    for name, module in mine.named_modules():
        if isinstance(module, kinds):

            def keep(_: nn.Module, inputs: tuple, output: Tensor, name: str = name) -> None:
                found[name] = (inputs[0], output)

            module.register_forward_hook(keep)
    mine(L)
    return found


def _place(name: str) -> str:
    """The part of a module's name a reader knows: "unet.gates.down2.channel" -> "down2"."""
    return name.removeprefix("unet.").removeprefix("gates.").rpartition(".")[0] or name


def channel_weights(net: nn.Module, L: Tensor) -> dict[str, Tensor]:
    """CBAM's weight of every channel, (C,) in [0, 1], by position."""
    found = record_modules(net, L, ChannelGate)
    return {_place(name): given[0, :, 0, 0] for name, (_, given) in found.items()}


def spatial_maps(net: nn.Module, L: Tensor) -> dict[str, Tensor]:
    """CBAM's weight of every place, (h, w) in [0, 1], by position, where it has a choice."""
    found = record_modules(net, L, SpatialGate)
    return {_place(name): given[0, 0] for name, (_, given) in found.items()}


@torch.no_grad()
def likeliest_classes(
    net: nn.Module, L: Tensor, classes: Sequence[str], count: int = 5
) -> list[tuple[str, float]]:
    """The classes that a network's classifier believes in, and how much, surest first.

    The classifier is a branch of its own (`class_scores`) or a frozen one it asks (`embed`). A
    class without a name is called by its number. Raises Problem for a network that has none.
    """
    scores = None
    if isinstance(net, Colorizer):
        mine = copy_modules(net)
        mine(L)
        scores = mine.embed(L) if mine.class_scores is None else mine.class_scores
    if scores is None:
        raise Problem("This network has no classifier that could be asked.")
    top = scores[0].float().softmax(0).topk(min(count, scores.shape[1]))
    named = len(classes) == scores.shape[1]
    return [
        (classes[i] if named else f"class {i}", share)
        for i, share in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]


@torch.no_grad()
def attention_maps(net: nn.Module, L: Tensor, x: float, y: float) -> dict[str, Tensor]:
    """Where a point looks: a map (h, w) that sums to 1 for every attention of the network.

    x and y in [0, 1) are shares of the width and the height, from the top left.
    """
    maps = {}
    for name, (taken, _) in record_modules(net, L, ATTENTIONS).items():
        height, width = taken.shape[-2:]
        row, column = min(int(y * height), height - 1), min(int(x * width), width - 1)
        module = net.get_submodule(name)
        maps[name.removeprefix("unet.").removeprefix("gates.")] = module.attend(taken, row, column)[
            0
        ]
    return maps


@torch.no_grad()
def predict_without_fusion(net: nn.Module, L: Tensor) -> Tensor:
    """ab (1, 2, h, w) of a network whose frozen classifier says nothing: its scores are all 0."""
    told = net.embed(L) if isinstance(net, Colorizer) else None
    if told is None:
        raise Problem("This network was built without fusion.")
    return copy_modules(net)(L, torch.zeros_like(told))


@torch.no_grad()
def distribution(logits: Tensor, x: float, y: float, temperature: float) -> tuple[Tensor, float]:
    """The 313 probabilities of one pixel at a temperature, and their entropy in bits.

    logits (1, 313, h, w); x and y in [0, 1) from the top left.
    """
    height, width = logits.shape[-2:]
    row, column = min(int(y * height), height - 1), min(int(x * width), width - 1)
    p = (logits[0, :, row, column].double() / max(temperature, 1e-3)).softmax(0)
    return p, float(torch.special.entr(p).sum() / math.log(2))


def mean_color(p: Tensor) -> tuple[float, float]:
    """The mean colour (a, b) of 313 probabilities."""
    a, b = (p.double() @ ab_bins.centres().double()).tolist()
    return a, b


def feature_maps(net: nn.Module, L: Tensor) -> dict[str, Tensor]:
    """What every convolution of a network gives after its ReLU, (C, h, w), by name."""
    return {name: given[0].relu() for name, (_, given) in record_modules(net, L, nn.Conv2d).items()}


def pick_strongest(features: Tensor, count: int = 16) -> tuple[list[int], Tensor]:
    """The channels of (C, h, w) that vary most in this picture: numbers, and maps in [0, 1]."""
    spread = features.flatten(1).std(1)
    chosen = spread.topk(min(count, len(features))).indices
    maps = features[chosen]
    return chosen.tolist(), maps / maps.flatten(1).amax(1).clamp(min=1e-9)[:, None, None]
