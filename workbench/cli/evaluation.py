"""Commands: evaluate, by-colour, scores, distance, card, export-leaderboard."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from workbench.evaluation.entrants import Entrant
    from workbench.evaluation.protocols import Protocol
    from workbench.evaluation.summaries import Line

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL ...]",
        help="Names or folders of models, or module:function. all: every model there is.",
        show_default=False,
    ),
]
JSON = Annotated[bool, typer.Option("--json", help="Print a list of objects.")]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(evaluate)
    app.command("by-colour")(by_color)
    app.command()(scores)
    app.command()(distance)
    app.command()(card)
    app.command("export-leaderboard")(export_leaderboard)


def evaluate(
    models: Models = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Pictures to score on; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write below this folder instead.")] = None,
    protocol: Annotated[str, typer.Option(help="cw-1, or a legacy protocol.")] = "cw-1",
    size: Annotated[list[int] | None, typer.Option(help="Only this size; repeatable.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N pictures.")] = None,
    picture: Annotated[
        list[str] | None, typer.Option(help="Only pictures with this in their name; repeatable.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Score the pictures in this folder, made elsewhere.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The name for those predictions.")] = None,
    lpips: Annotated[
        bool, typer.Option("--lpips", help="LPIPS too, where its pretrained weights can be had.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda; cuda where there is one.")
    ] = None,
) -> None:
    """Score models picture by picture: CHECKPOINT/scores/DATASET.csv, baselines beside them.

    Under `accelerate launch -m workbench evaluate ...` the pictures are shared among processes. A
    run that was killed goes on where it was when the same command is given again.
    """
    import torch

    from workbench.data.sources import open_source
    from workbench.errors import Problem
    from workbench.evaluation import entrants, protocols, score_run
    from workbench.evaluation.reader import Reader

    if not data:
        raise Problem("Name what to score on with --data: a .parquet file or a folder of pictures.")
    if (predictions is None) != (name is None):
        raise Problem("--predictions FOLDER and --name NAME go together.")
    chosen = protocols.find_protocol(protocol)
    if chosen.pictures and len(picture or ()) != chosen.pictures:
        raise Problem(f"{protocol} is the mean over {chosen.pictures} named pictures: --picture.")
    if lpips:
        chosen = _with_lpips(chosen)
    names = [score_run.dataset_name(text) for text in data]
    if doubled := {found for found in names if names.count(found) > 1}:
        raise Problem(f"Two data sets would be called {doubled.pop()!r}: score them one by one.")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    reader = Reader(device) if chosen.name == protocols.OURS else None
    shard = score_run.this_shard()
    field = [] if predictions else _networks(models, device, out)
    for text, dataset in zip(data, names, strict=True):
        source = open_source(text)
        here = list(field)
        if predictions is not None:
            shapes = [chosen.shape(each) for each in size or chosen.sizes]
            made, wrong = entrants.from_predictions(predictions, name, source.items(), shapes)
            here.append((made, score_run.scores_folder(name, out=out)))
            _say(wrong)
        first = [item.name for item in islice(source.items(), 8)]
        folder = score_run.baselines_folder(out, dataset, first)
        here += [(baseline, folder) for baseline in entrants.baselines()]
        with _progress(dataset, quiet=shard.index > 0) as progress:
            score_run.score_data(
                here,
                source,
                dataset,
                protocol=chosen,
                sizes=size,
                limit=limit,
                named=picture or (),
                device=device,
                shard=shard,
                progress=progress,
                unreadable=lambda sentence: _say([sentence]),
                reader=reader,
            )
        if shard.index == 0:
            for written in dict.fromkeys(folder / f"{dataset}.csv" for _, folder in here):
                typer.echo(f"{written}")


def by_color(
    models: Models = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Pictures to measure on; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write below this folder instead.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N pictures.")] = None,
) -> None:
    """Errors by the hue of the truth, for the Leaderboard: CHECKPOINT/by_colour/DATASET.csv.

    One row per picture and hue sector, at 128 pixels; grey's rows are written beside them.
    """
    from itertools import islice

    from workbench.data.sources import open_source
    from workbench.errors import Problem
    from workbench.evaluation import by_color as colors
    from workbench.evaluation import entrants, score_run

    if not data:
        raise Problem("Name the pictures with --data: a .parquet file or a folder of pictures.")
    names = [score_run.dataset_name(text) for text in data]
    if doubled := {found for found in names if names.count(found) > 1}:
        raise Problem(f"Two data sets would be called {doubled.pop()!r}: measure them one by one.")
    field = _networks(models, "cpu", out)
    for text, dataset in zip(data, names, strict=True):
        grey = next(each for each in entrants.baselines() if each.name == "grey")
        here = [*field, (grey, score_run.baselines_folder(out, dataset))]
        source = open_source(text)
        with _progress(dataset, quiet=False) as progress:
            rows = list(
                colors.shares(
                    [entrant for entrant, _ in here],
                    islice(source.items(), limit),
                    dataset,
                    unreadable=lambda sentence: _say([sentence]),
                    progress=lambda done, say=progress, all=source.count(): say(done, all),
                )
            )
        if not rows:
            raise Problem(f"There is no picture to measure in {source.title}.")
        for entrant, folder in here:
            path = colors.folder_beside(folder) / f"{dataset}.csv"
            own = [row for row in rows if row.model == entrant.name]
            colors.write(path, own)
            typer.echo(f"{path}")


def distance(
    models: Models = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Pictures to compare with; repeatable: all as one set.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N of each.")] = None,
    size: Annotated[int, typer.Option(help="Side of the compared squares.")] = 256,
    inception: Annotated[
        bool, typer.Option("--inception", help="FID or KID through torchvision's Inception-v3.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep them beside the weights, for the Leaderboard.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Keep them below this folder instead.")] = None,
    as_json: JSON = False,
) -> None:
    """How far the coloured pictures as a set are from the true ones: kd_lite and fd_lite.

    Over the features of EfficientNet-Lite0, so on another scale than FID and KID; these need
    weights that have to be fetched (--inception), and where they cannot be had, that is said.
    Grey, mean_ab and the truth stand beside.
    """
    from itertools import chain, islice

    from workbench.cli import print_rows
    from workbench.data import DATASETS
    from workbench.data.sources import open_source
    from workbench.errors import Problem
    from workbench.evaluation import distances, entrants, realism, score_run
    from workbench.evaluation.reader import Reader

    if not data:
        raise Problem("Name the pictures with --data: a .parquet file or a folder of pictures.")
    if keep and (inception or limit):
        raise Problem(
            "--keep is for kd_lite and fd_lite of whole sets: without --inception, --limit."
        )
    if inception:
        features, compare = distances.inception_features(), distances.compare_sets
    else:
        features, compare = Reader().features, distances.compare_sets_lite
    networks = _networks(models, "cpu", out)
    field = [entrant for entrant, _ in networks] + entrants.baselines()
    items = chain.from_iterable(islice(open_source(text).items(), limit) for text in data)
    found = distances.compare_entrants(field, items, features, size, compare)
    if keep:
        names = tuple(sorted(score_run.dataset_name(text) for text in data))
        strange = next((name for name in names if name not in DATASETS), names[0])
        beside = score_run.baselines_folder(out, strange).parent
        folders = {entrant.name: scores.parent for entrant, scores in networks}
        rows: dict[Path, list[realism.Realism]] = {}
        for each in field:
            row = realism.make_row(each.name, each.revision, names, size, found[each.name])
            rows.setdefault(folders.get(each.name, beside), []).append(row)
        for folder, made in rows.items():
            typer.echo(f"{realism.keep_rows(folder, made)}", err=True)
    print_rows([{"model": name, **values} for name, values in found.items()], as_json)


def scores(
    data: Annotated[
        list[str] | None, typer.Option(help="A data set that was scored; repeatable. All: none.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the compared squares.")] = 256,
    protocol: Annotated[str, typer.Option(help="cw-1, or a legacy protocol.")] = "cw-1",
    out: Annotated[Path | None, typer.Option(help="Read below this folder instead.")] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the README's table of the bundled models.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option(help="Write that table into this document, between its marks.")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Means with 95 % intervals, best first; over several data sets the mean of their means."""
    from workbench.cli import print_rows
    from workbench.evaluation import score_run, summaries
    from workbench.evaluation import scores as files

    if markdown or into:
        _print_measured(out, into)
        return
    roots = (out,) if out else score_run.score_roots()
    rows = [row for dataset in data or (None,) for row in files.read_all(roots, dataset)]
    protocol = files.OLD_PROTOCOLS.get(protocol, protocol)
    lines = summaries.lines(r for r in rows if r.size == size and r.protocol == protocol)
    lines.sort(key=lambda line: -line.means["psnr"].value)
    print_rows([(_numbers if as_json else _texts)(line) for line in lines], as_json)


def _print_measured(root: Path | None, into: Path | None) -> None:
    """The README's table: of the models below a root that are scored, printed or put in place."""
    from workbench import places
    from workbench.evaluation import measured
    from workbench.evaluation import scores as files

    text = measured.make_table(files.read_all((root or places.CHECKPOINTS,)))
    if into:
        measured.replace_block(into, text)
    else:
        typer.echo(text, nl=False)


def card(models: Models = None) -> None:
    """Write the model cards: README.md with scores, and a picture grid, in each folder."""
    from workbench import checkpoints, places
    from workbench.publishing import cards

    every = models in (None, [], ["all"])
    for name in checkpoints.available(places.CHECKPOINTS) if every else models:
        checkpoint = checkpoints.find(name)
        beside = checkpoint.folder.parent / "baselines" / "scores"
        written = cards.write_card(checkpoint, beside if beside.is_dir() else None)
        typer.echo(f"{written}")


def export_leaderboard(
    out: Annotated[Path, typer.Argument(metavar="OUT.html", help="The page to write.")],
) -> None:
    """Write the leaderboard as one page of HTML that needs no server and no network."""
    from workbench.evaluation import score_run
    from workbench.evaluation import scores as files
    from workbench.publishing.leaderboard_page import write_page

    write_page(out, files.read_all(score_run.score_roots()))
    typer.echo(f"{out}")


def _numbers(line: Line) -> dict[str, Any]:
    row = {
        "model": line.model,
        "revision": line.revision,
        "protocol": line.protocol,
        "size": line.size,
        "datasets": line.datasets,
        "pictures": line.pictures,
    }
    for metric, mean in line.means.items():
        values = {"": mean.value, "_low": mean.low, "_high": mean.high, "_sd": mean.sd}
        for name, value in values.items():
            row[metric + name] = value if math.isfinite(value) else None  # JSON has no infinity
    return row


def _texts(line: Line) -> dict[str, Any]:
    from workbench.evaluation.metrics import METRICS, USUAL

    row: dict[str, Any] = {"model": line.model, "revision": line.revision}
    row |= {"sets": len(line.datasets), "pictures": line.pictures}
    for name in USUAL if line.protocol == "cw-1" else METRICS:
        if mean := line.means.get(name):
            numbers = map(METRICS[name].text, (mean.value, mean.low, mean.high, mean.sd))
            form = "{0} ± {3}" if line.protocol.startswith("ranjan-agrawal") else "{0} [{1}, {2}]"
            row[name] = form.format(*numbers)
    return row


def _with_lpips(protocol: Protocol) -> Protocol:
    """The protocol with a column more; as it was, and the reason said, where that cannot be."""
    from workbench.errors import Problem
    from workbench.evaluation import distances

    try:
        distance = distances.lpips()
    except Problem as reason:
        _say([f"Scoring without LPIPS. {reason}"])
        return protocol
    return replace(protocol, measure=lambda prediction, truth: {
        **protocol.measure(prediction, truth), "lpips": distance(prediction, truth)
    })  # fmt: skip


def _networks(
    models: list[str] | None, device: str, out: Path | None
) -> list[tuple[Entrant, Path]]:
    from workbench import checkpoints
    from workbench.errors import Problem
    from workbench.evaluation import entrants, score_run

    found = []
    for model in checkpoints.available() if models in (None, [], ["all"]) else models:
        if ":" in model and not Path(model).exists():
            entry = entrants.from_entry_point(model)
            found.append((entry, score_run.scores_folder(model, out=out)))
        else:
            checkpoint = checkpoints.find(model)
            folder = score_run.scores_folder(checkpoint.name, checkpoint.folder, out)
            found.append((entrants.from_checkpoint(checkpoint, device), folder))
    names = [entrant.name for entrant, _ in found]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise Problem(f"Two models would be called {doubled.pop()!r}: score them one by one.")
    return found


def _say(sentences: list[str]) -> None:
    for sentence in sentences:
        print(sentence, file=sys.stderr)


class _progress:
    """A bar on stderr with the pictures done; nothing when `quiet`."""

    def __init__(self, title: str, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=Console(stderr=True), disable=quiet)
        self.task = self.bar.add_task(title, total=None)

    def __enter__(self) -> _progress:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, done: int, total: int | None) -> None:
        self.bar.update(self.task, completed=done, total=total)
