"""The router: which pages there are, in which order, under which address. Nothing else."""

import streamlit as st

from workbench import places
from workbench.ui import state

PAGES = {
    "Colourize": [
        ("compare", "Compare", ":material/compare:"),
        ("batch", "Batch", ":material/photo_library:"),
        ("video", "Video", ":material/movie:"),
    ],
    "Judge": [
        ("leaderboard", "Leaderboard", ":material/leaderboard:"),
        ("arena", "Arena", ":material/swords:"),
        ("study", "Study", ":material/how_to_vote:"),
        ("live", "Live class", ":material/co_present:"),
        ("study_results", "Study results", ":material/bar_chart:"),
        ("study_new", "New study", ":material/add_box:"),
    ],
    "Train": [
        ("training", "Training", ":material/show_chart:"),
        ("experiments", "Experiments", ":material/science:"),
    ],
    "Learn": [
        ("learn_color", "Colour", ":material/palette:"),
        ("learn_models", "Models", ":material/school:"),
        ("learn_metrics", "Metric traps", ":material/rule:"),
        ("about", "About", ":material/info:"),
    ],
}
ICON = places.PACKAGE / "ui/components/icon.svg"  # a named one is from a CDN

state.freeze_imports()
st.set_page_config(page_icon=str(ICON), layout="wide")  # before navigation, which has icons, too
sections = {
    section: [
        st.Page(f"pages/{name}.py", title=title, icon=icon, url_path=name)
        for name, title, icon in pages
    ]
    for section, pages in PAGES.items()
}
# Streamlit serves the first page at "/" alone, and says "not found" at its own name: more doors
first, title, icon = PAGES["Colourize"][0]
sections["Colourize"][0] = st.Page(f"pages/{first}.py", title=title, icon=icon, url_path="first")
sections["Colourize"] += [
    st.Page(f"pages/{first}.py", title=title, url_path=door, visibility="hidden")
    for door in (first, "home")
]
taking_part = "rater" in st.query_params  # in a study: no menu beside the question
page = st.navigation(sections, position="hidden" if taking_part else "top")
st.set_page_config(page_title=f"{page.title} · Colorization workbench")
st.html(places.PACKAGE / "ui/components/page.css")
page.run()
