"""Compare: one photograph, every chosen model, side by side."""

import streamlit as st

from workbench.errors import Problem
from workbench.names import escape_markdown
from workbench.ui import widgets

st.title("One photograph, every network")
open_picture = widgets.choose_picture()
with st.spinner("Loading the networks…"):
    from workbench.ui import exports
    from workbench.ui.compare import looks, results

    picture = open_picture()
for sentence in picture.notes:
    st.caption(escape_markdown(sentence))

with st.sidebar:
    checkpoints = widgets.choose_models()
    st.subheader("Settings")
    settings = widgets.choose_settings()
    with_blend = st.toggle(
        "Add a blend", key="blend", help="The mean colours of the chosen models."
    )

checkpoints.sort(key=lambda each: not each.spec.ours)  # what is most believable is seen first
made = results.make_all(picture, checkpoints, settings)
if not made:
    st.stop()
if with_blend:
    made.append(results.blend_results(picture, made))

bar = st.container(horizontal=True, vertical_alignment="bottom")
view = bar.segmented_control(
    "View",
    list(looks.LOOKS),
    default=next(iter(looks.LOOKS)),
    required=True,
    key="view",
    label_visibility="collapsed",
    bind="query-params",
)
bar.space("stretch")
exports.offer_downloads(picture, made, bar)
# a place for each view: what another one left there goes at once, not when this one is ready
places = {name: st.container() if name == view else st.empty() for name in looks.LOOKS}
try:
    with places[view]:
        looks.LOOKS[view](picture, made, checkpoints, settings)
except Problem as problem:
    widgets.show_problem(problem)
