"""The way through a study: which one, consent, question after question, thanks, withdrawal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.errors import Problem
from workbench.names import escape_markdown
from workbench.study import limits, recruiting, simulate, trials
from workbench.study.plans import ARENA
from workbench.ui import gate, state
from workbench.ui.study.voting import address_bucket, ask, browser, count_guesses
from workbench.ui.widgets import show_problem

if TYPE_CHECKING:
    from workbench.study.tables import Study
    from workbench.study.votes import Votes

VISION = {
    "normal": "I see colours as most people do",
    "deficient": "I have a colour vision deficiency",
    "unsure": "I am not sure",
    "unsaid": "I would rather not say",
}


def choose_study() -> None:
    """The open studies, each with a link."""
    st.title("User studies")
    votes = state.study_votes()
    opened = [s for s in votes.studies() if s.state == "open" and s.name != ARENA]
    st.write(
        "Which colours look right is for people to say. Whoever takes part sees pictures without "
        "the names of the models that coloured them."
    )
    for study in opened:
        try:
            plan = trials.plan_of(study)
        except Problem as problem:
            show_problem(problem)
            continue
        with st.container(border=True):
            st.subheader(escape_markdown(plan.title or plan.name), anchor=False)
            st.write(plan.guidance)
            minutes = max(1, round(plan.total * (7 if plan.design == "rank" else 5) / 60))
            st.caption(f"{plan.total} questions, about {minutes} min")
            if st.button("Take part", key=f"take_{study.name}", type="primary"):
                st.query_params["study"] = study.name
                st.rerun()
    if not opened:
        offer_study(votes)
    withdraw()


def offer_study(votes: Votes) -> None:
    """Where no study is open: one to try, and the ways to make one."""
    st.write("No study is open now.")
    fresh = simulate.TRY.name not in {study.name for study in votes.studies()}
    if (
        fresh
        and gate.may_control()
        and st.button("Try one", type="primary", help="Questions about sample pictures.")
    ):
        with st.spinner("Colouring the samples…"):
            st.query_params["study"] = simulate.study_to_try(votes).name
        st.rerun()
    st.page_link("pages/study_new.py", label="Make a study", icon=":material/add_box:")
    st.page_link("pages/study_results.py", label="See results", icon=":material/bar_chart:")
    st.caption(
        "Or from a terminal: `python -m workbench study create study.yaml`; "
        "`python -m workbench study simulate` fills one with 30 simulated raters."
    )


def join(study: Study) -> None:
    """Instructions, consent, colour vision; then the rater's code goes into the link."""
    plan = trials.plan_of(study)
    st.title(escape_markdown(plan.title or plan.name), anchor=False)
    trials.require_open(study)
    recruited = recruiting.read_recruited(plan.link_parameters, st.query_params)
    st.markdown(plan.guidance)
    with st.form("consent", border=False):
        st.markdown(plan.agreed)
        vision = st.radio("Colour vision", list(VISION), format_func=VISION.get, index=None)
        invite = None
        if plan.invites:
            invite = st.text_input("Invitation", st.query_params.get("invite", "")).strip()
        begin = st.form_submit_button("I agree; begin", type="primary")
    if begin:
        if vision is None:
            raise Problem("Please say how you see colours; every one of the four answers will do.")
        if not plan.takes(vision):
            st.info("This study needs raters who see colours as most people do. Thank you!")
            show_ending(plan.screened_out)
            st.stop()
        here = state.study_limits()
        if not plan.invites:  # an invitation is proof enough, and counted once by itself
            here.count(limits.BEGIN, address_bucket())
        one = (limits.BROWSER, plan.browsers, limits.DAY)
        if plan.browsers:
            here.check(one, browser())
        with count_guesses():
            rater = state.study_votes().add_rater(
                study, plan.consent_version, vision, invite=invite, bound=plan.raters,
                person=recruiting.person_of(plan.link_parameters, recruited), recruited=recruited,
            )  # fmt: skip
        if plan.browsers:
            here.count(one, browser())
        st.query_params.from_dict({"study": study.name, "rater": rater.code})
        st.rerun()
    with st.expander("I have begun already"), st.form("again", border=False):
        code = st.text_input("Your code").strip()
        if st.form_submit_button("Go on") and code:
            st.query_params.from_dict({"study": study.name, "rater": code})
            st.rerun()


def vote(study: Study, code: str) -> None:
    """Question after question, then thanks and the code."""
    with count_guesses():
        rater = state.study_votes().rater(study, code)
        if rater is None:
            del st.query_params["rater"]
            raise Problem("No answers are stored under that code. Check it, or begin again.")
    if refused := st.session_state.pop("study_refused", None):
        st.info(escape_markdown(refused))
    if ask(study, rater):
        note = f"You can stop and come back by this link. Your code is `{rater.code}`."
        st.caption(note, text_alignment="center")
        return
    st.title("Thank you!", anchor=False)
    st.write("Your answers are stored. Keep this code: with it you can have them deleted.")
    st.code(rater.code, language=None)
    show_ending(trials.plan_of(study).completion)
    withdraw()


def show_ending(ending: str) -> None:
    """The way back to the platform that sent a rater: a button, or a code to copy."""
    if recruiting.is_address(ending):
        st.link_button("Back to where you came from", ending, type="primary")
    elif ending:
        st.write("Give this code where you came from:")
        st.code(ending, language=None)


def withdraw() -> None:
    """Delete a rater's answers by their code."""
    with st.expander("Delete my answers"), st.form("withdraw", border=False):
        code = st.text_input("Your code", key="withdraw_code").strip()
        if st.form_submit_button("Delete for good") and code:
            with count_guesses():
                gone = state.study_votes().delete_rater(code)
            st.success(f"Deleted, with {gone} answers.")
