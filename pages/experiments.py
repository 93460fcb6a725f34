"""Experiments: what the papers claim to have shown, repeated small, and what came of it."""

import streamlit as st

from workbench.errors import Problem
from workbench.ui import widgets
from workbench.ui.lessons import pieces

st.title("Experiments")
projected = pieces.switch_projector()
if not projected:
    st.markdown(
        "These papers argue from a comparison with themselves: the same network with and "
        "without the part in question. Here each is trained again, small, under equal "
        "conditions. A claim is judged where every entry was trained at three seeds or more; one "
        "training decides nothing, and is said to be undecided."
    )
with st.spinner("Reading the tables…"):
    from workbench.ui import experiments

specs = experiments.list_models()
for tab, spec in zip(st.tabs([spec.title for spec in specs]), specs, strict=True):
    with tab:
        try:
            experiments.show(spec, projected)
        except Problem as problem:
            widgets.show_problem(problem)

st.header("The prior of the 313 colours")
experiments.show_prior(projected)

st.header("In class")
experiments.show_class()
