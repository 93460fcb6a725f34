"""Which question comes next, and what becomes of its answer.

The server chooses: the pair with the fewest votes first, balanced over pictures and sides. The
browser gets pictures and a token, an HMAC over the ids of study, rater and trial; it never says
what it voted on, only which token it answers, and a token counts once.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from workbench.errors import Problem
from workbench.study.plans import ARENA, CATCH, TRUTH, Plan, plan_from
from workbench.study.tables import Rater, Study, Trial
from workbench.study.votes import Answer, RaterLock, Votes

PENDING_SECONDS = 900  # a question that was put so long ago without an answer is put again
CHOICES = {
    "pair": ("left", "right", "tie"),
    "real_or_fake": ("left", "right"),
    ARENA: ("left", "right", "tie", "bad"),  # tie: both good, bad: both bad
}


class Refused(Problem):
    """An answer that is not taken; the sentence says why, kindly."""


@dataclass(frozen=True)
class Question:
    """What a page shows. `shown` names the models: it stays on the server."""

    token: str
    number: int  # 0, 1, ...
    total: int
    kind: str  # practice, scored, catch
    picture: str
    picture_sha256: str
    shown: tuple[str, ...]  # models left to right
    ahead: Question | None = None  # the next one, whose pictures may be fetched meanwhile


def plan_of(study: Study) -> Plan:
    """The plan that a study was created with."""
    return plan_from(read_stored(study.plan, dict, study), f"study {study.name}")


def pictures_of(study: Study) -> list[dict[str, str]]:
    """{picture, sha256} of every photograph that was rendered."""
    return read_stored(study.pictures, list, study)


def read_stored(text: str, kind: type, study: Study) -> Any:
    """A list or table that was kept with a study as JSON; Problem where it is damaged."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        found = None
    if not isinstance(found, kind):
        raise Problem(f"What is kept of study {str(study.name)[:64]!r} is damaged. Delete it.")
    return found


def model_name(shown: str) -> str:
    """`name` of "name@revision"."""
    return shown.partition("@")[0]


def sign(study: Study, trial: Trial) -> str:
    """The token of a trial: its id and a signature over study, rater and trial."""
    message = f"{study.id}:{trial.rater_id}:{trial.id}".encode()
    return (
        f"{trial.id}.{hmac.new(bytes.fromhex(study.secret), message, hashlib.sha256).hexdigest()}"
    )


def next_question(votes: Votes, study: Study, rater: Rater) -> Question | None:
    """The rater's next question, None at the end. An unanswered one comes again.

    The one after it is chosen with it, so that its pictures can be on their way.
    """
    plan = plan_of(study)
    require_open(study)
    if plan.live:
        raise Problem("In a live class the teacher says which question comes next.")
    with votes.lock_rater(study, rater) as lock:
        asked = lock.list_trials()
        chosen = [trial for trial, _ in asked]
        waiting = [trial for trial, answered in asked if not answered]
        while len(waiting) < 2 and len(chosen) < plan.total:
            chosen.append(_add(lock, plan, chosen, votes.clock()))
            waiting.append(chosen[-1])
        if waiting:
            lock.mark_shown(waiting[0])
    if not waiting:
        votes.finish(rater)
        return None
    ahead = as_question(study, plan, waiting[1]) if len(waiting) > 1 else None
    return as_question(study, plan, waiting[0], ahead)


def as_question(study: Study, plan: Plan, trial: Trial, ahead: Question | None = None) -> Question:
    """What a page needs to put a trial to its rater."""
    return Question(
        token=sign(study, trial),
        number=trial.number,
        total=plan.total,
        kind=trial.kind,
        picture=trial.picture,
        picture_sha256=trial.picture_sha256,
        shown=tuple(trial.shown.split(",")),
        ahead=ahead,
    )


def answer(votes: Votes, study: Study, rater: Rater, token: str, given: Answer) -> bool | None:
    """Keep an answer; returns whether it was right (None where nothing is right or wrong).

    Raises Refused where the token is not this rater's, has been answered, or the answer came
    sooner than anybody can look. When this returns, the vote is on the disk.
    """
    require_open(study)
    plan = plan_of(study)
    trial_id = token.partition(".")[0]
    trial = votes.trial(rater, int(trial_id)) if trial_id.isdecimal() else None
    if trial is None or not hmac.compare_digest(sign(study, trial).encode(), token.encode()):
        raise Refused("This answer does not belong to your study. Reload the page to go on.")
    shown = trial.shown.split(",")
    if not _possible(plan, given.choice, len(shown)):
        raise Refused("This answer is none of those on offer. Reload the page to go on.")
    numbers = (given.shown_at, given.answered_at, given.dwell_ms, *given.exposures_ms)
    if not all(isinstance(x, int | float) and math.isfinite(x) for x in numbers):
        raise Refused("The times of this answer are no numbers. Reload the page to go on.")
    passed_ms = (votes.clock() - trial.issued_at) * 1000
    if min(given.dwell_ms, passed_ms) < plan.minimum_dwell_ms:
        raise Refused("That was faster than anybody can look. Please look again, then answer.")
    correct = right_answer(plan, trial)
    right = None if correct is None else given.choice == correct
    if not votes.add_vote(trial, given, right):
        raise Refused("Your first answer to this question was counted; it stands. On to the next.")
    return right


def right_answer(plan: Plan, trial: Trial) -> str | None:
    """left or right where one is right: the fake, or the photograph in a catch trial."""
    names = [model_name(shown) for shown in trial.shown.split(",")]
    if plan.design == "real_or_fake":
        return "right" if names[0] == TRUTH else "left"
    if trial.kind == "catch":
        return "left" if names[0] == TRUTH else "right"
    return None


def require_open(study: Study) -> None:
    """Problem where a study takes no answers."""
    if study.state != "open":
        raise Problem(
            "This study has ended; thank you for coming."
            if study.state == "closed"
            else "This study has not been opened yet."
        )


def _possible(plan: Plan, choice: str, shown: int) -> bool:
    if plan.design != "rank":
        return choice in CHOICES[plan.design]
    return sorted(choice.split(",")) == sorted(map(str, range(shown)))


def _kinds(plan: Plan, study: Study, rater: Rater) -> list[str]:
    """The kind of every trial of a rater: practice first, catch trials anywhere after."""
    rest = ["catch"] * plan.caught + ["scored"] * plan.scored
    Random(f"{plan.seed}/{study.name}/{rater.code}/kinds").shuffle(rest)
    return ["practice"] * plan.practised + rest


def _add(lock: RaterLock, plan: Plan, asked: list[Trial], now: float) -> Trial:
    number = len(asked)
    kind = _kinds(plan, lock.study, lock.rater)[number]
    random = Random(f"{plan.seed}/{lock.study.name}/{lock.rater.code}/{number}")
    models: list[str] = json.loads(lock.study.models)
    pictures = {entry["picture"]: entry["sha256"] for entry in pictures_of(lock.study)}
    if not models or not pictures:
        raise Problem(f"Study {lock.study.name!r} has no rendered pictures: run `study render`.")
    if kind == "scored":
        tally = lock.count_shown(now - PENDING_SECONDS)
    else:  # the rater's own trials of this kind are what is balanced
        tally = [(trial.picture, trial.shown, 1) for trial in asked if trial.kind == kind]
    groups = [(TRUTH, CATCH)] if kind == "catch" else list_groups(plan, models)
    picture, group = choose_fewest(groups, list(pictures), tally, asked, random)
    shown = order_sides(group, tally, random)
    return lock.add(
        number=number,
        kind=kind,
        picture=picture,
        picture_sha256=pictures[picture],
        shown=",".join(shown),
    )


def list_groups(plan: Plan, models: Sequence[str]) -> list[tuple[str, ...]]:
    """Every group of models that a scored question of this design may show."""
    if plan.design == "real_or_fake":
        return [(TRUTH, model) for model in models]
    return [*itertools.combinations(models, 2)] if plan.design == "pair" else [tuple(models)]


def choose_fewest(
    groups: Sequence[tuple[str, ...]],
    pictures: list[str],
    tally: list[tuple[str, str, int]],
    asked: list[Trial],
    random: Random,
) -> tuple[str, tuple[str, ...]]:
    """The group of models with the fewest votes, on the picture that it was seen on least."""
    by_group: Counter[frozenset[str]] = Counter()
    by_cell: Counter[tuple[str, frozenset[str]]] = Counter()
    by_picture: Counter[str] = Counter()
    for picture, shown, count in tally:
        members = frozenset(shown.split(","))
        by_group[members] += count
        by_cell[picture, members] += count
        by_picture[picture] += count
    seen = Counter(trial.picture for trial in asked)
    put = Counter(frozenset(trial.shown.split(",")) for trial in asked)
    group = min(groups, key=lambda g: (by_group[frozenset(g)], put[frozenset(g)], random.random()))
    members = frozenset(group)
    picture = min(
        pictures,
        key=lambda p: (seen[p], by_cell[p, members], by_picture[p], random.random()),
    )
    return picture, group


def order_sides(
    group: tuple[str, ...], tally: list[tuple[str, str, int]], random: Random
) -> tuple[str, ...]:
    """The group in the order in which it is shown: each member on each side alike often."""
    order = list(group)
    random.shuffle(order)
    if len(order) > 2:
        return tuple(order)
    counts: Counter[str] = Counter()
    for _, shown, count in tally:
        counts[shown] += count
    return min((tuple(order), tuple(order[::-1])), key=lambda pair: counts[",".join(pair)])
