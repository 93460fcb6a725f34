"""From rows of scores to the figures of a leaderboard: means, 95 % intervals, comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from workbench.errors import Problem
from workbench.evaluation.metrics import METRICS
from workbench.evaluation.scores import Score

RESAMPLES = 1000
SEED = 2026
BASELINES = {  # rows that are no network, and what people read instead of their names
    "grey": "Grey (no colour)",
    "mean_ab": "Mean colour",
    "truth": "Truth",
}


@dataclass(frozen=True)
class Mean:
    """A mean over pictures with its 95 % bootstrap interval.

    n: pictures in the mean; infinite: pictures left out because their value is infinite (they are
    equal to the truth); sd: standard deviation over the pictures.
    """

    value: float
    low: float
    high: float
    sd: float
    n: int
    infinite: int = 0


@dataclass(frozen=True)
class Line:
    """One line of a leaderboard: a model on one data set, or on several (mean of their means)."""

    model: str
    revision: str
    protocol: str
    size: int
    datasets: tuple[str, ...]
    pictures: int
    means: dict[str, Mean]  # metric -> mean; also delta_cf, ms


@dataclass(frozen=True)
class Paired:
    """Two models on the same pictures: first minus second, and the share of pictures it won."""

    difference: Mean
    won: float  # share of pictures on which the first is better; a draw is half a picture
    pictures: tuple[str, ...]
    differences: tuple[float, ...]


@dataclass(frozen=True)
class Places:
    """A model's places over data sets. missing: the sets it has no rows of; then it has none."""

    model: str
    revision: str
    datasets: tuple[str, ...]
    missing: tuple[str, ...]
    ranks: tuple[float, ...]  # on each data set, 1 is best
    mean_rank: float | None = None
    borda: float | None = None


@dataclass(frozen=True)
class Choice:
    """What the visitor wants to see; kept in the page's address."""

    datasets: tuple[str, ...]
    size: int
    metrics: tuple[str, ...]
    protocol: str

    @property
    def metric(self) -> str:
        """The metric that ranks: the first one."""
        return self.metrics[0]

    def includes(self, score: Score) -> bool:
        """Whether a row is among what was chosen."""
        return (
            score.protocol == self.protocol
            and score.size == self.size
            and score.dataset in self.datasets
        )


def mean(groups: Sequence[np.ndarray], weights: Sequence[np.ndarray] | None = None) -> Mean:
    """Mean of the groups' means with its interval; one group per data set, values (n,) float.

    Percentile bootstrap: 1,000 resamples over the pictures, within each group, seeded. Values that
    are not finite are counted apart. With weights a group's mean is sum(w v) / sum(w).
    """
    weights = weights or [np.ones(len(values)) for values in groups]
    finite = [np.isfinite(values) for values in groups]
    infinite = sum(int((~kept).sum()) for kept in finite)
    kept = [
        (values[keep], weight[keep])
        for values, weight, keep in zip(groups, weights, finite, strict=True)
        if keep.any()
    ]
    if not kept:
        only = np.inf if infinite else np.nan
        return Mean(only, only, only, np.nan, 0, infinite)
    point = np.mean([np.average(values, weights=weight) for values, weight in kept])
    resampled = np.mean([_resample(values, weight) for values, weight in kept], axis=0)
    low, high = np.quantile(resampled, (0.025, 0.975))
    everything = np.concatenate([values for values, _ in kept])
    return Mean(
        float(point), float(low), float(high), float(everything.std()), len(everything), infinite
    )


def mean_over_seeds(groups: Sequence[np.ndarray], signs: Sequence[float]) -> Mean:
    """The signed sum of the groups' means with an interval over trainings and pictures.

    groups: values (seeds, pictures) of one entry each, the same pictures in the same order; signs:
    +1 and -1 for a difference, +1 for one entry's mean. Two-level bootstrap, seeded: 1,000 times,
    each entry's trainings are drawn with replacement and independently, and one set of pictures
    for all. Few trainings drawn from themselves differ too little: what they differ is widened by
    sqrt(n / (n - 1)) and by Student's t over 1.96. With one training an entry the interval is over
    the pictures alone. Pictures with a value that is not finite are counted apart.
    """
    finite = np.all([np.isfinite(values).all(0) for values in groups], axis=0)
    infinite = int((~finite).sum())
    if not finite.any():
        return Mean(np.nan, np.nan, np.nan, np.nan, 0, infinite)
    groups = [values[:, finite] for values in groups]
    n = groups[0].shape[1]
    generator = np.random.default_rng(SEED)
    free = sum(len(values) - 1 for values in groups)
    total = np.zeros(RESAMPLES)
    for values, sign in zip(groups, signs, strict=True):
        seeds = len(values)
        means = np.stack([_resample(row, np.ones(n)) for row in values], axis=1)  # (1000, seeds)
        middle = means.mean(1)
        picked = generator.integers(0, seeds, (RESAMPLES, seeds))
        drawn = np.take_along_axis(means, picked, axis=1)
        wider = np.sqrt(seeds / (seeds - 1)) * _student(free) / 1.96 if seeds > 1 else 1.0
        total += sign * (middle + wider * (drawn.mean(1) - middle))
    low, high = np.quantile(total, (0.025, 0.975))
    each = sum(sign * values.mean(0) for values, sign in zip(groups, signs, strict=True))
    return Mean(float(each.mean()), float(low), float(high), float(each.std()), n, infinite)


def _student(free: int) -> float:
    """The 97.5 % quantile of Student's t, to 0.01."""
    exact = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306}
    return exact.get(free, 1.96 + 2.4 / max(free, 1) + 3.0 / max(free, 1) ** 2)


def lines(scores: Iterable[Score], metrics: Sequence[str] | None = None) -> list[Line]:
    """A line per (model, revision, protocol, size) over the data sets among the rows.

    metrics: which to summarise; None: all that the rows have. `delta_cf` (difference of the mean
    colourfulness, prediction minus truth) and `ms` are added where the rows have them.
    """
    grouped: dict[tuple[str, str, str, int], dict[str, list[Score]]] = {}
    for score in scores:
        key = (score.model, score.revision, score.protocol, score.size)
        grouped.setdefault(key, {}).setdefault(score.dataset, []).append(score)
    return [
        Line(
            model=model,
            revision=revision,
            protocol=protocol,
            size=size,
            datasets=tuple(sorted(sets)),
            pictures=sum(map(len, sets.values())),
            means=_means(list(sets.values()), metrics),
        )
        for (model, revision, protocol, size), sets in grouped.items()
    ]


def compare_paired(first: Iterable[Score], second: Iterable[Score], metric: str) -> Paired:
    """Compare two models on the pictures that both have; infinite values are left out and counted.

    For a metric whose best value is the truth's (colourfulness), distances to the truth are
    compared. Raises Problem when they share no picture.
    """
    if metric not in METRICS:
        raise Problem(f"{metric!r} is no metric: choose one of {', '.join(METRICS)}.")
    left, right = (
        {(s.dataset, s.protocol, s.size, s.picture): _merit(s, metric) for s in group}
        for group in (first, second)
    )
    shared = [
        key for key in sorted(left.keys() & right.keys())
        if left[key] is not None and right[key] is not None
    ]  # fmt: skip
    if not shared:
        raise Problem("The two models were not scored on a common picture: evaluate both first.")
    a, b = (np.array([side[key] for key in shared]) for side in (left, right))
    both_infinite = np.isinf(a) & np.isinf(b)
    difference = np.subtract(a, b, out=np.zeros(len(a)), where=~both_infinite)
    sign = -1 if METRICS[metric].better != "higher" else 1
    won = np.where(difference == 0, 0.5, difference * sign > 0).mean()
    difference[both_infinite] = np.inf
    sets = np.array([key[0] for key in shared])
    return Paired(
        mean([difference[sets == name] for name in dict.fromkeys(sets)]),
        float(won),
        tuple(f"{key[0]}: {key[3]}" for key in shared),
        tuple(difference.tolist()),
    )


def aggregate_ranks(scores: Iterable[Score], metric: str) -> list[Places]:
    """Models ranked on each data set, then over the sets: best mean rank first.

    On a set a model's place is that of its mean, ties share the mean of their places. Only models
    with rows of every set are ranked, among themselves; the others come last, with what they lack.
    Borda 1781: a point for each model left behind on a set, half a one for a tie.
    """
    found: dict[tuple[str, str], dict[str, float]] = {}
    grouped: dict[tuple[str, str, str], list[Score]] = {}
    for score in scores:
        if score.model != "truth" and getattr(score, metric) is not None:
            grouped.setdefault((score.model, score.revision, score.dataset), []).append(score)
    for (model, revision, dataset), rows in grouped.items():
        value = _metric_mean([rows], metric).value
        if (better := METRICS[metric].better) == "truth":
            value = -abs(value - float(np.mean(_column(rows, f"{metric}_truth"))))
        found.setdefault((model, revision), {})[dataset] = -value if better == "lower" else value
    sets = sorted({dataset for values in found.values() for dataset in values})
    whole = [key for key, values in found.items() if len(values) == len(sets)]
    merits = np.array([[found[key][dataset] for dataset in sets] for key in whole])  # (k, sets)
    merits = merits.reshape(len(whole), len(sets))
    above = (merits[None] > merits[:, None]).sum(1)  # (k, sets): how many are better
    level = (merits[None] == merits[:, None]).sum(1) - 1
    ranks = 1 + above + level / 2
    points = len(whole) - ranks
    places = [
        Places(*key, tuple(sets), (), tuple(ranks[i]), float(ranks[i].mean()), points[i].sum())
        for i, key in enumerate(whole)
    ]
    places.sort(key=lambda each: (each.mean_rank, each.model))
    short = [key for key in found if key not in whole]
    return places + [
        Places(*key, tuple(found[key]), tuple(d for d in sets if d not in found[key]), ())
        for key in sorted(short)
    ]


def generalisation(
    scores: Iterable[Score], trained_on: dict[str, str], metric: str = "psnr"
) -> tuple[list[str], list[str], list[list[Mean | None]]]:
    """Lakhani's question: what a model was trained on (rows) against test sets (columns).

    trained_on: model -> what its row says (its training or fine-tuning data). Returns the names of
    rows and columns and the means, None where there are no scores.
    """
    cells: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        if score.model in trained_on and getattr(score, metric) is not None:
            cells.setdefault((score.model, score.dataset), []).append(score)
    rows = [model for model in trained_on if any(key[0] == model for key in cells)]
    columns = sorted({key[1] for key in cells})
    means = [
        [
            _metric_mean([cells[model, column]], metric) if (model, column) in cells else None
            for column in columns
        ]
        for model in rows
    ]
    return [f"{model} ({trained_on[model]})" for model in rows], columns, means


def _merit(score: Score, metric: str) -> float | None:
    value = getattr(score, metric)
    if value is None or METRICS[metric].better != "truth":
        return value
    return abs(value - getattr(score, f"{metric}_truth"))


def _means(sets: list[list[Score]], metrics: Sequence[str] | None) -> dict[str, Mean]:
    names = [
        name
        for name in (metrics or METRICS)
        if all(getattr(score, name) is not None for group in sets for score in group)
    ]
    found = {name: _metric_mean(sets, name) for name in names}
    if "colorfulness" in found:
        found["colorfulness_truth"] = _metric_mean(sets, "colorfulness_truth")
        found["delta_cf"] = mean(
            [
                _column(group, "colorfulness") - _column(group, "colorfulness_truth")
                for group in sets
            ]
        )
    if all(score.ms is not None for group in sets for score in group):
        found["ms"] = _metric_mean(sets, "ms")
    return found


def _metric_mean(sets: list[list[Score]], name: str) -> Mean:
    weights = None
    if name == "auc_rebalanced":  # pooled over the pixels of a set
        weights = [np.array([score.auc_weight for score in group]) for group in sets]
    values = [_column(group, name) for group in sets]
    return mean(values, weights)


def _column(group: Sequence[Score], name: str) -> np.ndarray:
    """One metric of some rows, (n,) float64."""
    return np.array([getattr(score, name) for score in group], float)


def _resample(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean of each resample, (RESAMPLES,)."""
    if len(values) <= 4000:
        draws = _draws(len(values))
        return (draws @ (weights * values)) / (draws @ weights)
    generator = np.random.default_rng(SEED)
    found = np.empty(RESAMPLES)
    for i in range(RESAMPLES):  # large sets: one resample at a time, in little memory
        picked = generator.integers(0, len(values), len(values))
        found[i] = np.average(values[picked], weights=weights[picked])
    return found


@lru_cache(maxsize=64)
def _draws(n: int) -> np.ndarray:
    """How often each of n pictures is drawn in each resample, (RESAMPLES, n) float32."""
    picked = np.random.default_rng(SEED).integers(0, n, (RESAMPLES, n))
    flat = (picked + n * np.arange(RESAMPLES)[:, None]).ravel()
    return np.bincount(flat, minlength=RESAMPLES * n).reshape(RESAMPLES, n).astype(np.float32)
