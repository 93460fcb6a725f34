"""Plotly figures as functions of rows: one colour per model, grey is grey, light and dark alike.

Nothing is computed here but where a mark goes. Backgrounds are transparent, text and grid are mid
greys, colours are those of the registry (Okabe & Ito 2008, colour-blind safe), and a mark never
differs by its colour alone: its name stands beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.evaluation.metrics import METRICS, find_metric
from workbench.evaluation.scores import Score
from workbench.evaluation.summaries import BASELINES, Line, Mean
from workbench.names import write_number

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from plotly.graph_objects import Figure as Figure  # what pages call it by
    from torch import Tensor

INK = "#808080"  # lines, and the text of a figure whose ground nobody knows
INKS = {"light": "#4a4a4a", "dark": "#c8c8c8"}  # text on the ground of our themes
GRID = "rgba(128, 128, 128, 0.25)"
GREYS = {"grey": "#8c8c8c", "mean_ab": "#a08c72", "truth": "#6e6e6e"}
OTHERS = ("#56B4E9", "#F0E442", "#b39ddb", "#8d6e63")  # models that are not in the registry
DASHES = ("solid", "dash", "dot", "dashdot")
LOGGED = {  # what log.jsonl says, beside the metrics
    "net": "loss of the network",
    "critic": "loss of the critic",
    "delta_cf": "colourfulness minus the truth’s",
    "rate": "images/s",
    "learning_rate": "learning rate",
}
MARKS = {"grey": "x", "mean_ab": "cross", "truth": "star"}  # no network: other marks

Titles = Callable[[str], str]


def color_of(name: str) -> str:
    """The colour of a model or of a baseline, the same in every chart."""
    from workbench.models import MODELS

    known = name.rstrip("*")
    if known in MODELS:
        return MODELS[known].color
    return GREYS.get(name) or OTHERS[sum(name.encode()) % len(OTHERS)]


def intervals(lines: Sequence[Line], metric: str = "psnr", titles: Titles = str) -> go.Figure:
    """Means with 95 % intervals, best on top; a dashed line at grey's mean.

    titles: what people read instead of a model's name. Infinite means (the truth's) are left out.
    """
    import plotly.graph_objects as go

    shown = sorted(
        (line for line in lines if metric in line.means and _finite(line.means[metric])),
        key=lambda line: _merit(line, metric),
    )
    figure = go.Figure()
    for line in shown:
        mean = line.means[metric]
        figure.add_scatter(
            x=[mean.value],
            y=[_label(line, shown, titles)],
            error_x=_whiskers(mean),
            mode="markers",
            marker={"size": 11, "color": color_of(line.model), "symbol": _mark(line.model)},
            name=titles(line.model),
            hovertemplate=_sentence(metric, mean) + "<extra></extra>",
        )
    if grey := next((line for line in shown if line.model == "grey"), None):
        figure.add_vline(grey.means[metric].value, line={"dash": "dash", "color": GREYS["grey"]})
    figure.update_layout(showlegend=False, height=90 + 36 * len(shown))
    return style_figure(figure, x=_axis(metric))


def psnr_against_colorfulness(lines: Sequence[Line], titles: Titles = str) -> go.Figure:
    """Faithful (up) against colourful (right), with intervals; the truth's colourfulness a line.

    A model that plays safe sits beside grey; the truth, whose PSNR is infinite, is the vertical.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    both = [line for line in lines if {"psnr", "colorfulness"} <= line.means.keys()]
    for line in both:
        psnr, chroma = line.means["psnr"], line.means["colorfulness"]
        if line.model == "truth" or not _finite(psnr):
            continue
        figure.add_scatter(
            x=[chroma.value],
            y=[psnr.value],
            error_x=_whiskers(chroma),
            error_y=_whiskers(psnr),
            mode="markers+text",
            text=[_label(line, both, titles)],
            textposition="top center",
            marker={"size": 12, "color": color_of(line.model), "symbol": _mark(line.model)},
            name=titles(line.model),
            hovertemplate=(
                f"PSNR {psnr.value:.2f} dB<br>colourfulness {chroma.value:.1f}<extra></extra>"
            ),
        )
    if truth := next((line for line in both if line.model == "truth"), None):
        value = truth.means["colorfulness"].value
        figure.add_vline(
            value,
            line={"dash": "dot", "color": GREYS["truth"]},
            annotation={"text": f"{titles('truth')} {value:.1f}"},
        )
    figure.update_layout(showlegend=False, height=440)
    return style_figure(figure, x=_axis("colorfulness"), y=_axis("psnr"))


def distribution(scores: Iterable[Score], metric: str = "psnr", titles: Titles = str) -> go.Figure:
    """How a metric is spread over the pictures: a box for each model, outliers with their names."""
    import plotly.graph_objects as go

    values: dict[str, list[tuple[float, str]]] = {}
    for score in scores:
        value = getattr(score, metric)
        if value is not None and math.isfinite(value):
            values.setdefault(score.model, []).append((value, score.picture))
    figure = go.Figure()
    for model, pairs in values.items():
        figure.add_box(
            x=[value for value, _ in pairs],
            name=titles(model),
            text=[picture for _, picture in pairs],
            marker={"color": color_of(model), "size": 4},
            boxpoints="outliers",
            boxmean=True,
            hovertemplate="%{x:.4g}<br>%{text}<extra></extra>",
        )
    figure.update_layout(showlegend=False, height=90 + 48 * len(values))
    return style_figure(figure, x=_axis(metric))


def paired_differences(
    differences: Sequence[float], metric: str, first: str, second: str, titles: Titles = str
) -> go.Figure:
    """How far one model is ahead of another, picture by picture: a histogram with zero marked."""
    import plotly.graph_objects as go

    finite = [value for value in differences if math.isfinite(value)]
    figure = go.Figure(go.Histogram(x=finite, marker={"color": color_of(first)}, nbinsx=40))
    figure.add_vline(0, line={"dash": "dash", "color": INK})
    figure.update_layout(height=320, bargap=0.05)
    title = f"{METRICS[metric].title}: {titles(first)} minus {titles(second)}"
    return style_figure(figure, x=title, y="pictures")


def generalisation(
    rows: Sequence[str], columns: Sequence[str], means: Sequence[Sequence[Mean | None]],
    metric: str = "psnr",
) -> go.Figure:  # fmt: skip
    """Heat map of what a model was trained on (rows) against test sets (columns)."""
    import plotly.graph_objects as go

    digits = METRICS[metric].digits
    figure = go.Figure(
        go.Heatmap(
            z=[[mean.value if mean and _finite(mean) else None for mean in row] for row in means],
            x=list(columns),
            y=list(rows),
            text=[
                [
                    write_number(mean.value, f".{digits}f") if mean and _finite(mean) else ""
                    for mean in row
                ]
                for row in means
            ],
            texttemplate="%{text}",
            colorscale="Cividis",
            reversescale=METRICS[metric].better == "lower",
            colorbar={"title": METRICS[metric].unit, "outlinewidth": 0},
            hovertemplate="%{y}<br>on %{x}: %{text}<extra></extra>",
            xgap=2,
            ygap=2,
        )
    )
    figure.update_layout(height=140 + 40 * len(rows))
    figure.update_yaxes(autorange="reversed")
    return style_figure(figure)


def by_group(
    means: Mapping[str, Mapping[str, Mean]],
    title: str,
    titles: Titles = str,
    at: float | None = None,
) -> go.Figure:
    """Means with 95 % intervals of every model, side by side in each group (a hue, a scene).

    means: model -> group -> mean; at: a dashed line at this value.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for model, groups in means.items():
        shown = {group: mean for group, mean in groups.items() if _finite(mean)}
        figure.add_scatter(
            x=list(shown),
            y=[mean.value for mean in shown.values()],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [mean.high - mean.value for mean in shown.values()],
                "arrayminus": [mean.value - mean.low for mean in shown.values()],
                "thickness": 1.5,
            },
            mode="markers",
            marker={"size": 9, "color": color_of(model), "symbol": _mark(model)},
            name=titles(model),
            text=[
                f"{mean.low:.3g} to {mean.high:.3g}, {mean.n} pictures" for mean in shown.values()
            ],
            hovertemplate="%{x}: %{y:.3g}<br>%{text}",
        )
    if at is not None:
        figure.add_hline(at, line={"dash": "dash", "color": INK})
    figure.update_layout(scattermode="group", scattergap=0.4, height=440)
    return style_figure(figure, y=title)


def training_curves(
    logs: Mapping[str, Sequence[Mapping[str, Any]]], what: str, titles: Titles = str,
    grey: Mapping[str, Mapping[str, float]] | None = None,
) -> go.Figure:  # fmt: skip
    """One value of log.jsonl over the images seen, a line for each run.

    logs: name of the model or run -> lines of its log; lines without the value are passed over.
    `what` may name a value of `losses` or of `validation`. grey: the same names -> what no colour
    at all scores on the watched pictures, a dashed line where `what` is a metric.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    colors: list[str] = []
    for name, lines in logs.items():
        colors.append(color_of(name))
        dash = DASHES[(colors.count(colors[-1]) - 1) % len(DASHES)]  # a second run of a model
        points = [(line["seen"], _read_logged(line, what)) for line in lines
                  if "seen" in line and _read_logged(line, what) is not None]  # fmt: skip
        figure.add_scatter(
            x=[seen for seen, _ in points],
            y=[value for _, value in points],
            mode="lines" if len(points) > 20 else "lines+markers",
            line={"color": colors[-1], "width": 2, "dash": dash},
            name=titles(name),
        )
    levels: dict[float, list[str]] = {}  # runs that watch the same pictures share a line
    for name, scores in (grey or {}).items():
        if what in METRICS and what in scores:
            levels.setdefault(scores[what], []).append(titles(name))
    for value, named in levels.items():
        text = "grey" if len(levels) == 1 else f"grey of {', '.join(named)}"
        line = {"dash": "dash", "color": GREYS["grey"]}
        figure.add_hline(value, line=line, annotation={"text": text})
    figure.update_layout(height=360, hovermode="x unified", showlegend=len(logs) > 1)
    return style_figure(
        figure, x="images seen", y=_axis(what) if what in METRICS else LOGGED.get(what, what)
    )


def over_time(rows: Sequence[Mapping[str, Any]], key: str, title: str, color: str) -> go.Figure:
    """A clip's `key` before (grey) and after smoothing, against seconds; cuts are upright lines.

    rows: as `video.trace.Trace` makes them, keys `<key>_before` and `<key>_after`.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    seconds = [row["time"] for row in rows]
    looks = (
        ("before", GREYS["grey"], "dot", "each frame alone"),
        ("after", color, None, "smoothed"),
    )
    for name, shade, dash, text in looks:
        values = [row[f"{key}_{name}"] for row in rows]
        line = {"color": shade, "dash": dash, "width": 1.5}
        figure.add_scatter(x=seconds, y=values, mode="lines", name=text, line=line)
    for row in rows[1:]:
        if row["cut"]:
            figure.add_vline(x=row["time"], line={"color": INK, "width": 1, "dash": "dash"})
    return style_figure(figure, "seconds", title)


def plotly_js() -> str:
    """plotly.js itself, for a page that must not ask anyone for it."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def _read_logged(line: Mapping[str, Any], what: str) -> float | None:
    for part in (line, line.get("losses"), line.get("validation")):
        if isinstance(part, Mapping) and isinstance(part.get(what), int | float):
            return part[what]
    return None


def style_figure(figure: go.Figure, x: str = "", y: str = "") -> go.Figure:
    """Every chart: transparent ground, mid-grey ink; `set_ink` makes it read well on a theme."""
    figure.update_layout(
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        font={"color": INK, "family": "system-ui, sans-serif", "size": 13},
        margin={"l": 10, "r": 20, "t": 30, "b": 40},
        legend={"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top"},  # not beside: phones
        modebar={"bgcolor": "rgba(0, 0, 0, 0)", "color": INK, "activecolor": INK},
    )
    axis = {"gridcolor": GRID, "zeroline": False, "automargin": True}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    if x:  # in two lines where it would not fit a phone
        figure.update_xaxes(title=re.sub(r", | (?=minus )", "<br>", x) if len(x) > 28 else x)
    if y:
        figure.update_yaxes(title=y)
    return figure


def set_ink(figure: go.Figure, theme: str) -> go.Figure:
    """The figure with text for the ground of a theme, "light" or "dark"."""
    return figure.update_layout(font_color=INKS[theme])


def _axis(metric: str) -> str:
    found = find_metric(metric)
    better = {"higher": "higher is better", "lower": "lower is better", "truth": "as the truth"}
    unit = f" ({found.unit})" if found.unit else ""
    return f"{found.title}{unit}, {better[found.better]}"


def _sentence(metric: str, mean: Mean) -> str:
    digits = find_metric(metric).digits
    low, value, high = (write_number(v, f".{digits}f") for v in (mean.low, mean.value, mean.high))
    return f"{find_metric(metric).title} {value} [{low}, {high}], {mean.n} pictures"


def _label(line: Line, among: Sequence[Line], titles: Titles) -> str:
    """Its title, with the revision where two lines would share it."""
    alike = sum(other.model == line.model for other in among)
    return titles(line.model) + (f" ({line.revision})" if alike > 1 else "")


def _merit(line: Line, metric: str) -> float:
    """What grows with being better: the last in this order is drawn on top."""
    value, better = line.means[metric].value, find_metric(metric).better
    if better == "truth":
        truth = line.means.get(f"{metric}_truth")
        return -abs(value - truth.value) if truth else value
    return -value if better == "lower" else value


def _whiskers(mean: Mean) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [mean.high - mean.value],
        "arrayminus": [mean.value - mean.low],
        "thickness": 1.5,
        "width": 4,
    }


def _mark(model: str) -> str:
    from workbench.models import MODELS

    if model in BASELINES:
        return MARKS[model]
    spec = MODELS.get(model.rstrip("*"))
    return "diamond" if spec is not None and spec.ours else "circle"


def _finite(mean: Mean) -> bool:
    return math.isfinite(mean.value)


def prior_plane(prior: Tensor) -> go.Figure:
    """A prior (313,) on the ab plane, every bin in its own colour: solid is frequent, faint rare.

    The strength of a bin is the logarithm of its share; a bin that never occurs is left out.
    """
    import plotly.graph_objects as go

    from workbench.models.ab_bins import centres

    places = centres().long()
    shares = (prior.double() / prior.sum()).tolist()
    least = math.log10(min(share for share in shares if share > 0)) - 0.3
    most = math.log10(max(shares))
    axes = [sorted(set(places[:, axis].tolist())) for axis in (0, 1)]
    columns, rows = ({value: i for i, value in enumerate(axis)} for axis in axes)
    pixels = [[[0, 0, 0, 0] for _ in axes[0]] for _ in axes[1]]
    words = [["" for _ in axes[0]] for _ in axes[1]]
    for (a, b), share, rgb in zip(places.tolist(), shares, _show_colors(places), strict=True):
        words[rows[b]][columns[a]] = f"a {a}, b {b}: {share:.3%} of all pixels"
        if share > 0:
            alpha = (math.log10(share) - least) / (most - least)
            pixels[rows[b]][columns[a]] = [*rgb, round(255 * alpha)]
    figure = go.Figure(
        go.Image(
            z=pixels, colormodel="rgba256", x0=axes[0][0], dx=10, y0=axes[1][0], dy=10,
            text=words, hovertemplate="%{text}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(height=520)
    figure.update_yaxes(autorange=True)  # go.Image would show b upside down
    return style_figure(figure, x="a (green to red)", y="b (blue to yellow)")


def _show_colors(ab: Tensor) -> list[list[int]]:
    """sRGB, 0 to 255, of colours (n, 2) at the lightness nearest 65 that the screen can show."""
    import torch

    from workbench.color import in_gamut, join_rgb

    L = torch.arange(5, 100, dtype=torch.float32)
    L = L[(L - 65).abs().argsort()]  # the wanted one first
    lab = torch.cat((L[:, None, None].expand(-1, len(ab), 1), ab.expand(len(L), -1, 2)), 2)
    fits = in_gamut(lab.permute(0, 2, 1)[..., None])[..., 0]  # (lightnesses, n)
    chosen = L[fits.int().argmax(0)]
    return join_rgb(chosen.view(1, 1, -1), ab.T[:, None].float())[:, 0].T.tolist()
