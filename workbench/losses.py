"""Losses, each with its equation. Inputs are logits or tensors in the units named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.errors import Problem

T = TypeVar("T")


def l1(ab: Tensor, truth: Tensor, unit: float = 110.0) -> Tensor:
    """Mean |ab - truth| / unit (Isola et al. 2017, eq. 3). ab in CIELAB units."""
    return F.l1_loss(ab.float(), truth) / unit


def mse(ab: Tensor, truth: Tensor, unit: float = 128.0) -> Tensor:
    """Mean ((ab - truth) / unit)^2 over pixels and both channels (Lakhani, 4.2: 1 / (2HW) sum)."""
    return F.mse_loss(ab.float(), truth) / unit**2


def log_mse(ab: Tensor, truth: Tensor, floor: float = 1.0) -> Tensor:
    """Mean over the pictures of ln(MSE + floor), halved. ab (N, 2, h, w) in CIELAB units.

    PSNR turned round, but for unit and constant: every picture counts alike, where the mean of
    the squares is decided by the few most colourful (`PSNRLoss` of BasicSR, after Chen et al.,
    HINet, CVPR Workshops 2021; on ab, and the floor, are ours).
    """
    each = (ab.float() - truth).square().mean((1, 2, 3))  # (N,)
    return (each + floor).log().mean() / 2


REGRESSION: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": mse, "log_mse": log_mse}


def log_critic(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G)) on logits, halved (Goodfellow et al. 2014, eq. 1)."""
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    with_logits = F.binary_cross_entropy_with_logits
    return (with_logits(real, ones) + with_logits(fake, zeros)) / 2


def log_net(fake: Tensor) -> Tensor:
    """-E log D(G): the non-saturating form (Goodfellow et al. 2014, section 3)."""
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def least_squares_critic(real: Tensor, fake: Tensor) -> Tensor:
    """E (D(x) - 1)^2 / 2 + E D(G)^2 / 2 (Mao et al. 2017, eq. 9)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_net(fake: Tensor) -> Tensor:
    """E (D(G) - 1)^2 (Mao et al. 2017, eq. 9, without the half)."""
    return (fake - 1).square().mean()


def hinge_critic(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G)) (Zhang et al. 2019, SAGAN, eq. 4)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_net(fake: Tensor) -> Tensor:
    """-E D(G) (Zhang et al. 2019, SAGAN, eq. 4)."""
    return -fake.mean()


ADVERSARIAL: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "log": (log_critic, log_net),
    "least_squares": (least_squares_critic, least_squares_net),
    "hinge": (hinge_critic, hinge_net),
}


def find_loss(losses: Mapping[str, T], name: str) -> T:
    """One of REGRESSION or ADVERSARIAL. Raises Problem for a name that is not in it."""
    if name not in losses:
        raise Problem(f"There is no loss {name!r}. There are: {', '.join(losses)}.")
    return losses[name]


def cross_entropy_of_labelled(scores: Tensor, label: Tensor) -> Tensor:
    """Mean cross-entropy of the pictures that have a label; 0 where none has.

    scores (N, classes), label (N,), -1 where there is none. Nothing is read back to the host.
    """
    total = F.cross_entropy(scores, label, ignore_index=-1, reduction="sum")
    return total / (label >= 0).sum().clamp(min=1)


def rebalanced_cross_entropy(
    logits: Tensor, bins: Tensor, shares: Tensor, weight: Tensor
) -> Tensor:
    """Mean of v * H(Z, Z^), Z a soft encoding over a few bins (Zhang et al. 2016, eq. 2).

    logits (N, Q, h, w); bins (N, K, h, w) int64 and shares (N, K, h, w): the K nearest bins and
    their weights; weight (N, h, w): v, 1 in the mean over the training set.
    """
    log_p = F.log_softmax(logits.float(), dim=1)  # (N, Q, h, w)
    entropy = -(shares * log_p.gather(1, bins)).sum(1)  # (N, h, w)
    return (weight * entropy).mean()
