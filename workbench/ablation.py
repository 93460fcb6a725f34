"""The papers' own comparisons, repeated at a size that a small machine can do, and judged.

`ModelSpec.ablations` says what is trained, `ModelSpec.claims` what the paper concludes from it.
Every entry is trained on the same pictures in the same order, at several seeds, and scored on the
same held-out pictures; a claim is judged on the differences over trainings and pictures. Two
trainings of one and the same entry differ by about 0.25 dB: one training each decides nothing.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from workbench import checkpoints, places
from workbench.data.sources import Item, open_source
from workbench.errors import Problem
from workbench.evaluation import entrants, metrics, scores
from workbench.evaluation.evaluate import evaluate
from workbench.evaluation.protocols import PROTOCOLS, Protocol
from workbench.evaluation.reported import REPORTED, Reported
from workbench.evaluation.score_run import dataset_name
from workbench.evaluation.scores import Score
from workbench.evaluation.summaries import Mean, mean, mean_over_seeds
from workbench.models.count import parameters
from workbench.spec import ModelSpec
from workbench.training.plan import Plan, make_plan
from workbench.training.record import read_log
from workbench.writing import write_whole

HOLDS, REVERSED, NOT_SEEN, UNDECIDED = "holds", "reversed", "not seen", "undecided"
ENOUGH = 3  # trainings of each entry, with different seeds, without which nothing is judged
METRICS = ("psnr", "ssim", "auc", "colorfulness")
RESULTS = "results.json"


def papers_numbers(spec: ModelSpec, entry: str) -> Reported | None:
    """What the paper prints for an entry, where it prints anything."""
    system = spec.printed.get(entry)
    return next((r for r in REPORTED if system and r.system.startswith(system)), None)


def plan_entry(
    spec: ModelSpec,
    entry: str,
    sources: Sequence[str],
    *,
    validation: Sequence[str] = (),
    width: float,
    choices: Mapping[str, Any],
    options: Sequence[str] = (),
    backbone: str | None = None,
) -> Plan:
    """The training of one entry: its own options over the small-scale recipe of preset `quick`.

    choices: fields of training.Run; options: "key=value" for every entry. What is compared are the
    weights at the end: the best look would be chosen on the very pictures that are scored.
    """
    recipe = dict(spec.presets["quick"].recipe) if "quick" in spec.presets else {}
    small = [f"{key}={value}" for key, value in recipe.items()]
    if spec.backbone is None or not spec.backbone.used(spec.ablations[entry].build):
        backbone = None
    return make_plan(
        spec, sources, validation=validation, preset=entry, width=width,
        choices={**choices, "keep_best": False}, options=[*small, *options], backbone=backbone,
    )  # fmt: skip


def pick_held_out(
    made: Plan, validation: Sequence[str], limit: int | None = None
) -> tuple[list[Item], str]:
    """The pictures on which entries are scored, and what to call them.

    All of the validation sources, or the first `limit` of them; without one, those that the plan
    keeps out of training.
    """
    if validation:
        every = (item for text in validation for item in open_source(text).items())
        items = list(itertools.islice(every, limit))
        return items, "+".join(dataset_name(text) for text in validation)
    arrays = [np.ascontiguousarray(pixels.transpose(1, 2, 0)) for pixels in made.validation]
    return [Item(f"held back {i:03d}", array) for i, array in enumerate(arrays)], "held-back"


def _measure(prediction: Any, truth: Any) -> dict[str, Any]:
    pairs = {name: getattr(metrics, name) for name in ("psnr", "ssim", "auc")}
    return {name: measure(prediction, truth) for name, measure in pairs.items()} | {
        "colorfulness": metrics.colorfulness(prediction),
        "colorfulness_truth": metrics.colorfulness(truth),
    }


FOUR: Protocol = replace(PROTOCOLS["cw-1"], measure=_measure)  # of cw-1, the metrics of METRICS


def score_entry(
    folder: Path, items: Sequence[Item], dataset: str, size: int, entry: str, seed: int | None
) -> list[Score]:
    """Rows of the entry trained in `folder`, kept in its scores/; made once for its weights.

    A folder that holds no network is the do-nothing baseline, entry `grey`, without a seed.
    """
    table = folder / "scores" / f"{dataset}.csv"
    if (folder / "config.json").is_file():
        entrant = entrants.from_checkpoint(checkpoints.open_folder(folder))
    else:
        entrant = next(each for each in entrants.baselines() if each.name == entry)
    place = {item.name: i for i, item in enumerate(items)}
    rows = [
        replace(row, model=entry, seed=seed)
        for row in (scores.read(table) if table.is_file() else [])
        if (row.revision, row.size) == (entrant.revision, size) and row.picture in place
    ]
    kept = {row.picture for row in rows}
    missing = [item for item in items if item.name not in kept]
    if not missing:
        return rows
    unreadable: list[str] = []
    made = evaluate(
        [entrant], missing, dataset, protocol=FOUR, sizes=(size,), unreadable=unreadable.append
    )
    # how long it took is no result here
    rows += [replace(row, model=entry, seed=seed, ms=None) for row in made]
    if not rows:
        raise Problem(f"No picture of {dataset} could be scored. {' '.join(unreadable[:1])}")
    scores.write(table, sorted(rows, key=lambda row: place[row.picture]))
    return scores.read(table)  # rounded as they are kept, so that a second look says the same


def measure_difference(first: Sequence[Score], second: Sequence[Score], metric: str) -> Mean:
    """First minus second over the pictures that all have, with its 95 % interval.

    The interval is over trainings and pictures (`summaries.mean_over_seeds`). Colourfulness is
    compared as it is, not as a distance to the truth's: papers claim more of it.
    """
    return mean_over_seeds(_by_seed([first, second], metric), (1, -1))


def _by_seed(entries: Sequence[Sequence[Score]], metric: str) -> list[np.ndarray]:
    """Values (seeds, pictures) of each entry, over the pictures that all their trainings have."""
    tables: list[dict[int | None, dict[tuple, float]]] = []
    for rows in entries:
        table: dict[int | None, dict[tuple, float]] = {}
        for row in rows:
            value = getattr(row, metric)
            if value is not None:
                place = (row.dataset, row.protocol, row.size, row.picture)
                table.setdefault(row.seed, {})[place] = value
        tables.append(table)
    pictures = [values.keys() for table in tables for values in table.values()]
    shared = sorted(set.intersection(*map(set, pictures))) if pictures else []
    if not shared or not all(tables):
        raise Problem("The two entries were not scored on a common picture.")
    return [
        np.array([[values[picture] for picture in shared] for values in table.values()])
        for table in tables
    ]


def count_trainings(rows: Sequence[Score]) -> int:
    """How many trainings, with different seeds, the rows of an entry are of."""
    return len({row.seed for row in rows})


def judge_difference(found: Mean, sign: int, trained: int) -> str:
    """Whether a difference goes the way that was claimed.

    trained: the trainings of the entry that has fewer. Under ENOUGH nothing is said; an interval
    with 0 in it is "not seen".
    """
    if trained < ENOUGH:
        return UNDECIDED
    if found.low <= 0 <= found.high or not np.isfinite(found.value):
        return NOT_SEEN
    return HOLDS if found.value * sign > 0 else REVERSED


def judge_claims(spec: ModelSpec, rows: Mapping[str, Sequence[Score]]) -> list[dict[str, Any]]:
    """A model's claims about the entries that are there, each with its difference and verdict.

    `trained` is how many trainings it stands on; `below_grey` names those of its entries whose
    mean is under that of no colour at all: the better of two failures is no improvement.
    """
    claims = []
    for claim in spec.claims:
        if claim.first not in rows or claim.second not in rows:
            continue
        found = measure_difference(rows[claim.first], rows[claim.second], claim.metric)
        trained = min(count_trainings(rows[claim.first]), count_trainings(rows[claim.second]))
        below = [
            name for name in (claim.first, claim.second)
            if claim.metric != "colorfulness" and "grey" in rows
            and measure_difference(rows[name], rows["grey"], claim.metric).value < 0
        ]  # fmt: skip
        claims.append(
            asdict(claim)
            | {"difference": asdict(found), "verdict": judge_difference(found, claim.sign, trained)}
            | {"trained": trained, "below_grey": below}
        )
    return claims


def describe_verdict(claim: Mapping[str, Any]) -> str:
    """A verdict as people read it: "holds, below grey" or "one training: undecided"."""
    words = claim["verdict"]
    if words == UNDECIDED:
        count = claim["trained"]
        words = f"{'one training' if count == 1 else f'{count} trainings'}: undecided"
    below = claim["below_grey"]
    if len(below) == 2:
        return f"{words}; both are below grey"
    return f"{words}; {below[0]} is below grey" if below else words


def make_table(
    spec: ModelSpec, rows: Mapping[str, Sequence[Score]], configs: Mapping[str, Mapping[str, Any]],
    about: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """The table of an ablation: entries with means beside the paper's numbers, claims judged.

    rows: scores by entry (`grey` too); configs: config.json of each trained entry. Claims about
    entries that are not there are left out.
    """
    entries = []
    for name, preset in {**spec.ablations, "grey": None}.items():
        if name not in rows:
            continue
        line: dict[str, Any] = {"name": name, "title": preset.title if preset else "no colour"}
        if name in configs:
            config = configs[name]
            line |= {key: config[key] for key in ("revision", "images_seen", "seconds")}
            line["parameters"] = parameters(spec, config["width"], config["options"])
        line["seeds"] = sorted({row.seed for row in rows[name] if row.seed is not None})
        line["means"] = {m: asdict(_mean(rows[name], m)) for m in METRICS}
        paper = papers_numbers(spec, name)
        line["paper"] = paper and {k: v for k, v in asdict(paper).items() if v is not None}
        entries.append(line)
    truth = mean([np.array([row.colorfulness_truth for row in next(iter(rows.values()))])])
    return {
        "model": spec.name, "about": {**about, "colorfulness_of_the_truth": truth.value},
        "wanted": list(spec.ablations), "entries": entries, "claims": judge_claims(spec, rows),
    }  # fmt: skip


def _mean(rows: Sequence[Score], metric: str) -> Mean:
    return mean_over_seeds(_by_seed([rows], metric), (1,))


def write_table(
    out: Path, table: Mapping[str, Any], rows: Mapping[str, Sequence[Score]], suffix: str = ".csv"
) -> None:
    """Write a table (JSON) and, beside it, the rows of scores it was computed from (CSV)."""
    text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
    write_whole(out.parent, {out.name: text.encode()})
    scores.write(out.with_suffix(suffix), [row for entry in rows.values() for row in entry])


def bundle(folder: Path, table: Mapping[str, Any], rows: Mapping[str, Sequence[Score]]) -> Path:
    """Put a table, its rows and its trainings' logs with the checkpoints; returns the table's path.

    folder: where the entries were trained. A table of some entries alone is named after them and
    does not replace that of all. Of each log its first line stays, without the data check, and
    those that look at the watched pictures, each with its entry and seed (.jsonl).
    """
    trained = [line for line in table["entries"] if line["seeds"]]
    names = [line["name"] for line in trained]
    some = [] if names == table["wanted"] else names
    out = bundled_folder() / f"{'-'.join([table['model'], *some])}.json"
    write_table(out, table, rows, ".csv.gz")
    lines = [
        {"entry": line["name"], "seed": seed, **{k: v for k, v in said.items() if k != "check"}}
        for line in trained for seed in line["seeds"]
        for said in read_log(folder_of(folder, line["name"], seed))
        if "validation" in said or "seen" not in said
    ]  # fmt: skip
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_whole(out.parent, {out.with_suffix(".jsonl").name: text.encode()})
    return out


def bundled_folder() -> Path:
    """Where the tables that come with the workbench lie: MODEL.json, MODEL-ENTRY-ENTRY.json."""
    return places.CHECKPOINTS / "ablations"


def own_folder() -> Path:
    """Where `python -m workbench ablate` works: a folder for each model, RESULTS in it."""
    return places.ablations()


def read_tables(model: str) -> dict[str, dict[str, Any]]:
    """Where from -> table, of a model: the bundled one of all entries first ("bundled"), then those
    of some ("bundled: ENTRY-ENTRY"), then one's own ("own"). Raises Problem."""
    files = {"bundled": bundled_folder() / f"{model}.json"}
    for path in sorted(bundled_folder().glob(f"{model}-*.json")):
        files[f"bundled: {path.stem.removeprefix(model + '-')}"] = path
    files["own"] = own_folder() / model / RESULTS
    found = {}
    for where, path in files.items():
        if path.is_file():
            try:
                found[where] = _with_seeds(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError) as error:
                raise Problem(
                    f"The table {path} cannot be read ({error}). Remove it and make it again: "
                    f"python -m workbench ablate {model} --data SOURCE --images N"
                ) from None
    return found


def _with_seeds(table: dict[str, Any]) -> dict[str, Any]:
    """A table of before verdicts needed seeds: one training an entry, so nothing is decided."""
    for claim in table["claims"]:
        if "trained" not in claim:
            claim |= {"trained": 1, "verdict": UNDECIDED, "below_grey": []}
    for line in table["entries"]:
        line.setdefault("seeds", [table["about"]["run"]["seed"]] if line["name"] != "grey" else [])
    return table


def ablate(
    spec: ModelSpec,
    sources: Sequence[str],
    out: Path,
    train: Callable[[str, Plan, Path], Any],
    about: Mapping[str, Any],
    *,
    validation: Sequence[str] = (),
    only: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    limit: int | None = None,
    tell: Callable[[dict[str, Any]], None] = lambda table: None,
    **settings: Any,
) -> tuple[dict[str, Any], dict[str, list[Score]]]:
    """Train every entry at every seed in a folder of its own below `out`, score, judge the claims.

    train(entry, plan, folder) runs the training, or goes on with it; tell(table) is called after
    every entry with what is there so far. settings: of `plan_entry`. Returns the table and its
    rows; both are also in `out`. limit: of `pick_held_out`. Raises Problem.
    """
    if not spec.ablations:
        raise Problem(f"{spec.title} has no ablations: its paper compares nothing with itself.")
    if unknown := [name for name in only if name not in spec.ablations]:
        raise Problem(
            f"{spec.title} has no ablation {unknown[0]!r}. It has: {', '.join(spec.ablations)}."
        )
    choices = settings.pop("choices")
    make = partial(plan_entry, spec, sources=sources, validation=validation, **settings)
    wanted = list(only or spec.ablations)
    first = make(entry=wanted[0], choices={**choices, "seed": seeds[0]})
    items, dataset = pick_held_out(first, validation, limit)
    size, images = min(first.run.largest), first.run.images
    rows = {"grey": score_entry(out / "grey", items, dataset, size, "grey", None)}
    about = {
        **about, "data": list(sources), "pictures": len(first.pictures.pixels),
        "scored_on": dataset, "scored": len(rows["grey"]), "size": size,
        "run": asdict(first.run), "width": first.about["width"],
    }  # fmt: skip
    table: dict[str, Any] = {}
    for seed, entry in itertools.product(seeds, wanted):
        is_first = (seed, entry) == (seeds[0], wanted[0])
        made = first if is_first else make(entry=entry, choices={**choices, "seed": seed})
        train(entry, made, folder_of(out, entry, seed))
        configs = {}
        for name in spec.ablations:  # those of an earlier call too
            found = []
            for number, folder in trained_folders(out, name):
                if (config := _read_finished(folder, images)) is not None:
                    configs.setdefault(name, config)
                    found += score_entry(folder, items, dataset, size, name, number)
            if found:
                rows[name] = found
        about["machine"] = configs[entry]["machine"]
        about["seeds"] = sorted({row.seed for name in configs for row in rows[name]})
        table = make_table(spec, rows, configs, about)
        write_table(out / RESULTS, table, rows)
        tell(table)
    return table, rows


def folder_of(out: Path, entry: str, seed: int) -> Path:
    """Where an entry is trained at a seed: `ENTRY`, `ENTRY-seed1`, ..."""
    return out / (f"{entry}-seed{seed}" if seed else entry)


def trained_folders(out: Path, entry: str) -> list[tuple[int, Path]]:
    """(seed, folder) of every training of an entry that is below `out`, by seed."""
    marked = {
        int(seed): folder
        for folder in out.glob(f"{entry}-seed*")
        if (seed := folder.name.rpartition("-seed")[2]).isdecimal()
    }
    return sorted({0: out / entry, **marked}.items())


def _read_finished(folder: Path, images: int) -> dict[str, Any] | None:
    """The config of an entry that has seen all its images."""
    if not (folder / "config.json").is_file():
        return None
    config = checkpoints.open_folder(folder).config
    return config if config["images_seen"] >= images else None
