"""What one rater preferred, for that rater alone, once the last question is answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.study.figures import title_of
from workbench.study.plans import TRUTH, Plan
from workbench.study.tables import Rater, Study
from workbench.study.trials import plan_of
from workbench.study.votes import Votes

Row = dict[str, Any]
SHARES = {
    "pair": "Preferred by you",
    "rank": "Put before another by you",
    "real_or_fake": "Taken for the photograph by you",
}


def list_choices(votes: Votes, study: Study, rater: Rater) -> list[Row]:
    """A row of votes.rows per scored answer of the rater; none where the plan keeps it to itself.

    Practice and the hidden checks say nothing of a model, and are left out.
    """
    if not plan_of(study).reveal:
        return []
    return [row for row in votes.rows(study, rater) if row["kind"] == "scored"]


def name_shown(shown: str) -> str:
    """What a rater reads under a picture once the study may tell: a model's title."""
    return "The photograph" if shown == TRUTH else title_of(shown)


def score_choice(plan: Plan, row: Mapping[str, Any]) -> dict[str, float]:
    """shown -> its share of an answer, 0 to 1: 1 is preferred to all others, 0.5 no difference.

    In real_or_fake only the colourization has one: 1 where it was taken for the photograph.
    """
    shown = row["shown"].split(",")
    if plan.design == "rank":
        order = [int(place) for place in row["choice"].split(",")]
        last = len(order) - 1
        return {shown[place]: (last - at) / last for at, place in enumerate(order)}
    if plan.design == "real_or_fake":
        [model] = [each for each in shown if "@" in each]
        return {model: 0.0 if row["correct"] else 1.0}
    left = {"left": 1.0, "right": 0.0}.get(row["choice"], 0.5)
    return {shown[0]: left, shown[1]: 1 - left}


def tabulate_choices(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """{model (its title), questions, share} per model, the one that was preferred most first."""
    scores: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for shown, share in score_choice(plan, row).items():
            scores[shown].append(share)
    table = [
        {"model": name_shown(shown), "questions": len(each), "share": sum(each) / len(each)}
        for shown, each in scores.items()
    ]
    return sorted(table, key=lambda row: (-row["share"], row["model"]))
