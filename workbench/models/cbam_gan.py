"""CBAM-GAN: a pix2pix U-Net with block attention and a classification branch.

Liu & Tu, "Image Colorization with Convolution Block Attention Modules". CBAM after Woo et al.,
ECCV 2018; the classification network after Iizuka et al., SIGGRAPH 2016.

Differs from the paper:
- The paper gives no channel counts: the U-Net is pix2pix's for 128 x 128, the classification
  network Iizuka's with a stride that fits 8 x 8 features.
- "Information map": the 256-vector of the classification network, tiled to the features.
- The weight of the pixel distance falls linearly from 200 to 80 over all images; the paper
  subtracts "a fixed number", which it does not print, after each epoch. The 80 is ours.
- It names no optimizer, no learning rate and no kind of pixel distance: Adam 2e-4 and L1 are
  borrowed from pix2pix.
- At a 1 x 1 bottleneck the spatial gate has nothing to choose from and is passed over.
- Pictures without a label leave the classification loss out.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.models import presets
from workbench.models.blocks import is_one_place, pool_to_two, scale_channels
from workbench.models.eye import CLASSES
from workbench.models.pix2pix import AdversarialRecipe, UNet128, patch_critic, pix2pix_init
from workbench.provenance import borrowed, inferred, stated
from workbench.spec import Claim, Colorizer, ModelSpec, Preset

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
        single = is_one_place(x)
        if single is True:
            return x
        gated = x * self.spatial(x)  # (N, C, H, W)
        return gated if single is False else torch.where(single, x, gated)


class Classification(nn.Module):
    """What is in the picture, as a map for the decoder (Iizuka et al. 2016, 3.3).

    Keeps the class scores of the last call in `scores` for the recipe's loss.
    """

    def __init__(self, channels: int, classes: int, width: float) -> None:
        super().__init__()
        first, second, third = (scale_channels(c, width) for c in (1024, 512, 256))
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
        right, below = (cast(int, torch.sym_max(0, 3 - side)) for side in (width, height))
        seen = F.pad(x, (0, right, 0, below))
        y = pool_to_two(self.convs(seen)).flatten(1)  # (N, 2048)
        y = F.relu(self.fc2(F.relu(self.fc1(y))))  # (N, 512)
        self.scores = self.head(y)  # (N, classes)
        information = F.relu(self.fc3(y))[..., None, None]  # (N, 256, 1, 1)
        information = information.expand(-1, -1, *x.shape[-2:])  # (N, 256, h, w)
        return self.merge(torch.cat((x, information), 1))  # (N, 512, h, w)


class CbamGenerator(Colorizer):
    """L (N, 1, H, W) -> ab (N, 2, H, W): U-Net-128, 13 CBAM, classification branch."""

    def __init__(
        self,
        width: float = 1.0,
        classes: int = PLACES365,
        cbam: bool = True,
        classification: bool = True,
    ) -> None:
        super().__init__()
        branch = (
            Classification(scale_channels(512, width), classes, width) if classification else None
        )
        self.unet = UNet128(width, (lambda c, _: CBAM(c)) if cbam else None, fuse=branch)
        pix2pix_init(self)

    @property
    def class_scores(self) -> Tensor | None:  # type: ignore[override]
        """Class scores (N, classes) of the last forward; None without the branch."""
        branch = self.unet.fuse
        return branch.scores if isinstance(branch, Classification) else None

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
    """Log GAN over an n x n x 2 PatchGAN + class + lambda_e * L1(ab / 110); the L1 is pix2pix's.

    soft_labels: the class is the eye's answer about the colour picture, 1000 ImageNet classes,
    for every picture, labelled or not.
    """
    channels = tuple(scale_channels(c, critic_width) for c in (64, 128, 256, 512))
    critic = pix2pix_init(patch_critic(channels, outputs=2, strides=(2, 2, 2, 1)))
    return AdversarialRecipe(
        net, critic, images, adversarial="log", first=first, last=last, decay=decay,
        rates=(learning_rate, learning_rate), betas=(0.5, 0.999),
        asks="colour" if soft_labels else None,
    )  # fmt: skip


PIX2PIX = "Isola et al., pix2pix (CVPR 2017)"
PROVENANCE = (
    stated("data", "Places365, 1,800,000 pictures", "Datasets",
           "a 20+ GB dataset, named Places365, of 1,800,000 images"),
    stated("images", "7,200,000 = 1,800,000 x 4 epochs", "Datasets",
           "only after four epochs, the output has been greatly improved"),
    stated("size", "128", "Datasets", "all images are resized to 128 x 128 pixels"),
    stated("loss", "GAN + classification + pixel distance x 200", "Methodology",
           "L = loss gan + loss classification + pixelDistance x 200"),
    stated("pixel weight", "lowered after each epoch", "Methodology",
           "subtracting a fixed number from the coefficient of pixel distance after each epoch"),
    inferred("pixel weight at the end", "80", "ours: 40 less after each of 4 epochs; the paper "
             "prints no number"),
    stated("discriminator", "PatchGAN, n x n x 2", "Methodology",
           "output an n x n x 2 tensor"),
    stated("classification network", "Iizuka et al.'s", "Methodology",
           "providing an implementation framework for the classification network"),
    stated("block attention", "between every two layers", "Methodology",
           "With the CBAMs between every two layers of the network"),
    borrowed("generator", "U-Net for 128 x 128, N(0, 0.02)", PIX2PIX),
    borrowed("pixel distance", "L1 of ab / 110", PIX2PIX),
    borrowed("optimizer", "Adam, betas 0.5 and 0.999", PIX2PIX),
    borrowed("learning rate", "2e-4", PIX2PIX),
    borrowed("augmentation", "flips", PIX2PIX),
    inferred("batch size", "64", "ours: the paper names none"),
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
    provenance=PROVENANCE,
    presets={
        "paper": Preset(
            "Liu & Tu: Places365, 4 epochs, pixel weight from 200 down; the rest is pix2pix's",
            run={"images": 7_200_000, "batch_size": 64, "size": "128"},
        ),
        "bundled": Preset(
            presets.BUNDLED_TITLE,
            build={"width": 0.5},
            recipe={"decay": 0.5, "critic_width": 0.25},
            run=presets.BUNDLED_RUN,
        ),
        "imagenet": Preset(
            "Trained on (--from): 128 x 128, the class branch learns the eye's 1000 answers",
            build={"classes": CLASSES},
            recipe={"decay": 1.0, "critic_width": 0.25, "soft_labels": True},
            run={"images": 1_000_000, "batch_size": 32, "size": "128"},
        ),
        "longer": Preset(
            presets.LONGER_TITLE,
            recipe={"decay": 1.0, "critic_width": 0.25},
            run=presets.LONGER_RUN,
        ),
        "gpu": Preset(
            presets.GPU_TITLE,
            recipe={"decay": 0.5, "learning_rate": 4e-4},
            run=presets.GPU_RUN,
        ),
        "quick": Preset(
            presets.QUICK_TITLE,
            build={"width": 0.25},
            recipe={"decay": 0.5, "critic_width": 0.25},
            run=presets.QUICK_RUN,
        ),
    },
    ablations={
        "skeleton": Preset("U-Net and PatchGAN", build={"cbam": False, "classification": False}),
        "class": Preset("+ classification", build={"cbam": False}),
        "cbam": Preset("+ CBAM", build={"classification": False}),
        "both": Preset("+ CBAM + classification"),
    },
    labels=True,
    inside=("gates", "classes"),
    claims=(
        Claim("Block attention improves the PatchGAN skeleton", "cbam", "skeleton"),
        Claim("The classification network improves the skeleton", "class", "skeleton"),
        Claim("Both together improve the skeleton", "both", "skeleton"),
        Claim("Block attention still helps beside the classification network", "both", "class"),
    ),
)
