"""The password of whoever runs the studies: results and making a study lie behind it."""

from __future__ import annotations

import hashlib
import hmac

import streamlit as st

from workbench import places
from workbench.errors import Problem
from workbench.study import limits
from workbench.ui import state, widgets
from workbench.ui.study import voting


def password() -> str:
    """WORKBENCH_STUDY_PASSWORD, else `study_password` of Streamlit's secrets, else nothing."""
    if given := places.study_password():
        return given
    if st.secrets.load_if_toml_exists():
        return str(st.secrets.get("study_password", ""))
    return ""


def same(given: str, expected: str) -> bool:
    """Whether two texts are equal, in a time that tells nothing about where they differ."""
    digests = (hashlib.sha256(text.encode()).digest() for text in (given, expected))
    return hmac.compare_digest(*digests)


def may() -> bool:
    """Whether this visitor may start and stop things: nobody set a password, or they know it."""
    expected = password()
    given = st.session_state.get("study_gate")
    return not expected or given == hashlib.sha256(expected.encode()).hexdigest()


def require_password() -> None:
    """Go on only for whoever knows the password; stops the page otherwise."""
    expected = password()
    if not expected:
        st.info(
            "This page needs a password, and none is set. Start the workbench with "
            "`WORKBENCH_STUDY_PASSWORD=...`, or put `study_password` into Streamlit's secrets."
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
    here, bucket = state.study_limits(), voting.address_bucket()
    here.check(limits.PASSWORD, bucket)
    here.check(limits.PASSWORDS, "all")
    if same(given, expected):
        return True
    here.count(limits.PASSWORD, bucket)
    here.count(limits.PASSWORDS, "all")
    return False
