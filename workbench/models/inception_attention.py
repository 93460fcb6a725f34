"""Inception + attention: an encoder-decoder with a classifier's scores and self-attention.

Lakhani, "Automatic colorization of gray-scale images using deep attention models".
Fusion after Baldassarre et al., Deep Koalarization (2017); CoordConv after Liu et al. (2018);
attention after Luong et al. (2015).

Differs from the paper:
- The text's 224 is the size of its records; Inception-ResNet-v2 takes 299 x 299 in [-1, 1], which
  contradicts the mean-RGB subtraction also mentioned.
- The abstract says that attention "reduces the total number of trainable features"; it adds 2.0 %.
- The text names no coordinate channels; they are ours, after CoordConv.
- It prints no channel counts, batch size or epochs: the first two are Deep Koalarization's.
- The pretrained backbone comes through timm where a hub can be reached. Elsewhere the network is
  trained with a small timm backbone that was itself trained (`python -m workbench backbone`);
  its weights are in the checkpoint. Random features are never passed off as pretrained.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from workbench.errors import Problem
from workbench.imports import import_timm
from workbench.models import eye, presets
from workbench.models.blocks import (
    coordinates,
    crop_like,
    initialise,
    pad_to_multiple,
    scale_channels,
)
from workbench.models.regression import RegressionRecipe
from workbench.provenance import borrowed, inferred, stated
from workbench.spec import Claim, Colorizer, ModelSpec, OwnBackbone, Preset, Recipe, lower_rates

STRIDE = 8
INCEPTION = "inception_resnet_v2.tf_in1k"  # 1000 classes, 299 x 299, 55,843,464 parameters


# What `build` takes so that the frozen EfficientNet-Lite0 that comes with the workbench is asked.
EYE = {
    "backbone": eye.NAME, "backbone_classes": eye.CLASSES, "backbone_size": eye.SIDE,
    "pretrained": True,
}  # fmt: skip


class Backbone(nn.Module):
    """A frozen timm classifier that looks at L: (N, 1, H, W) -> class embedding (N, classes)."""

    def __init__(self, name: str, classes: int, size: int, pretrained: bool) -> None:
        super().__init__()
        timm = import_timm()
        self.name, self.size = name, size
        pretrained = pretrained and torch.get_default_device().type != "meta"
        try:
            self.net = timm.create_model(name, pretrained=pretrained, num_classes=classes)
        except Exception as error:  # timm raises whatever its hub client raised
            raise Problem(
                f"The pretrained backbone {name} could not be fetched ({type(error).__name__}). "
                "Connect to the Hugging Face Hub once, or train with a backbone of your own: "
                "python -m workbench backbone --data SOURCE --out FILE, then --backbone FILE."
            ) from error

    def forward(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> class scores (N, classes)."""
        x = L / 50 - 1
        if x.shape[-2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        kind = "cuda" if L.is_cuda else "cpu"  # the meta device has no autocast
        with torch.autocast(kind, enabled=False):  # depthwise layers are slow in bf16
            return self.net(x.expand(-1, 3, -1, -1))  # (N, classes)


class Attention(nn.Module):
    """Global attention over all positions (Luong et al. 2015): tanh(W_c [c; h]).

    score "dot": h_i . h_j; "general": h_i W h_j.
    """

    def __init__(self, channels: int, score: str = "dot") -> None:
        super().__init__()
        if score not in ("dot", "general"):
            raise ValueError(f"score is dot or general, not {score}")
        self.general = nn.Linear(channels, channels, bias=False) if score == "general" else None
        self.combine = nn.Conv2d(2 * channels, channels, 1)

    def _key(self, h: Tensor) -> Tensor:
        return h if self.general is None else self.general(h)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, h, w) -> the same shape."""
        h = x.flatten(2).transpose(1, 2)[:, None]  # (N, 1, hw, C)
        c = F.scaled_dot_product_attention(h, self._key(h), h, scale=1.0)  # (N, 1, hw, C)
        c = c[:, 0].transpose(1, 2).reshape(x.shape)  # (N, C, h, w)
        return torch.tanh(self.combine(torch.cat((c, x), 1)))  # (N, C, h, w)

    def attend(self, x: Tensor, row: int, column: int) -> Tensor:
        """x (N, C, h, w) -> where position (row, column) looks, (N, h, w), summing to 1."""
        h = x.flatten(2).transpose(1, 2)  # (N, hw, C)
        query = x[:, :, row, column, None]  # (N, C, 1)
        scores = (self._key(h) @ query)[..., 0]  # (N, hw)
        return scores.softmax(1).view(len(x), *x.shape[-2:])


def conv(before: int, after: int, stride: int = 1, norm: bool = True) -> nn.Sequential:
    """Conv 3x3, batch norm, ReLU."""
    layers: list[nn.Module] = [nn.Conv2d(before, after, 3, stride, 1)]
    return nn.Sequential(*layers, *([nn.BatchNorm2d(after)] if norm else []), nn.ReLU())


class InceptionAttention(Colorizer):
    """L (N, 1, H, W) -> ab (N, 2, H, W): CoordConv encoder, fusion, attention, decoder.

    `fusion=False` leaves the backbone out. `plain=True` is the paper's encoder-decoder (3.4):
    no coordinates, no fusion, no attention. `backbone` is a timm name; with `pretrained` it comes
    from the Hub and is not stored, otherwise its weights are this checkpoint's.
    """

    ENCODER = (
        (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 1), (256, 1),
    )  # fmt: skip

    def __init__(
        self,
        width: float = 1.0,
        attention: bool = True,
        fusion: bool = True,
        plain: bool = False,
        score: str = "dot",
        backbone: str = INCEPTION,
        backbone_classes: int = 1000,
        backbone_size: int = 299,
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        attention, fusion = attention and not plain, fusion and not plain
        self.coordinates = not plain
        self.pretrained = pretrained
        layers, before = [], 1 if plain else 3
        for channels, stride in self.ENCODER:
            after = scale_channels(channels, width)
            layers.append(conv(before, after, stride))
            before = after
        self.encoder = nn.Sequential(*layers)
        self.fusion = None
        if fusion:
            self.fusion = nn.Sequential(
                nn.Conv2d(before + backbone_classes, before, 1), nn.BatchNorm2d(before), nn.ReLU()
            )
        self.attention = Attention(before, score) if attention else None
        c128, c64, c32 = (scale_channels(c, width) for c in (128, 64, 32))
        self.decoder = nn.Sequential(
            conv(before, c128),
            nn.Upsample(scale_factor=2),
            conv(c128, c64),
            conv(c64, c64),
            nn.Upsample(scale_factor=2),
            conv(c64, c32, norm=False),
            nn.Conv2d(c32, 2, 3, 1, 1),
        )
        initialise(self, nn.init.xavier_uniform_)
        self.backbone: Backbone | eye.Eye | None = None
        if fusion:
            if backbone == eye.NAME:
                self.backbone = eye.Eye()
            else:
                self.backbone = Backbone(backbone, backbone_classes, backbone_size, pretrained)
        if self.backbone is not None:
            self.backbone.requires_grad_(False)

    @property
    def stored_elsewhere(self) -> tuple[str, ...]:  # type: ignore[override]
        """A pretrained backbone's weights are not this checkpoint's."""
        return ("backbone.",) if self.pretrained else ()

    def embed(self, L: Tensor) -> Tensor | None:
        """What the backbone says of the whole picture: L (N, 1, H, W), any size -> (N, classes)."""
        return None if self.backbone is None else self.backbone(L)

    def train(self, mode: bool = True) -> InceptionAttention:
        """The backbone is frozen: it stays in evaluation mode."""
        super().train(mode)
        if self.backbone is not None:
            self.backbone.eval()
        return self

    def encode(self, L: Tensor, embedding: Tensor | None = None) -> Tensor:
        """L (N, 1, H, W), H and W multiples of 8 -> features (N, 256, H/8, W/8)."""
        x = L / 50 - 1  # (N, 1, H, W)
        if self.coordinates:
            rows = coordinates(x.shape[-2], x.device).to(x).view(1, 1, -1, 1).expand_as(x)
            columns = coordinates(x.shape[-1], x.device).to(x).view(1, 1, 1, -1).expand_as(x)
            x = torch.cat((x, columns, rows), 1)  # (N, 3, H, W)
        x = self.encoder(x)  # (N, 256, H/8, W/8)
        if self.fusion is not None and self.backbone is not None:
            if embedding is None:
                with torch.no_grad():
                    embedding = self.backbone(L)
            told = embedding.to(x.dtype)[..., None, None]  # (N, classes, 1, 1)
            x = torch.cat((x, told.expand(-1, -1, *x.shape[-2:])), 1)
            x = self.fusion(x)  # (N, 256, H/8, W/8)
        return x

    def forward(self, L: Tensor, embedding: Tensor | None = None) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> ab (N, 2, H, W) in CIELAB units.

        embedding (N, classes): what `embed` said of a larger copy of the same picture.
        """
        x = self.encode(pad_to_multiple(L, STRIDE), embedding)  # (N, 256, H/8, W/8)
        if self.attention is not None:
            x = self.attention(x)  # (N, 256, H/8, W/8)
        ab = torch.tanh(self.decoder(x).float()) * 128  # (N, 2, H/2, W/2)
        return crop_like(F.interpolate(ab, scale_factor=2), L)  # (N, 2, H, W)


class InceptionRecipe(RegressionRecipe):
    """1 / (2HW) sum (ab - ab^)^2 (paper, 4.2); Adam 1e-3."""

    def asks_of(self, net: nn.Module) -> str | None:
        """The eye is asked about the grey pictures where it is the backbone."""
        return "grey" if isinstance(net.backbone, eye.Eye) else None

    def make_optimizer(self, trained: list[nn.Parameter], learning_rate: float) -> Optimizer:
        """Adam (paper, 4.1)."""
        return torch.optim.Adam(trained, learning_rate, fused=True)

    def loss(
        self, L: Tensor, ab: Tensor, label: Tensor | None = None, answers: Tensor | None = None
    ) -> Tensor:
        """The one loss, told what the eye says."""
        return self.distance(self.net(L, answers), ab)


class ClassifierRecipe(Recipe):
    """How a backbone of one's own is made: cross-entropy of the class from L alone; AdamW 2e-3."""

    def __init__(self, net: Backbone, images: int) -> None:
        super().__init__()
        self.net, self.images = net, images
        self.optimizers = {
            "net": torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.02, fused=True)
        }

    def loss(
        self, L: Tensor, ab: Tensor, label: Tensor | None = None, answers: Tensor | None = None
    ) -> Tensor:
        """The one loss. Pictures without a label do not count."""
        if label is None:
            raise Problem("A classifier learns from labels, and these pictures have none.")
        scores = self.net(L).float()
        return F.cross_entropy(scores, label, ignore_index=-1, label_smoothing=0.1)

    def schedule(self, seen: int) -> None:
        """The learning rate falls to 0 over the second half."""
        lower_rates(self.optimizers, seen, self.images, 0.5)


def backbone_options(file: Path) -> dict[str, Any]:
    """What a file made by `python -m workbench backbone` says of itself."""
    from safetensors import safe_open

    try:
        with safe_open(file, "pt") as opened:
            told = opened.metadata()
        return {
            "backbone": told["backbone"], "backbone_classes": int(told["classes"]),
            "backbone_size": int(told["size"]), "pretrained": False,
        }  # fmt: skip
    except Exception as error:  # safetensors raises its own kinds
        raise Problem(f"--backbone {file} was not made by `workbench backbone`: {error}") from None


def load_backbone(net: nn.Module, file: Path) -> None:
    """Put trained weights into a net's own backbone; raises Problem when they do not fit."""
    from safetensors.torch import load_file

    backbone = getattr(net, "backbone", None)
    if backbone is None:
        raise Problem(f"This network has no backbone that {file} could be put into.")
    try:
        backbone.load_state_dict(load_file(file), strict=True)
    except (OSError, RuntimeError) as error:
        raise Problem(f"{file} does not hold the weights of this backbone: {error}") from None


def asks_backbone(options: Mapping[str, Any]) -> bool:
    """Whether a network built with these options has a backbone."""
    return bool(options.get("fusion", True)) and not options.get("plain", False)


KOALA = "Baldassarre et al., Deep Koalarization (2017)"
PROVENANCE = (
    stated("data", "ImageNet, 60,000 pictures", "3.6, Datasets",
           "We randomly sample 60000 images of the ImageNet dataset and 500 for the testing set"),
    inferred("images", "6,000,000 = 60,000 x 100 epochs", "ours: the paper names no epochs"),
    stated("size", "256", "3.1, General Pipeline", "the pixel dimension 256x256x1"),
    stated("backbone", "Inception-ResNet-v2, pretrained", "3.1, General Pipeline",
           "Inception-ResNet-V2 pre-trained network"),
    inferred("size of the backbone's input", "299", "the network's own; the paper says 224x224"),
    stated("attention", "softmax of scores, tanh(W[c; h])", "3.5",
           "we are planning to add an attention mechanism to this network", "Attention weight"),
    stated("output", "tanh x 128", "3.1, General Pipeline",
           "we multiply the output vector result to 128"),
    stated("loss", "squared error, 1 / (2HW)", "4.2, Evaluation Metrics",
           "Mean Square Error between each estimated pixel colors"),
    stated("optimizer", "Adam", "4.1", "We chose the Adam optimizer to train our network"),
    stated("learning rate", "1e-3", "4.1",
           "the learning rate of 0.001 was giving the best results"),
    stated("initialisation", "Xavier in the decoder", "4.1",
           "we should use Xavier initializers for the decoder network"),
    borrowed("channels", "64 to 512 in the encoder, 256 fused", KOALA),
    borrowed("coordinate channels", "x and y beside L", "Liu et al., CoordConv (2018)"),
    borrowed("batch size", "100", KOALA),
)  # fmt: skip


SPEC = ModelSpec(
    name="inception_attention",
    title="Inception + attention",
    paper="Lakhani, Automatic colorization of gray-scale images using deep attention models",
    claim="Attention over the fused features of an encoder and a classifier colours pictures that "
    "resemble the training set better than a plain encoder-decoder.",
    build=InceptionAttention,
    recipe=InceptionRecipe,
    size=256,
    batch_size=100,
    images=6_000_000,
    color="#009E73",
    provenance=PROVENANCE,
    presets={
        "paper": Preset(
            "Lakhani: 60,000 pictures of ImageNet, Adam 1e-3; batch 100 is Deep Koalarization's",
            run={"images": 6_000_000, "batch_size": 100, "size": "256"},
        ),
        "bundled": Preset(
            "The bundled weights: two CPU cores, 128 x 128, told what the eye says of the picture",
            build={"width": 0.5, **EYE},
            recipe={"decay": 1.0, "learning_rate": 1e-3},
            run={
                "images": 2_000_000,
                "batch_size": 32,
                "size": "128",
                "shear": 0.1,
                "zoom": 0.2,
                "rotate": 10.0,
            },
        ),
        "longer": Preset(
            presets.LONGER_TITLE,
            recipe={"decay": 1.0, "learning_rate": 5e-4},
            run=presets.LONGER_RUN,
        ),
        "gpu": Preset(
            presets.GPU_TITLE,
            build=EYE,
            recipe={"decay": 0.5, "learning_rate": 1.6e-3},
            run=presets.GPU_RUN,
        ),
        "quick": Preset(
            presets.QUICK_TITLE,
            build={"width": 0.25, "fusion": False},
            recipe={"decay": 0.5},
            run=presets.QUICK_RUN,
        ),
    },
    ablations={
        "full": Preset("fusion and attention"),
        "no_attention": Preset("fusion alone", build={"attention": False}),
        "no_fusion": Preset("attention alone", build={"fusion": False}),
        "plain": Preset("plain encoder-decoder (their 3.4)", build={"plain": True}),
    },
    backbone=OwnBackbone(backbone_options, load_backbone, asks_backbone),
    inside=("fusion", "attention", "classes"),
    claims=(
        Claim("Attention improves the network with fusion", "full", "no_attention"),
        Claim("The whole model beats a plain encoder-decoder", "full", "plain"),
        Claim("Fusing a classifier's view of the picture helps", "full", "no_fusion"),
    ),
)
