"""The leaderboard's view of one data set: what is in it, its terms, and what grey comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from workbench import places
from workbench.data import DATASETS
from workbench.errors import Problem
from workbench.evaluation import set_facts
from workbench.evaluation.metrics import METRICS
from workbench.names import escape_markdown
from workbench.ui import gate, state
from workbench.ui.leaderboard.board import source_of
from workbench.ui.viewers import Cell, show_gallery
from workbench.ui.widgets import show_problem

if TYPE_CHECKING:
    from workbench.evaluation.scores import Score
    from workbench.evaluation.summaries import Choice, Line
    from workbench.spec import DatasetSpec


def show_set(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """One data set, chosen among all that papers and this workbench use."""
    scores = state.scores()
    scored = dict.fromkeys(row.dataset for row in scores)
    names = [*scored, *(name for name in DATASETS if name not in scored)]
    name = st.selectbox(
        "Data set", names, key="set", bind="query-params",
        format_func=lambda name: DATASETS[name].title if name in DATASETS else name,
    )  # fmt: skip
    if spec := DATASETS.get(name):
        _show_facts(spec)
    else:
        st.caption("A set of your own: its source and terms are known to you alone.")
    if found := set_facts.score_of_grey(scores, name):
        _show_grey(found)
        if told := set_facts.colorfulness_of(scores, name):
            low, middle, high = told
            st.caption(
                f"Colourfulness of the photographs themselves: half lie between {low:.0f} and "
                f"{high:.0f}, the median is {middle:.0f}. The paler a set, the better grey looks."
            )
    else:
        st.caption("Nothing was scored on it here.")
    if places.data() or gate.may_control():
        _show_inside(name, spec)


def _show_facts(spec: DatasetSpec) -> None:
    facts = {
        "What": spec.note or spec.title,
        "From": spec.source,
        "Terms": spec.licence,
        "Used for": spec.split + (f", {spec.kinship}" if spec.kinship else ""),
        "Labels": str(spec.labels or "none"),
    }
    for key, said in facts.items():
        st.markdown(f"**{key}:** {escape_markdown(said)}")


def _show_grey(found: list[Line]) -> None:
    """What no colour at all comes to: the bound that a network must pass."""
    st.subheader("Grey", anchor=False)
    table = [
        {
            "Protocol": line.protocol,
            "Side": line.size,
            "Pictures": line.pictures,
            **{METRICS[name].heading: mean.value for name, mean in line.means.items()
               if name in METRICS},
        }
        for line in sorted(found, key=lambda line: (line.protocol, line.size))
    ]  # fmt: skip
    shapes = {
        METRICS[name].heading: st.column_config.NumberColumn(format=METRICS[name].format)
        for name in set_facts.GREY_METRICS
    }
    st.dataframe(pd.DataFrame(table), column_config=shapes, hide_index=True, placeholder="–")


def _show_inside(name: str, spec: DatasetSpec | None) -> None:
    """Labels, mean colours and, where the terms allow it, pictures; only where these are here."""
    try:
        source = source_of(name, "")
    except Problem as problem:
        show_problem(problem) if places.data() else st.caption(escape_markdown(problem))
        return
    key = ("set", source)
    if (look := state.shelf().get(key)) is None:
        from workbench.data.sources import open_source

        with st.spinner("Looking at its pictures…"), state.queue().take_place():
            look = set_facts.look_at(open_source(source).items())
        state.shelf().put(key, look, 1 << 20)
    st.subheader("What is in it", anchor=False)
    st.caption(f"{look.pictures} pictures are here.")
    left, right = st.columns([1, 2], gap="medium")
    with left:
        plane = set_facts.paint_plane(look.plane)
        show_gallery(
            [Cell("Mean colours", plane, f"of the first {look.looked_at}, at lightness 60")],
            key=f"plane_{name}", cell=200, columns=1,
        )  # fmt: skip
    if look.labels:
        counts = sorted(look.labels.items(), key=lambda each: (-each[1], each[0]))
        right.dataframe(
            pd.DataFrame(counts, columns=["Label", "Pictures"]), hide_index=True, height=300
        )
    else:
        right.caption("Its pictures have no labels.")
    if spec is not None and set_facts.may_show(spec):
        cells = [Cell(f"{place + 1}", rgb) for place, rgb in enumerate(look.thumbnails)]
        show_gallery(cells, key=f"thumbnails_{name}", columns=6)
        st.caption(f"The first {len(cells)}; {escape_markdown(spec.licence)}.")
    else:
        st.caption("Its terms do not let everybody show its pictures.")
