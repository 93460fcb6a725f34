"""Commands: export-onnx, serve-static."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command("export-onnx")(export_onnx)
    app.command("serve-static")(serve_static)


def export_onnx(
    model: Annotated[str, typer.Argument(help="A model's name, its folder, or: all")],
    out: Annotated[Path, typer.Option(help="The folder that NAME.onnx is written to.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Write trained networks as ONNX files, for any size of picture, weights in float16."""
    from workbench import checkpoints
    from workbench.cli import print_rows
    from workbench.publishing import onnx

    onnx.need_packages()
    found = checkpoints.available() if model == "all" else {model: checkpoints.find(model)}
    rows = []
    for checkpoint in found.values():
        file = onnx.export(checkpoint, out)
        row = {"model": checkpoint.name, "file": str(file), "bytes": file.stat().st_size}
        rows.append(row | {"revision": checkpoint.revision})
    print_rows(rows, as_json)


def serve_static(
    folder: Annotated[Path, typer.Argument(help="What `publish-space --kind static --out` made.")],
    port: Annotated[int, typer.Option(help="TCP port.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is all of them.")
    ] = "127.0.0.1",
) -> None:
    """Serve an assembled static page, with the headers that the Hub sends for it."""
    from workbench.publishing.static_server import serve

    serve(folder, host, port)
