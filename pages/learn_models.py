"""The networks: claim, diagram, source, training, and what happens inside your picture."""

import streamlit as st

from workbench.errors import Problem
from workbench.ui import widgets
from workbench.ui.lessons import pieces

st.title("The networks")
st.caption("Networks of published papers, and a reference of ours.")
projected = pieces.switch_projector()
with st.spinner("Loading the networks…"):
    from workbench.ui.lessons import insides, networks

spec = networks.choose_spec()
view = st.segmented_control(
    "View", list(networks.VIEWS), default=next(iter(networks.VIEWS)), required=True,
    key="lesson_view", wrap=True, label_visibility="collapsed", bind="query-params",
)  # fmt: skip
checkpoint = networks.checkpoint_of(spec)
if networks.VIEWS[view] is not None:
    networks.VIEWS[view](spec, checkpoint, projected)
elif checkpoint is None:
    st.info(
        f"There are no trained weights of {spec.title} here yet. Train some with "
        f"`python -m workbench train {spec.name} --data SOURCE`."
    )
else:
    picture = pieces.choose_small_picture(projected)
    try:
        insides.show(checkpoint, picture)
    except Problem as problem:
        widgets.show_problem(problem)
