"""Study: take part. One link, `/study?study=NAME`; the rater's code in it lets them come back."""

import streamlit as st

from workbench.errors import Problem
from workbench.study import live
from workbench.study.plans import ARENA
from workbench.ui import state, widgets
from workbench.ui.study import taking_part

try:
    if "study" not in st.query_params:
        taking_part.choose_study()
    else:
        chosen = state.study_votes().study(st.query_params["study"])
        if chosen.name == ARENA:
            st.switch_page("pages/arena.py")
        if live.is_live(chosen):
            st.switch_page("pages/live.py", query_params={"code": live.code_of(chosen)})
        if chosen.state != "open":
            taking_part.tell_state(chosen)
        elif "rater" in st.query_params:
            taking_part.vote(chosen, st.query_params["rater"])
        else:
            taking_part.join(chosen)
except Problem as problem:
    widgets.show_problem(problem)
