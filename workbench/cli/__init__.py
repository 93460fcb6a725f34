"""The command line: one module per family of commands, each with `register(app)`.

torch and the engine are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import typer

from workbench.errors import Problem

FAMILIES = (
    "models", "training", "evaluation", "colorize", "hub", "data", "study", "demo", "static",
)  # fmt: skip


def build() -> typer.Typer:
    """The application with every family of commands registered."""
    app = typer.Typer(
        name="workbench",
        help="Train, compare, publish and explain colorization networks.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for family in FAMILIES:
        importlib.import_module(f"workbench.cli.{family}").register(app)
    return app


def main() -> None:
    """Run a command; a Problem is one sentence on stderr and exit code 2."""
    try:
        build()(prog_name=_typed_name())
    except Problem as problem:
        print(f"{problem}", file=sys.stderr)
        raise SystemExit(2) from None
    except ModuleNotFoundError as missing:
        if (missing.name or "workbench").partition(".")[0] == "workbench":
            raise
        print(
            f"This needs the package {missing.name}, which is not installed: "
            "pip install 'colorization-workbench[train,study,app]' brings all there are.",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    except BrokenPipeError:  # `... | head`
        raise SystemExit(0) from None


def _typed_name() -> str:
    """What was typed: `workbench`, or `python -m workbench`."""
    return "workbench" if Path(sys.argv[0]).stem == "workbench" else "python -m workbench"


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print rows as JSON (a list of objects) or as a table with a column per name."""
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*(rows[0] if rows else ()), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 240).print(table)
