"""Colour: what Lab is, what a screen can show of it, and why L alone says so little."""

import streamlit as st

from workbench.ui.lessons import pieces

st.title("Colour")
projected = pieces.switch_projector()
with st.spinner("Loading the pictures…"):
    picture = pieces.choose_small_picture(projected, truth=True)

st.header("One colour")
if not projected:
    st.markdown(
        "A network is given **L**, the lightness, and guesses **a** and **b**, the colour. Equal "
        "steps look about equally large to the eye; that is what Lab (CIE 1976) is for."
    )
pieces.show_one_color()

st.header("Your picture in three planes")
pieces.show_planes(picture)

st.header("Many colours, one grey")
pieces.show_one_grey(picture)

if not projected:
    st.header("Exercises")
    pieces.show_exercise(
        "At which lightness are there most colours? Move L and watch the share of the square.",
        pieces.richest_lightness()
        + " Near 0 and 100 nothing is left but black and white: a network cannot go far "
        "wrong there, and cannot show anything either.",
    )
    pieces.show_exercise(
        "Rotate the hues by 180°. Could a network that is given only L know which picture is real?",
        "Not from one pixel: both have the same L wherever the screen can show the rotated colour. "
        "It can only know that a cat is rarely blue. That knowledge is all that training gives it.",
    )
