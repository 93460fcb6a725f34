"""The pieces of the page *Study results*: a study's state, its figures, how far to trust them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from workbench.errors import Problem
from workbench.names import write_number
from workbench.study import figures, rendering, trials
from workbench.study.export import make_private_files, warn_of_few_raters
from workbench.study.results import ENOUGH_RATERS, tabulate_adjusted
from workbench.ui import state
from workbench.ui.widgets import show_plot, show_problem

if TYPE_CHECKING:
    from workbench.study.plans import Plan
    from workbench.study.results import Results
    from workbench.study.tables import Study
    from workbench.study.votes import Votes

NAMED = ("model", "better", "worse")  # columns of a model's name
NUMBERS = {
    "strength": st.column_config.NumberColumn(format="%+.2f"),
    "low": st.column_config.NumberColumn("95 % low", format="%.3f"),
    "high": st.column_config.NumberColumn("95 % high", format="%.3f"),
    "alike": st.column_config.NumberColumn(format="%+.2f"),
    "explained": st.column_config.NumberColumn(format="%+.2f"),
    "effect": st.column_config.NumberColumn(format="%+.2f"),
    "fool_rate": st.column_config.NumberColumn("fool rate", format="%.3f"),
    "deviation": st.column_config.NumberColumn("±", format="%.3f"),
    "share": st.column_config.NumberColumn(format="%.3f"),
    "sure": st.column_config.NumberColumn("sure of the order", format="%.3f"),
    "gap": st.column_config.NumberColumn(format="%.2f"),
    "more_votes": st.column_config.NumberColumn("more votes needed", format="localized"),
}


def tell_titles(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same rows with models by their titles, and nothing where an interval has no end yet."""

    def tell(key: str, value: Any) -> Any:
        if key in NAMED:
            return figures.title_of(value)
        return None if isinstance(value, float) and np.isinf(value) else value

    return [{key: tell(key, value) for key, value in row.items()} for row in rows]


def choose_study(studies: list[Study]) -> Study:
    """One of the studies, at first that of the address."""
    names = {study.name: study for study in studies}
    asked = st.query_params.get("study")
    first = list(names).index(asked) if asked in names else 0
    return names[st.selectbox("Study", list(names), index=first)]


def show_counts(votes: Votes, study: Study) -> None:
    """Raters and votes so far; live while the study is open."""

    @st.fragment(run_every="5s" if study.state == "open" else None)
    def live() -> None:
        numbers = votes.counts(study)
        for column, (what, number) in zip(st.columns(5), numbers.items(), strict=True):
            column.metric({"votes": "scored votes"}.get(what, what).capitalize(), number)

    live()


def offer_next_step(votes: Votes, study: Study, plan: Plan, where) -> None:
    """What can be done with a study in its state: render, open, invite, close, open again."""
    name = study.name
    try:
        if study.state == "draft":
            if where.button("Render the pictures"):
                with st.spinner("The networks are at work…"), state.queue().take_place():
                    rendering.render(votes, name)
                st.rerun()
            if study.pictures != "[]" and where.button("Open", type="primary"):
                rendering.open_study(votes, name)
                st.rerun()
        elif study.state == "open":
            here = (st.context.url or "").rstrip("/").rpartition("/")[0]
            links = [f"{here}/study?study={name}"]
            if plan.invites:
                links = [f"{links[0]}&invite={code}" for code in votes.free_invites(study)]
                st.caption(f"{len(links)} of {plan.invites} invitations are free; a link for each:")
            st.code("\n".join(links), language=None, height=200 if len(links) > 8 else "content")
            if where.button("Close"):
                votes.set_state(name, "closed")
                st.rerun()
        elif where.button("Open again"):
            votes.set_state(name, "open")
            st.rerun()
    except Problem as problem:
        show_problem(problem)


def show_ranking(found: Results, name: str) -> None:
    """Strengths or fool rates with their intervals; who beat whom."""
    st.subheader("Ranking" if found.ranking else "Fool rates", anchor=False)
    show_plot(figures.ranking_figure(found), f"{name}_ranking")
    st.dataframe(
        tell_titles(found.table()), column_config=NUMBERS, hide_index=True, placeholder="–"
    )
    if not found.ranking:
        return
    st.subheader("Who was preferred to whom", anchor=False)
    show_plot(figures.wins_figure(found), f"{name}_wins")
    if weak := warn_of_few_raters(found):
        st.caption(weak)
    if found.unflagged < ENOUGH_RATERS:
        return
    st.caption("How sure the order of two models is, and how many more votes would settle it.")
    separations = [
        {**row, "more_votes": row["more_votes"] if np.isfinite(row["more_votes"]) else None}
        for row in found.separations()
    ]
    st.dataframe(tell_titles(separations), column_config=NUMBERS, hide_index=True, placeholder="–")


def show_explained(study: Study, found: Results, without: Collection[str]) -> None:
    """Is it only more colourful? Strengths with what three measures explain taken out."""
    if not found.ranking:
        return
    with st.expander("Is it only more colourful?"):
        adjusted = state.study_adjusted(study, without)
        if adjusted is None:
            st.caption("That takes the votes of two raters at least.")
            return
        per_model, per_measure = tabulate_adjusted(found.models, adjusted)
        st.caption(
            "Differences in colourfulness, mean chroma and PSNR to grey stand beside the models in "
            "one Bradley-Terry model. *Alike* is a model's strength between pictures that agree in "
            "all three, with its 95 % interval over raters; *explained* is the strength minus that."
        )
        st.dataframe(
            tell_titles(per_model), column_config=NUMBERS, hide_index=True, placeholder="–"
        )
        st.caption("What one standard deviation more of a measure adds to the log odds.")
        st.dataframe(per_measure, column_config=NUMBERS, hide_index=True, placeholder="–")


def show_pictures(study: Study, found: Results) -> None:
    """One photograph, every colouring of it, and how each fared."""
    st.subheader("Picture by picture", anchor=False)
    picture = st.selectbox("Photograph", sorted({row["picture"] for row in found.pictures}))
    rows = [row for row in found.pictures if row["picture"] == picture]
    sha256 = next(p["sha256"] for p in trials.pictures_of(study) if p["picture"] == picture)
    shown = [(trials.TRUTH, "photograph")] + [
        (row["shown"], f"{figures.title_of(row['model'])}: {row['share']:.0%} of {row['trials']}")
        for row in rows
    ]
    for column, (one, caption) in zip(st.columns(len(shown)), shown, strict=True):
        file = rendering.picture_file(study.name, sha256, one)
        column.image(file.read_bytes(), caption=caption, width="stretch", alt=caption)
    st.dataframe(
        tell_titles(
            [{key: row[key] for key in ("model", "trials", "share", "low", "high")} for row in rows]
        ),
        column_config=NUMBERS,
        hide_index=True,
    )


def show_trust(everyone: Results, kept: Results, found: Results, name: str) -> None:
    """Agreement, side bias, flags, and what leaving the flagged out would change."""
    st.subheader("How far to trust it", anchor=False)
    left, middle, right = st.columns(3)
    alpha = "n/a" if np.isnan(found.alpha) else write_number(found.alpha, ".2f")
    left.metric("Krippendorff's alpha", alpha)
    middle.metric("Left : right", f"{found.lefts} : {found.rights}")
    right.metric("Side bias, p", f"{found.side_p:.2g}")
    flagged = [
        {"rater": rater, "flags": ", ".join(names)}
        for rater, names in everyone.flags.items()
        if names
    ]
    st.write(f"Flagged: {len(flagged)} of {len(everyone.raters)}.")
    if flagged:
        st.dataframe(flagged, hide_index=True)
        show_plot(figures.effect_figure(everyone, kept), f"{name}_without_flagged")


def offer_recruited(votes: Votes, study: Study) -> None:
    """The names that a recruiting platform gave, for whoever pays the raters."""
    for name, data in make_private_files(votes, study).items():
        st.download_button(
            "Raters by their platform's names (CSV)",
            data,
            f"{study.name}_{name}",
            "text/csv",
            on_click="ignore",
            help="Not in the archive above, and never published.",
        )


def delete_rater(votes: Votes, study: Study) -> None:
    """A rater who asks for it is deleted by their code."""
    with st.expander("Delete a rater by code"), st.form("delete", border=False):
        code = st.text_input("Code").strip()
        if st.form_submit_button("Delete for good") and code:
            try:
                st.success(f"Deleted, with {votes.delete_rater(code, study)} answers.")
            except Problem as problem:
                show_problem(problem)
