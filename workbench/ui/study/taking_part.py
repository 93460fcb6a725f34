"""The way through a study: which one, consent, question after question, thanks, withdrawal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import streamlit as st

from workbench.errors import Problem
from workbench.names import escape_markdown
from workbench.study import limits, own, recruiting, rendering, simulate, trials
from workbench.study.plans import ARENA, LIVE
from workbench.ui import gate, state
from workbench.ui.study.voting import (
    address_bucket,
    ask,
    browser,
    cookie_of,
    count_guesses,
)
from workbench.ui.widgets import show_problem

if TYPE_CHECKING:
    from workbench.study.tables import Rater, Study
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
    opened = [
        study
        for study in votes.studies()
        if study.state == "open" and study.name != ARENA and not study.name.startswith(LIVE)
    ]
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


def tell_state(study: Study) -> None:
    """A study that takes no answers says so; who took part finds their code and their choices."""
    plan = trials.plan_of(study)
    st.title(escape_markdown(plan.title or plan.name), anchor=False)
    try:
        trials.require_open(study)
    except Problem as problem:
        st.info(escape_markdown(problem))
    code = recall(study)
    if rater := state.study_votes().rater(study, code) if code else None:
        st.write("Your answers are stored under this code.")
        st.code(rater.code, language=None)
        show_own(study, rater)
    withdraw()


def recall(study: Study) -> str | None:
    """The code under which this browser takes part, after Back or a reload, too; None if unknown.

    Where a platform names its raters, another person in the same browser is another rater.
    """
    known = st.session_state.setdefault("study_codes", {})
    code = st.query_params.get("rater") or known.get(study.name)
    if code is None and study.name not in known:
        told = str(st.context.cookies.get(cookie_of(study)) or "")
        code = told if re.fullmatch(r"\w{1,32}", told) else None
    names = trials.plan_of(study).link_parameters
    if code and names and (given := st.query_params.get(names[0])):
        rater = state.study_votes().rater(study, code)
        code = code if rater and rater.person == given else None
    return code


def join(study: Study) -> None:
    """Instructions, consent, colour vision; then the rater's code goes into the link."""
    plan = trials.plan_of(study)
    if code := recall(study):
        st.query_params.from_dict({"study": study.name, "rater": code})
        st.rerun()
    st.title(escape_markdown(plan.title or plan.name), anchor=False)
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
            st.session_state.setdefault("study_codes", {})[study.name] = None
            raise Problem("No answers are stored under that code. Check it, or begin again.")
    st.session_state.setdefault("study_codes", {})[study.name] = rater.code
    if refused := st.session_state.pop("study_refused", None):
        st.info(escape_markdown(refused))
    if ask(study, rater):
        note = f"You can stop and come back by this link. Your code is `{rater.code}`."
        st.caption(note, text_alignment="center")
        begin_anew(study, "It is not mine")
        return
    st.title("Thank you!", anchor=False)
    st.write("Your answers are stored. Keep this code: with it you can have them deleted.")
    st.code(rater.code, language=None)
    show_ending(trials.plan_of(study).completion)
    show_own(study, rater)
    withdraw()
    begin_anew(study, "Somebody else takes part")
    st.page_link("pages/study.py", label="All studies", icon=":material/arrow_back:")


def begin_anew(study: Study, words: str) -> None:
    """For the next person at the same browser: this one's code is forgotten here, not deleted."""
    if st.button(words, type="tertiary", key="study_anew"):
        st.session_state.setdefault("study_codes", {})[study.name] = None
        st.query_params.from_dict({"study": study.name})
        st.rerun()


def show_own(study: Study, rater: Rater) -> None:
    """What the rater preferred, model by model and picture by picture, where the study allows."""
    rows = own.list_choices(state.study_votes(), study, rater)
    if not rows:
        return
    plan = trials.plan_of(study)
    st.subheader("What you chose", anchor=False)
    share = st.column_config.NumberColumn(own.SHARES[plan.design], format="percent")
    columns = {"model": "Model", "questions": "Questions", "share": share}
    st.dataframe(own.tabulate_choices(plan, rows), column_config=columns, hide_index=True)
    place = st.selectbox(
        "Question",
        range(len(rows)),
        format_func=lambda each: f"{each + 1}: {rows[each]['picture']}",
    )
    row = rows[place]
    scores, pictures = own.score_choice(plan, row), row["shown"].split(",")
    for column, shown in zip(st.columns(len(pictures)), pictures, strict=True):
        name = own.name_shown(shown)
        caption = f"{name}: {scores[shown]:.0%}" if shown in scores else name
        file = rendering.picture_file(study.name, row["picture_sha256"], shown)
        if file.is_file():
            column.image(file.read_bytes(), caption=caption, width="stretch", alt=caption)
        else:
            column.caption(f"{caption} (its picture is gone)")


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
