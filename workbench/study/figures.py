"""Plotly figures of a study: strengths, fool rates, who beats whom, pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench import charts
from workbench.names import write_number
from workbench.study.results import Results
from workbench.study.trials import model_name

if TYPE_CHECKING:
    import plotly.graph_objects as go

GREY = charts.GREYS["grey"]


def title_of(shown: str) -> str:
    """The model's own title, or its name where the registry does not know it."""
    from workbench.models import MODELS

    name = model_name(shown)
    return MODELS[name].title if name in MODELS else name


def color_of(shown: str) -> str:
    """The model's colour in every chart."""
    return charts.color_of(model_name(shown))


def ranking_figure(results: Results) -> go.Figure:
    """A dot and its 95 % interval per model, best at the top."""
    import plotly.graph_objects as go

    fool = results.fool
    value = _values(results)
    low, high = (fool.low, fool.high) if fool else (results.strengths.low, results.strengths.high)
    figure = go.Figure()
    for i in np.argsort(np.nan_to_num(value, nan=-np.inf)):
        if not np.isfinite(value[i]):
            continue
        bounded = np.isfinite(low[i]) and np.isfinite(high[i])
        text, lowest, highest = (
            write_number(each[i], ".1%" if fool else "+.2f") for each in (value, low, high)
        )
        spread = f" [{lowest}, {highest}]"
        figure.add_scatter(
            x=[value[i]],
            y=[title_of(results.models[i])],
            error_x={
                "type": "data",
                "array": [high[i] - value[i] if bounded else 0],
                "arrayminus": [value[i] - low[i] if bounded else 0],
            },
            mode="markers",
            marker={"size": 12, "color": color_of(results.models[i])},
            showlegend=False,
            hovertemplate=text + (spread if bounded else " (no interval yet)") + "<extra></extra>",
        )
    if fool:
        figure.add_vline(x=0.5, line={"dash": "dot", "color": GREY})
        figure.update_xaxes(
            title="fool rate; 50 % is perfect", tickformat=".0%", rangemode="tozero"
        )
    else:
        figure.add_vline(x=0, line={"dash": "dot", "color": GREY})
        figure.update_xaxes(title="Bradley-Terry strength, log odds against the average model")
    return charts.style_figure(figure.update_layout(height=110 + 46 * len(results.models)))


def wins_figure(results: Results) -> go.Figure:
    """How often the row was preferred to the column, in per cent of their comparisons."""
    import plotly.graph_objects as go

    wins = results.strengths.wins
    games = wins + wins.T
    order = np.argsort(-results.strengths.strength)
    share = np.divide(wins, games, out=np.full_like(wins, np.nan), where=games > 0)
    np.fill_diagonal(share, np.nan)
    titles = [title_of(results.models[i]) for i in order]
    text = [
        ["" if np.isnan(share[i, j]) else f"{share[i, j]:.0%}<br>n = {games[i, j]:.0f}"
         for j in order]
        for i in order
    ]  # fmt: skip
    figure = go.Figure(
        go.Heatmap(
            z=share[np.ix_(order, order)],
            x=titles,
            y=titles,
            text=text,
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            colorscale="RdBu",
            hovertemplate="%{y} preferred to %{x}: %{z:.0%}<extra></extra>",
            colorbar={"tickformat": ".0%"},
        )
    )
    figure.update_yaxes(autorange="reversed")
    return charts.style_figure(figure.update_layout(height=160 + 56 * len(titles)))


def effect_figure(everyone: Results, kept: Results) -> go.Figure:
    """The same figure with all raters and without the flagged ones, side by side."""
    import plotly.graph_objects as go

    figure = go.Figure()
    order = np.argsort(np.nan_to_num(_values(everyone), nan=-np.inf))
    models = [everyone.models[i] for i in order]
    for results, name, shape in ((everyone, "all", "circle"), (kept, "unflagged", "diamond-open")):
        figure.add_scatter(
            x=_values(results)[order],
            y=[title_of(shown) for shown in models],
            mode="markers",
            name=f"{name}: {len(results.raters)} raters",
            marker={"size": 12, "symbol": shape, "color": [color_of(shown) for shown in models]},
        )
    if everyone.fool:
        figure.update_xaxes(title="fool rate", tickformat=".0%", rangemode="tozero")
    else:
        figure.update_xaxes(title="Bradley-Terry strength")
    figure.update_layout(
        height=140 + 40 * len(everyone.models), legend={"orientation": "h", "y": 1.15}
    )
    return charts.style_figure(figure)


def _values(results: Results) -> np.ndarray:
    return results.fool.rate if results.fool else results.strengths.strength
