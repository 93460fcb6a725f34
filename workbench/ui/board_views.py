"""The leaderboard's views below its table: each a function of (rows, lines, choice)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from workbench.errors import Problem
from workbench.evaluation.metrics import METRICS
from workbench.evaluation.summaries import paired
from workbench.ui import state
from workbench.ui.board import Choice, source_of, title
from workbench.ui.viewers import Cell, gallery

if TYPE_CHECKING:
    from workbench.evaluation.scores import Score
    from workbench.evaluation.summaries import Line

PROTOCOL = Path(__file__).resolve().parent.parent.parent / "docs" / "protocol.md"
SHOWN = 3  # best, and as many worst, cases


def two_models(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """The same pictures by two models: mean difference with its interval, and who won how often."""
    names = list(dict.fromkeys(line.model for line in lines if line.model != "truth"))
    left, right = st.columns(2)
    first = left.selectbox("First", names, format_func=title, key="first", bind="query-params")
    second = right.selectbox(
        "Second",
        names,
        index=min(1, len(names) - 1),
        format_func=title,
        key="second",
        bind="query-params",
    )
    metric = METRICS[choice.metric]
    found = paired(
        [row for row in rows if row.model == first],
        [row for row in rows if row.model == second],
        metric.name,
    )
    mean, digits = found.difference, metric.digits
    unit = f" {metric.unit}" if metric.unit else ""
    of = "distance to the truth's" if metric.better == "truth" else "difference in"
    left.metric(f"Mean {of} {metric.title}", f"{mean.value:+.{digits}f}{unit}", border=True)
    right.metric(f"{title(first)} is better on", f"{found.won:.0%} of pictures", border=True)
    st.caption(
        f"First minus second, picture by picture: 95 % interval {mean.low:+.{digits}f} to "
        f"{mean.high:+.{digits}f}{unit}, {len(found.pictures)} pictures that both were scored on. "
        + ("0 is inside: " if mean.low <= 0 <= mean.high else "0 is outside: ")
        + ("this data cannot tell them apart." if mean.low <= 0 <= mean.high else "they differ.")
    )


def cases(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """The pictures on which a model did best and worst, coloured on the spot."""
    checkpoints = state.checkpoints()
    names = [name for name in dict.fromkeys(line.model for line in lines) if name in checkpoints]
    if not names:
        raise Problem("None of the models in this table is here: fetch one to see its pictures.")
    left, right = st.columns([1, 2])
    name = left.selectbox("Model", names, format_func=title, key="case", bind="query-params")
    place = right.text_input(
        "Where the test pictures are",
        placeholder="a folder with the data sets' parquet files (or set WORKBENCH_DATA)",
        key="case_source",
        persist_state="session",
    )
    metric = METRICS[choice.metric]
    scored = [row for row in rows if row.model == name and getattr(row, metric.name) is not None]
    scored.sort(key=lambda row: _badness(row, metric.name))
    chosen = {"Best": scored[:SHOWN], "Worst": scored[::-1][:SHOWN]}
    for heading, few in chosen.items():
        cells = []
        for row in few:
            truth, made = _repainted(name, row, source_of(row.dataset, place))
            value = f"{metric.title} {getattr(row, metric.name):.{metric.digits}f} {metric.unit}"
            cells.append(Cell("Truth", truth, f"{row.dataset}: {row.picture}"))
            cells.append(Cell(title(name), made, value))
        st.subheader(heading)
        gallery(cells, key=f"cases_{heading}", cell=200)


def protocol(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """How the numbers are made."""
    from workbench.evaluation.protocols import PROTOCOLS

    chosen = PROTOCOLS.get(choice.protocol)
    if chosen is not None:
        st.markdown(f"**`{chosen.name}` – {chosen.title}.** {chosen.text}")
    if PROTOCOL.exists():
        st.markdown(PROTOCOL.read_text("utf-8"))


def _badness(row: Score, metric: str) -> float:
    value = getattr(row, metric)
    if METRICS[metric].better == "truth":
        return abs(value - getattr(row, f"{metric}_truth"))
    return value if METRICS[metric].better == "lower" else -value


def _repainted(name: str, row: Score, source: str):
    """(truth, result), uint8 RGB (3, S, S), made as the protocol makes them."""
    import torch

    from workbench.color import join_rgb, split_lab
    from workbench.colorize import predict_ab
    from workbench.data.pictures import square
    from workbench.data.sources import open_source

    checkpoint = state.checkpoints()[name]
    key = ("case", name, checkpoint.revision, source, row.picture, row.size)
    if found := state.shelf().get(key):
        return found
    item = next((item for item in open_source(source).items() if item.name == row.picture), None)
    if item is None:
        raise Problem(
            f"{row.picture} is not in {source}: it was scored on other files than these. "
            "Point to the data set that `evaluate` was given."
        )
    truth = torch.from_numpy(square(item.data, row.size)[0])
    L, _ = split_lab(truth[None])
    with state.queue().turn():
        ab = predict_ab(state.network(checkpoint), L, checkpoint.size)
    pair = (truth, join_rgb(L, ab)[0])
    return state.shelf().put(key, pair, 2 * truth.nbytes)


VIEWS = {
    "Two models": two_models,
    "Best and worst": cases,
    "How the numbers are made": protocol,
}
