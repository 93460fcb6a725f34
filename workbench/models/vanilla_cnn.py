"""Vanilla CNN: nine convolutions, then up-sampling.

Aguilar Gomez, Alaskari & Rivera, "Coloring the Past - Image Colorization", read off their
Figure 7.

Differs from the paper:
- It names no optimizer, no loss and no augmentation, and no channel counts outside Figure 7: those
  of Wallner's "Beta" network, which it resembles, are borrowed.
- The reported metric (share of pixels that differ) is computed but never ranked by.
- L is scaled to [-1, 1]; the weights start from He's initialisation, which the paper leaves open.
- Any input size: padded to a multiple of 8 inside, cropped back.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from workbench.models import presets
from workbench.models.blocks import crop_like, initialise, pad_to_multiple, scale_channels
from workbench.models.regression import RegressionRecipe
from workbench.provenance import borrowed, inferred, stated
from workbench.spec import Colorizer, ModelSpec, Preset

STRIDE = 8


class VanillaCNN(Colorizer):
    """L (N, 1, H, W) -> ab (N, 2, H, W). Nine 3x3 convolutions, three of stride 2; a decoder."""

    #          channels, stride
    ENCODER = (
        (64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (256, 1), (128, 1),
    )  # fmt: skip

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        layers, before = [], 1
        for channels, stride in self.ENCODER:
            after = scale_channels(channels, width)
            layers.append(nn.Conv2d(before, after, 3, stride, 1))
            before = after
        self.encoder = nn.ModuleList(layers)
        decoder = [
            nn.Conv2d(before, scale_channels(64, width), 3, 1, 1),
            nn.Conv2d(scale_channels(64, width), scale_channels(32, width), 3, 1, 1),
            nn.Conv2d(scale_channels(32, width), 2, 3, 1, 1),
        ]
        self.decoder = nn.ModuleList(decoder)
        initialise(self, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"))
        nn.init.xavier_normal_(decoder[-1].weight)

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


class VanillaRecipe(RegressionRecipe):
    """MSE on ab / 128, RMSprop 1e-3: Wallner's; the paper names neither."""

    def make_optimizer(self, trained: list[nn.Parameter], learning_rate: float) -> Optimizer:
        """RMSprop, of which torch (2.15) has no fused form; a GPU takes foreach, the next best."""
        return torch.optim.RMSprop(trained, learning_rate, alpha=0.9)


WALLNERS_AUGMENTATION = {"shear": 0.2, "zoom": 0.2, "rotate": 20.0}

WALLNER = 'Wallner, "Colorizing B&W Photos with Neural Networks" (2017), the Beta network'
PROVENANCE = (
    stated("size", "256", "4.1, Model Specifics", "takes in a 256x256black and white image"),
    stated("convolutions", "9, every second of stride 2", "4.1, Model Specifics",
           "9 Conv2D layers in the model in which each alternating Conv2D layer strides of 2"),
    stated("up-sampling", "from layer 10 on; 16 layers in all", "4.1, Model Specifics",
           "at layer 10 we upsample the image", "a total of 16 layers"),
    stated("activation", "ReLU, same padding", "4.1, Model Specifics",
           "Activation functions for all layers except the last Conv2D are of that Relu with "
           "same padding"),
    stated("images", "500,000 = 1,000 epochs x 10 steps x 50", "4.1, Model Specifics",
           "trained with 1000 epochs, 10 steps per epoch", "a batch size of 50"),
    stated("batch size", "50", "4.1, Model Specifics", "a batch size of 50"),
    borrowed("optimizer", "RMSprop", WALLNER),
    borrowed("learning rate", "1e-3", "Keras, the default of RMSprop"),
    borrowed("loss", "MSE on ab / 128, tanh output", WALLNER),
    borrowed("augmentation", "shear 0.2, zoom 0.2, rotation 20 degrees, flips", WALLNER),
    inferred("initialisation", "He's", "the paper names none; the layers are ReLU"),
)  # fmt: skip

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
    provenance=PROVENANCE,
    presets={
        "paper": Preset(
            "Aguilar Gomez et al.: 1,000 epochs of 10 steps, batch 50; the rest is Wallner's",
            run={"images": 500_000, "batch_size": 50, "size": "256", **WALLNERS_AUGMENTATION},
        ),
        "bundled": Preset(
            presets.BUNDLED_TITLE,
            build={"width": 0.5},
            recipe={"decay": 0.5},
            run=presets.BUNDLED_RUN,
        ),
        "longer": Preset(
            presets.LONGER_TITLE,
            recipe={"decay": 1.0, "learning_rate": 7e-4},
            run=presets.LONGER_RUN,
        ),
        "gpu": Preset(
            presets.GPU_TITLE,
            recipe={"decay": 0.5, "learning_rate": 2.2e-3},
            run=presets.GPU_RUN,
        ),
        "quick": Preset(
            presets.QUICK_TITLE, build={"width": 0.25}, recipe={"decay": 0.5}, run=presets.QUICK_RUN
        ),
    },
)
