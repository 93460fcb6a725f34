"""The pieces of the page *Arena*: a battle, the vote, and the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.errors import Problem
from workbench.serving.arena_round import Round, start_round
from workbench.study import arena, figures, limits
from workbench.study.export import warn_of_few_raters
from workbench.study.votes import new_code
from workbench.ui import state
from workbench.ui.study import voting
from workbench.ui.viewers import Cell, show_gallery
from workbench.ui.widgets import show_plot, show_problem
from workbench.writing import as_csv

if TYPE_CHECKING:
    from workbench.images import Picture
    from workbench.study.tables import Rater, Study

KEYS = {"left": "1", "right": "2", "tie": "3", "bad": "4"}
COLUMNS = {
    "rank": st.column_config.NumberColumn("Place"),
    "model": "Network",
    "strength": st.column_config.NumberColumn(
        "Strength", format="%+.2f", help="Bradley-Terry: log odds against an average network."
    ),
    "low": st.column_config.NumberColumn("95 % low", format="%+.2f"),
    "high": st.column_config.NumberColumn("95 % high", format="%+.2f"),
    "votes": st.column_config.NumberColumn("Votes", help="Battles it took part in."),
    "won": st.column_config.NumberColumn("Won", format="percent", help="A draw is half a win."),
    "alike": st.column_config.NumberColumn(
        "Strength, as colourful",
        format="%+.2f",
        help="Between pictures of the same colourfulness, chroma and distance to grey.",
    ),
    "explained": st.column_config.NumberColumn(
        "Explained by colourfulness", format="%+.2f", help="Strength minus that one."
    ),
    "revision": "Revision",
}


def show_battle(picture: Picture) -> None:
    """Two results without a name, four answers; after the vote their names and the next pair."""
    study = arena.open_arena(state.study_votes())
    rater = _visitor(study)
    here: Round | None = st.session_state.get("arena_round")
    choice = st.session_state.get("arena_choice")
    if here is None or here.sha256 != picture.sha256:
        here, choice = _start_round(study, rater, picture), None
        st.session_state["arena_round"], st.session_state["arena_choice"] = here, None
    if refused := st.session_state.pop("arena_refused", None):
        st.info(refused)
    titles = ["A", "B"]
    notes = ["", ""]
    if choice:
        titles = [figures.title_of(shown) for shown in here.battle.shown]
        notes = [_describe_choice(choice, side) for side in ("left", "right")]
    cells = [
        Cell(title, rgb, note) for title, rgb, note in zip(titles, here.painted, notes, strict=True)
    ]
    show_gallery(cells, key=f"arena_{here.battle.token.partition('.')[0]}", cell=420)
    bar = st.container(horizontal=True)
    if choice:
        bar.button(
            "Next pair",
            type="primary",
            shortcut="n",
            icon=":material/arrow_forward:",
            on_click=_forget_round,
        )
        return
    for answer, label in arena.CHOICES.items():
        bar.button(
            label, key=f"arena_{answer}", shortcut=KEYS[answer],
            on_click=_take_vote, args=(study, rater, here, answer),
        )  # fmt: skip
    if here.battle.picture == arena.UPLOAD:
        st.checkbox(arena.KEEP, key="arena_keep")
    st.caption(
        f"{arena.CONSENT} Yours is `{rater.code}`: with it you can have your votes deleted on the "
        "page *Study*."
    )


def show_own_ranking() -> None:
    """After enough votes, a visitor's own order beside everybody's."""
    code = st.session_state.get("arena_code")
    if code is None:
        return
    study = state.study_votes().study(arena.ARENA)
    own = _standing(state.study_votes().stamp(study), code)
    count = own.results.votes
    if count < arena.OWN_FROM:
        if count:
            more = arena.OWN_FROM - count
            st.caption(f"{more} more votes and you see a ranking of your own.")
        return
    st.subheader("Your ranking beside everybody's", anchor=False)
    everybody = _standing(state.study_votes().stamp(study), None)
    rows = [
        {**row, "model": figures.title_of(str(row["model"]))}
        for row in arena.compare_orders(own, everybody)
    ]
    shown = {
        "model": "Network",
        "yours": st.column_config.NumberColumn("Your place"),
        "everybody's": st.column_config.NumberColumn("Everybody's place"),
        "won": st.column_config.NumberColumn("Won, by your votes", format="percent"),
    }
    st.dataframe(rows, column_config=shown, hide_index=True)


def show_table() -> None:
    """Everybody's votes: strengths with intervals, and what colourfulness explains of them."""
    try:
        study = state.study_votes().study(arena.ARENA)
    except Problem:
        st.info("Nobody has voted in the Arena yet.")
        return
    try:
        standing = _standing(state.study_votes().stamp(study), None)
    except Problem as problem:
        show_problem(problem)
        return
    found = standing.results
    if not found.votes:
        st.info("Nobody has voted in the Arena yet.")
        return
    st.caption(f"Votes: {found.votes}, visitors: {len(found.raters)}.")
    show_plot(figures.ranking_figure(found), "arena_ranking")
    rows = [{**row, "model": figures.title_of(str(row["model"]))} for row in standing.table()]
    st.dataframe(rows, column_config=COLUMNS, hide_index=True, placeholder="–")
    st.caption(
        "A network that is only more colourful can win votes by that. *Strength, as colourful* is "
        "what remains when the differences in colourfulness, mean chroma and PSNR to grey stand "
        "beside the networks in the same model (as style control does for language models). "
        + warn_of_few_raters(found)
    )
    st.download_button(
        "Table (CSV)",
        as_csv(rows, list(COLUMNS)),
        "arena.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
        key="arena_table",
    )


@st.cache_resource(max_entries=16, show_spinner=False)
def _standing(stamp: tuple[int, int], only: str | None) -> arena.Standing:
    votes = state.study_votes()
    return arena.load_standing(votes, votes.study(arena.ARENA), only)


def _visitor(study: Study) -> Rater:
    """This session's rater, made at its first battle."""
    votes = state.study_votes()
    code = st.session_state.get("arena_code")
    rater = votes.rater(study, code) if code else None
    if rater is None:
        state.study_limits().count(limits.BEGIN, voting.address_bucket())
        rater = arena.add_visitor(votes, study)
        st.session_state["arena_code"] = rater.code
    return rater


def _start_round(study: Study, rater: Rater, picture: Picture) -> Round:
    """The next round on this photograph."""
    with st.spinner("Two networks are colouring…"):
        networks = list(state.checkpoints().values())
        return start_round(state.study_votes(), study, rater, picture, networks)


def _take_vote(study: Study, rater: Rater, here: Round, choice: str) -> None:
    """Keep the vote, and the photograph where its owner ticked that."""
    votes = state.study_votes()
    try:
        state.study_limits().count(limits.VOTE, rater.code)
        arena.take_vote(
            votes, study, rater, here.battle, choice,
            session=st.session_state.setdefault("study_session", new_code()),
            theme=getattr(st.context.theme, "type", None) or "",
        )  # fmt: skip
        picture = st.session_state.get("picture")
        if (
            here.battle.picture == arena.UPLOAD
            and st.session_state.get("arena_keep")
            and picture is not None
            and picture.sha256 == here.sha256
        ):
            from workbench.images import encode

            arena.keep_photograph(study, here.sha256, encode(picture.rgb))
    except Problem as problem:
        st.session_state["arena_refused"] = str(problem)
        return
    st.session_state["arena_choice"] = choice


def _forget_round() -> None:
    st.session_state.pop("arena_round", None)
    st.session_state.pop("arena_choice", None)


def _describe_choice(choice: str, side: str) -> str:
    if choice in ("left", "right"):
        return "your choice" if choice == side else ""
    return "both good" if choice == "tie" else "both bad"
