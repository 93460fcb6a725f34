"""The 313 bins of ab: soft encoding, prior, rebalancing, annealed mean (Zhang et al. 2016).

Step 10 on the ab plane. No simple rule for the sRGB gamut gives 313 bins, so they are a table:
inclusive runs of b for each a, a ascending, then b.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from workbench.color import keep
from workbench.writing import write_whole

RUNS = {
    -90: (50, 90),
    -80: (20, 90),
    -70: (0, 90),
    -60: (-20, 90),
    -50: (-30, 100),
    -40: (-40, 100),
    -30: (-50, 100),
    -20: (-50, 100),
    -10: (-60, 100),
    0: (-70, 100),
    10: (-80, 90),
    20: (-80, 90),
    30: (-90, 90),
    40: (-100, 90),
    50: (-100, 80),
    60: (-110, 80),
    70: (-110, 80),
    80: (-110, 70),
    90: (-110, 70),
    100: (-90, 0),
}
NEIGHBOURS = 5  # bins in a soft encoding
SIGMA = 5.0  # of the soft encoding and of the prior's smoothing, ab units
REACH = 128  # the lookup table covers -REACH..REACH on both axes
BUNDLED_PRIOR = Path(__file__).with_name("prior.json")


@keep
def centres() -> Tensor:
    """(313, 2) float32: a and b of every bin."""
    pairs = [(a, b) for a, (low, high) in RUNS.items() for b in range(low, high + 1, 10)]
    return torch.tensor(pairs, dtype=torch.float32)


@keep
def _centres_on(device: torch.device) -> Tensor:
    return centres().to(device)


@keep
def _lookup() -> tuple[Tensor, Tensor]:
    """For every integer (a, b): the 5 nearest bins (S, S, 5) int64 and their shares, summing to 1.

    A top-k for every pixel would cost more than the network (MODELS: the target).
    """
    axis = torch.arange(-REACH, REACH + 1, dtype=torch.float32)
    lattice = torch.cartesian_prod(axis, axis)  # (S * S, 2)
    distance, bins = torch.cdist(lattice, centres()).topk(NEIGHBOURS, largest=False, sorted=True)
    # Relative to the nearest, so that a colour far outside the table still has shares.
    shares = torch.exp(-(distance**2 - distance[:, :1] ** 2) / (2 * SIGMA**2))
    shares = shares / shares.sum(1, keepdim=True)
    side = len(axis)
    return bins.view(side, side, -1), shares.view(side, side, -1)


@keep
def _lookup_on(device: torch.device) -> tuple[Tensor, Tensor]:
    bins, shares = _lookup()
    return bins.to(device), shares.to(device)


def soft_encode(ab: Tensor) -> tuple[Tensor, Tensor]:
    """ab (N, 2, h, w) -> the 5 nearest bins (N, 5, h, w) int64 and their shares (N, 5, h, w).

    Shares are exp(-d^2 / (2 * 5^2)), normalised; the nearest bin comes first.
    """
    bins, shares = _lookup_on(ab.device)
    a, b = ab.round().long().clamp(-REACH, REACH).add(REACH).unbind(1)
    return bins[a, b].permute(0, 3, 1, 2), shares[a, b].permute(0, 3, 1, 2)


def count_bins(ab: Tensor) -> Tensor:
    """ab (N, 2, h, w) -> how many pixels have each bin as their nearest, (313,) int64."""
    bins, _ = _lookup_on(ab.device)
    a, b = ab.round().long().clamp(-REACH, REACH).add(REACH).unbind(1)
    return torch.bincount(bins[a, b][..., 0].flatten(), minlength=len(centres()))


def smooth(prior: Tensor) -> Tensor:
    """The prior convolved with a Gaussian (sigma 5 ab units) over the bins, summing to 1."""
    kernel = torch.exp(-(torch.cdist(centres(), centres()) ** 2) / (2 * SIGMA**2)).double()
    smoothed = (kernel / kernel.sum(0, keepdim=True)) @ (prior.double() / prior.sum())
    return smoothed / smoothed.sum()


def rebalancing(prior: Tensor, mix: float = 0.5) -> Tensor:
    """w (313,) proportional to 1 / ((1 - mix) p~ + mix / 313), scaled so that sum p w = 1.

    prior: counts or shares p of the bins, p~ is p smoothed. Zhang et al. 2016, eq. 4; they scale
    by p~, but a pixel has the weight of its nearest bin, so that the mean weight over the
    pictures is sum p w: scaled by p~ it would be 0.79 on the training photographs.
    """
    smoothed = smooth(prior)
    w = 1 / ((1 - mix) * smoothed + mix / len(smoothed))
    return (w / (prior.double() / prior.sum() * w).sum()).float()


@keep
def log_weights() -> Tensor:
    """log w (313,) of the bundled prior's rebalancing."""
    return rebalancing(load_prior()).log()


def annealed_mean(logits: Tensor, temperature: float = 0.38) -> Tensor:
    """logits (N, 313, h, w) -> ab (N, 2, h, w): the mean of softmax(logits / T).

    T = 1 is the mean, toward 0 the mode (Zhang et al. 2016, eq. 5).
    """
    p = torch.softmax(logits.float() / max(temperature, 1e-3), dim=1)
    return torch.einsum("nqhw,qc->nchw", p, _centres_on(p.device).to(p.dtype))


def save_prior(path: Path, prior: Tensor, about: dict[str, object]) -> None:
    """Write a prior as JSON: {"about": ..., "prior": 313 shares}."""
    shares = (prior.double() / prior.sum()).tolist()
    text = json.dumps({"about": about, "prior": [float(f"{share:.6g}") for share in shares]})
    write_whole(path.parent, {path.name: f"{text}\n".encode()})


def load_prior(path: Path | str = BUNDLED_PRIOR) -> Tensor:
    """Read a prior (313,) written by `save_prior`; raises Problem when it is none."""
    from workbench.errors import Problem

    try:
        shares = torch.tensor(json.loads(Path(path).read_text())["prior"], dtype=torch.float64)
    except FileNotFoundError:
        raise Problem(
            f"There is no prior at {path}. Make one with: python -m workbench prior --data SOURCE"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(f"{path} is not a prior as `workbench prior` writes it ({error}).") from None
    if shares.shape != (len(centres()),) or (shares < 0).any() or not shares.sum() > 0:
        raise Problem(f"{path} does not hold {len(centres())} shares of bins, none below 0.")
    return shares
