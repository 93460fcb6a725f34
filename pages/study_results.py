"""Study results: who was preferred, how sure that is, and what stands behind it."""

import numpy as np
import streamlit as st

from workbench.errors import Problem
from workbench.study import figures, rendering, trials
from workbench.study.results import methods
from workbench.ui import gate, state, widgets

st.title("Study results")
gate.require_password()
try:
    votes = state.study_votes()
except Problem as problem:
    widgets.show_problem(problem)
    st.stop()
studies = votes.studies()
if not studies:
    st.info(
        "There is no study yet. Make one on the page *New study*, or fill a demonstration with "
        "`python -m workbench study simulate --raters 30 --trials 20`."
    )
    st.stop()

names = [study.name for study in studies]
asked = st.query_params.get("study")
name = st.selectbox("Study", names, index=names.index(asked) if asked in names else 0)
study = votes.study(name)
plan = trials.plan_of(study)


@st.fragment(run_every="5s" if study.state == "open" else None)
def live_counts() -> None:
    counts = votes.counts(study)
    for column, (what, number) in zip(st.columns(5), counts.items(), strict=True):
        column.metric({"votes": "scored votes"}.get(what, what).capitalize(), number)


live_counts()
st.caption(f"{plan.title or name}: {plan.design.replace('_', ' ')}, {study.state}")
bar = st.container(horizontal=True, vertical_alignment="bottom")
try:
    if study.state == "draft":
        if bar.button("Render the pictures"):
            with st.spinner("The networks are at work…"), state.queue().turn():
                rendering.render(votes, name)
            st.rerun()
        if study.pictures != "[]" and bar.button("Open", type="primary"):
            rendering.open_study(votes, name)
            st.rerun()
    elif study.state == "open":
        here = (st.context.url or "").rstrip("/").rpartition("/")[0]
        links = [f"{here}/study?study={name}"]
        if plan.invites:
            links = [f"{links[0]}&invite={code}" for code in votes.free_invites(study)]
            st.caption(f"{len(links)} of {plan.invites} invitations are free; a link for each:")
        st.code("\n".join(links), language=None, height=200 if len(links) > 8 else "content")
        if bar.button("Close"):
            votes.set_state(name, "closed")
            st.rerun()
    elif bar.button("Open again"):
        votes.set_state(name, "open")
        st.rerun()
except Problem as problem:
    widgets.show_problem(problem)

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
st.subheader("Ranking" if found.ranking else "Fool rates", anchor=False)
st.plotly_chart(figures.ranking_figure(found), key="ranking")
numbers = {
    "strength": st.column_config.NumberColumn(format="%+.2f"),
    "low": st.column_config.NumberColumn("95 % low", format="%.3f"),
    "high": st.column_config.NumberColumn("95 % high", format="%.3f"),
    "fool_rate": st.column_config.NumberColumn("fool rate", format="%.3f"),
    "deviation": st.column_config.NumberColumn("±", format="%.3f"),
    "share": st.column_config.NumberColumn(format="percent"),
    "sure": st.column_config.NumberColumn("sure of the order", format="percent"),
    "gap": st.column_config.NumberColumn(format="%.2f"),
    "more_votes": st.column_config.NumberColumn("more votes needed", format="localized"),
}
st.dataframe(found.table(), column_config=numbers, hide_index=True)

if found.ranking:
    st.subheader("Who was preferred to whom", anchor=False)
    st.plotly_chart(figures.wins_figure(found), key="wins")
    st.caption("How sure the order of two models is, and how many more votes would settle it.")
    separations = [
        {**row, "more_votes": row["more_votes"] if np.isfinite(row["more_votes"]) else None}
        for row in found.separations()
    ]
    st.dataframe(separations, column_config=numbers, hide_index=True)

st.subheader("Picture by picture", anchor=False)
pictures = sorted({row["picture"] for row in found.pictures})
picture = st.selectbox("Photograph", pictures)
rows = [row for row in found.pictures if row["picture"] == picture]
sha256 = next(p["sha256"] for p in trials.pictures_of(study) if p["picture"] == picture)
shown = [(trials.TRUTH, "photograph")] + [
    (row["shown"], f"{row['model']}: {row['share']:.0%} of {row['trials']}") for row in rows
]
for column, (one, caption) in zip(st.columns(len(shown)), shown, strict=True):
    column.image(rendering.picture_file(name, sha256, one).read_bytes(), caption=caption)
st.dataframe(
    [{key: row[key] for key in ("model", "trials", "share", "low", "high")} for row in rows],
    column_config=numbers,
    hide_index=True,
)

st.subheader("How far to trust it", anchor=False)
left, middle, right = st.columns(3)
left.metric("Krippendorff's alpha", "n/a" if np.isnan(found.alpha) else f"{found.alpha:.2f}")
middle.metric("Left : right", f"{found.lefts} : {found.rights}")
right.metric("Side bias, p", f"{found.side_p:.2g}")
flagged = [
    {"rater": rater, "flags": ", ".join(names)} for rater, names in everyone.flags.items() if names
]
st.write(f"{len(flagged)} of {len(everyone.raters)} raters are flagged.")
if flagged:
    st.dataframe(flagged, hide_index=True)
    st.plotly_chart(figures.effect_figure(everyone, kept), key="effect")

st.subheader("For a paper", anchor=False)
st.code(methods(found), language=None, wrap_lines=True)

st.download_button(
    "Download everything (CSV, Parquet, codebook)",
    state.study_archive(study),
    f"{name}.zip",
    "application/zip",
    on_click="ignore",
)
with st.expander("Delete a rater by code"), st.form("delete", border=False):
    code = st.text_input("Code").strip()
    if st.form_submit_button("Delete for good") and code:
        try:
            st.success(f"Deleted, with {votes.delete_rater(code, study)} answers.")
        except Problem as problem:
            widgets.show_problem(problem)
