"""Reference: what one would build today. Not from a paper: ours, and labelled so everywhere.

A classifier trained on ImageNet (`eye.py`) sees what is in the picture, frozen but for a change
of low rank to its late layers (Hu et al., LoRA, ICLR 2022); a light decoder
after Ronneberger et al., U-Net (2015), makes of its features at five scales a distribution over
the 313 bins of ab (Zhang, Isola & Efros, ECCV 2016) at a quarter of the resolution. It is the
yardstick that tells what pretraining is worth, beside the papers' networks and never one of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench import losses
from workbench.models import ab_bins, presets
from workbench.models.blocks import pad_to_multiple, scale_channels
from workbench.models.eye import CHANNELS, POOLED, STRIDE, Adapted, Features
from workbench.spec import Colorizer, ModelSpec, Preset, Recipe, warm_and_lower_rates

CELL = 4  # pixels of the input to a cell of the distribution
SHOWN = 192  # short side at which it looks
BINS = 313
TEMPERATURE = 0.6


class Up(nn.Module):
    """Twice as large, the eye's features beside it, two convolutions 3x3 with batch norm."""

    def __init__(self, before: int, skip: int, after: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(before + skip, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """x (N, C, h, w), skip (N, S, 2h, 2w) -> (N, after, 2h, 2w)."""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.convs(torch.cat((x, skip), 1))


class Mixing(nn.Module):
    """What all places tell each other: self-attention, then two layers at each place.

    After Vaswani et al., Attention is all you need (2017), normalised before each half as in
    Dosovitskiy et al., ViT (2021). Both halves are added to what came in and begin at zero.
    """

    heads = 8

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(channels)
        self.ask = nn.Linear(channels, 3 * channels)
        self.tell = nn.Linear(channels, channels)
        self.between = nn.LayerNorm(channels)
        self.wide = nn.Linear(channels, 2 * channels)
        self.narrow = nn.Linear(2 * channels, channels)
        for layer in (self.tell, self.narrow):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, h, w) -> (N, C, h, w)."""
        places = x.flatten(2).transpose(1, 2)  # (N, h w, C)
        parts = self.ask(self.before(places)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # 3 x (N, heads, h w, C / heads)
        told = F.scaled_dot_product_attention(query, key, value)
        places = places + self.tell(told.transpose(1, 2).flatten(2))
        places = places + self.narrow(F.relu(self.wide(self.between(places))))
        return places.transpose(1, 2).unflatten(-1, x.shape[-2:])


class Reference(Colorizer):
    """L (N, 1, H, W) -> ab (N, 2, H, W), by way of a distribution over 313 bins."""

    bins = True
    multiple = STRIDE  # what it is shown is padded to one, by repeating the last row and column

    def __init__(self, width: float = 1.0, depth: int = 0, rank: int = 0) -> None:
        """depth: how many times all places are mixed at stride 32, and again at stride 16.

        rank: of the trained change to the eye's 1 x 1 convolutions there; 0 leaves it as it is.
        """
        super().__init__()
        deep, c16, c8, c4 = (scale_channels(c, width) for c in (256, 192, 128, 64))
        self.eye = Features()
        self.stored_elsewhere = ("eye.",)
        if rank:
            self.stored_elsewhere = tuple(f"eye.{name}" for name in self.eye.adapt(rank))
        self.deepest = nn.Conv2d(CHANNELS[4], deep, 1)
        self.whole = nn.Linear(POOLED, deep)
        self.mix32 = nn.Sequential(*(Mixing(deep) for _ in range(depth)))
        self.mix16 = nn.Sequential(*(Mixing(c16) for _ in range(depth)))
        self.up16 = Up(deep, CHANNELS[3], c16)
        self.up8 = Up(c16, CHANNELS[2], c8)
        self.up4 = Up(c8, CHANNELS[1], c4)
        self.head = nn.Conv2d(c4, BINS, 1)
        for layer in (*self.up16.modules(), *self.up8.modules(), *self.up4.modules()):
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.normal_(self.head.weight, 0.0, 0.01)  # start at ln 313: a uniform distribution
        nn.init.zeros_(self.head.get_parameter("bias"))

    def settle(self) -> None:
        """The changes to the eye's convolutions are added up."""
        for layer in self.eye.modules():
            if isinstance(layer, Adapted):
                layer.settle()

    def trunk(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W), H and W multiples of 32 -> features (N, 64, H/4, W/4)."""
        s4, s8, s16, s32, pooled = self.eye(L)
        x = self.deepest(s32) + self.whole(pooled)[..., None, None]  # (N, 256, H/32, W/32)
        x = self.up16(self.mix32(x), s16)  # (N, 192, H/16, W/16)
        x = self.mix16(x)
        x = self.up8(x, s8)  # (N, 128, H/8, W/8)
        return self.up4(x, s4)  # (N, 64, H/4, W/4)

    def logits(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W) -> scores of the bins (N, 313, H/4, W/4)."""
        height, width = (-(-side // CELL) for side in L.shape[-2:])
        x = self.trunk(pad_to_multiple(L, STRIDE))[..., :height, :width]
        return self.head(x)  # (N, 313, H/4, W/4)

    def decode(self, logits: Tensor, temperature: float = TEMPERATURE) -> Tensor:
        """Scores (N, 313, h, w) -> ab (N, 2, h, w) by the annealed mean (Zhang et al., eq. 5)."""
        return ab_bins.annealed_mean(logits, temperature)

    def forward(self, L: Tensor, temperature: float = TEMPERATURE) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> ab (N, 2, H, W) in CIELAB units."""
        ab = self.decode(self.logits(L), temperature)  # (N, 2, H/4, W/4)
        ab = F.interpolate(ab, scale_factor=CELL, mode="bilinear", align_corners=False)
        return ab[..., : L.shape[-2], : L.shape[-1]]  # (N, 2, H, W)


class ReferenceRecipe(Recipe):
    """Cross-entropy of the bins, and smooth L1 between the distribution's mean and the truth.

    log_mse: the weight of `losses.log_mse` of that mean beside them, for which every picture
    counts alike. AdamW, a short warm-up, then a cosine. Crops are enlarged to the size at which
    the network is shown a picture. The head and the losses look at every second row and column,
    another offset in each step: neighbours say nearly the same, and 313 scores for each place are
    dear.
    """

    net: Reference
    weight: Tensor

    def __init__(
        self,
        net: Reference,
        images: int,
        learning_rate: float = 2e-3,
        warm_up: float = 0.02,
        regression: float = 0.1,
        rebalancing: float = 0.0,
        log_mse: float = 0.0,
        shown: int = SHOWN,
        prior: str | None = None,
    ) -> None:
        super().__init__()
        self.net, self.images, self.warm_up, self.shown = net, images, warm_up, shown
        self.regression, self.log_mse = regression, log_mse
        self.offset = (0, 0)  # of the rows and columns that the losses look at
        weight = ab_bins.rebalancing(ab_bins.load_prior(prior or ab_bins.BUNDLED_PRIOR))
        self.register_buffer("weight", weight**rebalancing)
        trained = [p for p in net.parameters() if p.requires_grad]
        self.optimizers = {
            "net": torch.optim.AdamW(trained, learning_rate, weight_decay=0.01, fused=True)
        }

    pieces = ("look", "compare")

    def losses(
        self, L: Tensor, ab: Tensor, label: Tensor | None = None, answers: Tensor | None = None
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the one loss."""
        x, truth = self.look(L, ab)
        top, left = self.offset
        yield "net", self.compare(x[..., top::2, left::2], truth[..., top::2, left::2])

    def look(self, L: Tensor, ab: Tensor) -> tuple[Tensor, Tensor]:
        """L (N, 1, H, W), ab (N, 2, H, W) -> features (N, 64, h, w) and ab (N, 2, h, w) there."""
        scale = self.shown / min(L.shape[-2:])
        sides = [round(side * scale / STRIDE) * STRIDE for side in L.shape[-2:]]
        L = F.interpolate(L, sides, mode="bilinear", antialias=True)
        x = self.net.trunk(L)  # (N, 64, h, w)
        return x, F.interpolate(ab, x.shape[-2:], mode="bilinear", antialias=True)

    def compare(self, x: Tensor, truth: Tensor) -> Tensor:
        """Features (N, 64, h/2, w/2), ab (N, 2, h/2, w/2) of every second place -> the loss."""
        logits = self.net.head(x).float()  # (N, 313, h/2, w/2)
        bins, shares = ab_bins.soft_encode(truth)  # (N, 5, h/2, w/2)
        weight = self.weight[bins[:, 0]]  # (N, h/2, w/2)
        loss = losses.rebalanced_cross_entropy(logits, bins, shares, weight)
        mean = ab_bins.annealed_mean(logits, 1.0)  # (N, 2, h/2, w/2)
        loss = loss + self.regression * F.smooth_l1_loss(mean, truth, beta=10.0)
        return loss + self.log_mse * losses.log_mse(mean, truth) if self.log_mse else loss

    def schedule(self, seen: int) -> None:
        """The learning rate rises over `warm_up` of all images, then falls along a cosine.

        Another offset of rows and columns in each step, drawn on the host: no read-back.
        """
        draw = random.Random(seen)
        self.offset = draw.randrange(2), draw.randrange(2)
        warm_and_lower_rates(self.optimizers, seen, self.images, self.warm_up)


SPEC = ModelSpec(
    name="reference",
    title="Reference",
    paper="",
    claim="Not from a paper: what a pretrained ImageNet classifier and a light decoder do, the "
    "yardstick for the papers' networks.",
    build=Reference,
    recipe=ReferenceRecipe,
    size=SHOWN,
    batch_size=32,
    images=1_000_000,
    color="#5B7083",
    predicts="distribution",
    inside=("distribution",),
    presets={
        "bundled": Preset(
            "The bundled weights: two CPU cores, 128 x 128, shown at 224",
            build={"depth": 2, "rank": 32},
            run={"images": 1_000_000, "batch_size": 32, "size": "128", "shown": 224},
            recipe={"shown": 224},
        ),
        "gpu": Preset(
            presets.GPU_TITLE,
            build={"depth": 2, "rank": 32},
            run={**presets.GPU_RUN, "shown": 224, "warm_up": 0},  # its recipe has a warm-up
            recipe={"shown": 224, "learning_rate": 4e-3},
        ),
        "quick": Preset(
            presets.QUICK_TITLE,
            build={"width": 0.25},
            recipe={"shown": 96},
            run={"images": 4_000, "batch_size": 32, "size": "64", "shown": 96},
        ),
    },
)
