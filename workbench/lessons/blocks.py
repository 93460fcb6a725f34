"""A network taken apart into blocks: shapes, parameters, multiply-adds, by hooks on the module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn

from workbench.models.attention_pix2pix import SelfAttention
from workbench.models.inception_attention import Attention

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
NORMS = (nn.BatchNorm2d,)
WORDS = {
    "Conv2d": "Conv", "ConvTranspose2d": "Up-conv", "BatchNorm2d": "BN", "LeakyReLU": "LeakyReLU",
    "Upsample": "× 2",
}  # fmt: skip

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """A step of a network: what it is called there, what is in it, what it takes and gives.

    Shapes are (C, H, W) or (C,); multiply_adds of one picture.
    """

    name: str
    text: str
    takes: Shape
    gives: Shape
    parameters: int
    multiply_adds: int


def list_blocks(net: nn.Module, height: int, width: int) -> list[Block]:
    """The blocks of `net` in the order in which they run, for one L of height x width.

    A convolution and what follows it up to the next norm is a block, as is every part with a name
    of its own (an attention, a backbone). `net` may be on the meta device: nothing is computed
    there, so the paper's full size costs no more than a small one.
    """
    parts = dict(_parts(net))
    ran: list[tuple[str, Shape, Shape, int]] = []
    work: list[int] = [0]  # multiply-adds since the last part ended

    def count_part(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        work[0] += multiply_adds(module, inputs[0], output)

    def end_part(name: str, inputs: tuple, output: Tensor | tuple[Tensor, ...]) -> None:
        last = output if isinstance(output, Tensor) else output[-1]
        ran.append((name, tuple(inputs[0].shape[1:]), tuple(last.shape[1:]), work[0]))
        work[0] = 0

    hooks = [module.register_forward_hook(count_part) for module in net.modules()]
    hooks += [
        module.register_forward_hook(
            lambda _, inputs, output, name=name: end_part(name, inputs, output)
        )
        for name, module in parts.items()
    ]
    device = next(net.parameters()).device
    try:
        with torch.no_grad():
            net(torch.zeros(1, 1, height, width, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    groups: list[list[tuple[str, Shape, Shape, int]]] = []
    for each in ran:
        if groups and _continues(groups[-1][-1][0], each[0], parts):
            groups[-1].append(each)
        else:
            groups.append([each])
    return [
        Block(
            name=_span([name for name, *_ in group]),
            text=describe_layers([parts[name] for name, *_ in group]),
            takes=group[0][1],
            gives=group[-1][2],
            parameters=sum(_size(parts[name]) for name, *_ in group),
            multiply_adds=sum(adds for *_, adds in group),
        )
        for group in groups
    ]


def multiply_adds(module: nn.Module, taken: Tensor, given: Tensor) -> int:
    """Multiply-adds of one layer itself, for the batch; 0 for what has none worth counting."""
    if isinstance(module, nn.Conv2d):
        kernel = module.kernel_size[0] * module.kernel_size[1]
        return given.numel() * kernel * module.in_channels // module.groups
    if isinstance(module, nn.ConvTranspose2d):
        kernel = module.kernel_size[0] * module.kernel_size[1]
        return taken.numel() * kernel * module.out_channels // module.groups
    if isinstance(module, nn.Linear):
        return given.numel() * module.in_features
    if isinstance(module, (SelfAttention, Attention)):  # scores, then the weighted sum
        inner = module.f.out_channels if isinstance(module, SelfAttention) else taken.shape[1]
        positions = taken.shape[-2] * taken.shape[-1]
        return 2 * len(taken) * positions**2 * inner
    return 0


def _parts(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """What to draw apart: containers are looked into, and a wrapper of a single thing is."""
    children = list(module.named_children())
    for name, child in children:
        inside = isinstance(child, (nn.ModuleList, nn.ModuleDict)) or len(children) == 1
        if isinstance(child, nn.Sequential):
            convolutions = sum(isinstance(each, CONVOLUTIONS) for each in child.modules())
            inside = convolutions > 1
        if inside and list(child.children()):
            yield from _parts(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _continues(before: str, name: str, parts: dict[str, nn.Module]) -> bool:
    """Whether a part belongs to the block of the part that ran before it."""
    folder, _, _ = name.rpartition(".")
    if before.rpartition(".")[0] != folder:
        return False
    last, part = parts[before], parts[name]
    plain = not any(list(each.children()) or isinstance(each, nn.Upsample) for each in (last, part))
    listed = isinstance(last, CONVOLUTIONS) and isinstance(part, CONVOLUTIONS)
    return plain and not listed and not isinstance(last, NORMS)


def _span(names: list[str]) -> str:
    """ "trunk.0" to "trunk.4" is "trunk.0-4"."""
    return names[0] if len(names) == 1 else f"{names[0]}-{names[-1].rpartition('.')[2]}"


def _size(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def describe_layers(layers: Iterable[nn.Module]) -> str:
    """What a reader calls layers: "2 × (Conv 3×3, ReLU), BN"; a part of its own by its class."""
    steps: list[list[str]] = []  # a convolution opens a step
    for layer in layers:
        for each in layer if isinstance(layer, nn.Sequential) else [layer]:
            if isinstance(each, CONVOLUTIONS) or not steps:
                steps.append([])
            steps[-1].append(_text(each))
    out: list[str] = []
    for step, run in groupby(", ".join(step) for step in steps):
        count = len(list(run))
        out.append(f"{count} × ({step})" if count > 1 else step)
    return ", ".join(out)


def _text(layer: nn.Module) -> str:
    text = WORDS.get(type(layer).__name__, type(layer).__name__)
    if isinstance(layer, CONVOLUTIONS):
        text += f" {layer.kernel_size[0]}×{layer.kernel_size[1]}"
        if layer.stride[0] > 1 and isinstance(layer, nn.Conv2d):
            text += f" /{layer.stride[0]}"
        if layer.dilation[0] > 1:
            text += f" dilated {layer.dilation[0]}"
    return text
