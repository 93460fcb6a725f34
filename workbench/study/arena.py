"""The arena: a standing study in which every visitor votes on a photograph of their own choice.

It lies in the same tables as every other study, under a name and a design of its own, and is never
mixed with one. Who is compared is chosen by the server, the pair with the fewest votes first,
sides balanced; a vote is taken by `trials.answer` like any other. Of a visitor's photograph only a
keyed hash is kept, unless its owner wants it kept.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from workbench import places
from workbench.errors import Problem
from workbench.study import trials
from workbench.study.confounders import measure_confounders
from workbench.study.plans import ARENA, Plan
from workbench.study.results import Results, adjust, analyse, list_models
from workbench.study.votes import Answer, Votes
from workbench.writing import write_whole

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.study.ranking import Adjusted
    from workbench.study.tables import Rater, Study

UPLOAD = "upload"  # what a visitor's own photograph is called
OWN_FROM = 10  # votes after which a visitor is shown a ranking of their own
CONSENT = (
    "Your votes are stored under a random code, with their times; no name, no address. Of your own "
    "photograph nothing is kept but a keyed hash. The votes may be published as research data."
)
KEEP = (
    "Keep my photograph with my vote, to be coloured again by later networks in research on "
    "colourization. It is not published."
)
CHOICES = {
    "left": "A is better",
    "right": "B is better",
    "tie": "Both are good",
    "bad": "Both are bad",
}


@dataclass(frozen=True)
class Battle:
    """Two networks on one photograph. `shown` names them: it stays on the server until the vote."""

    token: str
    picture: str
    shown: tuple[str, str]  # "name@revision", left and right
    started: float  # seconds since 1970, the server's clock


def open_arena(votes: Votes) -> Study:
    """The standing study, made on the first visit. Raises Problem where its owner closed it."""
    try:
        study = votes.study(ARENA)
    except Problem:
        try:
            votes.create_study(Plan(ARENA, "Arena", ARENA, consent=CONSENT).to_dict())
            votes.set_state(ARENA, "open")
        except Problem:  # another visitor came at the same moment
            pass
        study = votes.study(ARENA)
    if study.state == "draft":
        votes.set_state(ARENA, "open")
        study = votes.study(ARENA)
    trials.require_open(study)
    return study


def add_visitor(votes: Votes, study: Study) -> Rater:
    """A new rater of the arena, under a random code."""
    return votes.add_rater(study, trials.plan_of(study).consent_version, "unsaid")


def choose_pair(
    votes: Votes, study: Study, rater: Rater, contestants: Sequence[str], random: Random
) -> tuple[str, str]:
    """Two of the contestants ("name@revision"), left and right: the pair with the fewest votes.

    Each member stands on each side alike often. Raises Problem with fewer than two.
    """
    if len(contestants) < 2:
        raise Problem("An arena needs two networks; choose or fetch another.")
    with votes.lock_rater(study, rater) as lock:
        tally = lock.count_shown(votes.clock() - trials.PENDING_SECONDS)
    pairs = list(itertools.combinations(contestants, 2))
    _, pair = trials.choose_fewest(pairs, [""], tally, [], random)
    left, right = trials.order_sides(pair, tally, random)
    return left, right


def start_battle(
    votes: Votes,
    study: Study,
    rater: Rater,
    picture: str,
    sha256: str,
    shown: tuple[str, str],
    painted: tuple[Tensor, Tensor],
) -> Battle:
    """Note what is shown to whom, with the measures of both pictures.

    picture: a sample's name or UPLOAD; sha256: of the photograph's file, kept under the study's
    key, so that nobody can look for a photograph by it; painted: uint8 RGB (3, H, W) left and
    right.
    """
    measures = json.dumps([measure_confounders(rgb) for rgb in painted])
    with votes.lock_rater(study, rater) as lock:
        trial = lock.add(
            number=len(lock.list_trials()),
            kind="scored",
            picture=picture,
            picture_sha256=_key_picture(study, sha256),
            shown=",".join(shown),
            measures=measures,
        )
    return Battle(trials.sign(study, trial), picture, shown, votes.clock())


def take_vote(
    votes: Votes,
    study: Study,
    rater: Rater,
    battle: Battle,
    choice: str,
    session: str = "",
    theme: str = "",
) -> None:
    """Keep a visitor's choice (one of CHOICES). Raises Refused as `trials.answer` does."""
    now = votes.clock()
    trials.answer(
        votes,
        study,
        rater,
        battle.token,
        Answer(
            choice=choice,
            shown_at=battle.started * 1000,
            answered_at=now * 1000,
            dwell_ms=(now - battle.started) * 1000,
            session=session,
            theme=theme,
        ),
    )


def keep_photograph(study: Study, sha256: str, png: bytes) -> Path:
    """Store a photograph whose owner wants it kept, under its keyed hash, beside the database.

    sha256: of the file it came as; png: its pixels alone, without place or camera.
    """
    folder, name = places.studies() / ARENA / "photographs", f"{_key_picture(study, sha256)}.png"
    write_whole(folder, {name: png})
    return folder / name


def _key_picture(study: Study, sha256: str) -> str:
    return hmac.new(bytes.fromhex(study.secret), sha256.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Standing:
    """The arena's table: what everybody's votes say, and what is left beside colourfulness."""

    results: Results
    adjusted: Adjusted | None

    def table(self) -> list[dict[str, object]]:
        """A row per network, the strongest first: strength with interval, votes, share won."""
        place = {shown: i for i, shown in enumerate(self.results.models)}
        rows = []
        for row in self.results.table():
            i = place[f"{row['model']}@{row['revision']}"]
            games = row["comparisons"]
            rows.append(
                {
                    "rank": row["rank"],
                    "model": row["model"],
                    "revision": row["revision"],
                    "strength": row["strength"],
                    "low": row["low"],
                    "high": row["high"],
                    "votes": int(games),
                    "won": row["wins"] / games if games else None,
                    "alike": None if self.adjusted is None else float(self.adjusted.strength[i]),
                    "explained": None
                    if self.adjusted is None
                    else float(self.adjusted.explained[i]),
                }
            )
        return rows


def load_standing(votes: Votes, study: Study, only: str | None = None) -> Standing:
    """The table of all votes, or of one visitor's (`only`: their code)."""
    rows = [row for row in votes.rows(study) if only in (None, row["rater"])]
    models = list_models(study, rows)
    plan = trials.plan_of(study)
    adjusted = None if only else adjust(plan, models, rows, lambda row: json.loads(row["measures"]))
    return Standing(analyse(plan, models, rows), adjusted)


def compare_orders(own: Standing, everybody: Standing) -> list[dict[str, object]]:
    """A row per network that a visitor saw: its place by their votes, and by everybody's."""
    theirs = {(row["model"], row["revision"]): row["rank"] for row in everybody.table()}
    return [
        {
            "model": row["model"],
            "yours": row["rank"],
            "everybody's": theirs.get((row["model"], row["revision"])),
            "won": row["won"],
        }
        for row in own.table()
    ]
