"""The leaderboard as one page of HTML: no server, no request to any other machine."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from string import Template
from typing import Any

from workbench import charts, checkpoints, places
from workbench.errors import Problem
from workbench.evaluation import evaluate as rules
from workbench.evaluation.fine_tuned import name_training
from workbench.evaluation.metrics import METRICS, USUAL
from workbench.evaluation.reported import REPORTED, Reported
from workbench.evaluation.scores import Score
from workbench.evaluation.summaries import BASELINES, Line, generalisation, lines
from workbench.writing import write_whole

PAGE = Path(__file__).with_name("leaderboard_page.html")
PROTOCOL = places.DOCS / "protocol.md"
SHOWN = (*USUAL, "auc_rebalanced")
ALL = "all"


class _Page(Template):
    delimiter = "@@"  # the page's own script is full of dollars


def write_page(path: Path, scores: Sequence[Score]) -> None:
    """Write the page of some rows of scores (protocol cw-1), whole or not at all.

    Raises Problem when there are no rows or the file cannot be written.
    """
    write_whole(path.absolute().parent, {path.name: make_page(scores).encode()})


def make_page(scores: Sequence[Score]) -> str:
    """The HTML: plotly.js, figures and means are inside."""
    scores = [score for score in scores if score.protocol == "cw-1"]
    if not scores:
        raise Problem("There are no scores to show: python -m workbench evaluate --data FILE")
    here = checkpoints.available()
    data = _data(scores, here)
    models = len({score.model for score in scores} - set(BASELINES))
    pictures = len({(score.dataset, score.picture) for score in scores})
    return _Page(PAGE.read_text(encoding="utf-8")).substitute(
        summary=f"{models} models, {len(data['datasets']) - 1} data sets, {pictures:,} pictures; "
        "computed from one row per picture.",
        protocol=_protocol(),
        reported=_list_reported(),
        data=json.dumps(data).replace("<", "\\u003c"),
        plotly=charts.plotly_js(),
    )


def _data(scores: Sequence[Score], here: dict[str, checkpoints.Checkpoint]) -> dict[str, Any]:
    datasets = sorted({score.dataset for score in scores})
    sizes = sorted({score.size for score in scores}, reverse=True)
    views = {}
    for size in sizes:
        sized = [score for score in scores if score.size == size]
        for name in (ALL, *datasets):
            few = lines(score for score in sized if name in (ALL, score.dataset))
            if few:
                views[f"{name}|{size}"] = _view(few, here)
    trained_on = {name: f"on {name_training(found.config)}" for name, found in here.items()}
    matrix = generalisation(
        [score for score in scores if score.size == sizes[0]], {"grey": "no training", **trained_on}
    )
    return {
        "datasets": [ALL, *datasets],
        "sizes": sizes,
        "columns": _columns(),
        "views": views,
        "matrix": _figure(charts.generalisation(*matrix)),
    }


def _view(few: Sequence[Line], here: dict[str, checkpoints.Checkpoint]) -> dict[str, Any]:
    def title(name: str) -> str:
        return here[name].title if name in here else BASELINES.get(name, name)

    rows = []
    for line in few:
        now = here.get(line.model)
        row: dict[str, Any] = {
            "title": title(line.model),
            "color": charts.color_of(line.model),
            "note": "older weights" if now and now.revision != line.revision else "",
            "pictures": line.pictures,
            "revision": line.revision,
        }
        for name in SHOWN:
            if mean := line.means.get(name):
                row[name] = [_finite(v) for v in (mean.value, mean.low, mean.high)]
        rows.append(row)
    return {
        "rows": rows,
        "intervals": _figure(charts.intervals(few, "psnr", title)),
        "scatter": _figure(charts.psnr_against_colorfulness(few, title)),
    }


def _columns() -> list[dict[str, Any]]:
    measured = [
        {
            "name": name,
            "title": f"{METRICS[name].title} {METRICS[name].arrow}",
            "digits": METRICS[name].digits,
            "trap": METRICS[name].trap,
            "down": METRICS[name].better == "higher",
        }
        for name in SHOWN
    ]
    plain = {"digits": 1, "trap": "", "down": True}
    return [
        {"name": "title", "title": "Model", **plain, "down": False},
        *measured,
        {"name": "pictures", "title": "Pictures", **plain},
        {"name": "revision", "title": "Revision", **plain},
    ]


def _figure(figure: Any) -> dict[str, Any]:
    return json.loads(figure.to_json(remove_uids=True)) | {"frames": None}


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _protocol() -> str:
    from markdown_it import MarkdownIt

    if not PROTOCOL.is_file():
        return f"<pre>{html.escape(rules.__doc__ or '')}</pre>"
    return MarkdownIt("commonmark").enable("table").render(PROTOCOL.read_text(encoding="utf-8"))


def _list_reported() -> str:
    protocols = dict.fromkeys((line.protocol, line.source) for line in REPORTED)
    return "".join(
        f"<h3>{html.escape(protocol)}</h3><p class=dim>{html.escape(source)}</p>"
        + _table_of([n for n in REPORTED if (n.protocol, n.source) == (protocol, source)])
        for protocol, source in protocols
    )


def _table_of(few: Sequence[Reported]) -> str:
    names = [field.name for field in fields(Reported) if field.name not in ("protocol", "source")]
    used = [name for name in names if any(getattr(line, name) is not None for line in few)]
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in used)
    rows = (
        "".join(
            f"<td>{'' if (cell := getattr(line, name)) is None else html.escape(str(cell))}</td>"
            for name in used
        )
        for line in few
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
