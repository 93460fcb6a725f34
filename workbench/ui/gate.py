"""The password of whoever runs the studies: results and making a study lie behind it."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from workbench import places
from workbench.errors import Problem
from workbench.samples import FOLDER as SAMPLES
from workbench.study import limits
from workbench.ui import state, widgets


def password() -> str:
    """WORKBENCH_STUDY_PASSWORD, else `study_password` of Streamlit's secrets, else nothing."""
    if given := places.study_password():
        return given
    if st.secrets.load_if_toml_exists():
        return str(st.secrets.get("study_password", ""))
    return ""


def is_same_text(given: str, expected: str) -> bool:
    """Whether two texts are equal, in a time that tells nothing about where they differ."""
    digests = (hashlib.sha256(text.encode()).digest() for text in (given, expected))
    return hmac.compare_digest(*digests)


def may_control() -> bool:
    """Whether this visitor may start and stop things, and name folders of this server.

    Who knows the password may; where none is set, only visitors of their own machine.
    """
    if not (expected := password()):
        return places.is_local()
    given = st.session_state.get("study_gate")
    return given == hashlib.sha256(expected.encode()).hexdigest()


def check_folder(path: Path, roots: Sequence[Path]) -> None:
    """Problem where this visitor may not look into `path`.

    On one's own machine every folder is open; with a password those below `roots`.
    """
    if not may_control():
        raise Problem("Folders of this server are open only to those who know its password.")
    if places.is_local():
        return
    whole = path.expanduser().resolve()
    if not any(whole.is_relative_to(root.resolve()) for root in roots):
        raise Problem(
            "That is not one of this server's folders of data or runs. Whoever runs it names one "
            "with WORKBENCH_DATA or WORKBENCH_RUNS."
        )


def check_source(text: str) -> None:
    """Problem where this visitor may not use what `--data` would take: see `check_folder`."""
    kind, colon, rest = text.strip().partition(":")
    if colon and kind in ("hub", "torchvision", "kaggle"):
        if not may_control():
            raise Problem("Downloads are open only to those who know this server's password.")
        return
    path = rest.rpartition("@")[0] or rest if colon and kind == "video" else text.strip()
    before = Path(re.split(r"[*?\[]", path)[0])  # a pattern: the folder before its first wildcard
    if ".." in Path(path).parts:
        before = Path("/")
    check_folder(before, [SAMPLES, *([Path(places.data())] if places.data() else [])])


def require_password() -> None:
    """Go on only for whoever knows the password; stops the page otherwise."""
    expected = password()
    if not expected and places.is_local():
        return
    if not expected:
        st.info(
            "This page needs a password, and none is set. Start the workbench with "
            "`WORKBENCH_STUDY_PASSWORD=...`, or put `study_password` into Streamlit's secrets; on "
            "your own machine `make run` opens it."
        )
        st.stop()
    if st.session_state.get("study_gate") == hashlib.sha256(expected.encode()).hexdigest():
        return
    with st.form("password", border=False):
        given = st.text_input("Password", type="password")
        sent = st.form_submit_button("Open")
    if sent:
        try:
            if _right(given, expected):
                st.session_state["study_gate"] = hashlib.sha256(expected.encode()).hexdigest()
                st.rerun()
            st.error("That is not the password.")
        except Problem as problem:
            widgets.show_problem(problem)
    st.stop()


def _right(given: str, expected: str) -> bool:
    """Compare; Problem after too many wrong ones from one neighbourhood, or from everywhere."""
    from workbench.ui.study import voting  # SQLAlchemy, for which no picture should wait

    here, bucket = state.study_limits(), voting.address_bucket()
    here.check(limits.PASSWORD, bucket)
    here.check(limits.PASSWORDS, "all")
    if is_same_text(given, expected):
        return True
    here.count(limits.PASSWORD, bucket)
    here.count(limits.PASSWORDS, "all")
    return False
