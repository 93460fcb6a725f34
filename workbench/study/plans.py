"""What a study asks: its plan, read from YAML or from a page, checked, and frozen when opened."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import Problem
from workbench.study import recruiting
from workbench.study.raters import FlagRules

DESIGNS = {
    "pair": "Which of two colourizations looks more natural: left, right, or no difference",
    "real_or_fake": "Which of two pictures, each shown for a second, was coloured by a computer",
    "rank": "Put the colourizations of one picture in order, best first",
}
ARENA = "arena"  # the standing study of the page Arena: its name, and its design
LIVE = "live-"  # begins the name of a live class; what follows is the code to join by
TRUTH = "truth"  # the photograph's own colours
GREY = "grey"  # the photograph without its colours
CATCH = "catch"  # the photograph with its hues rotated by 180°: nobody attentive prefers it

REFERENCES = {  # what may stand beside the pictures of every question, and its caption
    "": "nothing",
    GREY: "Black and white original",
    TRUTH: "Original colours",
}
QUESTIONS = {
    "pair": "Which colours look more natural?",
    "real_or_fake": "Which of the two is the fake?",
    "rank": "Which colours are best? Put the pictures in order.",
}
INSTRUCTIONS = {
    "pair": "You will see the same photograph twice, coloured by two different methods. "
    "Choose the one whose colours look **more natural** to you; choose *no difference* if you "
    "cannot.",
    "real_or_fake": "Two versions of a photograph appear, one after the other, for a second each. "
    "One has its original colours; the other was coloured by a computer. **Name the fake.**",
    "rank": "You will see one photograph coloured by several methods. "
    "Put them in order, from the **best** colours to the worst.",
}
CONSENT = (
    "Your answers are stored under a random code, with the times they took and the size of your "
    "window; no name, no address. They may be published as research data. You can stop at any "
    "time, and have everything deleted with the code that you are given."
)


@dataclass(frozen=True)
class Plan:
    """Everything that defines a study; stored as written when the study is opened."""

    name: str  # in links and file names: a-z, 0-9 and -
    title: str = ""
    design: str = "pair"
    models: tuple[str, ...] = ()  # empty: every model with a checkpoint
    pictures: str = "samples"  # "samples" (those of scikit-image) or a source that --data takes
    limit: int = 24  # pictures taken from the source
    reference: str = ""  # beside the pictures of every question: grey, truth, or nothing
    size: int = 256  # side of the square that is shown, pixels
    trials: int = 0  # scored trials per rater; 0: 50 for real_or_fake, 20 for pair, 10 for rank
    practice: int = -1  # -1: 10 with feedback for real_or_fake, else 2
    catch: int = -1  # hidden checks of attention among the scored trials; -1: one in ten
    exposure_ms: int = 1000  # real_or_fake: how long each picture shows
    gap_ms: int = 600  # real_or_fake: nothing shown, between the two
    minimum_dwell_ms: int = 250  # an answer before that is not taken
    question: str = ""  # above the pictures of every trial; empty: the design's own
    instructions: str = ""  # Markdown; HTML in it is shown, not run
    consent: str = CONSENT
    invites: int = 0  # one-time invitation codes; 0: open to everybody with the link
    browsers: int = 0  # raters that may begin from one browser in a day; 0: no bound
    raters: int = 0  # no more than so many may begin; 0: no bound
    link_parameters: tuple[str, ...] = ()  # a platform's, the person first: recruiting.PLATFORMS
    completion: str = ""  # shown at the end: an https address to go back to, or a code
    screened_out: str = ""  # the same for whoever may not take part
    normal_vision: bool = False  # only raters who see colours as most people do
    reveal: bool = False  # raters see at the end whose colours they preferred
    live: bool = False  # a class: everybody gets the same question when the teacher says so
    seed: int = 0
    exclude_flagged: bool = False  # the headline figure, declared before the first vote
    flag_dwell_ms: float = FlagRules.dwell_ms
    flag_catch_share: float = FlagRules.catch_share
    flag_side_p: float = FlagRules.side_p
    flag_outlier_z: float = FlagRules.outlier_z

    def __post_init__(self) -> None:
        check(self)

    @property
    def scored(self) -> int:
        return self.trials or {"pair": 20, "real_or_fake": 50, "rank": 10, ARENA: 0}[self.design]

    @property
    def practised(self) -> int:
        if self.design == ARENA or self.live:
            return 0
        return (10 if self.design == "real_or_fake" else 2) if self.practice < 0 else self.practice

    @property
    def caught(self) -> int:
        if self.design in ("rank", ARENA) or self.live:
            return 0
        return self.scored // 10 if self.catch < 0 else self.catch

    @property
    def total(self) -> int:
        """Trials of one rater: practice, scored and catch."""
        return self.practised + self.scored + self.caught

    @property
    def rules(self) -> FlagRules:
        return FlagRules(
            self.flag_dwell_ms, self.flag_catch_share, self.flag_side_p, self.flag_outlier_z
        )

    @property
    def guidance(self) -> str:
        return self.instructions or INSTRUCTIONS.get(self.design, "")

    @property
    def asked(self) -> str:
        """What stands above the pictures of every trial."""
        return self.question.strip() or QUESTIONS.get(self.design, "")

    def takes(self, vision: str) -> bool:
        """Whether somebody who sees colours so ("normal", "deficient" ...) may take part."""
        return vision == "normal" or not self.normal_vision

    @property
    def agreed(self) -> str:
        """What a rater agrees to: the consent, and what a platform tells of them."""
        if not self.link_parameters:
            return self.consent
        told = recruiting.CONSENT.format(names=", ".join(self.link_parameters))
        return f"{self.consent}\n\n{told}"

    @property
    def consent_version(self) -> str:
        """The first 12 hex digits of the sha256 of what is agreed to."""
        return hashlib.sha256(self.agreed.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        lists = {name: list(getattr(self, name)) for name in ("models", "link_parameters")}
        return {**dataclasses.asdict(self), **lists}


def check(plan: Plan) -> None:
    """Raise Problem where a plan cannot be carried out."""

    def refuse(what: str) -> None:
        raise Problem(f"study {plan.name!r}: {what}")

    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", plan.name):
        raise Problem(
            f"A study's name is part of its link: small letters, digits and -, not {plan.name!r}."
        )
    if (plan.name == ARENA) != (plan.design == ARENA):
        refuse(f"the name {ARENA!r} belongs to the page Arena. Choose another.")
    if plan.design not in (*DESIGNS, ARENA):
        refuse(f"design must be one of {', '.join(DESIGNS)}, not {plan.design!r}.")
    if plan.live and (plan.design == "rank" or not re.fullmatch(LIVE + "[a-z0-9]{4,}", plan.name)):
        refuse(f"a live class asks for a pair or real_or_fake, and is named {LIVE}CODE.")
    bounds = {
        "limit": (1, 2000), "size": (64, 1024), "trials": (0, 1000), "practice": (-1, 100),
        "catch": (-1, 100), "exposure_ms": (50, 60_000), "gap_ms": (0, 10_000),
        "minimum_dwell_ms": (0, 10_000), "invites": (0, 10_000), "browsers": (0, 1000),
        "raters": (0, 1_000_000),
    }  # fmt: skip
    for name, (low, high) in bounds.items():
        value = getattr(plan, name)
        if not low <= value <= high:
            refuse(f"{name} must lie between {low} and {high}, not {value}.")
    if plan.reference not in REFERENCES:
        refuse(f"reference must be {GREY}, {TRUTH} or empty, not {plan.reference!r}.")
    if plan.reference and plan.design == "real_or_fake":
        refuse("a reference would tell the fake; only pair and rank may have one.")
    if plan.reference == TRUTH and TRUTH in plan.models:
        refuse(f"{TRUTH!r} cannot be compared and be the reference, too.")
    for name in plan.link_parameters:
        if not re.fullmatch(r"\w{1,64}", name) or name in ("study", "rater", "invite"):
            refuse(f"{name!r} cannot be a parameter of its link.")
    for name in ("completion", "screened_out"):
        if len(getattr(plan, name)) > 500:
            refuse(f"{name} is longer than 500 letters.")
    if len(plan.question) > 200:
        refuse("question is longer than 200 letters.")
    if len(set(plan.models)) != len(plan.models):
        refuse("a model is named twice.")
    if {TRUTH, CATCH} & set(plan.models) - ({TRUTH} if plan.design != "real_or_fake" else set()):
        refuse(f"{TRUTH!r} and {CATCH!r} are not models.")
    needed = 1 if plan.design == "real_or_fake" else 2
    if plan.models and len(plan.models) < needed:
        refuse(f"design {plan.design} compares at least {needed} models.")


def plan_from(fields: Mapping[str, Any], where: str = "the study") -> Plan:
    """A Plan from plain values (YAML, a form, the database); says which field is wrong."""
    if not isinstance(fields, Mapping):
        raise Problem(f"{where}: expected lines of the form `name: value`.")
    known = {field.name: field for field in dataclasses.fields(Plan)}
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise Problem(f"{where}: {', '.join(unknown)} is no field of a study; {', '.join(known)}.")
    if "name" not in fields:
        raise Problem(f"{where}: a study needs a name.")
    values: dict[str, Any] = {}
    for name, value in fields.items():
        kind = type(known[name].default) if name != "name" else str
        if kind is tuple:
            value = value.split(",") if isinstance(value, str) else value
            if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
                raise Problem(f"{where}: {name} must be a list of names, not {value!r}.")
            value = tuple(v.strip() for v in value)
        elif kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise Problem(f"{where}: {name} must be of kind {kind.__name__}, not {value!r}.")
        values[name] = value
    return Plan(**values)


def read_plan(path: Path) -> Plan:
    """A Plan from a YAML file."""
    import yaml

    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Problem(f"There is no file {path}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Problem(f"{path} is not YAML: {error}") from None
    return plan_from(fields, str(path))
