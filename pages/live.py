"""Live class: one question for everybody, on the screen at the front and on every phone."""

import streamlit as st

from workbench.errors import Problem
from workbench.ui import gate, live, widgets

try:
    if "class" in st.query_params:
        gate.require_password()
        live.lead(st.query_params["class"])
    elif "code" in st.query_params:
        live.take_part(st.query_params["code"])
    else:
        st.title("Live class", anchor=False)
        st.write(
            "Everybody gets the same question at the same moment, on a phone of their own, and "
            "sees the votes grow at the front. Nothing has to be installed."
        )
        live.enter_code()
        live.begin_class()
except Problem as problem:
    widgets.show_problem(problem)
