"""The papers' own comparisons, repeated at a size that a small machine can do, and judged.

`ModelSpec.ablations` says what is trained; `CLAIMS` says what each paper concludes from it. Every
entry is trained on the same pictures in the same order, scored on the same held-out pictures, and
a claim is judged on the differences picture by picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
from workbench.evaluation.reported import P003, REPORTED, Reported
from workbench.evaluation.score_run import dataset_name
from workbench.evaluation.scores import Score
from workbench.evaluation.summaries import Mean, mean, paired
from workbench.models.count import parameters
from workbench.spec import ModelSpec
from workbench.training.plan import Plan, plan
from workbench.writing import write_whole

HOLDS, REVERSED, NOT_SEEN = "holds", "reversed", "not seen"
METRICS = ("psnr", "ssim", "auc", "colorfulness")
RESULTS = "results.json"


@dataclass(frozen=True)
class Claim:
    """What a paper says of two entries: `metric` of first minus second has this sign."""

    text: str  # in our words
    first: str
    second: str
    metric: str = "psnr"
    sign: int = 1
    paper: float | None = None  # the difference it prints, where it prints one


def _loss(number: int, position: str, difference: float) -> Claim:
    first, second = f"experiment{number + 1}", f"experiment{number}"
    text = f"Attention {position}: least squares scores above the log loss"
    return Claim(text, first, second, paper=difference)


CLAIMS: dict[str, tuple[Claim, ...]] = {
    "cbam_gan": (
        Claim("Block attention improves the PatchGAN skeleton", "cbam", "skeleton"),
        Claim("The classification network improves the skeleton", "class", "skeleton"),
        Claim("Both together improve the skeleton", "both", "skeleton"),
        Claim("Block attention still helps beside the classification network", "both", "class"),
    ),
    "inception_attention": (
        Claim("Attention improves the network with fusion", "full", "no_attention"),
        Claim("The whole model beats a plain encoder-decoder", "full", "plain"),
        Claim("Fusing a classifier's view of the picture helps", "full", "no_fusion"),
    ),
    "colorful": (
        Claim("313 bins are more colourful than MSE", "unbalanced", "mse", "colorfulness"),
        Claim("Rebalancing makes them more so", "rebalanced", "unbalanced", "colorfulness"),
        Claim("The whole method has a higher PSNR than MSE", "rebalanced", "mse", paper=5.338),
        Claim("The whole method has a higher SSIM than MSE", "rebalanced", "mse", "ssim",
              paper=0.113),
    ),
    "attention_pix2pix": (
        _loss(1, "nowhere", 0.235),
        _loss(3, "at 32", 3.744),
        _loss(5, "at 64", 0.523),
        _loss(7, "at 128", 2.722),
        Claim("Least squares: attention at 128 scores above none", "experiment8", "experiment2",
              paper=1.266),
        Claim("Log loss: attention at 64 has the higher SSIM (the authors' choice)",
              "experiment5", "experiment1", "ssim", paper=0.0093),
        Claim("Log loss: attention at 32 scores below none", "experiment3", "experiment1",
              sign=-1, paper=-3.993),
    ),
}  # fmt: skip


def papers_numbers(model: str, entry: str) -> Reported | None:
    """What the paper prints for an entry, where it prints anything."""
    if model == "attention_pix2pix":
        start = f"attention_pix2pix, experiment {entry.removeprefix('experiment')} "
        return next(
            (r for r in REPORTED if r.protocol == P003 and r.system.startswith(start)), None
        )
    names = {("colorful", "mse"): "MSE baseline", ("colorful", "rebalanced"): "a good case"}
    wanted = f"{model}, {names.get((model, entry))}"
    return next((reported for reported in REPORTED if reported.system == wanted), None)


def planned(
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

    choices: fields of training.Run; options: "key=value" for every entry.
    """
    recipe = dict(spec.presets["quick"].recipe) if "quick" in spec.presets else {}
    small = [f"{key}={value}" for key, value in recipe.items()]
    fuses = {"fusion": True, "plain": False, **spec.ablations[entry].build}
    if spec.name != "inception_attention" or not fuses["fusion"] or fuses["plain"]:
        backbone = None
    return plan(
        spec, sources, validation=validation, preset=entry, width=width, choices=choices,
        options=[*small, *options], backbone=backbone,
    )  # fmt: skip


def held_out(made: Plan, validation: Sequence[str]) -> tuple[list[Item], str]:
    """The pictures on which entries are scored, and what to call them.

    All of the validation sources; without one, those that the plan keeps out of training.
    """
    if validation:
        items = [item for text in validation for item in open_source(text).items()]
        return items, "+".join(dataset_name(text) for text in validation)
    arrays = [np.ascontiguousarray(pixels.transpose(1, 2, 0)) for pixels in made.validation]
    return [Item(f"held back {i:03d}", array) for i, array in enumerate(arrays)], "held-back"


def _measured(prediction: Any, truth: Any) -> dict[str, Any]:
    pairs = {name: getattr(metrics, name) for name in ("psnr", "ssim", "auc")}
    return {name: measure(prediction, truth) for name, measure in pairs.items()} | {
        "colorfulness": metrics.colorfulness(prediction),
        "colorfulness_truth": metrics.colorfulness(truth),
    }


FOUR: Protocol = replace(PROTOCOLS["cw-1"], measure=_measured)  # of cw-1, the metrics of METRICS


def score(folder: Path, items: Sequence[Item], dataset: str, size: int) -> list[Score]:
    """Rows of the entry trained in `folder`, kept in its scores/; made once for its weights.

    A folder named `grey` that holds no network is the do-nothing baseline.
    """
    table = folder / "scores" / f"{dataset}.csv"
    if (folder / "config.json").is_file():
        entrant = entrants.from_checkpoint(checkpoints.open_folder(folder))
    else:
        entrant = next(each for each in entrants.baselines() if each.name == folder.name)
    before = scores.read(table) if table.is_file() else []
    if {(row.revision, row.size) for row in before} == {(entrant.revision, size)}:
        return before
    unreadable: list[str] = []
    made = evaluate(
        [entrant], items, dataset, protocol=FOUR, sizes=(size,), unreadable=unreadable.append
    )
    rows = [replace(row, ms=None) for row in made]  # how long it took is no result here
    if not rows:
        raise Problem(f"No picture of {dataset} could be scored. {' '.join(unreadable[:1])}")
    scores.write(table, rows)
    return scores.read(table)  # rounded as they are kept, so that a second look says the same


def difference(first: Sequence[Score], second: Sequence[Score], metric: str) -> Mean:
    """First minus second over the pictures that both have, with its 95 % interval.

    Colourfulness is compared as it is, not as a distance to the truth's: papers claim more of it.
    """
    if metric == "colorfulness":
        first, second = (
            [replace(row, colorfulness_truth=0.0) for row in rows] for rows in (first, second)
        )
    return paired(first, second, metric).difference


def verdict(found: Mean, sign: int) -> str:
    """Whether a difference goes the way that was claimed; an interval with 0 in it says nothing."""
    if found.low <= 0 <= found.high or not np.isfinite(found.value):
        return NOT_SEEN
    return HOLDS if found.value * sign > 0 else REVERSED


def results(
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
        line["means"] = {m: asdict(_mean(rows[name], m)) for m in METRICS}
        paper = papers_numbers(spec.name, name)
        line["paper"] = paper and {k: v for k, v in asdict(paper).items() if v is not None}
        entries.append(line)
    claims = []
    for claim in CLAIMS[spec.name]:
        if claim.first in rows and claim.second in rows:
            found = difference(rows[claim.first], rows[claim.second], claim.metric)
            judged = {"difference": asdict(found), "verdict": verdict(found, claim.sign)}
            claims.append(asdict(claim) | judged)
    truth = mean([np.array([row.colorfulness_truth for row in next(iter(rows.values()))])])
    return {
        "model": spec.name, "about": {**about, "colorfulness_of_the_truth": truth.value},
        "wanted": list(spec.ablations), "entries": entries, "claims": claims,
    }  # fmt: skip


def _mean(rows: Sequence[Score], metric: str) -> Mean:
    return mean([np.array([getattr(row, metric) for row in rows])])


def write(out: Path, table: Mapping[str, Any], rows: Mapping[str, Sequence[Score]]) -> None:
    """Write a table (JSON) and, beside it, the rows of scores it was computed from (CSV)."""
    text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
    write_whole(out.parent, {out.name: text.encode()})
    scores.write(out.with_suffix(".csv"), [row for entry in rows.values() for row in entry])


def bundled() -> Path:
    """Where the tables that come with the workbench lie, one JSON for each model."""
    return places.CHECKPOINTS / "ablations"


def own() -> Path:
    """Where `python -m workbench ablate` works: a folder for each model, RESULTS in it."""
    return places.ablations()


def tables(model: str) -> dict[str, dict[str, Any]]:
    """Where from -> table, of a model: the bundled one first, then one's own. Raises Problem."""
    places = {"bundled": bundled() / f"{model}.json", "own": own() / model / RESULTS}
    found = {}
    for where, path in places.items():
        if path.is_file():
            try:
                found[where] = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise Problem(
                    f"The table {path} cannot be read ({error}). Remove it and make it again: "
                    f"python -m workbench ablate {model} --data SOURCE --images N"
                ) from None
    return found


def ablate(
    spec: ModelSpec,
    sources: Sequence[str],
    out: Path,
    train: Callable[[str, Plan, Path], Any],
    about: Mapping[str, Any],
    *,
    validation: Sequence[str] = (),
    only: Sequence[str] = (),
    tell: Callable[[dict[str, Any]], None] = lambda table: None,
    **settings: Any,
) -> tuple[dict[str, Any], dict[str, list[Score]]]:
    """Train every entry in a folder of its own below `out`, score each, judge the claims.

    train(entry, plan, folder) runs the training, or goes on with it; tell(table) is called after
    every entry with what is there so far. settings: of `planned`. Returns the table and its rows;
    both are also in `out`. Raises Problem.
    """
    if not spec.ablations:
        raise Problem(f"{spec.title} has no ablations: its paper compares nothing with itself.")
    if unknown := [name for name in only if name not in spec.ablations]:
        raise Problem(
            f"{spec.title} has no ablation {unknown[0]!r}. It has: {', '.join(spec.ablations)}."
        )
    make = partial(planned, spec, sources=sources, validation=validation, **settings)
    wanted = list(only or spec.ablations)
    first = make(entry=wanted[0])
    items, dataset = held_out(first, validation)
    size, images = first.run.largest, first.run.images
    rows = {"grey": score(out / "grey", items, dataset, size)}
    about = {
        **about, "data": list(sources), "pictures": len(first.pictures.pixels),
        "scored_on": dataset, "scored": len(rows["grey"]), "size": size,
        "run": asdict(first.run), "width": first.about["width"],
    }  # fmt: skip
    table: dict[str, Any] = {}
    for entry in wanted:
        train(entry, first if entry == wanted[0] else make(entry=entry), out / entry)
        configs = {}
        for name in spec.ablations:  # those of an earlier call too
            if (config := _finished(out / name, images)) is not None:
                configs[name] = config
                rows[name] = score(out / name, items, dataset, size)
        about["machine"] = configs[entry]["machine"]
        table = results(spec, rows, configs, about)
        write(out / RESULTS, table, rows)
        tell(table)
    return table, rows


def _finished(folder: Path, images: int) -> dict[str, Any] | None:
    """The config of an entry that has seen all its images."""
    if not (folder / "config.json").is_file():
        return None
    config = checkpoints.open_folder(folder).config
    return config if config["images_seen"] >= images else None
