"""Arena: two networks on one photograph, no names; vote, then see who they were."""

import streamlit as st

from workbench.errors import Problem
from workbench.ui import widgets

st.title("Arena")
st.write(
    "Two networks have coloured one photograph. Which colours look better? Vote first; then you "
    "are told who they were."
)
open_picture = widgets.choose_picture()
with st.spinner("Loading the networks…"):
    from workbench.ui import arena

    picture = open_picture()
try:
    arena.show_battle(picture)
except Problem as problem:
    widgets.show_problem(problem)
arena.show_own_ranking()
st.subheader("What everybody's votes say", anchor=False)
arena.show_table()
