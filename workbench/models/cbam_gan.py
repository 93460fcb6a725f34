"""CBAM-GAN: a pix2pix U-Net with block attention and a classification branch.

Liu & Tu, "Image Colorization with Convolution Block Attention Modules". CBAM after Woo et al.,
ECCV 2018; the classification network after Iizuka et al., SIGGRAPH 2016.

Differs from the paper:
- The paper gives no channel counts: the U-Net is pix2pix's for 128 x 128, the classification
  network Iizuka's with a stride that fits 8 x 8 features.
- "Information map": the 256-vector of the classification network, tiled to the features.
- The weight of the pixel distance falls linearly from 200 to 80 over all images; the paper
  subtracts "a fixed number" after each of its 4 epochs.
- At a 1 x 1 bottleneck the spatial gate has nothing to choose from and is passed over.
- Pictures without a label leave the classification loss out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.models.blocks import scaled
from workbench.models.eye import CLASSES
from workbench.models.pix2pix import AdversarialRecipe, UNet128, patch_critic, pix2pix_init
from workbench.models.presets import (
    BUNDLED_RUN,
    BUNDLED_TITLE,
    LONGER_RUN,
    LONGER_TITLE,
    QUICK_RUN,
    QUICK_TITLE,
)
from workbench.spec import ModelSpec, Preset

PLACES365 = 365  # classes of the paper's second data set


class ChannelGate(nn.Module):
    """Which channels matter: sigmoid(MLP(avg) + MLP(max)) (Woo et al. 2018, eq. 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // 16)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> weights (N, C, 1, 1) in [0, 1]."""
        gate = self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3)))  # (N, C)
        return torch.sigmoid(gate)[..., None, None]  # (N, C, 1, 1)


class SpatialGate(nn.Module):
    """Which places matter: sigmoid(BN(conv7([max; mean]))) (Woo et al. 2018, eq. 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> weights (N, 1, H, W) in [0, 1]."""
        summary = torch.cat((x.amax(1, keepdim=True), x.mean(1, keepdim=True)), 1)  # (N, 2, H, W)
        return torch.sigmoid(self.norm(self.conv(summary)))  # (N, 1, H, W)


class CBAM(nn.Module):
    """Channel attention, then spatial attention (Woo et al. 2018, eq. 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel = ChannelGate(channels)
        self.spatial = SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> the same shape."""
        x = x * self.channel(x)  # (N, C, H, W)
        if x.shape[-2:] == (1, 1):
            return x
        return x * self.spatial(x)  # (N, C, H, W)


class Classification(nn.Module):
    """What is in the picture, as a map for the decoder (Iizuka et al. 2016, 3.3).

    Keeps the class scores of the last call in `scores` for the recipe's loss.
    """

    def __init__(self, channels: int, classes: int, width: float) -> None:
        super().__init__()
        first, second, third = (scaled(c, width) for c in (1024, 512, 256))
        self.convs = nn.Sequential(
            *(
                layer
                for stride in (2, 1, 2, 1)
                for layer in (
                    nn.Conv2d(channels, channels, 3, stride, 1),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                )
            )
        )
        self.fc1 = nn.Linear(channels * 4, first)
        self.fc2 = nn.Linear(first, second)
        self.fc3 = nn.Linear(second, third)
        self.head = nn.Sequential(
            nn.Linear(second, third), nn.ReLU(), nn.Linear(third, max(1, classes))
        )
        self.merge = nn.Conv2d(channels + third, channels, 1)
        self.scores: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Features x (N, 512, h, w) -> features with the information map merged in, same shape."""
        # oneDNN (torch 2.15) leaves parts of the bf16 weight gradient of a strided 3x3 convolution
        # of a 1x1 map as they were in memory: maps of inputs under 48 pixels are padded to 3x3
        height, width = x.shape[-2:]
        seen = F.pad(x, (0, max(0, 3 - width), 0, max(0, 3 - height)))
        y = F.adaptive_avg_pool2d(self.convs(seen), 2).flatten(1)  # (N, 2048)
        y = F.relu(self.fc2(F.relu(self.fc1(y))))  # (N, 512)
        self.scores = self.head(y)  # (N, classes)
        information = F.relu(self.fc3(y))[..., None, None]  # (N, 256, 1, 1)
        information = information.expand(-1, -1, *x.shape[-2:])  # (N, 256, h, w)
        return self.merge(torch.cat((x, information), 1))  # (N, 512, h, w)


class CbamGenerator(nn.Module):
    """L (N, 1, H, W) -> ab (N, 2, H, W): U-Net-128, 13 CBAM, classification branch."""

    def __init__(
        self,
        width: float = 1.0,
        classes: int = PLACES365,
        cbam: bool = True,
        classification: bool = True,
    ) -> None:
        super().__init__()
        branch = Classification(scaled(512, width), classes, width) if classification else None
        self.unet = UNet128(width, (lambda c, _: CBAM(c)) if cbam else None, fuse=branch)
        pix2pix_init(self)

    @property
    def class_scores(self) -> Tensor | None:
        """Class scores (N, classes) of the last forward; None without the branch."""
        return self.unet.fuse.scores if self.unet.fuse is not None else None

    def forward(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> ab (N, 2, H, W) in CIELAB units."""
        return self.unet(L) * 110.0  # (N, 2, H, W)


def recipe(
    net: nn.Module,
    images: int,
    learning_rate: float = 2e-4,
    first: float = 200.0,
    last: float = 80.0,
    decay: float = 0.0,
    critic_width: float = 1.0,
    soft_labels: bool = False,
) -> AdversarialRecipe:
    """The paper's loss: log GAN over an n x n x 2 PatchGAN + class + lambda_e * L1(ab / 110).

    soft_labels: the class is the eye's answer about the colour picture, 1000 ImageNet classes,
    for every picture, labelled or not.
    """
    channels = tuple(scaled(c, critic_width) for c in (64, 128, 256, 512))
    critic = pix2pix_init(patch_critic(channels, outputs=2, strides=(2, 2, 2, 1)))
    return AdversarialRecipe(
        net, critic, images, adversarial="log", first=first, last=last, decay=decay,
        rates=(learning_rate, learning_rate), betas=(0.5, 0.999),
        asks="colour" if soft_labels else None,
    )  # fmt: skip


SPEC = ModelSpec(
    name="cbam_gan",
    title="CBAM-GAN",
    paper="Liu & Tu, Image Colorization with Convolution Block Attention Modules",
    claim="Block attention (CBAM) and a classification network improve a PatchGAN colorizer, "
    "landscapes above all.",
    build=CbamGenerator,
    recipe=recipe,
    size=128,
    batch_size=64,
    images=7_200_000,
    color="#0072B2",
    presets={
        "paper": Preset(
            "Paper 000: Places365, 4 epochs, Adam 2e-4, pixel weight 200 to 80",
            run={"images": 7_200_000, "batch_size": 64, "size": "128"},
        ),
        "bundled": Preset(
            BUNDLED_TITLE,
            build={"width": 0.5},
            recipe={"decay": 0.5, "critic_width": 0.25},
            run=BUNDLED_RUN,
        ),
        "imagenet": Preset(
            "Trained on (--from): 128 x 128, the class branch learns the eye's 1000 answers",
            build={"classes": CLASSES},
            recipe={"decay": 1.0, "critic_width": 0.25, "soft_labels": True},
            run={"images": 1_000_000, "batch_size": 32, "size": "128"},
        ),
        "longer": Preset(LONGER_TITLE, recipe={"decay": 1.0, "critic_width": 0.25}, run=LONGER_RUN),
        "quick": Preset(
            QUICK_TITLE,
            build={"width": 0.25},
            recipe={"decay": 0.5, "critic_width": 0.25},
            run=QUICK_RUN,
        ),
    },
    ablations={
        "skeleton": Preset("U-Net and PatchGAN", build={"cbam": False, "classification": False}),
        "class": Preset("+ classification", build={"cbam": False}),
        "cbam": Preset("+ CBAM", build={"classification": False}),
        "both": Preset("+ CBAM + classification"),
    },
)
