"""Taking part in a study: the question on the screen, and the way of its answer to the server."""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime import Runtime

from workbench.errors import Problem
from workbench.study import limits, trials
from workbench.study.export import GROUND
from workbench.study.plans import REFERENCES
from workbench.study.rendering import picture_file
from workbench.study.tables import Rater, Study
from workbench.study.votes import Answer, Votes, new_code
from workbench.ui import state

Taker = Callable[[Votes, Study, Rater, str, Answer], bool | None]  # trials.answer, or its like
COMPONENTS = Path(__file__).parent.parent / "components"
COOKIE = "_streamlit_xsrf"  # version | mask | token under the mask | time
READY_MS = 700  # before the first exposure, so that the eye has come to rest

_question = st.components.v2.component(
    "workbench_question",
    html='<div class="question"></div>',
    css=(COMPONENTS / "question.css").read_text("utf-8"),
    js="\n".join(
        (COMPONENTS / f"{name}.js").read_text("utf-8") for name in ("question", "enlarge")
    ),
)


def address_bucket() -> str:
    """The salted name of the visitor's neighbourhood; the address itself goes no further."""
    forwarded = st.context.headers.get("X-Forwarded-For")
    return state.study_limits().bucket(limits.true_address(st.context.ip_address, forwarded))


def browser() -> str:
    """A name for the visitor's browser: what is in the cookie that Streamlit's server gave it.

    Raises Problem where there is none: without it nobody can tell two visits from two people.
    """
    told = str(st.context.cookies.get(COOKIE) or "").split("|")
    try:
        mask, masked = (bytes.fromhex(part) for part in told[1:3])
    except ValueError:
        mask, masked = b"", b""
    if not mask or not masked:
        raise Problem("This study counts browsers: allow cookies for this page and load it again.")
    token = bytes(byte ^ mask[place % len(mask)] for place, byte in enumerate(masked))
    return hashlib.sha256(token).hexdigest()


def cookie_of(study: Study) -> str:
    """The name of the cookie that keeps a rater's code until the browser is closed."""
    return f"rater_{study.name}"


@contextmanager
def count_guesses() -> Iterator[None]:
    """Around whatever a stranger may guess (codes, invitations): only failures are counted.

    What is known is looked up first and always let in: behind a proxy everybody has one address,
    and one who guesses must not stop the others.
    """
    try:
        yield
    except Problem:
        state.study_limits().count(limits.GUESS, address_bucket())
        raise


def ask(study: Study, rater: Rater) -> bool:
    """Show the rater's next question; False when there is none left."""
    votes = state.study_votes()
    question = trials.next_question(votes, study, rater)
    if question is None:
        return False
    put(study, rater, question, trials.answer)
    return True


def put(
    study: Study, rater: Rater, question: trials.Question, take: Taker, names: Sequence[str] = ()
) -> None:
    """Put a question on the screen; `take` keeps its answer. names: what its pictures are called.

    Pictures with names stay on the screen, in every design.
    """
    draw_ground()
    plan = trials.plan_of(study)
    reference, ahead = (
        _address(study, each, plan.reference) if plan.reference and each else None
        for each in (question, question.ahead)
    )
    feedback = st.session_state.get("study_feedback", {"text": "", "kind": ""})
    practice = question.number < plan.practised
    place = question.number + 1 if practice else question.number + 1 - plan.practised
    of = plan.practised if practice else plan.scored + plan.caught
    _question(
        key="study_question",
        data={
            "token": question.token,
            "attempt": st.session_state.get("study_attempt", 0),
            "design": plan.design,
            "asked": plan.asked,
            "keep": f"{cookie_of(study)}={rater.code}",
            "sources": _addresses(study, question),
            "reference": reference and {"source": reference, "caption": REFERENCES[plan.reference]},
            "ahead": [*_addresses(study, question.ahead), *filter(None, [ahead])],
            "names": list(names) or None,
            "exposure": 0 if names else plan.exposure_ms,
            "gap": plan.gap_ms,
            "minimum": plan.minimum_dwell_ms,
            "wait": READY_MS,
            "progress": f"{'Practice' if practice else 'Question'} {place} of {of}",
            "share": question.number / question.total,
            "feedback": feedback,
        },
        on_answer_change=lambda: _keep_answer(study, rater, question, take),
    )


def _keep_answer(
    study: Study, rater: Rater, question: trials.Question, take: Taker = trials.answer
) -> None:
    """Keep what the browser sent; what was wrong with it is said above the next question."""
    said = st.session_state["study_question"].get("answer")
    st.session_state["study_feedback"] = {"text": "", "kind": ""}
    try:
        state.study_limits().count(limits.VOTE, rater.code)
        token, given = answer_of(said)
        right = take(state.study_votes(), study, rater, token, given)
    except Problem as problem:
        st.session_state["study_refused"] = str(problem)
        st.session_state["study_attempt"] = st.session_state.get("study_attempt", 0) + 1
        return
    if question.kind == "practice" and right is not None:
        text = "Right!" if right else "No, the fake was the other one."
        st.session_state["study_feedback"] = {"text": text, "kind": "right" if right else "wrong"}


def answer_of(said: Any) -> tuple[str, Answer]:
    """(token, Answer) from what a browser sent, which may be anything; Refused if it is nonsense.

    Whether token and choice are possible is for trials.answer to say.
    """
    try:
        exposures = tuple(float(ms) for ms in list(said["exposures_ms"])[:4])
        viewport, shown = str(said["viewport"]), str(said.get("shown_size", ""))
        given = Answer(
            choice=str(said["choice"])[:64],
            shown_at=float(said["shown_at"]),
            answered_at=float(said["answered_at"]),
            dwell_ms=float(said["dwell_ms"]),
            exposures_ms=exposures,
            viewport=viewport if re.fullmatch(r"[0-9x.]{1,32}", viewport) else "",
            shown_size=shown if re.fullmatch(r"\d{1,5}x\d{1,5}", shown) else "",
            theme=_theme(),
            session=_session(),
        )
        return str(said["token"]), given
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        raise trials.Refused("That answer was not understood. Please give it again.") from None


def draw_ground() -> None:
    """One neutral grey in both themes, and nothing on the screen beside the question."""
    st.html(
        "<style>[data-testid='stAppViewContainer'], [data-testid='stMain'],"
        f" [data-testid='stHeader'] {{ background: rgb({GROUND}) !important; }}"
        " [data-testid='stMain'] p,"
        " [data-testid='stMain'] label { color: #000 !important; }"
        " [data-testid='stHeader'] { display: none; }"
        " [data-testid='stMainBlockContainer'] { max-width: none; padding: 0.5rem 0.75rem 1rem; }"
        "</style>"
    )


def _theme() -> str:
    """The theme of the visitor's page: light, dark, or "" where it is not known."""
    kind = getattr(st.context.theme, "type", None)
    return kind if kind in ("light", "dark") else ""


def _session() -> str:
    return st.session_state.setdefault("study_session", new_code())


def mark_once(png: bytes, words: str) -> bytes:
    """A PNG with a text in it that follows from `words` and says nothing of them."""
    body = b"tEXtid\0" + hashlib.sha256(words.encode()).hexdigest().encode()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]  # behind the header


def _addresses(study: Study, question: trials.Question | None) -> list[str]:
    """Where the browser finds the pictures of a question."""
    if question is None:
        return []
    return [_address(study, question, shown, place) for place, shown in enumerate(question.shown)]


def _address(
    study: Study, question: trials.Question, shown: str, place: int | str = "reference"
) -> str:
    """Where the browser finds one picture: another address in every question."""
    data = picture_file(study.name, question.picture_sha256, shown).read_bytes()
    coordinates = f"{question.token}/{place}"
    # the address is made of the bytes: the same picture has another one in every question
    data = mark_once(data, coordinates)
    path = Runtime.instance().media_file_mgr.add(data, "image/png", coordinates=coordinates)
    return f"{st.get_option('server.baseUrlPath').rstrip('/')}{path}"
