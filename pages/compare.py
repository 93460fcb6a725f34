"""Compare: one photograph in colour, by every chosen network."""

import streamlit as st

from workbench import places
from workbench.errors import Problem
from workbench.names import escape_markdown
from workbench.ui import widgets
from workbench.ui.compare import blend, exemplar, from_hub, looks, opening

st.title("Colorization workbench")
st.caption(
    "Published networks, and Reference, which is ours and not from a paper, colour the same "
    "photograph. Draw the line to see what they were given and what they made of it."
    + (f" On one screen: [the demo]({places.DEMO})." if places.DEMO else "")
)
view = widgets.choose_view(list(looks.LOOKS), "view")
# no sidebar: it would come late and push everything; on a phone these stand below the pictures
left, right = st.columns([3, 1], gap="medium")
result = left.container(key="first_view" if view == looks.FIRST else "view_of_pictures")
below = left.container(horizontal=True, vertical_alignment="center")
ahead = result.empty()
# a place for each view: what another one left there goes at once, not when this one is ready
rooms = {name: result.container() if name == view else result.empty() for name in looks.LOOKS}
waiting = below.empty()
with ahead.container():  # before all that stands beside it
    opening.show(view)
with right:
    open_picture = widgets.choose_picture()
with waiting, st.spinner("Loading the networks…"):
    from workbench.ui import exports
    from workbench.ui.compare import results

    picture = open_picture()
with right:
    for sentence in picture.notes:
        st.caption(escape_markdown(sentence))
    checkpoints = widgets.choose_models()
    with st.expander("Settings", icon=":material/tune:"):
        settings = widgets.choose_settings()
        weights = blend.choose_weights(checkpoints)
    with st.expander("Colours of another picture", icon=":material/palette:"):
        finish = exemplar.choose_exemplar()
    from_hub.offer_hub_model()

checkpoints.sort(key=lambda each: not each.spec.ours)  # what is most believable is seen first
made = results.make_all(picture, checkpoints, settings, waiting)
if not made:
    st.stop()
if any(weights.get(each.name) for each in made):
    made.append(blend.blend_results(picture, made, weights))
plain = made
if finish:
    made = exemplar.finish_results(picture, made, finish)
exports.offer_downloads(picture, made, below)
ahead.empty()
try:
    with rooms[view]:
        looks.LOOKS[view](picture, made, checkpoints, settings)
except Problem as problem:
    widgets.show_problem(problem)
opening.keep(picture, plain)
