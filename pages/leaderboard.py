"""Leaderboard: which model is how good at what, with intervals, computed from rows per picture."""

import streamlit as st

from workbench.errors import Problem
from workbench.ui import state, widgets
from workbench.ui.leaderboard import board

st.title("Leaderboard")
judged_by = st.segmented_control(
    "Judged by",
    ["Metrics", "Visitors"],
    default="Metrics",
    required=True,
    key="judged_by",
    bind="query-params",
    help="Metrics: against the photograph's own colours. Visitors: votes in the Arena.",
)
if judged_by == "Visitors":
    from workbench.ui import arena

    arena.show_table()
    st.stop()
with st.spinner("Reading the scores…"):
    from workbench.ui.leaderboard import views

    scores = state.scores()
widgets.show_passed_over(state.list_scores_passed_over())
if not scores:
    st.info(board.ABSENT)
    st.stop()

choice = board.choose_rows(scores)
rows = [score for score in scores if choice.includes(score)]
lines = state.lines(choice)
frame = board.make_table(lines, choice)
st.dataframe(frame, column_config=board.configure_columns(frame, choice), placeholder="–")
board.offer_downloads(lines, rows, choice)
st.caption(board.describe_traps(choice.metrics))

kinds = views.VIEWS
view = st.segmented_control(
    "More", list(kinds), default=next(iter(kinds)), required=True, key="more", wrap=True,
    bind="query-params",
)  # fmt: skip
try:
    kinds[view](rows, lines, choice)
except Problem as problem:
    widgets.show_problem(problem)
