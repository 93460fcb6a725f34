"""A live class: everybody gets the same question at the same moment, when the teacher says so.

A class is a study whose plan says `live`: its pictures, tables, tokens and limits are a study's,
only what comes next is the teacher's to say. `Study.stage` counts on: 0 while the class comes
together, 2 k + 1 while question k takes votes, 2 k + 2 when its answer is told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from workbench.errors import Problem
from workbench.study import trials
from workbench.study.plans import LIVE, TRUTH, Plan
from workbench.study.rendering import UPLOADS, Painter, make_study, open_study
from workbench.study.tables import Rater, Study, Trial
from workbench.study.votes import Answer, Votes, new_code

CONSENT = (
    "Your votes are stored under a random code, with the times they took and the size of your "
    "window; no name, no address. You can have them deleted with that code."
)
CODE = 4  # letters of the code to join by
SIDES = {"left": "A", "tie": "No difference", "right": "B"}  # choices as a class calls them


@dataclass(frozen=True)
class Round:
    """One question of a class, the same for everybody. `shown` stays on the server until told."""

    number: int
    picture: str
    sha256: str
    shown: tuple[str, str]  # A and B


def make_class(
    votes: Votes,
    design: str,
    models: Sequence[str] = (),
    questions: int = 10,
    uploads: Sequence[tuple[str, bytes]] = (),
    painters: Mapping[str, Painter] | None = None,
) -> Study:
    """A class that may be joined, with its pictures made. Raises Problem as `make_study` does.

    design: pair or real_or_fake; uploads: photographs (name, bytes), the samples without any.
    """
    taken = {study.name for study in votes.studies()}
    while (name := LIVE + new_code(CODE)) in taken:
        pass
    plan = Plan(
        name, "Live class", design, tuple(models), trials=questions, size=512, consent=CONSENT,
        limit=questions, pictures=UPLOADS if uploads else "samples", reveal=True, live=True,
    )  # fmt: skip
    make_study(votes, plan, uploads, painters)
    open_study(votes, name)
    return votes.study(name)


def list_classes(votes: Votes) -> list[Study]:
    """The classes that are on, newest first."""
    return [
        s for s in votes.studies() if s.name.startswith(LIVE) and s.state == "open" and is_live(s)
    ]


def is_live(study: Study) -> bool:
    """Whether a study is a live class."""
    return trials.plan_of(study).live


def find_class(votes: Votes, code: str) -> Study:
    """The class that is joined by a code. Raises Problem where there is none."""
    try:
        study = votes.study(LIVE + code.strip().lower())
    except Problem:
        study = None
    if study is None or not is_live(study):
        raise Problem("There is no class of that code. It stands on the screen at the front.")
    return study


def code_of(study: Study) -> str:
    """The code that a class is joined by."""
    return study.name.removeprefix(LIVE)


def place_of(study: Study) -> tuple[int, bool]:
    """(number of the question, whether its answer is told); -1 before the first."""
    number, told = divmod(study.stage - 1, 2)
    return (number, bool(told)) if study.stage else (-1, True)


def list_rounds(study: Study) -> list[Round]:
    """The questions of a class: groups of models, pictures and sides balanced, by its seed."""
    plan = trials.plan_of(study)
    models: list[str] = json.loads(study.models)
    sha256 = {entry["picture"]: entry["sha256"] for entry in trials.pictures_of(study)}
    groups = trials.list_groups(plan, models)
    asked: list[Trial] = []
    for number in range(plan.scored):
        random = Random(f"{plan.seed}/{study.name}/{number}")
        tally = [(trial.picture, trial.shown, 1) for trial in asked]
        picture, group = trials.choose_fewest(groups, list(sha256), tally, asked, random)
        shown = trials.order_sides(group, tally, random)
        asked.append(Trial(number=number, picture=picture, shown=",".join(shown)))
    return [
        Round(trial.number, trial.picture, sha256[trial.picture], _pair(trial)) for trial in asked
    ]


def _pair(trial: Trial) -> tuple[str, str]:
    left, right = trial.shown.split(",")
    return left, right


def advance(votes: Votes, study: Study) -> None:
    """To the next stage: a vote begins, or its answer is told. A second click changes nothing."""
    trials.require_open(study)
    if study.stage < 2 * trials.plan_of(study).scored:
        votes.set_stage(study.name, study.stage, study.stage + 1)


def ask(votes: Votes, study: Study, rater: Rater) -> trials.Question | None:
    """The question of the moment for one of the class; None where it is told or answered."""
    trials.require_open(study)
    number, told = place_of(study)
    if told:
        return None
    now = list_rounds(study)[number]
    with votes.lock_rater(study, rater) as lock:
        asked = {trial.number: (trial, answered) for trial, answered in lock.list_trials()}
        trial, answered = asked.get(number, (None, False))
        if trial is None:
            trial = lock.add(
                number=number,
                kind="scored",
                picture=now.picture,
                picture_sha256=now.sha256,
                shown=",".join(now.shown),
            )
    return None if answered else trials.as_question(study, trials.plan_of(study), trial)


def take_vote(votes: Votes, study: Study, rater: Rater, token: str, given: Answer) -> bool | None:
    """Keep an answer to the question of the moment. Raises Refused as `trials.answer` does."""
    study = votes.study(study.name)  # the teacher may have gone on
    number, told = place_of(study)
    trial_id = token.partition(".")[0]
    trial = votes.trial(rater, int(trial_id)) if trial_id.isdecimal() else None
    if trial is not None and (told or trial.number != number):
        raise trials.Refused("That question is over. Look to the front.")
    return trials.answer(votes, study, rater, token, given)


def count_votes(votes: Votes, study: Study) -> tuple[int, dict[str, int]]:
    """(members of the class, votes for each choice of the question of the moment)."""
    plan = trials.plan_of(study)
    members, given = votes.tally(study, place_of(study)[0])
    return members, {
        choice: given.get(choice, 0) for choice in SIDES if choice in trials.CHOICES[plan.design]
    }


def right_side(study: Study, now: Round) -> str | None:
    """The side that is the fake ("left" or "right"); None in a class that compares two networks."""
    if trials.plan_of(study).design != "real_or_fake":
        return None
    return "right" if now.shown[0] == TRUTH else "left"
