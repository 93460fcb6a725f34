"""Commands: study create, render, open, close, list, results, export, withdraw, publish, ..."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print a list of objects.")]
Name = Annotated[str, typer.Argument(help="The study's name.")]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    family = typer.Typer(help="User studies: make, open, watch, export.", no_args_is_help=True)
    for command in (create, render, results, export, withdraw, publish, simulate):
        family.command()(command)
    family.command("open")(open_)
    family.command("close")(close)
    family.command("list")(list_)
    app.add_typer(family, name="study")


def create(
    plan: Annotated[Path, typer.Argument(help="A YAML file; docs/study.md lists its fields.")],
) -> None:
    """Make a draft of a study and render its pictures."""
    from workbench.study.plans import read_plan
    from workbench.study.rendering import make_study
    from workbench.study.votes import Votes

    read = read_plan(plan)
    pictures = make_study(Votes(), read)
    print(f"Study {read.name} has {pictures} pictures. Next: study open {read.name}")


def render(name: Name) -> None:
    """Make every picture of a draft beforehand, so that a rater never waits."""
    from workbench.study import rendering
    from workbench.study.votes import Votes

    pictures = rendering.render(Votes(), name)
    print(f"{pictures} pictures rendered for study {name}.")


def open_(name: Name) -> None:
    """Let raters in. From now on plan, models and pictures are frozen."""
    import json

    from workbench.study import rendering
    from workbench.study.votes import Votes

    votes = Votes()
    rendering.open_study(votes, name)
    print(f"Study {name} is open at /study?study={name}")
    for invite in json.loads(votes.study(name).invites):
        print(f"/study?study={name}&invite={invite}")


def close(name: Name) -> None:
    """Take no more votes."""
    from workbench.study.votes import Votes

    votes = Votes()
    votes.study(name)
    votes.set_state(name, "closed")
    print(f"Study {name} is closed.")


def list_(as_json: AsJson = False) -> None:
    """Every study with its state and counts."""
    from workbench.cli import print_rows
    from workbench.study.export import utc_text
    from workbench.study.trials import plan_of
    from workbench.study.votes import Votes

    votes = Votes()
    print_rows(
        [
            {
                "name": study.name,
                "design": plan_of(study).design,
                "state": study.state,
                **votes.counts(study),
                "created": utc_text(study.created_at),
            }
            for study in votes.studies()
        ],
        as_json,
    )


def results(
    name: Name,
    without_flagged: Annotated[
        bool, typer.Option("--without-flagged", help="Leave flagged raters out.")
    ] = False,
    adjusted: Annotated[
        bool, typer.Option("--adjusted", help="What colourfulness explains of the strengths.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The ranking or the fool rates, with 95 % intervals."""
    from workbench.cli import print_rows
    from workbench.errors import Problem
    from workbench.study.export import write_methods
    from workbench.study.results import load, load_adjusted, tabulate_adjusted
    from workbench.study.votes import Votes

    votes = Votes()
    study = votes.study(name)
    found = load(votes, study)
    if without_flagged:
        found = load(votes, study, found.flagged)
    if adjusted:
        beside = load_adjusted(votes, study, found.flagged if without_flagged else ())
        if beside is None:
            raise Problem("--adjusted needs strengths (not fool rates) from two raters at least.")
        for table in tabulate_adjusted(found.models, beside):
            print_rows(_round_numbers(table), as_json)
        return
    print_rows(_round_numbers(found.table()), as_json)
    if not as_json:
        print(write_methods(found))


def _round_numbers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}
        for row in rows
    ]


def export(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="Where to.")],
    recruited: Annotated[
        bool, typer.Option("--recruited", help="Names that a platform gave, in recruited.csv.")
    ] = False,
) -> None:
    """Write votes, raters, ranking (CSV, Parquet), codebook and methods paragraph."""
    from workbench.study.export import export as write
    from workbench.study.votes import Votes

    votes = Votes()
    for path in write(votes, votes.study(name), folder, private=recruited):
        print(path)


def withdraw(code: Annotated[str, typer.Argument(help="The rater's code.")]) -> None:
    """Delete a rater with every vote."""
    from workbench.study.votes import Votes

    print(f"Deleted, with {Votes().delete_rater(code)} votes.")


def publish(
    name: Name,
    repo: Annotated[str, typer.Option("--repo", metavar="USER/NAME", help="Where on the Hub.")],
    private: Annotated[bool, typer.Option("--private", help="Make it private.")] = False,
    licence: Annotated[str, typer.Option(help="The Hub's name of the licence.")] = "cc-by-4.0",
) -> None:
    """Send a closed study to the Hub as a data set with its card."""
    from workbench.study import backup
    from workbench.study.votes import Votes

    votes = Votes()
    print(backup.publish(votes, votes.study(name), repo, private, licence).url)


def simulate(
    raters: Annotated[int, typer.Option(min=1)] = 30,
    trials: Annotated[int, typer.Option(min=1, help="Scored trials per rater.")] = 20,
    design: Annotated[str, typer.Option(help="pair, real_or_fake or rank.")] = "pair",
    name: Annotated[str, typer.Option(help="A simulation of that name is replaced.")] = "demo",
    seed: Annotated[int, typer.Option(help="The same seed gives the same votes.")] = 0,
    export: Annotated[Path | None, typer.Option(help="Folder for the exported files.")] = None,
) -> None:
    """Fill a demo study with simulated raters of known taste, and export it."""
    from workbench.study import simulate as simulation
    from workbench.study.export import export as write

    votes, study = simulation.simulate(
        name=name, design=design, raters=raters, trials=trials, seed=seed
    )
    counts = votes.counts(study)
    print(f"Study {name}: {counts['raters']} simulated raters gave {counts['votes']} votes.")
    for path in write(votes, study, export) if export else ():
        print(path)
