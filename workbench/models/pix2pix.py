"""pix2pix, the skeleton of two networks: U-Net-128, PatchGAN, and their alternation.

Isola, Zhu, Zhou & Efros, "Image-to-Image Translation with Conditional Adversarial Networks",
CVPR 2017, in the form that colourizes: L in, ab out, the critic looks at (L, ab).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench import losses
from workbench.models.blocks import crop_like, initialise, pad_to_multiple, scale_channels
from workbench.spec import Colorizer, Recipe, lower_rates


def pix2pix_init(module: nn.Module) -> nn.Module:
    """N(0, 0.02) for convolutions, N(1, 0.02) for batch norm scales (Isola et al. 2017, 6.2)."""
    initialise(module, lambda weight: nn.init.normal_(weight, 0.0, 0.02))
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
    return module


class Outermost(nn.Module):
    """The last block of the pix2pix U-Net: ReLU, ConvT to two channels, tanh."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, 2, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.conv(F.relu(x)).float())


class UNet128(nn.Module):
    """The pix2pix U-Net for 128 x 128 (Isola et al. 2017, 6.1.1), for any size.

    Seven blocks down, seven up, skips concatenated. `gate(channels, position)` may return a
    module that is applied after a block; position is "down1".."down7" or "up1".."up6".
    `fuse` is applied to the 512 x 8 x 8 features on their way to the decoder.
    A map of odd size is padded by one row or column before it is halved, so that every size
    and aspect ratio passes and 64 x 64 costs a quarter of 128 x 128.
    """

    DOWN = (64, 128, 256, 512, 512, 512, 512)
    UP = (512, 512, 512, 256, 128, 64)

    def __init__(
        self,
        width: float = 1.0,
        gate: Callable[[int, str], nn.Module | None] | None = None,
        fuse: nn.Module | None = None,
        outermost: Callable[[int], nn.Module] = Outermost,
    ) -> None:
        super().__init__()
        sizes = [scale_channels(c, width) for c in self.DOWN]
        self.down = nn.ModuleList()
        for i, (before, after) in enumerate(zip([1, *sizes], sizes, strict=False), 1):
            layers: list[nn.Module] = [] if i == 1 else [nn.LeakyReLU(0.2)]
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=False))
            if i not in (1, 7):
                layers.append(nn.BatchNorm2d(after))
            self.down.append(nn.Sequential(*layers))
        self.up = nn.ModuleList()
        before = sizes[-1]
        for i, channels in enumerate(self.UP, 1):
            after = scale_channels(channels, width)
            layers = [
                nn.ReLU(),
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
            ]
            if i in (2, 3):
                layers.append(nn.Dropout(0.5))
            self.up.append(nn.Sequential(*layers))
            before = after + sizes[-1 - i]
        self.outermost = outermost(before)
        self.fuse = fuse
        self.gates = nn.ModuleDict()
        if gate:
            places = [(c, f"down{i}") for i, c in enumerate(sizes, 1)]
            places += [(scale_channels(c, width), f"up{i}") for i, c in enumerate(self.UP, 1)]
            for channels, position in places:
                if (module := gate(channels, position)) is not None:
                    self.gates[position] = module

    def _gate(self, x: Tensor, position: str) -> Tensor:
        return self.gates[position](x) if position in self.gates else x

    def forward(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> tanh output (N, 2, H, W) in [-1, 1]."""
        x = L / 50 - 1  # (N, 1, H, W)
        sizes, skips = [], []
        for i, block in enumerate(self.down, 1):
            sizes.append(x)
            x = self._gate(block(pad_to_multiple(x, 2)), f"down{i}")  # (N, C_i, H/2^i, W/2^i)
            skips.append(x)
        if self.fuse is not None:
            skips[3] = self.fuse(skips[3])  # (N, 512, H/16, W/16)
        for i, block in enumerate(self.up, 1):
            x = crop_like(self._gate(block(x), f"up{i}"), sizes[-i])  # (N, C, H/2^(7-i), ..)
            x = torch.cat((x, skips[-1 - i]), 1)
        return crop_like(self.outermost(x), L)  # (N, 2, H, W)


def patch_critic(
    channels: tuple[int, ...],
    outputs: int,
    strides: tuple[int, ...],
    gates: dict[int, nn.Module] | None = None,
) -> nn.Sequential:
    """A PatchGAN critic on (L, ab): Conv 4x4, LeakyReLU 0.2, batch norm from the second block on.

    `gates[i]` is applied after block i (from 0).
    """
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(zip((3, *channels), channels, strict=False)):
        layers.append(nn.Conv2d(before, after, 4, strides[i], 1, bias=i == 0))
        if i:
            layers.append(nn.BatchNorm2d(after))
        layers.append(nn.LeakyReLU(0.2))
        if gates and i in gates:
            layers.append(gates[i])
    layers.append(nn.Conv2d(channels[-1], outputs, 4, 1, 1))
    return nn.Sequential(*layers)


def join_for_critic(L: Tensor, ab: Tensor) -> Tensor:
    """What a critic looks at: (L / 50 - 1, ab / 110), (N, 3, H, W)."""
    return torch.cat((L / 50 - 1, ab / 110), 1)


class AdversarialRecipe(Recipe):
    """pix2pix's alternation: the critic's step, then the net's with a weighted L1.

    The pixel weight goes linearly from `first` to `last` over all images. Class labels, where
    there are some and the net has a branch for them, add a cross-entropy.
    """

    pieces = ("paint", "judge", "answer")

    def __init__(
        self,
        net: nn.Module,
        critic: nn.Module,
        images: int,
        *,
        adversarial: str,
        first: float,
        last: float,
        decay: float,
        rates: tuple[float, float],
        betas: tuple[float, float],
        asks: str | None = None,
    ) -> None:
        super().__init__()
        self.net, self.critic, self.images, self.asks = net, critic, images, asks
        self.critic_loss, self.net_loss = losses.find_loss(losses.ADVERSARIAL, adversarial)
        self.first, self.last, self.pixel_weight, self.decay = first, last, first, decay
        self.optimizers = {
            "critic": torch.optim.Adam(critic.parameters(), rates[1], betas, fused=True),
            "net": torch.optim.Adam(net.parameters(), rates[0], betas, fused=True),
        }

    def losses(
        self, L: Tensor, ab: Tensor, label: Tensor | None = None, answers: Tensor | None = None
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the critic's loss, then the net's."""
        fake, scores = self.paint(L)
        yield "critic", self.judge(L, ab, fake.detach())

        self.critic.requires_grad_(False)
        loss, distance = self.answer(L, ab, fake, scores, label, answers)
        yield "net", loss + self.pixel_weight * distance
        self.critic.requires_grad_(True)

    def paint(self, L: Tensor) -> tuple[Tensor, Tensor | None]:
        """L (N, 1, H, W) -> ab (N, 2, H, W), and scores (N, classes) of a branch of its own."""
        fake = self.net(L)
        return fake, self.net.class_scores if isinstance(self.net, Colorizer) else None

    def judge(self, L: Tensor, ab: Tensor, fake: Tensor) -> Tensor:
        """The critic's loss on true ab and the net's, both (N, 2, H, W)."""
        real_logits = self.critic(join_for_critic(L, ab)).float()
        fake_logits = self.critic(join_for_critic(L, fake)).float()
        return self.critic_loss(real_logits, fake_logits)

    def answer(
        self, L: Tensor, ab: Tensor, fake: Tensor, scores: Tensor | None, label: Tensor | None,
        answers: Tensor | None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The net's loss but for the pixels' distance, and that distance unweighted."""
        loss = self.net_loss(self.critic(join_for_critic(L, fake)).float())
        if scores is not None and answers is not None:
            loss = loss + F.cross_entropy(scores.float(), answers.softmax(1))
        elif scores is not None and label is not None:
            loss = loss + losses.cross_entropy_of_labelled(scores.float(), label)
        return loss, losses.l1(fake, ab)

    def schedule(self, seen: int) -> None:
        """Set the pixel weight; the learning rates fall to 0 over the last `decay`."""
        done = min(1.0, seen / self.images)
        self.pixel_weight = self.first + (self.last - self.first) * done
        lower_rates(self.optimizers, seen, self.images, self.decay)
