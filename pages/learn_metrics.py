"""Metric traps: numbers that mislead, each on a picture of one's own."""

import streamlit as st

from workbench.ui import state
from workbench.ui.lessons import pieces

st.title("Metric traps")
projected = pieces.switch_projector()
with st.spinner("Loading the measures…"):
    picture = pieces.choose_small_picture(projected, truth=True, longest=256)  # as cw-1 has it

left, right = st.columns(2)
usable = state.checkpoints()
name = left.selectbox(
    "Network", list(usable), format_func=lambda name: usable[name].title, key="trap_model"
)
degrees = right.slider("Rotate the hues by, degrees", 0, 180, 40, 5, key="trap_hue")
found = pieces.make_candidates(picture, usable.get(name), degrees)
cells = [pieces.Cell(title, rgb) for title, rgb in found.items()]
pieces.show_figure([pieces.Cell("The truth", picture.rgb), *cells], "traps", cell=200)

st.header("Grey's PSNR")
st.markdown(
    "Grey has no colour at all and no courage: it is never far off. Rotate the hues until their "
    "PSNR falls below grey's, and ask which of the two looks more like a photograph."
)
pieces.show_table(picture, found, ("PSNR, dB", "CIEDE2000", "AuC, %", "Colourfulness"))

st.header("SSIM that does not look at colour")
st.markdown(
    "Every candidate keeps the lightness. Measured on luma alone, as some libraries do unasked, "
    + pieces.describe_spread(picture, found, "SSIM of luma")
)
pieces.show_table(picture, found, ("SSIM of luma", "SSIM"))

st.header("Pixels that differ, and argmax accuracy")
st.markdown(
    "One step of 255 in red, which no eye sees, changes every pixel. By *pixels that differ* "
    + pieces.describe_spread(picture, found, "Pixels that differ")
    + " It tells good from bad as little as it tells seen from unseen. *Argmax "
    "accuracy* asks only whether a or b is the larger one."
)
pieces.show_table(picture, found, ("Pixels that differ", "Argmax accuracy", "PSNR, dB"))

st.header("Protocols that move a number")
chosen = st.selectbox("The same two pictures, measured as the field does", list(found), index=3
                      if len(found) > 3 else 0, key="trap_candidate")  # fmt: skip
pieces.show_protocols(found[chosen], picture.rgb)
if not projected:
    st.header("Exercises")
    pieces.show_exercise(
        "Which metrics does grey win, here and with other pictures?",
        "Often PSNR, CIEDE2000 and AuC against any bold guess, and luma's SSIM against everybody. "
        "It never wins colourfulness: 0 is furthest from the truth's. So no single number here "
        "should rank models; the leaderboard shows several, with grey among the entrants.",
    )
    pieces.show_exercise(
        "A paper reports 33 dB, another 23 dB. Which model is better?",
        "Nobody can tell before knowing the size of the pictures, what was averaged and whether "
        "the error was squared: compare *PSNR* and *PSNR, unsquared* of the same two pictures "
        "above. Only numbers of one protocol can be compared.",
    )
