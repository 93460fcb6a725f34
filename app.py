"""The router: which pages there are, in which order, under which address. Nothing else."""

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx

from workbench import imports, places
from workbench.serving.first_paint import FirstPaint
from workbench.serving.headers import SafeHeaders
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


def show_page() -> None:
    """Run the page of the visitor's address, below the menu."""
    state.freeze_imports()
    st.set_page_config(page_icon=str(ICON), layout="wide")  # navigation has icons, too
    sections = {
        section: [
            st.Page(f"pages/{name}.py", title=title, icon=icon, url_path=name)
            for name, title, icon in pages
        ]
        for section, pages in PAGES.items()
    }
    # Streamlit serves the first page at "/" alone, and says "not found" at its own name: more doors
    first, title, icon = PAGES["Colourize"][0]
    file = f"pages/{first}.py"
    sections["Colourize"][0] = st.Page(file, title=title, icon=icon, url_path="first")
    sections["Colourize"] += [
        st.Page(file, title=title, url_path=door, visibility="hidden") for door in (first, "home")
    ]
    taking_part = "rater" in st.query_params  # in a study: no menu beside the question
    page = st.navigation(sections, position="hidden" if taking_part else "top")
    st.set_page_config(page_title=f"{page.title} · Colorization workbench")
    page.run()


if get_script_run_ctx(suppress_warning=True):
    show_page()
else:  # `streamlit run` asks once what it is to serve
    imports.import_ahead()
    app = st.App(__file__, middleware=[Middleware(SafeHeaders), Middleware(FirstPaint)])
