"""The leaderboard's pieces: which rows, which numbers, which pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from workbench import places
from workbench.errors import Problem
from workbench.ui import state
from workbench.writing import neutralise

if TYPE_CHECKING:
    from workbench.evaluation.metrics import Metric
    from workbench.evaluation.scores import Score
    from workbench.evaluation.summaries import Choice, Line, Mean

ABSENT = (
    "There are no scores yet. `python -m workbench evaluate all --data FILE` makes them: a row per "
    "picture for every model, and for grey, the mean colour and the truth."
)

EVERY = "all test sets"
NARROW, WIDE = 96, 118  # columns of a number and of an interval, pixels


def choose_rows(scores: list[Score]) -> Choice:
    """The filters above the table. They live in the page's address, so a view can be shared."""
    from workbench.evaluation.metrics import METRICS, USUAL
    from workbench.evaluation.summaries import Choice

    protocols = sorted({score.protocol for score in scores})
    first, second, third, fourth = st.columns([4, 4, 1.5, 1.5])
    protocol = fourth.selectbox(
        "Protocol",
        protocols,
        index=protocols.index("cw-1") if "cw-1" in protocols else 0,
        key="protocol",
        bind="query-params",
    )
    here = [score for score in scores if score.protocol == protocol]
    names = sorted({score.dataset for score in here})
    if kinds := sorted({kin for name in names if (kin := describe_kinship(name))}):
        kind = st.segmented_control(
            "Test sets", [EVERY, *kinds], default=EVERY, required=True, key="kinship",
            bind="query-params", help="Whether the training set of the bundled weights has other "
            "pictures of the same source. No test picture itself is in it.",
        )  # fmt: skip
        names = [name for name in names if kind in (EVERY, describe_kinship(name))]
    datasets = first.multiselect(
        "Data sets", names, key="sets", bind="query-params", placeholder=f"All {len(names)}"
    )
    measured = [n for n in METRICS if any(getattr(score, n) is not None for score in here)]
    usual = [name for name in USUAL if name in measured]
    metrics = second.multiselect(
        "Metrics (the first one ranks)",
        measured,
        default=usual or measured[:1],
        format_func=lambda name: METRICS[name].title,
        key="metrics",
        bind="query-params",
    )
    sizes = sorted({score.size for score in here}, reverse=True)
    size = third.selectbox(
        "Size", sizes, format_func=lambda side: f"{side} px", key="side", bind="query-params"
    )
    return Choice(tuple(datasets or names), size, tuple(metrics or usual or measured[:1]), protocol)


def describe_kinship(dataset: str) -> str:
    """What a test set is to the training set: same source, foreign source, or "" (not known)."""
    from workbench.data import DATASETS

    return DATASETS[dataset].kinship if dataset in DATASETS else ""


def title_of(name: str) -> str:
    """What people read instead of a row's name."""
    from workbench.evaluation.summaries import BASELINES

    checkpoints = state.checkpoints()
    return checkpoints[name].title if name in checkpoints else BASELINES.get(name, name)


def _format_mean(metric: Metric, mean: Mean | None) -> dict[str, object]:
    """The two cells of a metric: its mean, and its interval in words."""
    interval = f"{metric.title}, 95 %"
    if mean is None:
        return {metric.heading: None, interval: ""}
    if not math.isfinite(mean.value):  # only the truth is the truth
        return {metric.heading: None, interval: "identical: infinite"}
    low, high = metric.text(mean.low), metric.text(mean.high)
    return {metric.heading: round(mean.value, metric.digits), interval: f"{low} – {high}"}


def make_table(lines: list[Line], choice: Choice) -> pd.DataFrame:
    """A row per line: means with their intervals, then what made them, best first."""
    from workbench.evaluation.metrics import METRICS

    checkpoints = state.checkpoints()
    rows = []
    for line in lines:
        row: dict[str, object] = {"Model": title_of(line.model)}
        for name in choice.metrics:
            row |= _format_mean(METRICS[name], line.means.get(name))
        now = checkpoints.get(line.model)
        row["Pictures"] = line.pictures
        row["Revision"] = line.revision
        row["Parameters"] = state.parameters(now) if now else None
        row["ms"] = round(line.means["ms"].value, 1) if "ms" in line.means else None
        row["Note"] = "older weights" if now and now.revision != line.revision else ""
        rows.append(row)
    first = METRICS[choice.metric]
    frame = pd.DataFrame(rows)
    column = first.heading
    if first.better == "truth":  # nearest to the truth's value first
        truth = frame.loc[frame["Model"] == title_of("truth"), column]
        distance = (frame[column] - (truth.iloc[0] if len(truth) else 0)).abs()
        return frame.loc[distance.sort_values().index]
    return frame.sort_values(column, ascending=first.better == "lower", kind="stable")


def make_numbers(lines: list[Line], choice: Choice) -> pd.DataFrame:
    """The table for other programs: a row per line, mean and both ends of its interval as numbers.

    Unrounded, and empty where nothing was measured or the value is infinite.
    """
    rows = []
    for line in lines:
        row: dict[str, object] = {"model": line.model, "title": title_of(line.model)}
        for name in choice.metrics:
            mean = line.means.get(name)
            for end, value in (
                (name, mean and mean.value),
                (f"{name}_low", mean and mean.low),
                (f"{name}_high", mean and mean.high),
            ):
                row[end] = value if value is not None and math.isfinite(value) else None
        row |= {"pictures": line.pictures, "revision": line.revision}
        row["ms"] = line.means["ms"].value if "ms" in line.means else None
        rows.append(row)
    return pd.DataFrame(rows)


def describe_traps(names: tuple[str, ...]) -> str:
    """For each metric the one sentence that keeps a reader from misreading it, as Markdown."""
    from workbench.evaluation.metrics import METRICS

    return "  \n".join(f"**{METRICS[name].title}.** {METRICS[name].trap}" for name in names)


def configure_columns(choice: Choice) -> dict[str, object]:
    """How the table shows its numbers."""
    from workbench.evaluation.metrics import METRICS

    shown: dict[str, object] = {
        METRICS[name].heading: st.column_config.NumberColumn(
            format=METRICS[name].format, help=METRICS[name].trap, width=NARROW
        )
        for name in choice.metrics
    }
    shown |= {
        f"{METRICS[name].title}, 95 %": st.column_config.TextColumn(
            "95 %", help=f"Interval of the mean of {METRICS[name].title}.", width=WIDE
        )
        for name in choice.metrics
    }
    shown["Model"] = st.column_config.TextColumn(pinned=True)
    shown["Parameters"] = st.column_config.NumberColumn(format="compact")
    shown["ms"] = st.column_config.NumberColumn(
        "ms per picture", format="%.1f", help="Time of the network, on the machine that evaluated."
    )
    shown["Note"] = st.column_config.TextColumn(
        help="Older weights: the checkpoint has changed since these rows were made. Evaluate again."
    )
    return shown


def offer_downloads(lines: list[Line], scores: list[Score], choice: Choice) -> None:
    """The table, and the rows of pictures that it was computed from, as CSV and Parquet."""
    name = f"leaderboard_{choice.protocol}_{choice.size}"
    bar = st.container(horizontal=True)
    files = {
        "Table (CSV)": (
            lambda: make_numbers(lines, choice).map(neutralise).to_csv(index=False),
            f"{name}.csv",
            "text/csv",
        ),
        "Rows per picture (CSV)": (
            lambda: pd.DataFrame(scores).map(neutralise).to_csv(index=False),
            f"{name}_pictures.csv",
            "text/csv",
        ),
        "Rows per picture (Parquet)": (
            lambda: pd.DataFrame(scores).to_parquet(index=False),
            f"{name}_pictures.parquet",
            "application/vnd.apache.parquet",
        ),
    }
    for label, (data, file_name, mime) in files.items():
        bar.download_button(
            label, data, file_name, mime, on_click="ignore", icon=":material/download:", key=label
        )


def source_of(dataset: str, typed: str) -> str:
    """Where the pictures of a test set are: the typed place, else WORKBENCH_DATA.

    A folder may hold `<dataset>.parquet`, `test/<dataset>.parquet` or a folder `<dataset>`.
    Raises Problem where nothing is there.
    """
    place = typed.strip() or places.data()
    if not place:
        raise Problem(
            "The test pictures are not part of this repository. Type the folder that holds them, "
            "or start the workbench with WORKBENCH_DATA set to it."
        )
    folder = Path(place).expanduser()
    tries = [
        folder / f"{dataset}.parquet",
        folder / "test" / f"{dataset}.parquet",
        folder / dataset,
    ]
    for found in tries:
        if found.exists():
            return str(found)
    if folder.is_file() or not folder.exists():
        return place
    raise Problem(
        f"There is no {dataset}.parquet in {place}, nor in its folder test. "
        "Type the folder that holds the test sets, or the file itself."
    )
