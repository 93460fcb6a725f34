"""Raters sent by a recruiting platform: who they are there, and how they get back.

A platform opens the study's link with parameters of its own. The first of them names the person;
all are kept beside the anonymous code, and leave only in a file of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from workbench.errors import Problem

if TYPE_CHECKING:
    from workbench.study.tables import Rater

PLATFORMS = {  # the parameters of a link, the person first
    "Prolific": ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID"),
    "Mechanical Turk": ("workerId", "assignmentId", "hitId"),
    "SONA": ("survey_code",),
}
CONSENT = (
    "The platform that sent you gives us the name you have there ({names}). It is stored beside "
    "your code so that you can be paid, in a file of its own that is not published."
)
VALUE = re.compile(r"[\w.@:+=-]{1,128}")


def read_recruited(names: Sequence[str], parameters: Mapping[str, str]) -> dict[str, str]:
    """What the link says of the rater, by a plan's `link_parameters`; {} where it names none.

    Raises Problem where the person is missing or a value is no identifier.
    """
    found = {name: parameters[name] for name in names if parameters.get(name)}
    if names and names[0] not in found:
        raise Problem(
            "This study takes those who were sent by its platform: open it by the link there, "
            f"which carries {names[0]}."
        )
    for name, value in found.items():
        if not VALUE.fullmatch(value):
            raise Problem(f"The {name} of this link is no identifier. Open the link again.")
    return found


def name_parameters(platform: str, other: str) -> list[str]:
    """The parameters of a platform by its name; of one that we do not know, those in `other`."""
    if platform in PLATFORMS or platform == "nobody":
        return list(PLATFORMS.get(platform, ()))
    return [name.strip() for name in other.split(",") if name.strip()]


def person_of(names: Sequence[str], recruited: Mapping[str, str]) -> str | None:
    """Who may take part only once; None where no platform says."""
    return recruited.get(names[0]) if names else None


def is_address(text: str) -> bool:
    """Whether an ending is the address of a page; else it is a code to copy."""
    parts = urlsplit(text)
    return parts.scheme == "https" and bool(parts.netloc)


def list_recruited(raters: list[Rater]) -> list[dict[str, str]]:
    """Rows of recruited.csv: the anonymous code and what the platform gave, for who was sent."""
    return [
        {"rater": rater.code, **json.loads(rater.recruited)} for rater in raters if rater.recruited
    ]
