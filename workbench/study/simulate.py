"""A study with simulated raters of known taste: for classrooms, for planning, and for tests."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import Problem
from workbench.study.plans import INSTRUCTIONS, TRUTH, Plan
from workbench.study.rendering import make_study, open_study
from workbench.study.tables import Rater, Study
from workbench.study.trials import Question, answer, model_name, next_question, plan_of
from workbench.study.votes import Answer, Votes

if TYPE_CHECKING:
    from torch import Tensor

TITLE = "Simulated"  # every simulated study's title begins so
TRY = Plan(
    name="try", title="A study to try", trials=5, practice=1, catch=1, size=384, limit=8,
    reveal=True,
    instructions=f"{INSTRUCTIONS['pair']}\n\nThe colours in this one were made by arithmetic; it "
    "shows what taking part is like.",
)  # fmt: skip
START = 1_767_258_000.0  # 2026-01-01 09:00 UTC


class Clock:
    """Seconds since 1970 that pass only when told."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def simulate(
    url: str | None = None,
    *,
    name: str = "demo",
    design: str = "pair",
    raters: int = 30,
    trials: int = 20,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Votes, Study]:
    """Fill a study with simulated raters, and close it; the same arguments give the same votes.

    The pictures are the samples, recoloured by arithmetic in place of networks. An earlier
    simulation of that name is replaced; a real study never.
    """
    if raters < 1 or trials < 1:
        raise Problem("A simulation needs at least one rater and one trial.")
    clock = Clock()
    votes = Votes(url, clock, durable=False)
    for study in votes.studies():
        if study.name == name:
            if not plan_of(study).title.startswith(TITLE):
                raise Problem(f"Study {name!r} is real; choose another --name to simulate.")
            votes.delete_study(study)
    plan = Plan(
        name=name,
        title=f"{TITLE}: {design.replace('_', ' ')}",
        design=design,
        trials=trials,
        seed=seed,
        size=128,
        limit=8,
    )
    names = _model_names()
    painters = {f"{model}@simulated": _painter(place) for place, model in enumerate(names)}
    make_study(votes, plan, painters=painters)
    open_study(votes, name)
    study = votes.study(name)
    rng = np.random.default_rng([seed, 7])
    for place in range(raters):
        clock.now = START + 60.0 * place
        _take_part(votes, study, clock, rng, names, f"{name}/{seed}/{place}")
        progress(place + 1, raters)
    votes.set_state(name, "closed")
    return votes, votes.study(name)


def study_to_try(votes: Votes) -> Study:
    """The study TRY, open for visitors where there is no other; made when asked for first."""
    if TRY.name not in {study.name for study in votes.studies()}:
        painters = {f"arithmetic-{place}@1": _painter(place) for place in (0, 2, 4)}
        make_study(votes, TRY, painters=painters)
        open_study(votes, TRY.name)
    return votes.study(TRY.name)


def _take_part(
    votes: Votes, study: Study, clock: Clock, rng: np.random.Generator, names: list[str], who: str
) -> Rater:
    """One rater from consent to the end; one in fifteen does not look."""
    strength = dict(zip(names, strengths(len(names)), strict=True))
    own = {model: value + 0.3 * rng.standard_normal() for model, value in strength.items()}
    careless = rng.random() < 1 / 15
    vision = str(rng.choice(["normal", "deficient", "unsaid"], p=[0.92, 0.05, 0.03]))
    code = "sim" + hashlib.sha256(who.encode()).hexdigest()[:12]
    rater = votes.add_rater(study, plan_of(study).consent_version, vision, code=code)
    while question := next_question(votes, study, rater):
        dwell = float(rng.lognormal(math.log(300 if careless else 2200), 0.4))
        dwell = max(dwell, plan_of(study).minimum_dwell_ms + 1)
        choice = _choose(question, plan_of(study).design, own, careless, rng)
        shown_at = clock.now * 1000
        exposed: tuple[float, ...] = ()
        if plan_of(study).design == "real_or_fake":
            exposed = tuple(float(ms) for ms in 1000 + rng.normal(0, 4, 2))
        clock.wait(dwell / 1000 + 0.2)
        given = Answer(
            choice=choice,
            shown_at=shown_at,
            answered_at=shown_at + dwell,
            dwell_ms=dwell,
            exposures_ms=exposed,
            viewport="1280x800x1",
            shown_size="480x480",
            theme="light",
            session=code,
        )
        answer(votes, study, rater, question.token, given)
    return rater


def _choose(
    question: Question,
    design: str,
    own: dict[str, float],
    careless: bool,
    rng: np.random.Generator,
) -> str:
    shown = [model_name(one) for one in question.shown]
    if design == "rank":
        noise = rng.gumbel(size=len(shown))
        liking = [own.get(model, 0.0) * (not careless) + n for model, n in zip(shown, noise)]  # noqa: B905
        return ",".join(str(i) for i in np.argsort(-np.array(liking)))
    if careless:
        return "left" if rng.random() < 0.9 else "right"
    if question.kind == "catch":
        photograph = "left" if shown[0] == TRUTH else "right"
        if design == "pair":
            return photograph
        return "right" if photograph == "left" else "left"
    if design == "real_or_fake":
        fake = next(model for model in shown if model != TRUTH)
        fooled = rng.random() < 0.5 / (1 + math.exp(1.0 - own[fake]))
        fake_side, other = ("left", "right") if shown[0] == fake else ("right", "left")
        return other if fooled else fake_side
    if rng.random() < 0.1:
        return "tie"
    gap = own[shown[0]] - own[shown[1]]
    return "left" if rng.random() < 1 / (1 + math.exp(-gap)) else "right"


def strengths(models: int) -> Sequence[float]:
    """The true strengths of so many models, in the order of the registry: best first."""
    return np.linspace(0.9, -0.9, models).tolist()


def _model_names() -> list[str]:
    from workbench.models import MODELS

    return list(MODELS)


def _painter(place: int) -> Callable[[Tensor], Tensor]:
    """A stand-in for a network: chroma times something, hue rotated a little."""
    import torch

    from workbench import color

    chroma, angle = (0.9, 0.7, 0.55, 0.4, 0.25)[place % 5], 0.15 * place
    rotation = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )

    def paint(rgb: Tensor) -> Tensor:
        L, ab = color.split_lab(rgb)
        return color.join_rgb(L, chroma * torch.einsum("ij,jhw->ihw", rotation, ab))

    return paint
