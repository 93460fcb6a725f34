"""Commands: data."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(datasets)
    app.command()(check)
    app.command()(frames)


def datasets(as_json: JSON = False) -> None:
    """List the sets that the papers use and those of this workbench: source, terms, split."""
    from dataclasses import asdict

    from workbench.cli import print_rows
    from workbench.data import DATASETS

    print_rows([asdict(spec) for spec in DATASETS.values()], as_json)


def check(
    data: Annotated[
        list[str],
        typer.Option(
            help="FOLDER, FILE.parquet, FILE.csv, FILE.tar, a pattern in quotes, "
            "hub:OWNER/NAME[:SPLIT], torchvision:NAME[:SPLIT], kaggle:OWNER/NAME or "
            "video:FILE[@FPS][#FROM-TO]; may be repeated."
        ),
    ],
    side: Annotated[
        str, typer.Option(help="Side or HEIGHTxWIDTH of the training pictures, in pixels.")
    ] = "128",
    keep_grey: Annotated[bool, typer.Option(help="Do not leave grey pictures out.")] = False,
    as_json: JSON = False,
) -> None:
    """Look at data before training: how many pictures, unreadable, grey; how many of each label.

    The decoded pictures are kept, so that training with the same side starts at once.
    """
    from workbench.data import pictures
    from workbench.errors import Problem

    try:
        shape = pictures.parse_shape(side)
    except ValueError:
        raise Problem(f"--side {side!r} is neither a side nor HEIGHTxWIDTH, in pixels.") from None
    progress = _progress if sys.stderr.isatty() else None
    report = pictures.load(data, shape, keep_grey=keep_grey, progress=progress).report
    print(json.dumps(report, indent=2, ensure_ascii=False) if as_json else describe_check(report))


def _progress(done: int, total: int | None) -> None:
    end = "\n" if done == total else ""
    print(f"\r{done:,} of {total or '?'} pictures", end=end, file=sys.stderr, flush=True)


def describe_check(report: dict[str, Any]) -> str:
    """The data check in lines of text."""
    labels = sorted(report["labels"].items(), key=lambda pair: -pair[1])
    side = report["side"]  # of squares, or "HEIGHTxWIDTH"
    shape = side.replace("x", " x ") if isinstance(side, str) else f"{side} x {side}"
    lines = [
        f"data         {', '.join(report['sources'])}",
        f"pictures     {report['n']:,} at {shape}",
        f"grey         {report['grey']:,} left out",
        f"unreadable   {len(report['unreadable']):,}"
        + (f", {_name_unreadable(report)}" if report["unreadable"] else ""),
        f"enlarged     {report['enlarged']:,} are smaller than {side} pixels",
        f"labels       {len(labels):,} classes, {report['unlabelled']:,} pictures without",
    ]
    lines += [f"  {number:>8,}  {name}" for name, number in labels[:20]]
    if len(labels) > 20:
        lines.append(f"            and {len(labels) - 20:,} more (--json shows all)")
    return "\n".join(lines)


def _name_unreadable(report: dict[str, Any]) -> str:
    """Where the files that could not be read are named, or the first of them."""
    if "unreadable_file" in report:
        return f"named in {report['unreadable_file']}"
    names = report["unreadable"]
    return "the first: " + ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def frames(
    video: Annotated[Path, typer.Argument(help="A clip.")],
    out: Annotated[Path, typer.Argument(help="The folder for its frames.")],
    fps: Annotated[float, typer.Option(help="Frames taken from each second.")] = 2.0,
    form: Annotated[str, typer.Option(help="jpeg (quality 95) or png.")] = "jpeg",
    begin: Annotated[
        str, typer.Option("--from", help="Where to begin: seconds, M:SS or H:MM:SS.")
    ] = "0",
    end: Annotated[str, typer.Option("--to", help="Where to end, without the frame there.")] = "",
) -> None:
    """Make pictures of a clip: 2 frames of every second, as Ranjan & Agrawal made their Movies."""
    import math

    from workbench.data.frames import seconds_of, write_frames

    number, whole = write_frames(
        video, out, fps, form=form, begin=seconds_of(begin),
        end=seconds_of(end) if end else math.inf,
    )  # fmt: skip
    print(f"{number} frames of {video} are in {out}.")
    if not whole:
        print(f"{video} is damaged: it could be read up to there only.", file=sys.stderr)
