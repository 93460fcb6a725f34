"""The leaderboard's views below its table: each a function of (rows, lines, choice)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from workbench import charts, places
from workbench.errors import Problem
from workbench.evaluation.fine_tuned import gain_by_tuning, name_training
from workbench.evaluation.metrics import METRICS, OF_SETS
from workbench.evaluation.summaries import Choice, aggregate_ranks, compare_paired, generalisation
from workbench.names import escape_markdown, write_number
from workbench.ui import gate, state
from workbench.ui.leaderboard.board import describe_kinship, source_of, title_of
from workbench.ui.leaderboard.sets import show_set
from workbench.ui.viewers import Cell, show_gallery
from workbench.ui.widgets import show_passed_over, show_plot
from workbench.writing import as_csv, neutralise

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from workbench.evaluation.by_color import Share
    from workbench.evaluation.scores import Score
    from workbench.evaluation.summaries import Line

PROTOCOL = places.DOCS / "protocol.md"
KODAK = (
    "Kodak's photographs come with the workbench, a little compressed (WebP); the numbers are of "
    "the pictures as they were scored."
)
NUMBERS = {  # of a published line: its columns as people read them
    "psnr": "PSNR, dB",
    "psnr_sd": "PSNR ±",
    "ssim": "SSIM",
    "ssim_sd": "SSIM ±",
    "fid": "FID",
    "colorfulness": "Colourfulness",
    "delta_colorfulness": "Δ colourfulness",
    "auc": "AuC, %",
    "auc_rebalanced": "AuC rebalanced, %",
    "fool_rate": "Fooled, %",
    "pixels_differ": "Pixels differ, %",
}
SHOWN = 3  # best, and as many worst, cases
ON_THE_SPOT = 48  # pictures of a set whose errors by colour are measured for a visitor


def show_ranking(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """Means with their 95 % intervals, the best on top."""
    show_plot(charts.intervals(lines, choice.metric, title_of), f"{choice.metric}_intervals")
    st.caption(
        "A point is the mean over the data sets of their means; the bar its 95 % bootstrap "
        "interval (1,000 resamples over pictures). The dashed line is grey: no colour at all."
    )


def show_trade_off(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """Faithful against colourful."""
    show_plot(charts.psnr_against_colorfulness(lines, title_of), "psnr_colourfulness")
    st.caption(
        "Up is nearer to the truth pixel by pixel, right is more colourful. Playing safe moves a "
        "model toward grey; boldness costs PSNR wherever the guess is wrong."
    )


def show_per_picture(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """How the metric is spread over the pictures."""
    shown = [row for row in rows if row.model != "truth"]
    show_plot(charts.distribution(shown, choice.metric, title_of), f"{choice.metric}_pictures")


def show_matrix(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """What a model was trained on against the test sets, and what fine-tuning changed."""
    trained_on = {
        name: f"on {name_training(checkpoint.config)}"
        for name, checkpoint in state.checkpoints().items()
    } | {"grey": "no training", "mean_ab": "one colour for all"}
    if not any(row.model in state.checkpoints() for row in rows):
        raise Problem("None of the models in this table is here, so their training is not known.")
    tuned, more, bases, complaints = state.fine_tuned()
    show_passed_over(complaints)
    tuned = [each for each in tuned if each.base in trained_on]
    included = [row for row in more if choice.includes(row)]
    if (there := sorted({row.size for row in more})) and choice.size not in there:
        sizes = " and ".join(f"{side} px" for side in there)
        st.caption(f"Fine-tuned weights have rows at {sizes}: choose that size above.")
    rows = rows + included
    titles = {each.name: title_of(each.base) for each in tuned}
    trained_on |= {each.name: each.label for each in tuned}
    names, columns, means = generalisation(rows, trained_on, choice.metric)
    named = []
    for name in names:
        model, _, training = name.partition(" (")
        named.append(f"{titles.get(model) or title_of(model)} ({training}")
    order = sorted(columns, key=lambda name: (describe_kinship(name), name))
    means = [[line[columns.index(name)] for name in order] for line in means]
    shown = [
        f"{name} (foreign)" if describe_kinship(name) == "foreign source" else name
        for name in order
    ]
    show_plot(charts.generalisation(named, shown, means, choice.metric), "generalisation")
    st.caption(
        "Lakhani's question: how does a model fare on pictures like those it was trained on, and "
        "on all others? *Foreign* test sets are of a source of which the training set of the "
        "bundled weights has nothing; the others share a source with it, never a picture. "
        "Fine-tune a model yourself (`train ... --from`), evaluate it, and it gets a row here; "
        "`adopt RUN --row` keeps the row without the weights."
    )
    both = rows + [row for row in bases if choice.includes(row)]
    gains = {each: gain_by_tuning(both, each, choice.metric) for each in tuned}
    gains = {each: gain for each, gain in gains.items() if gain}
    if not gains:
        return
    st.subheader("What fine-tuning changed")
    show_plot(
        charts.generalisation(
            [f"{titles[each.name]} ({each.label})" for each in gains],
            shown,
            [[gain.get(name) for name in order] for gain in gains.values()],
            choice.metric,
        ),
        "fine_tuning",
    )
    st.caption(
        "The fine-tuned weights minus those they began from, on the same pictures. One training "
        "each: two trainings alike differ by about 0.25 dB, so what is smaller is no evidence."
    )


def show_two_models(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """The same pictures by two models: mean difference with its interval, and who won how often."""
    names = list(dict.fromkeys(line.model for line in lines if line.model != "truth"))
    left, right = st.columns(2)
    first = left.selectbox("First", names, format_func=title_of, key="first", bind="query-params")
    second = right.selectbox(
        "Second",
        names,
        index=min(1, len(names) - 1),
        format_func=title_of,
        key="second",
        bind="query-params",
    )
    metric = METRICS[choice.metric]
    found = compare_paired(
        [row for row in rows if row.model == first],
        [row for row in rows if row.model == second],
        metric.name,
    )
    mean, digits = found.difference, metric.digits
    unit = f" {metric.unit}" if metric.unit else ""
    of = "distance to the truth's" if metric.better == "truth" else "difference in"
    value, low, high = (
        write_number(each, f"+.{digits}f") + unit for each in (mean.value, mean.low, mean.high)
    )
    left.metric(f"Mean {of} {metric.title}", value, border=True)
    right.metric(f"{title_of(first)} is better on", f"{found.won:.0%} of pictures", border=True)
    st.caption(
        f"First minus second, picture by picture: 95 % interval {low} to {high}, "
        f"{len(found.pictures)} pictures that both were scored on. "
        + ("0 is inside: " if mean.low <= 0 <= mean.high else "0 is outside: ")
        + ("this data cannot tell them apart." if mean.low <= 0 <= mean.high else "they differ.")
    )
    figure = charts.paired_differences(found.differences, metric.name, first, second, title_of)
    show_plot(figure, f"{metric.name}_{first}_{second}")


def _round(value: float | None, digits: int) -> float | None:
    """As it is shown: what is 0 then has no sign."""
    return None if value is None else round(value, digits) + 0.0


def _ask_place(where: DeltaGenerator, key: str) -> str:
    """Where the test pictures are, as a visitor types it; Problem where they may not look there."""
    place = where.text_input(
        "Where the test pictures are",
        placeholder="a folder with the data sets' parquet files (or set WORKBENCH_DATA)",
        key=key,
        persist_state="session",
    )
    if place.strip():
        gate.check_source(place)
    return place


def show_cases(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """The pictures on which a model did best and worst, of those here, coloured on the spot."""
    checkpoints = state.checkpoints()
    names = [name for name in dict.fromkeys(line.model for line in lines) if name in checkpoints]
    if not names:
        raise Problem("None of the models in this table is here: fetch one to see its pictures.")
    left, right = st.columns([1, 2])
    name = left.selectbox("Model", names, format_func=title_of, key="case", bind="query-params")
    place = ""
    if gate.may_control():
        place = _ask_place(right, "case_source")
    metric = METRICS[choice.metric]
    scored = [row for row in rows if row.model == name and getattr(row, metric.name) is not None]
    sources, problem = _find_sources({row.dataset for row in scored}, place)
    if problem and not sources:
        st.info(str(problem))
        return
    scored = [row for row in scored if row.dataset in sources]
    scored.sort(key=lambda row: _badness(row, metric.name))
    chosen = {"Best": scored[:SHOWN], "Worst": scored[::-1][:SHOWN]}
    for heading, few in chosen.items():
        cells = []
        for row in few:
            truth, made = colorize_row(name, row, sources[row.dataset])
            value = f"{metric.title} {getattr(row, metric.name):.{metric.digits}f} {metric.unit}"
            cells.append(Cell("Truth", truth, f"{row.dataset}: {PurePosixPath(row.picture).name}"))
            cells.append(Cell(title_of(name), made, value))
        st.subheader(heading)
        show_gallery(cells, key=f"cases_{heading}", cell=170, most=2 * SHOWN)  # pairs stay pairs
    st.caption(
        f"Of {', '.join(sorted(sources))}, coloured just now."
        + (f" {problem}" if problem else "")
        + (f" {KODAK}" if _is_ours(sources.get("kodak24", "")) else "")
    )


def _find_sources(datasets: set[str], place: str) -> tuple[dict[str, str], Problem | None]:
    """Data set -> where its pictures are, of those that are here; why another one is not."""
    found, problem = {}, None
    for dataset in sorted(datasets):
        try:
            found[dataset] = source_of(dataset, place)
        except Problem as missing:
            problem = missing
    return found, problem


def _is_ours(source: str) -> bool:
    """Whether these pictures came with the workbench."""
    return Path(source).parent == places.TEST_PICTURES


def show_colors(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """Errors by the hue of the truth and by scene, and Liu & Tu's sentences judged by them."""
    from workbench.evaluation import by_color

    found, complaints = state.by_color()
    for sentence in complaints:
        st.warning(escape_markdown(sentence))
    names = {line.model for line in lines}
    found = [row for row in found if row.dataset in choice.datasets and row.model in names]
    lacking = [name for name in choice.datasets if name not in {row.dataset for row in found}]
    if lacking:
        found = found + _on_the_spot(lacking, names)
    if not found:
        st.info(
            "No errors by colour are kept for these data sets: "
            "`python -m workbench by-colour all --data FILE` makes them."
        )
        return
    sets = sorted({row.dataset for row in found})
    st.markdown(
        f"Of {escape_markdown(', '.join(sets))}, {by_color.SIZE} × {by_color.SIZE} pixels. A pixel "
        "belongs to the hue of its true colour; below a chroma of "
        f"{by_color.CHROMA:.0f} it is neutral."
    )
    errors = by_color.by_sector(found)
    show_plot(charts.by_group(errors, "CIEDE2000, lower is better", title_of), "delta_e_by_hue")
    ratios = by_color.by_sector([row for row in found if row.model != "grey"], "ratio")
    show_plot(charts.by_group(ratios, "chroma over the truth's", title_of, 1.0), "chroma_by_hue")
    st.caption(
        "Mean over all pixels of a hue with its 95 % bootstrap interval (1,000 resamples over "
        "pictures). Below 1 a hue is paler than it was, 0 is grey; a ratio does not say whether "
        "the hue is the right one, CIEDE2000 does."
    )
    if any(row.label in (*by_color.LANDSCAPES, *by_color.BUILT) for row in found):
        scenes = [r for r in found if r.label in (*by_color.LANDSCAPES, *by_color.BUILT)]
        show_plot(
            charts.by_group(by_color.by_label(scenes), "CIEDE2000, lower is better", title_of),
            "delta_e_by_scene",
        )
    _show_judged(found)
    now = state.checkpoints()
    if old := {r.model for r in found if r.model in now and now[r.model].revision != r.revision}:
        st.caption(f"Rows of older weights: {', '.join(map(title_of, sorted(old)))}.")
    st.download_button(
        "Rows by colour (CSV)",
        lambda: as_csv([asdict(row) for row in found], by_color.COLUMNS),
        "by_colour.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _show_judged(found: list[Share]) -> None:
    """A table of Liu & Tu's sentences for one model."""
    from workbench.evaluation import by_color

    names = [name for name in dict.fromkeys(row.model for row in found) if name != "grey"]
    if not names:
        return
    st.subheader("Liu & Tu: green and blue well, red hardly, landscapes above all")
    chosen = st.selectbox(
        "Judged",
        names,
        index=names.index("cbam_gan") if "cbam_gan" in names else 0,
        format_func=title_of,
        key="judged",
        bind="query-params",
    )
    table = [
        {
            "They say": each.claim,
            "Above 0 where it is so": each.measure,
            "Mean": round(each.difference.value, 2),
            "95 %": f"{write_number(each.difference.low, '.2f')} – "
            f"{write_number(each.difference.high, '.2f')}",
            "In these weights": each.outcome,
        }
        for each in by_color.judge_sentences(found, chosen)
    ]
    st.dataframe(pd.DataFrame(table), hide_index=True)
    st.caption(
        "One training: this says how these weights behave, not what the method does with another "
        "seed. They trained on Places365 and compared with their own first network."
    )


def _on_the_spot(lacking: list[str], names: set[str]) -> list[Share]:
    """Rows of sets that have none, of their first pictures, where a visitor may ask for them."""
    from itertools import islice

    from workbench.coloring.colorize import predict_ab
    from workbench.data.sources import open_source
    from workbench.evaluation import by_color, entrants

    if not gate.may_control():
        return []
    left, right = st.columns([1, 2])
    name = left.selectbox("Not measured yet", lacking, index=None, key="colour_set")
    place = _ask_place(right, "colour_source")
    if name is None:
        return []
    source = source_of(name, place)
    here = [each for model, each in state.checkpoints().items() if model in names]
    key = ("by colour", source, name, *(each.revision for each in here))
    if (rows := state.shelf().get(key)) is None:
        field = [
            entrants.from_function(
                each.name, each.revision,
                lambda L, each=each: predict_ab(state.network(each), L, each.size),
            )
            for each in here
        ]  # fmt: skip
        field += [each for each in entrants.baselines() if each.name == "grey"]
        items = islice(open_source(source).items(), ON_THE_SPOT)
        with st.spinner(f"The first {ON_THE_SPOT} pictures of {name}…"), state.queue().take_place():
            rows = list(by_color.shares(field, items, name, unreadable=st.caption))
        state.shelf().put(key, rows, 200 * len(rows))
    st.caption(f"{escape_markdown(name)}: its first {ON_THE_SPOT} pictures, measured just now.")
    return rows


def show_reported(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """What papers and peers publish, a table for each source and protocol, apart from ours."""
    from workbench.evaluation.reported import REPORTED

    for source, protocol in dict.fromkeys((each.source, each.protocol) for each in REPORTED):
        st.markdown(f"**{escape_markdown(source)}**  \n{escape_markdown(protocol)}")
        table = pd.DataFrame(
            {
                "System": each.system,
                "Data set": each.dataset,
                "Trained again here": title_of(each.repeated_by) if each.repeated_by else None,
            }
            | {heading: getattr(each, name) for name, heading in NUMBERS.items()}
            for each in REPORTED
            if (each.source, each.protocol) == (source, protocol)
        )
        st.dataframe(table.dropna(axis="columns", how="all"), hide_index=True, placeholder="–")
    st.caption(
        "Never ranked against the table above: each line was measured in its own way. To see our "
        "models under an old protocol, run `python -m workbench evaluate all --data FILE "
        "--protocol ranjan-agrawal` (or liu-gao-li, ct2-5k, ddcolor) and choose it under Protocol."
    )


def show_protocol(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """How the numbers are made."""
    from workbench.evaluation.protocols import PROTOCOLS

    chosen = PROTOCOLS.get(choice.protocol)
    if chosen is not None:
        st.markdown(f"**`{chosen.name}` – {chosen.title}.** {chosen.text}")
    if PROTOCOL.exists():
        st.markdown(PROTOCOL.read_text("utf-8"))


def _badness(row: Score, metric: str) -> float:
    return METRICS[metric].badness(getattr(row, metric), getattr(row, f"{metric}_truth", None))


def colorize_row(name: str, row: Score, source: str):
    """(truth, result), uint8 RGB (3, H, W), made as the protocol makes them."""
    import torch

    from workbench.color import join_rgb, split_lab
    from workbench.coloring.colorize import predict_ab
    from workbench.data.pictures import decode
    from workbench.data.sources import open_source
    from workbench.evaluation.protocols import find_protocol

    checkpoint = state.checkpoints()[name]
    shape = find_protocol(row.protocol).shape(row.size)
    key = ("case", name, checkpoint.revision, source, row.picture, shape)
    if found := state.shelf().get(key):
        return found
    wanted = PurePosixPath(row.picture).name if _is_ours(source) else row.picture
    item = next((item for item in open_source(source).items() if item.name == wanted), None)
    if item is None:
        raise Problem(
            f"{row.picture} is not in {source}: it was scored on other files than these. "
            "Point to the data set that `evaluate` was given."
        )
    truth = torch.from_numpy(decode(item.data, shape)[0])
    L, _ = split_lab(truth[None])
    with state.queue().take_place():
        ab = predict_ab(state.network(checkpoint), L, checkpoint.size)
    pair = (truth, join_rgb(L, ab)[0])
    return state.shelf().put(key, pair, 2 * truth.nbytes)


def show_ranks(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """Places on each data set, their mean and Borda's points."""
    places = aggregate_ranks(rows, choice.metric)
    table = [
        {
            "Model": title_of(each.model),
            "Mean rank": each.mean_rank,
            "Borda": each.borda,
            **dict(zip(each.datasets, each.ranks, strict=False)),
            "Lacks": ", ".join(each.missing),
            "Revision": each.revision,
        }
        for each in places
    ]
    numbers = {name: st.column_config.NumberColumn(format="%.1f") for name in choice.datasets}
    shapes = numbers | {
        "Model": st.column_config.TextColumn(pinned=True),
        "Mean rank": st.column_config.NumberColumn(format="%.2f"),
        "Borda": st.column_config.NumberColumn(format="%.1f"),
    }
    frame = pd.DataFrame(table)
    st.dataframe(frame, hide_index=True, column_config=shapes, placeholder="–")
    st.download_button(
        "Ranks (CSV)",
        lambda: frame.map(neutralise).to_csv(index=False),
        f"ranks_{choice.metric}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
        key="ranks_csv",
    )
    st.caption(
        f"Places by {METRICS[choice.metric].title} on each set; ties share a place. *Borda*: a "
        "point for every model left behind on a set. A mean over sets lets one set with large "
        "differences decide; places do not. A model that lacks a set is shown and not ranked."
    )


def show_realism(rows: list[Score], lines: list[Line], choice: Choice) -> None:
    """How far each model's pictures are from the true ones, taken as one set."""
    from workbench.evaluation import realism, score_run

    kept, complaints = realism.read_roots(score_run.score_roots())
    show_passed_over(complaints)
    if not kept:
        st.info(
            "No distance of sets is here yet: `python -m workbench distance --keep --data …` "
            "measures it."
        )
        return
    wide = max((row.datasets for row in kept), key=len)
    of_wide = [row for row in kept if row.datasets == wide]
    size = min({row.size for row in of_wide}, key=lambda size: (size != choice.size, size))
    shown = sorted((row for row in of_wide if row.size == size), key=lambda row: row.kd_lite)
    show_plot(
        charts.intervals([row.as_line() for row in shown], "kd_lite", title_of), "kd_lite_intervals"
    )
    kernel, frechet = (OF_SETS[name] for name in ("kd_lite", "fd_lite"))
    table = pd.DataFrame(
        {
            "Model": title_of(row.model),
            kernel.heading: row.kd_lite,
            "low": _round(row.kd_lite_low, kernel.digits),
            "high": _round(row.kd_lite_high, kernel.digits),
            frechet.heading: row.fd_lite,
            "Pictures": row.pictures,
            "Revision": row.revision,
        }
        for row in shown
    )
    shapes = {
        metric.heading: st.column_config.NumberColumn(format=metric.format, help=metric.trap)
        for metric in (kernel, frechet)
    } | {end: st.column_config.NumberColumn(format=kernel.format) for end in ("low", "high")}
    st.dataframe(table, hide_index=True, column_config=shapes, placeholder="–")
    st.caption(
        f"All pictures of {len(wide)} data sets together at {size} px, through the 1280 pooled "
        "features of EfficientNet-Lite0; 95 % intervals over pictures, each resampled with its "
        "truth. "
        f"{kernel.trap}. The truth is at 0 from itself."
    )


VIEWS = {
    "Intervals": show_ranking,
    "Faithful or colourful": show_trade_off,
    "Per picture": show_per_picture,
    "By colour": show_colors,
    "Ranks": show_ranks,
    "As a set": show_realism,
    "Two models": show_two_models,
    "Best and worst": show_cases,
    "Generalisation": show_matrix,
    "Data sets": show_set,
    "Published": show_reported,
    "How the numbers are made": show_protocol,
}
