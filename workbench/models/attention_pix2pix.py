"""Attention pix2pix: self-attention in a conditional GAN, for old movies.

Ranjan & Agrawal, "Old Movie Colorization Using Deep Learning Techniques". Self-attention after
Zhang et al., SAGAN (ICML 2019); generator after Isola et al., pix2pix (CVPR 2017).

Differs from the paper:
- The "128" position has no place in a U-Net-128 whose last block goes straight to two channels;
  the last block becomes ConvT 128-64, BN, ReLU, attention, Conv 3 x 3 64-2, tanh.
- The paper's text calls experiment 5 the best SSIM; its table's best mean is experiment 8.
- `sagan` (hinge, spectral norm, two learning rates) is a ninth preset of ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from workbench.models.blocks import scaled
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

POSITIONS = (0, 32, 64, 128)  # side of the maps that attend, for a 128 x 128 input; 0 = nowhere


class SelfAttention(nn.Module):
    """y = gamma v(o) + x, o = softmax(f(x)^T g(x)) h(x) over all positions (paper, eqs 3.9-3.11).

    `attend(x)` returns the attention of one position, for the lessons.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 8)
        self.f = nn.Conv2d(channels, inner, 1, bias=False)
        self.g = nn.Conv2d(channels, inner, 1, bias=False)
        self.h = nn.Conv2d(channels, inner, 1, bias=False)
        self.v = nn.Conv2d(inner, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> the same shape. 32,768 positions fit: the scores are never stored."""
        query, key, value = (
            conv(x).flatten(2).transpose(1, 2)[:, None] for conv in (self.g, self.f, self.h)
        )  # (N, 1, H * W, C / 8)
        o = F.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0]  # (N, HW, C / 8)
        o = o.transpose(1, 2).reshape(len(x), -1, *x.shape[-2:])  # (N, C / 8, H, W)
        return self.gamma * self.v(o) + x  # (N, C, H, W)

    def attend(self, x: Tensor, row: int, column: int) -> Tensor:
        """x (N, C, H, W) -> where position (row, column) looks, (N, H, W), summing to 1."""
        query = self.g(x)[:, :, row, column]  # (N, C / 8)
        scores = torch.einsum("nc,nchw->nhw", query, self.f(x))  # (N, H, W)
        return scores.flatten(1).softmax(1).view_as(scores)


class AttentiveOutermost(nn.Module):
    """The last block with attention at full resolution: ConvT, BN, ReLU, SA, Conv 3x3, tanh."""

    def __init__(self, channels: int, width: float) -> None:
        super().__init__()
        middle = scaled(64, width)
        self.conv = nn.ConvTranspose2d(channels, middle, 4, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(middle)
        self.attention = SelfAttention(middle)
        self.last = nn.Conv2d(middle, 2, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, 128, H / 2, W / 2) -> (N, 2, H, W) in [-1, 1]."""
        x = F.relu(self.norm(self.conv(F.relu(x))))  # (N, 64, H, W)
        return torch.tanh(self.last(self.attention(x)).float())  # (N, 2, H, W)


class AttentionGenerator(nn.Module):
    """L (N, 1, H, W) -> ab (N, 2, H, W): U-Net-128 with self-attention at one position."""

    def __init__(self, width: float = 1.0, attention: int = 32, spectral: bool = False) -> None:
        super().__init__()
        if attention not in POSITIONS:
            raise ValueError(f"attention is one of {POSITIONS}, not {attention}")
        places = {32: ("down2", "up5"), 64: ("down1", "up6")}.get(attention, ())

        def gate(channels: int, position: str) -> nn.Module | None:
            return SelfAttention(channels) if position in places else None

        if attention == 128:
            self.unet = UNet128(width, outermost=lambda c: AttentiveOutermost(c, width))
        else:
            self.unet = UNet128(width, gate)
        pix2pix_init(self)
        if spectral:
            spectrally_normed(self)

    def forward(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> ab (N, 2, H, W) in CIELAB units."""
        return self.unet(L) * 110.0  # (N, 2, H, W)


def spectrally_normed(module: nn.Module) -> nn.Module:
    """Divide every convolution's weight by its largest singular value (Miyato et al. 2018)."""
    for layer in list(module.modules()):
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            spectral_norm(layer)
    return module


def critic(attention: int = 32, width: float = 1.0, spectral: bool = False) -> nn.Sequential:
    """The paper's "4-layer CNN" on (L, ab), with self-attention at 32 or 64 (at 64 for 128)."""
    channels = tuple(scaled(c, width) for c in (64, 128, 256))
    gates: dict[int, nn.Module] = {}
    if attention:
        block = 1 if attention == 32 else 0
        gates[block] = SelfAttention(channels[block])
    net = pix2pix_init(patch_critic(channels, outputs=1, strides=(2, 2, 2), gates=gates))
    return spectrally_normed(net) if spectral else net  # type: ignore[return-value]


def recipe(
    net: nn.Module,
    images: int,
    adversarial: str = "least_squares",
    learning_rate: float = 2e-4,
    critic_rate: float | None = None,
    pixel: float = 100.0,
    decay: float = 0.0,
    attention: int = 32,
    critic_width: float = 1.0,
    spectral: bool = False,
    beta1: float = 0.5,
) -> AdversarialRecipe:
    """Adversarial loss of the experiment + 100 * L1(ab / 110), Adam 2e-4 (0.5, 0.999)."""
    return AdversarialRecipe(
        net, critic(attention, critic_width, spectral), images, adversarial=adversarial,
        first=pixel, last=pixel, decay=decay, rates=(learning_rate, critic_rate or learning_rate),
        betas=(beta1, 0.999),
    )  # fmt: skip


def experiment(number: int, attention: int, adversarial: str) -> Preset:
    """One of the paper's eight: where the attention sits and which adversarial loss."""
    where = f"self-attention at {attention}" if attention else "no attention"
    loss = adversarial.replace("_", " ")
    return Preset(
        f"Experiment {number}: {where}, {loss} loss",
        build={"attention": attention},
        recipe={"attention": attention, "adversarial": adversarial},
        run={"images": 8_560_000, "batch_size": 64, "size": "128"},  # 500 epochs of 17,125
    )


EXPERIMENTS = {
    f"experiment{2 * i + j + 1}": experiment(2 * i + j + 1, attention, loss)
    for i, attention in enumerate(POSITIONS)
    for j, loss in enumerate(("log", "least_squares"))
}

SPEC = ModelSpec(
    name="attention_pix2pix",
    title="Attention pix2pix",
    paper="Ranjan & Agrawal, Old Movie Colorization Using Deep Learning Techniques",
    claim="Self-attention in both networks of a conditional GAN, and the choice of adversarial "
    "loss, change how well old movie frames are colourized.",
    build=AttentionGenerator,
    recipe=recipe,
    size=128,
    batch_size=64,
    images=8_560_000,
    color="#D55E00",
    presets={
        "paper": EXPERIMENTS["experiment4"],
        **EXPERIMENTS,
        "bundled": Preset(
            BUNDLED_TITLE,
            build={"attention": 32, "width": 0.5},
            recipe={"decay": 0.5, "critic_width": 0.25},
            run=BUNDLED_RUN,
        ),
        "longer": Preset(LONGER_TITLE, recipe={"decay": 1.0, "critic_width": 0.25}, run=LONGER_RUN),
        "quick": Preset(
            QUICK_TITLE,
            build={"attention": 32, "width": 0.25},
            recipe={"decay": 0.5, "critic_width": 0.25},
            run=QUICK_RUN,
        ),
        "sagan": Preset(
            "Hinge loss, spectral norm in both networks, two time scales, attention at 32",
            build={"attention": 32, "spectral": True},
            recipe={
                "attention": 32, "adversarial": "hinge", "spectral": True,
                "learning_rate": 1e-4, "critic_rate": 4e-4,
            },
            run={"images": 8_560_000, "batch_size": 64, "size": "128"},
        ),
    },
    ablations=EXPERIMENTS,
)  # fmt: skip
