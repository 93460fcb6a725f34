"""Statistics of a user study: pure functions of arrays, no database, no drawing.

A pair vote is (rater, left, right, outcome): three integer codes and 1.0 where the left picture
won, 0.5 for a tie, 0.0 where the right one won. An answer to real-or-fake is (rater, model,
fooled). Every array has one entry per vote. Raters, not votes, are the independent draws, so every
interval here resamples raters.

Sources: Bradley & Terry 1952 (the model); Newman 2023 (a prior keeps everybody finite); Zhang,
Isola & Efros 2016 and github.com/phillipi/AMT_Real_vs_Fake (fool rate and its two-level bootstrap).
How far raters can be trusted is in raters.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
PRIOR = 0.5  # votes per pair, split evenly between the two: nobody is infinitely good


def wins_by_rater(
    rater: ArrayLike, left: ArrayLike, right: ArrayLike, outcome: ArrayLike, models: int
) -> Array:
    """Wins (raters, models, models): [r, i, j] is how often rater r preferred i to j.

    A tie is half a win each. Sum over the first axis for the win matrix of the study.
    """
    rater, left, right = (np.asarray(x, dtype=np.int64) for x in (rater, left, right))
    outcome = np.asarray(outcome, dtype=np.float64)
    wins = np.zeros((int(rater.max(initial=-1)) + 1, models, models))
    np.add.at(wins, (rater, left, right), outcome)
    np.add.at(wins, (rater, right, left), 1 - outcome)
    return wins


def pairs_of_ranking(order: ArrayLike) -> list[tuple[int, int]]:
    """(better, worse) for every pair of an order of models, best first: k (k - 1) / 2 of them."""
    order = [int(model) for model in np.asarray(order)]
    return [(a, b) for place, a in enumerate(order) for b in order[place + 1 :]]


def bradley_terry(wins: Array, prior: float = PRIOR) -> Array:
    """Win matrices (..., k, k) -> log strengths (..., k) with mean zero.

    P(i beats j) = 1 / (1 + exp(s_j - s_i)). Newton's method on the penalised likelihood, all
    matrices at once; `prior` is in votes per pair.
    """
    if (k := wins.shape[-1]) == 0:
        return np.zeros(wins.shape[:-1])
    wins = wins + prior / 2 * (1 - np.eye(k))
    games = wins + wins.swapaxes(-1, -2)
    won = wins.sum(-1)
    strength = np.zeros(wins.shape[:-1])
    for _ in range(100):
        p = 1 / (1 + np.exp(strength[..., None, :] - strength[..., :, None]))  # (..., k, k)
        curvature = games * p * (1 - p)
        hessian = np.eye(k) * curvature.sum(-1)[..., None] - curvature + 1 / k
        gradient = won - (games * p).sum(-1)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0].clip(-1, 1)
        strength = strength + step
        if np.abs(step).max(initial=0) < 1e-9:
            break
    return strength - strength.mean(-1, keepdims=True)


def resample_raters(raters: int, rounds: int, rng: np.random.Generator) -> Array:
    """How often each rater is drawn in each round of a cluster bootstrap: (rounds, raters)."""
    return rng.multinomial(raters, np.full(raters, 1 / raters), size=rounds).astype(np.float64)


def interval(value: Array, draws: Array, clusters: int, level: float = 0.95) -> tuple[Array, Array]:
    """Bounds (low, high) around `value` (k,) from bootstrap draws (rounds, k).

    Percentiles, widened by t / z * sqrt(n / (n - 1)) for n resampled clusters: with few raters
    the plain percentiles are too narrow (Hesterberg 2015, "What Teachers Should Know About the
    Bootstrap", section 5.3).
    """
    from scipy import stats

    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    if clusters < 2:
        return np.full_like(value, -np.inf), np.full_like(value, np.inf)
    t, z = stats.t.ppf((1 + level) / 2, clusters - 1), stats.norm.ppf((1 + level) / 2)
    wider = t / z * np.sqrt(clusters / (clusters - 1))
    return value + (low - value) * wider, value + (high - value) * wider


@dataclass(frozen=True)
class Ranking:
    """Bradley-Terry strengths of k models with their bootstrap."""

    wins: Array  # (k, k): [i, j] how often i was preferred to j
    strength: Array  # (k,): log odds against an average model
    low: Array  # (k,): 95 % interval
    high: Array
    draws: Array  # (rounds, k): resampled strengths

    @property
    def superiority(self) -> Array:
        """Share of resampled studies in which i is stronger than j: (k, k), ties half."""
        gap = self.draws[:, :, None] - self.draws[:, None, :]
        return (gap > 0).mean(0) + (gap == 0).mean(0) / 2


def rank(
    rater: ArrayLike,
    left: ArrayLike,
    right: ArrayLike,
    outcome: ArrayLike,
    models: int,
    *,
    rounds: int = 1000,
    prior: float = PRIOR,
    seed: int = 0,
) -> Ranking:
    """Strengths with 95 % intervals from a cluster bootstrap over raters."""
    _, rater = np.unique(np.asarray(rater), return_inverse=True)
    by_rater = wins_by_rater(rater, left, right, outcome, models)
    wins = by_rater.sum(0)
    strength = bradley_terry(wins, prior)
    raters = len(by_rater)
    if raters == 0:
        nothing = np.full(models, np.inf)
        return Ranking(wins, strength, -nothing, nothing, np.zeros((rounds, models)))
    drawn = resample_raters(raters, rounds, np.random.default_rng(seed))
    draws = bradley_terry(np.tensordot(drawn, by_rater, axes=1), prior)
    low, high = interval(strength, draws, raters)
    return Ranking(wins, strength, low, high, draws)


@dataclass(frozen=True)
class Adjusted:
    """Bradley-Terry strengths with what c differences between the pictures explain taken out.

    strength, low, high: (k,) log odds against an average model between pictures that are alike in
    all of them. effect, effect_low, effect_high: (c,) log odds for one standard deviation more of
    it. explained: (k,) plain strength minus this one.
    """

    strength: Array
    low: Array
    high: Array
    effect: Array
    effect_low: Array
    effect_high: Array
    explained: Array


def rank_adjusted(
    rater: ArrayLike,
    left: ArrayLike,
    right: ArrayLike,
    outcome: ArrayLike,
    differences: ArrayLike,
    models: int,
    *,
    rounds: int = 200,
    prior: float = PRIOR,
    seed: int = 0,
) -> Adjusted:
    """Strengths beside the effects of `differences` (votes, c), left minus right, of the pictures.

    P(left wins) = 1 / (1 + exp(-(s_left - s_right + x . b))), x in standard deviations. The same
    prior as `bradley_terry`, on pairs whose pictures are alike; on b a normal one of deviation 1.
    Intervals resample raters.
    """
    _, rater = np.unique(np.asarray(rater), return_inverse=True)
    left, right = (np.asarray(x, dtype=np.int64) for x in (left, right))
    x = np.asarray(differences, dtype=np.float64).reshape(len(left), -1)
    deviation = x.std(0)
    x = np.divide(x, deviation, out=np.zeros_like(x), where=deviation > 0)
    c = x.shape[1]
    sides = np.eye(models)[left] - np.eye(models)[right]
    pairs = np.array([(i, j) for i in range(models) for j in range(i + 1, models)]).reshape(-1, 2)
    invented = np.eye(models)[pairs[:, 0]] - np.eye(models)[pairs[:, 1]]
    design = np.block([[sides, x], [invented, np.zeros((len(pairs), c))]])
    wanted = np.concatenate([np.asarray(outcome, dtype=np.float64), np.full(len(pairs), 0.5)])
    keeps = np.zeros((models + c, models + c))
    keeps[:models, :models] = 1 / models  # strengths have mean zero
    keeps[models:, models:] = np.eye(c)

    def fit_strengths(weight: Array) -> Array:
        weight = np.concatenate([weight, np.full(len(pairs), prior)])
        found = np.zeros(models + c)
        for _ in range(100):
            p = 1 / (1 + np.exp(-design @ found))
            gradient = design.T @ (weight * (wanted - p)) - keeps @ found
            hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + keeps
            step = np.linalg.solve(hessian, gradient).clip(-1, 1)
            found = found + step
            if np.abs(step).max() < 1e-9:
                break
        return found

    whole = fit_strengths(np.ones(len(left)))
    raters = int(rater.max(initial=-1)) + 1
    if raters < 2:
        low, high = np.full(models + c, -np.inf), np.full(models + c, np.inf)
    else:
        drawn = resample_raters(raters, rounds, np.random.default_rng(seed))
        draws = np.stack([fit_strengths(times[rater]) for times in drawn])
        low, high = interval(whole, draws, raters)
    plain = bradley_terry(wins_by_rater(rater, left, right, outcome, models).sum(0), prior)
    k = models
    return Adjusted(whole[:k], low[:k], high[:k], whole[k:], low[k:], high[k:], plain - whole[:k])


def votes_to_separate(ranking: Ranking, i: int, j: int, votes: int, power: float = 0.8) -> float:
    """How many more votes of the same mix would tell model i from model j.

    The standard error of the gap falls with the square root of the votes; the gap is told from
    zero at the 5 % level with the given power when it is 1.96 + 0.84 standard errors wide.
    Infinite where the two are level; zero where they are told apart already.
    """
    from scipy import stats

    gap = abs(ranking.strength[i] - ranking.strength[j])
    error = (ranking.draws[:, i] - ranking.draws[:, j]).std()
    if gap == 0:
        return np.inf
    needed = votes * ((stats.norm.ppf(0.975) + stats.norm.ppf(power)) * error / gap) ** 2
    return float(max(0.0, np.ceil(needed - votes)))


@dataclass(frozen=True)
class FoolRate:
    """How often each of k models was taken for the photograph; 0.5 is perfect."""

    trials: NDArray[np.int64]  # (k,)
    rate: Array  # (k,), nan where a model was never shown
    low: Array
    high: Array
    deviation: Array  # (k,): standard deviation over the bootstrap, the +- of ECCV16
    draws: Array  # (rounds, k)


def fool_rate(
    rater: ArrayLike,
    model: ArrayLike,
    fooled: ArrayLike,
    models: int,
    *,
    rounds: int = 10_000,
    seed: int = 0,
) -> FoolRate:
    """Share of wrong answers per model with the two-level bootstrap of AMT_Real_vs_Fake.

    A round draws raters with replacement, then, for each drawn rater, as many of the rater's own
    trials with replacement. Only the counts of (model, fooled) matter, so the second level is one
    multinomial draw per drawn rater instead of a loop over trials.
    """
    _, rater = np.unique(np.asarray(rater), return_inverse=True)
    model = np.asarray(model, dtype=np.int64)
    fooled = np.asarray(fooled, dtype=np.int64)
    raters = int(rater.max(initial=-1)) + 1
    cells = np.zeros((raters, 2 * models))  # column 2 m + f: model m, fooled f
    np.add.at(cells, (rater, 2 * model + fooled), 1)

    def rates(counts: Array) -> Array:
        shown = counts[..., 0::2] + counts[..., 1::2]
        return np.divide(
            counts[..., 1::2], shown, out=np.full(shown.shape, np.nan), where=shown > 0
        )

    total = cells.sum(0)
    rate = rates(total)
    trials = (total[0::2] + total[1::2]).astype(np.int64)
    if raters == 0:
        bound = np.full(models, np.nan)
        return FoolRate(trials, rate, bound, bound, bound, np.full((rounds, models), np.nan))
    rng = np.random.default_rng(seed)
    size = cells.sum(1).astype(np.int64)
    share = cells / size[:, None]
    draws = np.empty((rounds, models))
    chunk = max(1, 2_000_000 // (raters * 2 * models))
    for start in range(0, rounds, chunk):
        who = rng.integers(raters, size=(min(chunk, rounds - start), raters))
        draws[start : start + len(who)] = rates(rng.multinomial(size[who], share[who]).sum(1))
    seen = trials > 0
    low, high, deviation = (np.full(models, np.nan) for _ in range(3))
    low[seen], high[seen] = np.nanquantile(draws[:, seen], [0.025, 0.975], axis=0)
    deviation[seen] = np.nanstd(draws[:, seen], axis=0)
    return FoolRate(trials, rate, low, high, deviation, draws)


def wilson(successes: ArrayLike, trials: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Wilson's interval of a share; (0, 1) where there were no trials."""
    from scipy import stats

    z = stats.norm.ppf((1 + level) / 2)
    n = np.asarray(trials, dtype=np.float64)
    safe = np.maximum(n, 1)
    p = np.asarray(successes, dtype=np.float64) / safe
    middle = (p + z**2 / (2 * safe)) / (1 + z**2 / safe)
    half = z / (1 + z**2 / safe) * np.sqrt(p * (1 - p) / safe + z**2 / (4 * safe**2))
    return np.where(n > 0, middle - half, 0.0), np.where(n > 0, middle + half, 1.0)
