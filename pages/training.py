"""Training: follow runs while they learn, compare them, start a small one, stop any."""

import streamlit as st

from workbench.errors import Problem
from workbench.names import escape_markdown
from workbench.ui import gate, widgets

st.title("Training")
with st.spinner("Reading the runs…"):
    from workbench.training.follow import RUNNING, follow
    from workbench.ui import training

typed = ""
left, right = st.columns([3, 1])
if gate.may_control():
    typed = right.text_input(
        "Also look in", key="runs_folder", help="A run's folder, or one that holds runs."
    )
try:
    folders = training.list_runs(typed.strip())
except Problem as problem:
    widgets.show_problem(problem)
    folders = training.list_runs()
states, broken = training.read_states(folders)
widgets.show_passed_over(broken)
folders = {name: folder for name, folder in folders.items() if name in states}
titles = {name: training.title(name, folder) for name, folder in folders.items()}
running = [name for name, state in states.items() if state == RUNNING]
started = st.session_state.pop("runs_started", None)
before = [name for name in st.session_state.get("runs", ()) if name in folders]
if started in folders:
    st.session_state["runs"] = [started]
elif "runs" not in st.session_state or before != st.session_state["runs"]:
    st.session_state["runs"] = before or running[:1] or list(folders)[:1]

chosen = []
if folders:
    chosen = left.multiselect(
        "Runs",
        list(folders),
        format_func=titles.get,
        key="runs",
        placeholder="Choose one, or several to compare",
    )


@st.fragment(run_every=1 if set(chosen) & set(running) else None)
def live() -> None:
    """What the chosen runs say now; when one of them has ended, the whole page runs again."""
    shown = {name: follow(folders[name]) for name in chosen}
    for name, run in shown.items():
        training.show_state(run, titles[name], may_stop=gate.may_control())
    if any(states[name] == RUNNING and run.state != RUNNING for name, run in shown.items()):
        st.rerun()
    which = st.segmented_control(
        "Curves",
        list(training.CURVES),
        default=next(iter(training.CURVES)),
        required=True,
        key="curves",
        label_visibility="collapsed",
    )
    training.show_curves(shown, titles, which)
    tabs = st.tabs([escape_markdown(titles[name]) for name in shown])
    for tab, (name, run) in zip(tabs, shown.items(), strict=True):
        with tab:
            training.show_film_strip(run, f"strip_{name}")
            training.show_papers(run)


if chosen:
    with st.container():  # what follows keeps its place while this part ticks
        live()
elif not folders:
    st.info(
        "There is no run yet. Start a small one below, or train in a terminal: "
        "`python -m workbench train MODEL --data SOURCE`."
    )

st.header("Start a small run")
if not gate.may_control():
    gate.require_password()
training.start_small(list(folders), training.is_busy(folders[name] for name in running))
