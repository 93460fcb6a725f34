"""Attention pix2pix: self-attention in a conditional GAN, for old movies.

Ranjan & Agrawal, "Old Movie Colorization Using Deep Learning Techniques". Self-attention after
Zhang et al., SAGAN (ICML 2019); generator after Isola et al., pix2pix (CVPR 2017).

Differs from the paper:
- The "128" position has no place in a U-Net-128 whose last block goes straight to two channels;
  the last block becomes ConvT 128-64, BN, ReLU, attention, Conv 3 x 3 64-2, tanh.
- The paper's text calls experiment 5 the best SSIM; its table's best mean is experiment 8.
- It names no optimizer, no batch size and no weight of L1: Adam (0.5, 0.999) and 100 are borrowed
  from pix2pix, the batch of 64 is ours.
- `sagan` (hinge, spectral norm, two learning rates) is a ninth preset of ours.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from workbench.models import presets
from workbench.models.blocks import scale_channels
from workbench.models.pix2pix import AdversarialRecipe, UNet128, patch_critic, pix2pix_init
from workbench.provenance import borrowed, inferred, stated
from workbench.spec import Claim, Colorizer, ModelSpec, Preset

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
        middle = scale_channels(64, width)
        self.conv = nn.ConvTranspose2d(channels, middle, 4, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(middle)
        self.attention = SelfAttention(middle)
        self.last = nn.Conv2d(middle, 2, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, 128, H / 2, W / 2) -> (N, 2, H, W) in [-1, 1]."""
        x = F.relu(self.norm(self.conv(F.relu(x))))  # (N, 64, H, W)
        return torch.tanh(self.last(self.attention(x)).float())  # (N, 2, H, W)


class AttentionGenerator(Colorizer):
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
            add_spectral_norm(self)

    def forward(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> ab (N, 2, H, W) in CIELAB units."""
        return self.unet(L) * 110.0  # (N, 2, H, W)


def add_spectral_norm(module: nn.Module) -> nn.Module:
    """Divide every convolution's weight by its largest singular value (Miyato et al. 2018)."""
    for layer in list(module.modules()):
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            spectral_norm(layer)
    return module


def critic(attention: int = 32, width: float = 1.0, spectral: bool = False) -> nn.Sequential:
    """The paper's "4-layer CNN" on (L, ab), with self-attention at 32 or 64 (at 64 for 128)."""
    channels = tuple(scale_channels(c, width) for c in (64, 128, 256))
    gates: dict[int, nn.Module] = {}
    if attention:
        block = 1 if attention == 32 else 0
        gates[block] = SelfAttention(channels[block])
    net = pix2pix_init(patch_critic(channels, outputs=1, strides=(2, 2, 2), gates=gates))
    return add_spectral_norm(net) if spectral else net  # type: ignore[return-value]


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
    """Adversarial loss of the experiment + 100 * L1(ab / 110), Adam 2e-4; 100, Adam: pix2pix's."""
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


def _of_losses(number: int, position: str, difference: float) -> Claim:
    """The claim about an odd experiment and the next, which differ in the adversarial loss."""
    text = f"Attention {position}: least squares scores above the log loss"
    return Claim(text, f"experiment{number + 1}", f"experiment{number}", paper=difference)


PIX2PIX = "Isola et al., pix2pix (CVPR 2017)"
PROVENANCE = (
    stated("experiment", "5: attention at 64, log loss", "4.3",
           "experiment 5 gives more visually plausible results and the best SSIM values and hence "
           "we ran the experiment 5 with same parameters on Movies dataset"),
    stated("generator, discriminator", "UNet128, 4-layer CNN", "4.3",
           "used generator as UNet128, discriminator as 4 layer CNN"),
    stated("size", "128 (VOC 2012); 256 x 512 (Movies)", "4.3", "image size 128 x 128",
           "Images in Movies dataset are of size 256 x 512"),
    stated("learning rate", "2e-4", "4.3", "learning rate 0.0002"),
    stated("epochs", "500", "4.3", "trained for 500 epochs"),
    inferred("images", "8,560,000 = 17,125 x 500 epochs", 'the archive of VOC 2012 has 17,125 '
             'pictures; the paper says "around 17000"'),
    stated("pixel loss", "L1, weighted", "4.2",
           "we also use L1 loss with weight parameter gamma along with the adversarial loss"),
    borrowed("weight of L1", "100", PIX2PIX),
    borrowed("optimizer", "Adam, betas 0.5 and 0.999", PIX2PIX),
    borrowed("augmentation", "flips", PIX2PIX),
    inferred("batch size", "64", "ours: the paper names none"),
    stated("`movies`: recipe", "that of experiment 5", "4.3",
           "we ran the experiment 5 with same parameters on Movies dataset"),
    stated("`movies`: size", "256 x 512", "4.3", "We resize each frame to 256 x 512"),
    stated("`movies`: frames", "2 of a second; the first 150 minutes train, the rest tests", "4.3",
           "we sample 2 frames from each second of the clip uniformly till 150 minutes of the "
           "movie", "the movie frames go into a test dataset"),
    inferred("`movies`: images", "85,000,000 = 170,000 x 500 epochs", 'the epochs are those of '
             'VOC; "around 170,000 images" may count the test frames too'),
)  # fmt: skip


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
    provenance=PROVENANCE,
    presets={
        "paper": EXPERIMENTS["experiment5"],
        **EXPERIMENTS,
        "movies": replace(
            EXPERIMENTS["experiment5"],
            title="Experiment 5 on frames of films, 256 x 512",
            run={"images": 85_000_000, "batch_size": 64, "size": "256x512"},
        ),
        "bundled": Preset(
            presets.BUNDLED_TITLE,
            build={"attention": 32, "width": 0.5},
            recipe={"decay": 0.5, "critic_width": 0.25},
            run=presets.BUNDLED_RUN,
        ),
        "longer": Preset(
            presets.LONGER_TITLE,
            recipe={"decay": 1.0, "critic_width": 0.25},
            run=presets.LONGER_RUN,
        ),
        "gpu": Preset(
            presets.GPU_TITLE,
            build={"attention": 32},
            recipe={"decay": 0.5, "learning_rate": 4e-4},
            run=presets.GPU_RUN,
        ),
        "quick": Preset(
            presets.QUICK_TITLE,
            build={"attention": 32, "width": 0.25},
            recipe={"decay": 0.5, "critic_width": 0.25},
            run=presets.QUICK_RUN,
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
    year=2023,
    inside=("attention",),
    claims=(
        _of_losses(1, "nowhere", 0.235),
        _of_losses(3, "at 32", 3.744),
        _of_losses(5, "at 64", 0.523),
        _of_losses(7, "at 128", 2.722),
        Claim("Least squares: attention at 128 scores above none", "experiment8", "experiment2",
              paper=1.266),
        Claim("Log loss: attention at 64 has the higher SSIM (the authors' choice)",
              "experiment5", "experiment1", "ssim", paper=0.0093),
        Claim("Log loss: attention at 32 scores below none", "experiment3", "experiment1",
              sign=-1, paper=-3.993),
    ),
    printed={
        name: f"attention_pix2pix, {name.replace('experiment', 'experiment ')} "
        for name in EXPERIMENTS
    },
)  # fmt: skip
