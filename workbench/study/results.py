"""From votes to figures: every number of a study is computed here, from its raw rows."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from workbench.errors import Problem
from workbench.study import ranking
from workbench.study.confounders import CONFOUNDERS, differences, measures_of
from workbench.study.plans import TRUTH, Plan
from workbench.study.ranking import FoolRate, Ranking
from workbench.study.raters import (
    flag_raters,
    krippendorff_alpha,
    outlying_fools,
    outlying_preferences,
    side_bias,
)
from workbench.study.rendering import picture_file
from workbench.study.tables import Study
from workbench.study.trials import model_name, plan_of
from workbench.study.votes import Votes

Row = dict[str, Any]
ENOUGH_RATERS = 5  # without a flag, below which no figure of certainty is given
FEW_RATERS = 20  # up to which the bootstrap over raters is said to be too narrow


@dataclass(frozen=True)
class PairVotes:
    """Preferences as arrays, one entry per comparison."""

    rater: np.ndarray  # int: index into Results.raters
    left: np.ndarray  # int: index into Results.models
    right: np.ndarray
    outcome: np.ndarray  # 1 left won, 0.5 tie, 0 right won
    picture: np.ndarray  # str


@dataclass(frozen=True)
class Results:
    """What a study found, from some of its votes."""

    plan: Plan
    models: tuple[str, ...]  # "name@revision"
    raters: tuple[str, ...]
    votes: int  # scored answers counted
    ranking: Ranking | None  # pair and rank
    fool: FoolRate | None  # real_or_fake
    pictures: list[Row]  # per picture and model: shown, share, low, high
    lefts: int
    rights: int
    side_p: float
    alpha: float  # Krippendorff's
    flags: dict[str, list[str]]  # rater -> names of flags
    screens: tuple[tuple[str, str, str], ...] = ()  # shown size, viewport, theme of each answer

    @property
    def unflagged(self) -> int:
        """How many of the raters counted here have no flag."""
        return len(set(self.raters) - self.flagged)

    @property
    def flagged(self) -> set[str]:
        return {rater for rater, names in self.flags.items() if names}

    @property
    def strengths(self) -> Ranking:
        """The ranking of a study that has one. Raises Problem for a real-or-fake study."""
        if self.ranking is None:
            raise Problem("A real-or-fake study has fool rates and no ranking.")
        return self.ranking

    def table(self) -> list[Row]:
        """A row per model, best first: what ranking.csv holds."""
        rows: list[Row] = []
        for i, shown in enumerate(self.models):
            name, _, revision = shown.partition("@")
            row: Row = {"model": name, "revision": revision}
            if self.ranking:
                row |= {
                    "strength": float(self.ranking.strength[i]),
                    "low": float(self.ranking.low[i]),
                    "high": float(self.ranking.high[i]),
                    "wins": float(self.ranking.wins[i].sum()),
                    "comparisons": float((self.ranking.wins[i] + self.ranking.wins[:, i]).sum()),
                }
            if self.fool:
                row |= {
                    "fool_rate": float(self.fool.rate[i]),
                    "low": float(self.fool.low[i]),
                    "high": float(self.fool.high[i]),
                    "deviation": float(self.fool.deviation[i]),
                    "trials": int(self.fool.trials[i]),
                }
            rows.append(row)
        best_first = "strength" if self.ranking else "fool_rate"
        rows.sort(key=lambda row: -np.nan_to_num(row[best_first], nan=-1))
        return [{"rank": place + 1, **row} for place, row in enumerate(rows)]

    def separations(self) -> list[Row]:
        """A row per pair of models: how sure their order is, how many more votes it needs.

        Nothing under ENOUGH_RATERS raters without a flag: such a figure would be made of chance.
        """
        if self.ranking is None or self.unflagged < ENOUGH_RATERS:
            return []
        rows = []
        order = np.argsort(-self.ranking.strength)
        for i, j in itertools.combinations(order, 2):
            more = ranking.votes_to_separate(self.ranking, i, j, self.votes)
            rows.append(
                {
                    "better": model_name(self.models[i]),
                    "worse": model_name(self.models[j]),
                    "gap": float(self.ranking.strength[i] - self.ranking.strength[j]),
                    "sure": float(self.ranking.superiority[i, j]),
                    "more_votes": more,
                }
            )
        return rows


def load(votes: Votes, study: Study, without: Collection[str] = ()) -> Results:
    """The results of a study, leaving out the raters in `without`."""
    rows = votes.rows(study)
    return analyse(plan_of(study), list_models(study, rows), rows, without)


def list_models(study: Study, rows: Sequence[Row]) -> tuple[str, ...]:
    """The models of a study, "name@revision"; of the arena, which freezes none, all it showed."""
    frozen = tuple(json.loads(study.models))
    return frozen or tuple(dict.fromkeys(each for row in rows for each in row["shown"].split(",")))


def analyse(
    plan: Plan, models: Sequence[str], rows: Sequence[Row], without: Collection[str] = ()
) -> Results:
    """Every figure of a study from its rows (as votes.Votes.rows gives them)."""
    rows = [row for row in rows if row["kind"] != "practice" and row["rater"] not in without]
    raters = tuple(dict.fromkeys(row["rater"] for row in rows))
    number = {rater: place for place, rater in enumerate(raters)}
    scored = [row for row in rows if row["kind"] == "scored"]
    place = {shown: i for i, shown in enumerate(models)}
    ranked: Ranking | None = None
    fool: FoolRate | None = None
    if plan.design == "real_or_fake":
        fakes = [next(s for s in row["shown"].split(",") if s != TRUTH) for row in scored]
        rater = np.array([number[row["rater"]] for row in scored], dtype=np.int64)
        model = np.array([place[fake] for fake in fakes], dtype=np.int64)
        fooled = np.array([not row["correct"] for row in scored], dtype=np.int64)
        fool = ranking.fool_rate(rater, model, fooled, len(models), seed=plan.seed)
        outlying = outlying_fools(rater, model, fooled, len(models))
        units = [f"{row['picture']}/{fake}" for row, fake in zip(scored, fakes, strict=True)]
        alpha = krippendorff_alpha(rater, units, fooled)
        pictures = _list_fooled(scored, models, model, fooled)
    else:
        pairs = pair_votes(plan, scored, number, place)
        ranked = ranking.rank(
            pairs.rater, pairs.left, pairs.right, pairs.outcome, len(models), seed=plan.seed
        )
        by_rater = ranking.wins_by_rater(
            pairs.rater, pairs.left, pairs.right, pairs.outcome, len(models)
        )
        outlying = outlying_preferences(by_rater)
        low, high = np.minimum(pairs.left, pairs.right), np.maximum(pairs.left, pairs.right)
        units = [f"{p}/{i}/{j}" for p, i, j in zip(pairs.picture, low, high, strict=True)]
        first = np.where(pairs.left < pairs.right, pairs.outcome, 1 - pairs.outcome)
        alpha = krippendorff_alpha(pairs.rater, units, first)
        pictures = _list_preferred(pairs, models)
    side = [-1 if r["choice"] == "left" else 1 if r["choice"] == "right" else 0 for r in rows]
    outlying = np.concatenate([outlying, np.zeros(len(raters) - len(outlying))])
    raised = flag_raters(
        [number[row["rater"]] for row in rows],
        [row["dwell_ms"] for row in rows],
        side,
        [row["kind"] == "catch" for row in rows],
        [bool(row["correct"]) for row in rows],
        outlying,
        plan.rules,
    )
    lefts = sum(row["choice"] == "left" for row in scored)
    rights = sum(row["choice"] == "right" for row in scored)
    return Results(
        plan=plan,
        models=tuple(models),
        raters=raters,
        votes=len(scored),
        ranking=ranked,
        fool=fool,
        pictures=pictures,
        lefts=lefts,
        rights=rights,
        side_p=side_bias(lefts, rights),
        alpha=alpha,
        flags=dict(zip(raters, raised, strict=True)),
        screens=tuple(
            tuple(row.get(name, "") for name in ("shown_size", "viewport", "theme"))
            for row in scored
        ),
    )


def pair_votes(
    plan: Plan, scored: Sequence[Row], number: dict[str, int], place: dict[str, int]
) -> PairVotes:
    """Preferences as arrays; an order of k models counts as its k (k - 1) / 2 comparisons."""
    outcome_of = {"left": 1.0, "tie": 0.5, "bad": 0.5, "right": 0.0}
    entries: list[tuple[int, int, int, float, str]] = []
    for row in scored:
        shown = [place[s] for s in row["shown"].split(",")]
        rater = number[row["rater"]]
        if plan.design != "rank":
            left, right = shown
            entries.append((rater, left, right, outcome_of[row["choice"]], row["picture"]))
            continue
        order = [shown[int(position)] for position in row["choice"].split(",")]
        entries += [(rater, a, b, 1.0, row["picture"]) for a, b in ranking.pairs_of_ranking(order)]
    return PairVotes(
        rater=np.array([entry[0] for entry in entries], dtype=np.int64),
        left=np.array([entry[1] for entry in entries], dtype=np.int64),
        right=np.array([entry[2] for entry in entries], dtype=np.int64),
        outcome=np.array([entry[3] for entry in entries], dtype=np.float64),
        picture=np.array([entry[4] for entry in entries], dtype=str),
    )


def load_adjusted(
    votes: Votes, study: Study, without: Collection[str] = ()
) -> ranking.Adjusted | None:
    """`adjust` for a study, from what was kept with its questions or from its pictures."""
    rows = votes.rows(study)

    def measures(row: Row) -> list[dict[str, float]]:
        return measures_of(row, partial(picture_file, study.name))

    return adjust(plan_of(study), list_models(study, rows), rows, measures, without)


def adjust(
    plan: Plan,
    models: Sequence[str],
    rows: Sequence[Row],
    measures: Callable[[Row], list[dict[str, float]]],
    without: Collection[str] = (),
) -> ranking.Adjusted | None:
    """Strengths with what colourfulness and its like explain taken out; None without two raters.

    rows: as `analyse` takes them; measures: of what a row showed, left to right.
    """
    scored = [row for row in rows if row["kind"] == "scored" and row["rater"] not in without]
    raters = tuple(dict.fromkeys(row["rater"] for row in scored))
    if plan.design == "real_or_fake" or len(raters) < 2:
        return None
    number = {rater: place for place, rater in enumerate(raters)}
    place = {shown: i for i, shown in enumerate(models)}
    pairs = pair_votes(plan, scored, number, place)
    measured = []
    for row in scored:
        found = measures(row)
        if plan.design == "rank":
            order = [int(position) for position in row["choice"].split(",")]
            measured += [[found[a], found[b]] for a, b in ranking.pairs_of_ranking(order)]
        else:
            measured.append(found)
    return ranking.rank_adjusted(
        pairs.rater,
        pairs.left,
        pairs.right,
        pairs.outcome,
        differences(measured),
        len(models),
        seed=plan.seed,
    )


def tabulate_adjusted(
    models: Sequence[str], found: ranking.Adjusted
) -> tuple[list[Row], list[Row]]:
    """Rows per model (strength, as colourful as the others, and what is explained) and per measure.

    The effects are log odds for one standard deviation more of a measure.
    """
    order = np.argsort(-found.strength)
    per_model: list[Row] = [
        {
            "model": model_name(models[i]),
            "strength": float(found.strength[i] + found.explained[i]),
            "alike": float(found.strength[i]),
            "low": float(found.low[i]),
            "high": float(found.high[i]),
            "explained": float(found.explained[i]),
        }
        for i in order
    ]
    per_measure: list[Row] = [
        {"measure": title, "effect": float(effect), "low": float(low), "high": float(high)}
        for title, effect, low, high in zip(
            CONFOUNDERS.values(), found.effect, found.effect_low, found.effect_high, strict=True
        )
    ]
    return per_model, per_measure


def _list_fooled(
    scored: Sequence[Row], models: Sequence[str], model: np.ndarray, fooled: np.ndarray
) -> list[Row]:
    picture = np.array([row["picture"] for row in scored], dtype=str)
    shas = {row["picture"]: row["picture_sha256"] for row in scored}
    return [
        _share(name, models[m], fooled[(picture == name) & (model == m)], shas[name])
        for name in sorted(shas)
        for m in range(len(models))
        if ((picture == name) & (model == m)).any()
    ]


def _list_preferred(pairs: PairVotes, models: Sequence[str]) -> list[Row]:
    rows = []
    for name in sorted(set(pairs.picture.tolist())):
        here = pairs.picture == name
        for m in range(len(models)):
            won = np.concatenate(
                [
                    pairs.outcome[here & (pairs.left == m)],
                    1 - pairs.outcome[here & (pairs.right == m)],
                ]
            )
            if len(won):
                rows.append(_share(name, models[m], won))
    return rows


def _share(picture: str, shown: str, values: np.ndarray, sha256: str = "") -> Row:
    low, high = ranking.wilson(values.sum(), len(values))
    return {
        "picture": picture,
        "model": model_name(shown),
        "shown": shown,
        "trials": len(values),
        "share": float(values.mean()),
        "low": float(low),
        "high": float(high),
    }
