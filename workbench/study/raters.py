"""How far raters can be trusted: sides, agreement, outliers, flags. Pure functions of arrays.

Source: Krippendorff 2018 (alpha).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from workbench.study.ranking import PRIOR, Array, bradley_terry


def side_bias(lefts: int, rights: int) -> float:
    """Two-sided binomial p-value of the hypothesis that left and right are chosen alike."""
    from scipy import stats

    return 1.0 if lefts + rights == 0 else float(stats.binomtest(lefts, lefts + rights).pvalue)


def krippendorff_alpha(rater: ArrayLike, unit: ArrayLike, value: ArrayLike) -> float:
    """Krippendorff's alpha of nominal answers: 1 agreement, 0 chance, nan if nothing can be said.

    One answer per (rater, unit); a unit is a question that several raters were asked.
    """
    import evalica
    import pandas as pd

    answers = pd.DataFrame({"rater": rater, "unit": unit, "value": value})
    answers = answers.drop_duplicates(["rater", "unit"])
    if not answers.duplicated("unit").any():
        return float("nan")  # no question was answered twice
    if answers["value"].nunique() < 2:
        return float("nan")  # agreement without variation is not defined
    table = answers.pivot(index="rater", columns="unit", values="value").astype(float)
    return float(evalica.alpha(table, distance="nominal").alpha)


def outlying_preferences(by_rater: Array, prior: float = PRIOR) -> Array:
    """z of every rater's log-likelihood under the strengths that all the others give: (raters,).

    Far below zero means answers that the others' preferences do not explain.
    """
    strength = bradley_terry(by_rater.sum(0) - by_rater, prior)  # (raters, k), each left out once
    log_p = -np.logaddexp(0, strength[:, None, :] - strength[:, :, None])
    p = np.exp(log_p)
    games = by_rater + by_rater.swapaxes(-1, -2)
    upper = np.triu(np.ones(by_rater.shape[1:]), 1)
    log_q = log_p.swapaxes(-1, -2)
    expected = (games * upper * (p * log_p + (1 - p) * log_q)).sum((1, 2))
    variance = (games * upper * p * (1 - p) * (log_p - log_q) ** 2).sum((1, 2))
    seen = (by_rater * log_p).sum((1, 2))
    return np.divide(
        seen - expected, np.sqrt(variance), out=np.zeros(len(seen)), where=variance > 0
    )


def outlying_fools(rater: ArrayLike, model: ArrayLike, fooled: ArrayLike, models: int) -> Array:
    """z of every rater's number of wrong answers under the rates of all the others: (raters,)."""
    rater = np.asarray(rater, dtype=np.int64)
    model = np.asarray(model, dtype=np.int64)
    raters = int(rater.max(initial=-1)) + 1
    shown, wrong = np.zeros((raters, models)), np.zeros((raters, models))
    np.add.at(shown, (rater, model), 1)
    np.add.at(wrong, (rater, model), np.asarray(fooled, dtype=np.float64))
    others = (wrong.sum(0) - wrong + 0.5) / (shown.sum(0) - shown + 1)  # Jeffreys
    variance = (shown * others * (1 - others)).sum(1)
    gap = (wrong - shown * others).sum(1)
    return np.divide(gap, np.sqrt(variance), out=np.zeros(raters), where=variance > 0)


@dataclass(frozen=True)
class FlagRules:
    """What makes a rater's answers doubtful; declared before the study, never a silent deletion."""

    dwell_ms: float = 400.0  # median dwell below this
    catch_share: float = 0.75  # share of catch trials passed below this
    side_p: float = 0.001  # p of the side-bias test below this
    outlier_z: float = 3.5  # |z| beyond this


def flag_raters(
    rater: ArrayLike,
    dwell_ms: ArrayLike,
    side: ArrayLike,
    catch: ArrayLike,
    correct: ArrayLike,
    outlier_z: ArrayLike,
    rules: FlagRules = FlagRules(),
) -> list[list[str]]:
    """The names of the flags of every rater.

    `side` is -1 left, 1 right, 0 neither; `correct` counts only where `catch` is true;
    `outlier_z` has one value per rater.
    """
    rater = np.asarray(rater, dtype=np.int64)
    dwell, side = np.asarray(dwell_ms, dtype=np.float64), np.asarray(side)
    catch, correct = np.asarray(catch, dtype=bool), np.asarray(correct, dtype=bool)
    outlier_z = np.asarray(outlier_z, dtype=np.float64)
    raised: list[list[str]] = []
    for r in range(len(outlier_z)):
        mine, scored = rater == r, (rater == r) & ~catch
        names = []
        if scored.any() and np.median(dwell[scored]) < rules.dwell_ms:
            names.append("dwell")
        if (mine & catch).any() and correct[mine & catch].mean() < rules.catch_share:
            names.append("catch")
        if (
            side_bias(int((side[scored] == -1).sum()), int((side[scored] == 1).sum()))
            < rules.side_p
        ):
            names.append("side")
        if abs(outlier_z[r]) > rules.outlier_z:
            names.append("outlier")
        raised.append(names)
    return raised
