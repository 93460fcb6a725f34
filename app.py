"""The router: which pages there are, in which order, under which address. Nothing else."""

from pathlib import Path

import streamlit as st

PAGES = {
    "Colourize": [
        ("compare", "Compare", ":material/compare:"),
        ("batch", "Batch", ":material/photo_library:"),
        ("video", "Video", ":material/movie:"),
    ],
    "Judge": [
        ("leaderboard", "Leaderboard", ":material/leaderboard:"),
        ("study", "Study", ":material/how_to_vote:"),
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
ICON = Path(__file__).parent / "workbench/ui/components/icon.svg"  # a named one is from a CDN

st.set_page_config(page_title="Colorization workbench", page_icon=str(ICON), layout="wide")
st.navigation(
    {
        section: [
            st.Page(f"pages/{name}.py", title=title, icon=icon, url_path=name)
            for name, title, icon in pages
        ]
        for section, pages in PAGES.items()
    },
    position="top",
).run()
