"""Distances through a pretrained network: LPIPS per picture, FID and KID per set. Optional.

The formulas are here and need nothing. The weights they look through are not ours to ship: LPIPS
wants AlexNet of torchvision and the linear heads of the `lpips` package; FID and KID want features
of the Inception-v3 that torchvision names `IMAGENET1K_V1` (not the TensorFlow network of the
original FID: compare within this workbench only). Where they cannot be had a Problem says so, and
the metric is absent from every table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from workbench.color import split_lab
from workbench.data.pictures import decode_square
from workbench.data.sources import Item
from workbench.errors import Problem
from workbench.evaluation.entrants import Batch, Entrant
from workbench.evaluation.evaluate import batches

INCEPTION = "torchvision Inception_V3_Weights.IMAGENET1K_V1 (104 MB, download.pytorch.org)"
LPIPS = "torchvision AlexNet_Weights.IMAGENET1K_V1 (233 MB) and the package lpips (its v0.1 heads)"
FID_FROM = 2048  # pictures: below, the covariance of 2,048 features is singular, and KID is given


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """Frechet distance of two sets of features (N, D), (M, D): 0 for equal Gaussians, no bound.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), Heusel et al. 2017. Raises Problem under 2 rows.
    """
    _check_enough(first, second)
    means = [features.mean(axis=0) for features in (first, second)]
    left, right = (np.cov(features, rowvar=False, ddof=1) for features in (first, second))
    left, right = np.atleast_2d(left), np.atleast_2d(right)
    # tr (S1 S2)^(1/2) = sum of the roots of the eigenvalues of S1^(1/2) S2 S1^(1/2)
    values, vectors = np.linalg.eigh(left)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ right @ root).clip(min=0)).sum()
    distance = ((means[0] - means[1]) ** 2).sum() + np.trace(left) + np.trace(right) - 2 * cross
    return float(max(distance, 0.0))


def kernel(first: np.ndarray, second: np.ndarray) -> float:
    """KID of two sets of features (N, D), (M, D): unbiased squared MMD, 0 for equal distributions.

    Polynomial kernel (x.y / D + 1)^3, Binkowski et al. 2018; it may be slightly negative. All
    pictures at once, no subsets. Raises Problem under 2 rows.
    """
    _check_enough(first, second)

    def similar(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: np.ndarray) -> float:
        table = similar(x, x)
        return (table.sum() - np.trace(table)) / (len(x) * (len(x) - 1))

    return float(within(first) + within(second) - 2 * similar(first, second).mean())


def compare_sets(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """`fid` where both sets have more than 2,048 rows of features, else `kid`."""
    if min(len(prediction), len(truth)) > FID_FROM:
        return {"fid": frechet(prediction, truth)}
    return {"kid": kernel(prediction, truth)}


def compare_sets_lite(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The same distances over the eye's features (N, 1280), named so that none is taken for FID.

    `kd_lite`, the kernel distance, with its 95 % interval `kd_lite_low` to `kd_lite_high`;
    `fd_lite`, the Frechet distance, where there are more pictures than features.
    """
    value, low, high = paired_kernel(prediction, truth)
    found = {"kd_lite": value, "kd_lite_low": low, "kd_lite_high": high}
    if len(truth) > truth.shape[1]:
        found["fd_lite"] = frechet(prediction, truth)
    return found


def paired_kernel(
    prediction: np.ndarray, truth: np.ndarray, resamples: int = 200, seed: int = 2026
) -> tuple[float, float, float]:
    """`kernel` of features (N, D) of the same N pictures, with its 95 % percentile bootstrap.

    A picture is never compared with itself, nor with its own truth, which would make the sets
    seem alike; so the truth's distance to itself is 0. Resampled over pictures, each with its
    truth. Raises Problem under 2 rows.
    """
    _check_enough(prediction, truth)
    count = len(truth)
    tables = [
        (x @ y.T / x.shape[1] + 1) ** 3
        for x, y in ((prediction, prediction), (truth, truth), (prediction, truth))
    ]
    table = tables[0] + tables[1] - tables[2] - tables[2].T
    np.fill_diagonal(table, 0)
    draws = np.random.default_rng(seed).multinomial(count, [1 / count] * count, resamples)
    draws = draws.astype(np.float64)  # (resamples, N): how often each picture is drawn
    found = np.einsum("rn,rn->r", draws @ table, draws) / (count**2 - (draws**2).sum(1))
    low, high = np.quantile(found, (0.025, 0.975))
    return float(table.sum() / (count * (count - 1))), float(low), float(high)


def compare_entrants(
    entrants: Sequence[Entrant],
    items: Iterable[Item],
    features: Callable[[Tensor], np.ndarray],
    size: int = 256,
    compare: Callable[[np.ndarray, np.ndarray], dict[str, float]] = compare_sets,
) -> dict[str, dict[str, float]]:
    """The distances of each entrant's pictures and the truths: name -> {"pictures": n, ...}.

    features: uint8 RGB (N, 3, S, S) -> (N, D), such as `inception_features()` or
    `Reader.features`; compare: `compare_sets` (FID or KID), or `compare_sets_lite`.
    """
    truths: list[np.ndarray] = []
    made: dict[str, list[np.ndarray]] = {entrant.name: [] for entrant in entrants}
    with torch.inference_mode():
        for group in batches(items):
            squares = [torch.from_numpy(decode_square(item.data, size)[0]) for item in group]
            truth = torch.stack(squares)
            names = tuple(item.name for item in group)
            truths.append(features(truth))
            for entrant in entrants:
                painted = entrant.paint(Batch(names, truth, split_lab(truth)[0]))
                made[entrant.name].append(features(painted))
    if not truths:
        raise Problem("There is no picture to compare with.")
    truth_features = np.concatenate(truths)
    return {
        name: {"pictures": len(truth_features)} | compare(np.concatenate(parts), truth_features)
        for name, parts in made.items()
    }


def inception_features() -> Callable[[Tensor], np.ndarray]:
    """uint8 RGB (N, 3, H, W) -> features (N, 2048). Raises Problem without the weights."""
    from torchvision.models import Inception_V3_Weights, inception_v3

    net = _pretrained(lambda: inception_v3(weights=Inception_V3_Weights.IMAGENET1K_V1), INCEPTION)
    net.fc = nn.Identity()
    net.eval()

    @torch.inference_mode()
    def features(rgb: Tensor) -> np.ndarray:
        x = nn.functional.interpolate(rgb.float() / 127.5 - 1, (299, 299), mode="bilinear")
        return net(x).double().cpu().numpy()

    return features


def lpips() -> Callable[[Tensor, Tensor], Tensor]:
    """LPIPS v0.1 (AlexNet): uint8 RGB (N, 3, H, W) twice -> (N,). Raises Problem without it.

    0 for equal pictures, about 0.7 for unlike ones; Zhang, Isola, Efros, Shechtman & Wang 2018.
    """
    try:
        import lpips as package
    except ImportError:
        raise Problem(f"LPIPS is not to be had: it needs {LPIPS}; the package is absent.") from None
    net = _pretrained(lambda: package.LPIPS(net="alex", verbose=False), LPIPS).eval()

    @torch.inference_mode()
    def distance(prediction: Tensor, truth: Tensor) -> Tensor:
        return net(prediction.float() / 127.5 - 1, truth.float() / 127.5 - 1).flatten().double()

    return distance


def _pretrained(load: Callable[[], nn.Module], what: str) -> nn.Module:
    try:
        return load()
    except (OSError, RuntimeError) as reason:  # no network, no disk, or a damaged download
        raise Problem(f"It needs {what}, which cannot be had here ({reason}).") from None


def _check_enough(first: np.ndarray, second: np.ndarray) -> None:
    if min(len(first), len(second)) < 2 or first.shape[1:] != second.shape[1:]:
        raise Problem("Two sets of at least 2 rows with as many features each are needed.")
