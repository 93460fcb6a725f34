"""Study results: who was preferred, how sure that is, and what stands behind it."""

import streamlit as st

from workbench.errors import Problem
from workbench.names import escape_markdown
from workbench.study import trials
from workbench.study.export import write_methods
from workbench.study.plans import ARENA
from workbench.ui import gate, state, widgets
from workbench.ui.study import results

st.title("Study results")
gate.require_password()
try:
    votes = state.study_votes()
    studies = [study for study in votes.studies() if study.name != ARENA]
    if not studies:
        st.info(
            "There is no study yet. Make one on the page *New study*, or fill a demonstration with "
            "`python -m workbench study simulate --raters 30 --trials 20`."
        )
        st.stop()

    study = results.choose_study(studies)
    plan = trials.plan_of(study)
    results.show_counts(votes, study)
    st.caption(
        f"{escape_markdown(plan.title or study.name)}: {plan.design.replace('_', ' ')}, "
        f"{study.state}"
    )
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    results.offer_next_step(votes, study, plan, bar)

    everyone = state.study_results(study)
    if not everyone.votes:
        st.info("No scored votes yet.")
        st.stop()
    kept = state.study_results(study, everyone.flagged)
    leave_out = bar.toggle(
        "Leave flagged raters out",
        value=plan.exclude_flagged,
        help="What the plan declared is set. Nothing is deleted either way.",
    )
    found = kept if leave_out else everyone
    results.show_ranking(found, study.name)
    results.show_explained(study, found, everyone.flagged if leave_out else ())
    results.show_pictures(study, found)
    results.show_trust(everyone, kept, found, study.name)

    st.subheader("For a paper", anchor=False)
    st.code(write_methods(found), language=None, wrap_lines=True)
    st.download_button(
        "Download everything (CSV, Parquet, codebook)",
        state.study_archive(study),
        f"{study.name}.zip",
        "application/zip",
        on_click="ignore",
    )
    results.offer_recruited(votes, study)
    results.delete_rater(votes, study)
except Problem as problem:
    widgets.show_problem(problem)
