"""Model cards: README.md of a checkpoint's folder, made of its config, its log and its scores.

Nothing on a card is typed: run `python -m workbench card` again after training or evaluating.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from workbench import provenance
from workbench.checkpoints import Checkpoint
from workbench.color import join_rgb, split_lab
from workbench.data import DATASETS
from workbench.evaluation import score_run
from workbench.evaluation.metrics import METRICS, USUAL
from workbench.evaluation.protocols import PROTOCOLS
from workbench.evaluation.scores import Score, read
from workbench.evaluation.summaries import Line, Mean, lines
from workbench.samples import IN_COLOR, SAMPLES
from workbench.spec import ModelSpec
from workbench.writing import write_whole

GRID = "grid.webp"
GRID_BYTES = 200_000
GRID_SIDE = 192  # of a picture in the grid, pixels
IN_CLAIM = ("psnr", "ssim", "delta_e")  # metadata of the Hub: one value a set and metric
OTHER = "the terms of the photographs it was trained on"


def write_card(checkpoint: Checkpoint, baselines: Path | None = None) -> Path:
    """Write README.md and the picture grid into the checkpoint's folder; returns the card's path.

    baselines: folder of the tables of grey and truth, by default that of the bundled ones.
    """
    grid_bytes = make_grid(checkpoint)
    text = make_card(checkpoint, baselines)
    write_whole(checkpoint.folder, {GRID: grid_bytes, "README.md": text.encode()})
    return checkpoint.folder / "README.md"


def make_card(checkpoint: Checkpoint, baselines: Path | None = None) -> str:
    """The card as Markdown with YAML front matter, scores as `model-index` metadata.

    Only scores of this revision of the weights count; without any the card says so.
    """
    spec, config = checkpoint.spec, checkpoint.config
    scores = _scores(checkpoint, baselines)
    parts = [
        f"---\n{_metadata(checkpoint, scores)}\n---",
        f"# {checkpoint.title}\n\nColourizes a black-and-white photograph. {_origin(spec)}",
        f"![Truth, grey, and this model on four pictures]({GRID})\n\n"
        f"Rows: the photograph, its lightness, this model. {_credits()}",
        _use(checkpoint),
        f"## How it was trained\n\n{_training(spec, config)}",
        f"## Scores\n\n{_table(checkpoint, scores)}",
        f"## Licence and terms\n\n{_terms(config)}",
        "## Limits\n\nColours are plausible guesses, not facts about the scene. "
        + describe_differences(spec),
    ]
    return "\n\n".join(parts) + "\n"


def _origin(spec: ModelSpec) -> str:
    if spec.ours:
        return spec.claim
    return f"A reimplementation of: {spec.source}.\nThe paper's claim: {spec.claim}"


def make_grid(checkpoint: Checkpoint) -> bytes:
    """Truth, lightness and the model's answer for four sample pictures, as WebP of <= 200 kB."""
    import numpy as np
    from PIL import Image

    from workbench.coloring.colorize import predict_ab
    from workbench.data.pictures import decode_square

    files = [sample.path.read_bytes() for sample in _samples()]
    truth = torch.stack([torch.from_numpy(decode_square(file, GRID_SIDE)[0]) for file in files])
    L, ab = split_lab(truth)
    made = join_rgb(L, predict_ab(checkpoint.net(), L, checkpoint.size))
    rows = [torch.cat(list(row), 2) for row in (truth, join_rgb(L, torch.zeros_like(ab)), made)]
    sheet = Image.fromarray(np.ascontiguousarray(torch.cat(rows, 1).permute(1, 2, 0).numpy()))
    for quality in range(88, 0, -8):
        buffer = io.BytesIO()
        sheet.save(buffer, "WEBP", quality=quality)
        if buffer.tell() <= GRID_BYTES:
            break
    return buffer.getvalue()


def _samples() -> list:
    return [SAMPLES[name] for name in IN_COLOR]


def _credits() -> str:
    names = (f"{sample.title} ({sample.author}, {sample.licence})" for sample in _samples())
    return f"Pictures: {', '.join(names)}."


def _scores(checkpoint: Checkpoint, baselines: Path | None) -> list[Score]:
    """Rows of these very weights, and grey and the truth on the same pictures."""
    own = [
        row
        for file in sorted(
            score_run.scores_folder(checkpoint.name, checkpoint.folder).glob("*.csv")
        )
        for row in read(file)
        if row.revision == checkpoint.revision and row.protocol == "cw-1"
    ]
    scored = {(row.dataset, row.size, row.picture) for row in own}
    names = sorted({row.dataset for row in own})
    homes = [(baselines, score_run.baselines_folder(dataset=name)) for name in names]
    files = [
        (given if given and (given / f"{name}.csv").is_file() else usual) / f"{name}.csv"
        for name, (given, usual) in zip(names, homes, strict=True)
    ]
    beside = [row for file in files if file.is_file() for row in read(file)]
    return own + [
        row
        for row in beside
        if row.model in ("grey", "truth")
        and row.protocol == "cw-1"
        and (row.dataset, row.size, row.picture) in scored
    ]


def _sets(scores: Sequence[Score], size: int) -> dict[str, dict[str, Line]]:
    """Data set -> model -> line, at one size."""
    names = sorted({row.dataset for row in scores if row.size == size})
    return {
        name: {
            line.model: line
            for line in lines(r for r in scores if r.size == size and r.dataset == name)
        }
        for name in names
    }


def _metadata(checkpoint: Checkpoint, scores: Sequence[Score]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    claims = [
        EvalResult(
            task_type="image-to-image",
            task_name="Image colorization",
            dataset_type=name,
            dataset_name=DATASETS[name].title if name in DATASETS else name,
            metric_type=metric,
            metric_name=f"{METRICS[metric].title} (cw-1, {size} x {size})",
            metric_value=round(found[checkpoint.name].means[metric].value, 4),
        )
        for size in PROTOCOLS["cw-1"].sizes
        for name, found in _sets(scores, size).items()
        for metric in IN_CLAIM
        if checkpoint.name in found and math.isfinite(found[checkpoint.name].means[metric].value)
    ]
    data = ModelCardData(
        license="other",
        license_name=checkpoint.config.get("licence", "terms-of-the-training-data"),
        library_name="colorization-workbench",
        pipeline_tag="image-to-image",
        tags=["colorization", "pytorch", checkpoint.config["model"]],
        model_name=checkpoint.name,
        eval_results=claims or None,
    )
    return data.to_yaml().strip()


def _use(checkpoint: Checkpoint) -> str:
    return f"""## Use

With the colorization workbench, which brings these weights with it or fetches them:

```sh
python -m workbench fetch USER/NAME
python -m workbench colorize photo.jpg --model {checkpoint.name} --out coloured
```

```python
from pathlib import Path

from workbench import checkpoints
from workbench.coloring.colorize import colorize
from workbench.images import open_image

checkpoint = checkpoints.find("{checkpoint.name}")
picture = open_image(Path("photo.jpg"))
result = colorize(checkpoint.net(), picture.rgb, size=checkpoint.size)  # result.rgb: uint8
```"""


def _training(spec: ModelSpec, config: dict[str, Any]) -> str:
    machine = config.get("machine") or {}
    facts = {
        "Photographs seen": f"{config.get('images_seen', 0):,}",
        "Trained on": ", ".join(_list_training_data(config)),
        "Width": f"{config['width']:g} (1 is {'the full one' if spec.ours else 'the paper’s'})",
        "Options": _write_values(config.get("options")),
        "Recipe": _write_values(config.get("recipe")),
        "Augmentation": _write_values(config.get("augmentation")),
        "Size": f"{config['size']} pixels on the short side",
        "Averaged": f"{mean['share']:g} of the run's weights, the rest those that it began from, "
        f"revision `{mean['with']}` (Wortsman et al., Robust fine-tuning, CVPR 2022)"
        if (mean := config.get("averaged"))
        else None,
        "Gain": f"ab is multiplied by {gain:g} in use, not in training: ours, for more colour"
        if (gain := config.get("gain", 1.0)) != 1
        else None,
        "Precision": config.get("precision"),
        "Machine": machine.get("device"),
        "Time": f"{config['seconds'] / 3600:.1f} hours" if config.get("seconds") else None,
        "Revision of the weights": f"`{config['revision']}`",
    }
    rows = [f"| {name} | {value} |" for name, value in facts.items() if value]
    return "\n".join(["| | |", "|---|---|", *rows])


def _write_values(values: Mapping[str, Any] | None) -> str:
    """ "depth = 2, rank = 32"."""
    return ", ".join(f"{name} = {value}" for name, value in (values or {}).items())


def _table(checkpoint: Checkpoint, scores: Sequence[Score]) -> str:
    sets = _sets(scores, 256) or _sets(scores, max((s.size for s in scores), default=256))
    own = [line for found in sets.values() if (line := found.get(checkpoint.name))]
    if not own:
        return "These weights were not scored yet: `python -m workbench evaluate --data FILE`."
    size = own[0].size
    head = ["data set", "pictures"]
    for name in USUAL:
        head += [METRICS[name].title, METRICS[name].beside]
    rows = [_row(name, found, checkpoint.name) for name, found in sets.items()]
    if len(sets) > 1:
        here = [score for score in scores if score.size == size]
        rows.append(
            _row("**mean of the sets**", {n.model: n for n in lines(here)}, checkpoint.name)
        )
    table = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return (
        f"Protocol `cw-1` at {size} x {size}: mean over pictures [95 % interval], beside it what a "
        "grey picture scores. Rows per picture are in `scores/`.\n\n"
        + "\n".join(table)
        + f"\n\n{METRICS['psnr'].trap} {METRICS['colorfulness'].trap}"
    )


def _row(title: str, found: dict[str, Line], model: str) -> list[str]:
    own = found[model]
    cells = [title, str(own.pictures)]
    for name in USUAL:
        beside = found.get(METRICS[name].beside)
        cells.append(_cell(own.means.get(name), name))
        cells.append(_cell(beside.means.get(name), name, False) if beside else "")
    return cells


def _cell(mean: Mean | None, metric: str, interval: bool = True) -> str:
    if mean is None:
        return ""
    value, low, high = map(METRICS[metric].text, (mean.value, mean.low, mean.high))
    return f"{value} [{low}, {high}]" if interval else value


def _list_training_data(config: dict[str, Any]) -> list[str]:
    """Names of the training data, without the folders of the machine it was on."""
    sources = config.get("trained_on") or ["not stated"]
    sources = [sources] if isinstance(sources, str) else sources
    names = []
    for source in sources:
        known = next((part for part in Path(source).parts if part in DATASETS), None)
        plain = ("/" not in source and "\\" not in source) or source.split(":")[0] in (
            "hub",
            "kaggle",
        )
        names.append(DATASETS[known].title if known else source if plain else Path(source).name)
    return names


def _terms(config: dict[str, Any]) -> str:
    sources = config.get("trained_on") or []
    sources = [sources] if isinstance(sources, str) else sources
    known = {part for source in sources for part in Path(source).parts if part in DATASETS}
    terms = "".join(f"\n- {DATASETS[n].title}: {DATASETS[n].licence}" for n in sorted(known))
    return (
        "The code that made and runs this model is under Apache 2.0. For the weights "
        f"{config.get('licence') or OTHER} hold; where some are for research only, so is their use."
        + (f"\n{terms}" if terms else "")
    )


def describe_differences(spec: ModelSpec) -> str:
    """The card's sections on what is not the paper's: differences, then who says what."""
    sections = {
        "Differs from the paper": provenance.differences(spec.build),
        "What the paper states, and what it leaves open": provenance.summary(spec.provenance),
    }
    return "".join(f"\n\n### {title}\n\n{text}" for title, text in sections.items() if text)
