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
MEAN, INTERVAL, ROWS = "mean", "95 %", "what was scored"  # below a metric; above the rest


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
            bind="query-params", format_func=str.capitalize,
            help="Whether the training set of the bundled weights has other pictures of the same "
            "source. No test picture itself is in it.",
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


def _format_mean(metric: Metric, mean: Mean | None) -> dict[tuple[str, str], object]:
    """The two cells of a metric: its mean, and its interval in words."""
    value, interval = None, ""
    if mean is not None and not math.isfinite(mean.value):  # only the truth is the truth
        interval = "identical: ∞"
    elif mean is not None:
        value = round(mean.value, metric.digits)
        interval = f"{metric.text(mean.low)} – {metric.text(mean.high)}"
    return {(metric.heading, MEAN): value, (metric.heading, INTERVAL): interval}


def make_table(lines: list[Line], choice: Choice) -> pd.DataFrame:
    """A row per line, best first: a group of columns for each metric, then what made them.

    The index is the model's title; columns are (group, name).
    """
    from workbench.evaluation.metrics import METRICS

    checkpoints = state.checkpoints()
    rows = []
    for line in lines:
        row: dict[tuple[str, str], object] = {}
        for name in choice.metrics:
            row |= _format_mean(METRICS[name], line.means.get(name))
        now = checkpoints.get(line.model)
        row[ROWS, "Pictures"] = line.pictures
        row[ROWS, "Revision"] = line.revision
        row[ROWS, "Parameters"] = state.parameters(now) if now else None
        row[ROWS, "ms"] = round(line.means["ms"].value, 1) if "ms" in line.means else None
        row[ROWS, "Note"] = "older weights" if now and now.revision != line.revision else ""
        rows.append(row)
    first = METRICS[choice.metric]
    titles = pd.Index([title_of(line.model) for line in lines], name="Model")
    frame = pd.DataFrame(rows, index=titles)
    frame.columns = pd.MultiIndex.from_tuples(frame.columns)
    empty = {"Note": not frame[ROWS, "Note"].any(), "ms": frame[ROWS, "ms"].isna().all()}
    frame = frame.drop(columns=[(ROWS, name) for name, is_empty in empty.items() if is_empty])
    merit = frame[first.heading, MEAN].to_numpy(dtype=float)
    if first.better == "truth":  # nearest to the truth's value first
        truth = merit[titles == title_of("truth")]
        merit = abs(merit - (truth[0] if len(truth) else 0))
    ascending = first.better != "higher"
    return frame.iloc[pd.Series(merit).sort_values(ascending=ascending, kind="stable").index]


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


def configure_columns(frame: pd.DataFrame, choice: Choice) -> dict[int, object]:
    """How the table of `make_table` shows its numbers, by place: 0 is the model."""
    from workbench.evaluation.metrics import METRICS

    by_heading = {METRICS[name].heading: METRICS[name] for name in choice.metrics}
    shown: dict[int, object] = {0: st.column_config.TextColumn(pinned=True)}
    for place, (group, name) in enumerate(frame.columns, 1):
        metric = by_heading.get(group)
        if metric is not None and name == MEAN:
            shown[place] = st.column_config.NumberColumn(format=metric.format, help=metric.trap)
        elif metric is not None:
            shown[place] = st.column_config.TextColumn(
                help=f"95 % interval of the mean of {metric.title}."
            )
        elif name in OF_ROWS:
            shown[place] = OF_ROWS[name]
    return shown


OF_ROWS = {
    "Parameters": st.column_config.NumberColumn(format="compact"),
    "ms": st.column_config.NumberColumn(
        format="%.1f", help="Of the network for a picture, on the machine that evaluated."
    ),
    "Note": st.column_config.TextColumn(
        help="Older weights: the checkpoint has changed since these rows were made. Evaluate again."
    ),
}


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
    """Where the pictures of a test set are: the typed place, else WORKBENCH_DATA, else ours.

    A folder may hold `<dataset>.parquet`, `test/<dataset>.parquet` or a folder `<dataset>`.
    Raises Problem where nothing is there.
    """
    place = typed.strip() or places.data()
    folder = Path(place).expanduser()
    tries = [
        folder / f"{dataset}.parquet",
        folder / "test" / f"{dataset}.parquet",
        folder / dataset,
    ]
    for found in [*(tries if place else ()), places.TEST_PICTURES / dataset]:
        if found.exists():
            return str(found)
    if not place:
        raise Problem(
            f"The pictures of {dataset} do not come with the workbench. Type the folder that "
            "holds them, or start the workbench with WORKBENCH_DATA set to it."
        )
    if folder.is_file() or not folder.exists():
        return place
    raise Problem(
        f"There is no {dataset}.parquet in {place}, nor in its folder test. "
        "Type the folder that holds the test sets, or the file itself."
    )
