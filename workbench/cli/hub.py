"""Commands: publish, fetch, publish-space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Repo = Annotated[str, typer.Option("--repo", metavar="USER/NAME", help="Where on the Hub.")]
Private = Annotated[bool, typer.Option("--private", help="Make a new repository private.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a list of objects.")]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(publish)
    app.command()(fetch)
    app.command("publish-space")(publish_space)


def publish(
    model: Annotated[str, typer.Argument(help="A model's name, or its folder.")],
    repo: Repo,
    private: Private = False,
    tag: Annotated[str | None, typer.Option(help="Default: the weights' revision.")] = None,
    parent: Annotated[
        str | None, typer.Option(help="Refuse if the repository is not at this commit any more.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Send a model's folder to the Hub: one atomic commit, then a tag."""
    from workbench import hub
    from workbench.cli import print_rows
    from workbench.hub.model_folder import model_files

    folder = _folder(model)
    if dry_run:
        files = model_files(folder)
        print_rows(
            [{"file": path, "bytes": f.stat().st_size} for path, f in files.items()], as_json
        )
        return
    sent = hub.publish(folder, repo, private=private, tag=tag, parent=parent)
    print_rows([{"repo": repo, "url": sent.url, "commit": sent.commit, "tag": sent.tag}], as_json)


def fetch(
    name: Annotated[str, typer.Argument(metavar="USER/NAME[@REVISION]")],
    as_json: AsJson = False,
) -> None:
    """Bring a published model into the cache; the workbench then lists it beside its own."""
    import json

    from workbench import hub
    from workbench.cli import print_rows

    folder = hub.fetch(name)
    note = json.loads((folder / "fetched.json").read_text())
    print_rows([note | {"folder": str(folder)}], as_json)


def publish_space(
    repo: Repo,
    kind: Annotated[str, typer.Option(help="gradio, docker or static.")] = "gradio",
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="USER/NAME@REVISION",
            help="A published model that a Gradio or static Space shows, not the bundled ones.",
        ),
    ] = None,
    private: Private = False,
    out: Annotated[Path | None, typer.Option(help="Leave the Space in this folder.")] = None,
    runtime: Annotated[
        Path | None,
        typer.Option(help="A folder with onnxruntime-web, for a static Space; else from npm."),
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Assemble a Space - demo, workbench or static page - and send it in one commit."""
    from tempfile import TemporaryDirectory

    from workbench import hub
    from workbench.cli import print_rows
    from workbench.publishing import spaces

    with TemporaryDirectory() as spare:
        folder = spaces.assemble(kind, out or Path(spare), model or (), runtime)
        if dry_run:
            files = hub.space_files(folder)
            print_rows(
                [{"file": path, "bytes": f.stat().st_size} for path, f in files.items()], as_json
            )
            return
        sent = hub.publish_space(folder, repo, kind, private=private)
    print_rows([{"repo": repo, "url": sent.url, "commit": sent.commit}], as_json)


def _folder(model: str) -> Path:
    """The folder that a model's name, or a path, stands for."""
    if Path(model).is_dir():
        return Path(model)
    from workbench import checkpoints

    return checkpoints.find(model).folder
