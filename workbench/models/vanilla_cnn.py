"""Vanilla CNN: nine convolutions, then up-sampling.

Aguilar Gomez, Alaskari & Rivera, "Coloring the Past - Image Colorization", read off their
Figure 7.

Differs from the paper:
- The reported metric (share of pixels that differ) is computed but never ranked by.
- L is scaled to [-1, 1]; the weights start from He's initialisation, which the paper leaves open.
- Any input size: padded to a multiple of 8 inside, cropped back.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench import losses
from workbench.models.blocks import crop_like, initialise, pad_to_multiple, scaled
from workbench.models.presets import (
    BUNDLED_RUN,
    BUNDLED_TITLE,
    LONGER_RUN,
    LONGER_TITLE,
    QUICK_RUN,
    QUICK_TITLE,
)
from workbench.spec import ModelSpec, Preset, Recipe, fall

STRIDE = 8


class VanillaCNN(nn.Module):
    """L (N, 1, H, W) -> ab (N, 2, H, W). Nine 3x3 convolutions, three of stride 2; a decoder."""

    #          channels, stride
    ENCODER = (
        (64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (256, 1), (128, 1),
    )  # fmt: skip

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        layers, before = [], 1
        for channels, stride in self.ENCODER:
            after = scaled(channels, width)
            layers.append(nn.Conv2d(before, after, 3, stride, 1))
            before = after
        self.encoder = nn.ModuleList(layers)
        self.decoder = nn.ModuleList(
            [
                nn.Conv2d(before, scaled(64, width), 3, 1, 1),
                nn.Conv2d(scaled(64, width), scaled(32, width), 3, 1, 1),
                nn.Conv2d(scaled(32, width), 2, 3, 1, 1),
            ]
        )
        initialise(self, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"))
        nn.init.xavier_normal_(self.decoder[-1].weight)

    def forward(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> ab (N, 2, H, W) in CIELAB units."""
        x = pad_to_multiple(L, STRIDE) / 50 - 1  # (N, 1, H, W)
        for conv in self.encoder:
            x = F.relu(conv(x))  # ... (N, 128, H/8, W/8)
        x = F.interpolate(x, scale_factor=2)  # (N, 128, H/4, W/4)
        x = F.relu(self.decoder[0](x))  # (N, 64, H/4, W/4)
        x = F.interpolate(x, scale_factor=2)  # (N, 64, H/2, W/2)
        x = F.relu(self.decoder[1](x))  # (N, 32, H/2, W/2)
        x = torch.tanh(self.decoder[2](x).float()) * 128  # (N, 2, H/2, W/2)
        return crop_like(F.interpolate(x, scale_factor=2), L)  # (N, 2, H, W)


class VanillaRecipe(Recipe):
    """MSE on ab / 128, RMSprop 1e-3 (paper, "Training")."""

    def __init__(
        self, net: nn.Module, images: int, learning_rate: float = 1e-3, decay: float = 0.0
    ) -> None:
        super().__init__()
        self.net, self.images, self.decay = net, images, decay
        self.optimizers = {"net": torch.optim.RMSprop(net.parameters(), learning_rate, alpha=0.9)}

    def losses(
        self, L: Tensor, ab: Tensor, label: Tensor | None = None, answers: Tensor | None = None
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the one loss."""
        yield "net", losses.mse(self.net(L), ab)

    def schedule(self, seen: int) -> None:
        """The learning rate falls to 0 over the last `decay` of all images."""
        fall(self.optimizers, seen, self.images, self.decay)


PAPER_AUGMENTATION = {"shear": 0.2, "zoom": 0.2, "rotate": 20.0}

SPEC = ModelSpec(
    name="vanilla_cnn",
    title="Vanilla CNN",
    paper="Aguilar Gomez, Alaskari & Rivera, Coloring the Past - Image Colorization",
    claim="A most basic convolutional network, trained by students on free hardware, puts some "
    "believable colour into black-and-white pictures.",
    build=VanillaCNN,
    recipe=VanillaRecipe,
    size=256,
    batch_size=50,
    images=500_000,
    color="#E69F00",
    presets={
        "paper": Preset(
            "Paper 004: RMSprop 1e-3, batch 50, 1000 epochs of 10 steps, shear, zoom, rotation",
            run={"images": 500_000, "batch_size": 50, "size": "256", **PAPER_AUGMENTATION},
        ),
        "bundled": Preset(
            BUNDLED_TITLE,
            build={"width": 0.5},
            recipe={"decay": 0.5},
            run=BUNDLED_RUN,
        ),
        "longer": Preset(
            LONGER_TITLE, recipe={"decay": 1.0, "learning_rate": 7e-4}, run=LONGER_RUN
        ),
        "quick": Preset(QUICK_TITLE, build={"width": 0.25}, recipe={"decay": 0.5}, run=QUICK_RUN),
    },
)
