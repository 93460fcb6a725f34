"""Commands: models."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this family's commands."""

    @app.command()
    def models(
        as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
        recipes: Annotated[
            bool, typer.Option(help="Print whose each field of a paper's recipe is, as Markdown.")
        ] = False,
        options: Annotated[
            str | None, typer.Option(help="Print what `train MODEL --set` takes, with defaults.")
        ] = None,
        preset: Annotated[
            str | None, typer.Option(help="With --options: the defaults of this preset.")
        ] = None,
    ) -> None:
        """Every network there is, and every trained checkpoint of them."""
        from workbench import checkpoints, provenance
        from workbench.cli import print_rows
        from workbench.models import MODELS
        from workbench.models.count import parameters

        if options is not None:
            from workbench.errors import Problem
            from workbench.training.plan import list_options

            if options not in MODELS:
                raise Problem(f"There is no model {options!r}. There are: {', '.join(MODELS)}.")
            print_rows(list_options(MODELS[options], preset), as_json)
            return
        if recipes:
            tables = {
                f"**{spec.title}** ({spec.paper})": provenance.markdown(spec.provenance)
                for spec in MODELS.values() if spec.provenance
            }  # fmt: skip
            print("\n\n".join(f"{title}\n\n{table}" for title, table in tables.items()))
            return
        found, complaints = checkpoints.scan()
        for sentence in complaints:
            print(sentence, file=sys.stderr)
        rows = []
        names = [*MODELS, *(name for name in found if name not in MODELS)]
        for name in names:
            checkpoint = found.get(name)
            spec = checkpoint.spec if checkpoint else MODELS[name]
            row = {
                "name": name, "title": checkpoint.title if checkpoint else spec.title,
                "paper": spec.source, "parameters_at_width_1": parameters(spec),
            }  # fmt: skip
            config = checkpoint.config if checkpoint else {}
            stored = checkpoint and {
                "width": config["width"],
                "parameters": parameters(spec, config["width"], config["options"]),
                "images_seen": config["images_seen"],
                "bytes": checkpoint.bytes,
                "revision": checkpoint.revision,
                "trained_on": ", ".join(config["trained_on"]),
            }
            blank = dict.fromkeys(
                ("width", "parameters", "images_seen", "bytes", "revision", "trained_on")
            )
            rows.append({**row, **(stored or blank)})
        print_rows(rows, as_json)
