"""Scores of weights fine-tuned on a part of the data, kept without the weights.

Lakhani's question (how does a network fare on pictures like those it was trained on, and on all
others?) needs trainings on several data sets. Each is a few minutes' run from a bundled model;
its scores and what it was trained on are kept below `checkpoints/fine_tuned`, as rows of the
generalisation matrix.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from workbench import places
from workbench.errors import Problem, read_each, reason_of
from workbench.evaluation.scores import Score, read, write
from workbench.evaluation.summaries import Mean, mean
from workbench.writing import write_whole

KEPT = ("model", "from", "trained_on", "images_before", "images_seen", "recipe", "size", "created")
KEPT_SIZE = 128  # of a base's rows


@dataclass(frozen=True)
class FineTuned:
    """A run from a bundled model on other pictures, of which the scores are kept."""

    name: str  # of the run: its rows' model
    base: str  # the model that it went on from
    data: str  # a short name of what it was trained on
    images: int  # seen while fine-tuning
    began: str  # revision of that model's weights

    @property
    def label(self) -> str:
        """What its row of the matrix says."""
        return f"then {self.images:,} of {self.data}"


def keep_row(run: Path, root: Path | None = None) -> str:
    """Keep a fine-tuned run's scores and where they come from; returns a sentence.

    Raises Problem where it was not trained from another model, or has no scores.
    """
    try:
        config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{run / 'config.json'} cannot be read ({error}).") from None
    if not config.get("from"):
        raise Problem(f"{run} was not trained from another model (`train ... --from`).")
    kept = tables(run)
    if not kept:
        raise Problem(f"{run} has no scores yet: evaluate it first.")
    target = (root or places.fine_tuned()) / run.name
    shutil.rmtree(target, ignore_errors=True)
    about = {key: config.get(key) for key in KEPT}
    about["trained_on"] = [  # without the folders of the machine that it ran on
        Path(text).name if Path(text).is_absolute() else text for text in about["trained_on"] or []
    ]
    write_whole(target, {"config.json": (json.dumps(about, indent=2) + "\n").encode()})
    (target / "scores").mkdir()
    for table in kept:
        write(target / "scores" / f"{table.stem}.csv.gz", read(table))
    _keep_base(config["model"], config["from"], target.parent)
    return f"{run.name} is a row of the generalisation matrix: {len(kept)} data sets."


def _keep_base(model: str, revision: str, root: Path) -> None:
    """Keep the rows that a base has now: it may be trained on, and its scores be others then."""
    rows = [
        row
        for table in tables(places.CHECKPOINTS / model)
        for row in read(table)
        if row.revision == revision and row.size == KEPT_SIZE
    ]
    if rows:
        write(_base_file(root, model, revision), rows)


def _base_file(root: Path, model: str, revision: str) -> Path:
    return root / f"{model}-{revision}.csv.gz"


def read_bases(
    found: Iterable[FineTuned], root: Path | None = None
) -> tuple[list[Score], list[str]]:
    """The rows that the bases of fine-tuned networks had when these began, where they were kept,
    and a sentence about each file that cannot be read."""
    root = root or places.fine_tuned()
    files = {_base_file(root, each.base, each.began) for each in found}
    return read_each(read, sorted(file for file in files if file.is_file()))


def read_rows(root: Path | None = None) -> tuple[list[FineTuned], list[Score], list[str]]:
    """What was kept, its scores, and a sentence about each file that cannot be read."""
    root = root or places.fine_tuned()
    found, broken = read_each(_read_config, sorted(root.glob("*/config.json")))
    names = {each.name for each in found}
    rows, torn = read_each(read, [table for name in sorted(names) for table in tables(root / name)])
    return found, [row for row in rows if row.model in names], broken + torn


def _read_config(file: Path) -> list[FineTuned]:
    try:
        return [_describe(file.parent.name, json.loads(file.read_text(encoding="utf-8")))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Problem(
            f"{file} does not say what was trained ({reason_of(error)}): it is no row of the "
            "matrix. Keep the run anew with `adopt RUN --row`, or remove its folder."
        ) from None


def tables(run: Path) -> list[Path]:
    """The tables of scores of a run; hidden files are journals and unfinished writings."""
    return sorted((run / "scores").glob("[!.]*.csv*"))


def _describe(name: str, config: dict[str, Any]) -> FineTuned:
    images = int(config["images_seen"]) - int(config.get("images_before") or 0)
    return FineTuned(name, str(config["model"]), name_training(config), images, str(config["from"]))


def name_training(config: Mapping[str, Any]) -> str:
    """Short names of what a config.json says of the training data, joined by " + "."""
    return " + ".join(map(name_data, config.get("trained_on") or ["not stated"]))


def name_data(source: str) -> str:
    """A short name for what `--data` said: train-128 for ../data/train-128/train-*.parquet."""
    path = PurePosixPath(source.rstrip("/"))
    return (path.parent.name if "*" in path.name else path.stem) or source


def gain_by_tuning(
    rows: Iterable[Score], tuned: FineTuned, metric: str = "psnr"
) -> dict[str, Mean]:
    """Data set -> what fine-tuning changed: the run minus the weights that it began from.

    rows: of both (`read_rows`, `read_bases`), of one protocol and size; the pictures that both
    have count. Rows of the base with other weights do not.
    """
    of: dict[str, dict[tuple[str, str], float]] = {tuned.name: {}, tuned.base: {}}
    for row in rows:
        value = getattr(row, metric)
        if row.model == tuned.base and row.revision != tuned.began:
            continue
        if row.model in of and value is not None:
            of[row.model][row.dataset, row.picture] = value
    after, before = of[tuned.name], of[tuned.base]
    gains: dict[str, list[float]] = {}
    for key in sorted(after.keys() & before.keys()):
        gains.setdefault(key[0], []).append(after[key] - before[key])
    return {dataset: mean([np.array(values)]) for dataset, values in gains.items()}
