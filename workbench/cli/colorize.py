"""Commands: colorize, scenes, suggest."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.errors import Problem
from workbench.jobs.form import KINDS, Form
from workbench.jobs.painting import Painter, colorize_picture, draw_picture, find_free
from workbench.names import describe_left_out, printable, shorten_stem, walk
from workbench.writing import write_whole

if TYPE_CHECKING:
    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.coloring.finish import Finish


class Kind(StrEnum):
    """Formats of the pictures that are written."""

    png = "png"
    jpeg = "jpeg"


@dataclass
class Job:
    """What is done with every file."""

    painters: list[Painter]
    settings: Settings
    out: Path
    form: Kind | None  # None: JPEG stays JPEG, everything else becomes PNG
    stamp: bool
    strength: float
    finish: Finish
    samples: int = 0  # of each model's distribution, in place of its own answer
    seed: int = 0
    painted: dict[int, Path] = field(default_factory=dict)  # frames of the clip, by number
    taken: set[Path] = field(default_factory=set)

    @property
    def single(self) -> str:
        """The suffix of `out` where that is one file, else nothing."""
        suffix = self.out.suffix.lower()
        return suffix if suffix in _endings() and not self.out.is_dir() else ""


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(colorize)
    app.command()(scenes)
    app.command()(suggest)


def colorize(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|FOLDER...", help="Pictures, clips, or folders of them."),
    ],
    model: Annotated[
        list[str], typer.Option(metavar="NAME|all", help="A trained model, or all; repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results, or a file's name for one.")],
    size: Annotated[
        int | None, typer.Option(help="Short side shown to the network. Default: its own.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of `colorful`: 1 is the mean, near 0 the boldest colour.")
    ] = None,
    rebalancing: Annotated[
        float | None,
        typer.Option(help="Of `colorful`: 1 keeps rare colours as bold as trained, 0 as they are."),
    ] = None,
    chroma: Annotated[float, typer.Option(help="Gain of the colours.")] = 1.0,
    mirror: Annotated[
        bool, typer.Option(help="Mean of the picture's and its mirror image's colours.")
    ] = False,
    edges: Annotated[bool, typer.Option(help="Let colours follow the picture's edges.")] = False,
    hint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y=#RRGGBB",
            help="A colour for a place, in pixels; repeatable. "
            "X,Y,RADIUS=, or X,Y,X,Y= for a rectangle.",
        ),
    ] = None,
    reach: Annotated[
        float, typer.Option(help="How far hints spread: 1 is a spot, 1e-7 all that is alike.")
    ] = 1e-5,
    exemplar: Annotated[
        Path | None, typer.Option(help="A picture whose colours are wanted.")
    ] = None,
    exemplar_strength: Annotated[
        float, typer.Option(help="0 to 1: how far colours move to the exemplar's.")
    ] = 0.7,
    samples: Annotated[
        int, typer.Option(min=0, max=12, help="Of `colorful`: so many draws, not the one answer.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    form: Annotated[
        Kind | None, typer.Option("--format", help="Default: JPEG stays JPEG, the rest is PNG.")
    ] = None,
    stamp: Annotated[bool, typer.Option(help="Write a visible mark into the corner.")] = False,
    strength: Annotated[
        float | None,
        typer.Option(
            help="Clips: 0 to 1, how steadily colours are held; 0 is off.  [default: 0.5]"
        ),
    ] = None,
    painted: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER|FILE",
            help="Of one clip: frames coloured by hand, as `scenes` names them; repeatable.",
        ),
    ] = None,
) -> None:
    """Colour pictures and clips; each result has a JSON file beside it that says how.

    One broken file does not stop the rest: it is named on stderr, and the exit code is 2.
    """
    from workbench.images.signing import load_signer
    from workbench.jobs import clip

    load_signer()  # a bad key is said before anything else
    files = list(_list_files(sources))
    settings = _settings(
        size=size, temperature=temperature, rebalancing=rebalancing, chroma=chroma, mirror=mirror,
        edges=edges,
    )  # fmt: skip
    finish = _finish(hint or [], reach, exemplar, exemplar_strength)
    painters = [Painter(each, each.net()) for each in _find_checkpoints(model)]
    if samples:
        _check_samples(painters, bool(finish))
    held = clip.STRENGTH if strength is None else strength
    frames = _find_painted(painted or [], files)
    job = Job(painters, settings, out, form, stamp, held, finish, samples, seed, frames)
    if job.single and job.single not in (*KINDS, ".mp4"):
        raise Problem(
            f"{printable(out)} names a {job.single} file, and results are PNG, JPEG or MP4. "
            f"Name it {printable(out.with_suffix('.png').name)} or "
            f"{printable(out.with_suffix('.mp4').name)}, or name a folder."
        )
    if job.single and len(files) * len(painters) * max(1, samples) > 1:
        raise Problem(
            f"{printable(out)} is one file, and there is more than one result. Name a folder."
        )
    failed, clips = 0, 0
    for path, relative in files:
        try:
            for written in _colorize_file(path, relative, job):
                clips += written.suffix == ".mp4"
                print(f"{printable(path)} -> {printable(written)}")
        except Problem as problem:
            failed += 1
            text, name = str(problem), printable(path)
            print(text if printable(path.name) in text else f"{name}: {text}", file=sys.stderr)
    if strength is not None and not clips:
        print("There was no clip: --strength does nothing for pictures.", file=sys.stderr)
    if frames and not clips:
        print("There was no clip: --painted does nothing for pictures.", file=sys.stderr)
    if failed:
        print(f"{failed} of {len(files)} files could not be coloured.", file=sys.stderr)
        raise typer.Exit(2)


def scenes(
    source: Annotated[Path, typer.Argument(metavar="CLIP", help="A clip.")],
    out: Annotated[Path, typer.Option(help="Folder for the frames.")],
    at: Annotated[
        list[float] | None,
        typer.Option(metavar="SECONDS", help="One more frame, inside a scene; repeatable."),
    ] = None,
    size: Annotated[
        int, typer.Option(min=16, max=2048, help="Short side at which scenes are looked for.")
    ] = 128,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Write the first frame of every scene of a clip as a PNG, to be coloured by hand.

    Keep the names: `colorize CLIP --painted FOLDER` carries their colours through the scenes.
    """
    from workbench.cli import print_rows
    from workbench.video import probe
    from workbench.video.scenes import find_scenes, write_scenes

    clip, notes = probe(source), list[str]()
    found = find_scenes(clip, at or [], size, notes)
    for note in notes:
        print(note, file=sys.stderr)
    paths = write_scenes(clip, out, found)
    print_rows(
        [
            asdict(each) | {"seconds": round(each.seconds, 3), "file": printable(path)}
            for each, path in zip(found, paths, strict=True)
        ],
        as_json,
    )


def _find_painted(paths: list[Path], files: list[tuple[Path, Path]]) -> dict[int, Path]:
    """Painted frames by number; raises Problem where it is not clear of which clip they are."""
    if not paths:
        return {}
    from workbench.video.painted import find_painted

    if len(files) > 1:
        raise Problem("--painted goes with one clip: its frames are known by their numbers alone.")
    return find_painted(paths)


def suggest(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A picture.")],
    x: Annotated[float, typer.Argument(help="Pixels from its left.")],
    y: Annotated[float, typer.Argument(help="Pixels from its top.")],
    model: Annotated[str, typer.Option(help="A model with a distribution.")] = "colorful",
    count: Annotated[int, typer.Option(help="How many.")] = 5,
    rebalancing: Annotated[
        float | None, typer.Option(help="0 to 1: how much rare colours count. Default: its own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Name the likeliest colours of one place, for a hint there."""
    from workbench import checkpoints
    from workbench.cli import print_rows
    from workbench.coloring.colorize import lightness
    from workbench.coloring.suggestions import suggest_colors
    from workbench.images import open_image

    _settings(rebalancing=rebalancing)  # says what is wrong with it
    checkpoint, picture = checkpoints.find(model), open_image(source)
    found = suggest_colors(
        checkpoint.net(), lightness(picture.full), x, y, count, checkpoint.size, rebalancing
    )
    rows = [{"colour": each.color, "share": round(each.share, 4)} for each in found]
    print_rows(rows, as_json)


def _finish(hints: list[str], reach: float, exemplar: Path | None, strength: float) -> Finish:
    from workbench.coloring.finish import Finish, parse_hint
    from workbench.images import open_image

    picture = open_image(exemplar) if exemplar else None
    return Finish(tuple(map(parse_hint, hints)), reach, picture, strength)


def _check_samples(painters: list[Painter], finished: bool) -> None:
    """Raise Problem where there is nothing to draw from, or hints would be passed over."""
    from workbench.coloring.colorize import has_temperature

    for painter in painters:
        if not has_temperature(painter.net):
            raise Problem(
                f"{painter.name} has no distribution to draw from: take colorful or reference."
            )
    if finished:
        raise Problem("--samples goes without --hint and --exemplar: choose a draw first.")


def _endings() -> set[str]:
    """Every ending of a picture or a clip."""
    from workbench.images import SUFFIXES
    from workbench.video.suffixes import SUFFIXES as CLIPS

    return {*SUFFIXES, *CLIPS, *KINDS}


def _settings(**settings: Any) -> Settings:
    from workbench.coloring.colorize import Settings

    return Settings(**settings)


def _find_checkpoints(names: list[str]) -> list[Checkpoint]:
    from workbench import checkpoints, places

    if "all" not in names:
        return [checkpoints.find(name) for name in dict.fromkeys(names)]
    every = list(checkpoints.available().values())
    if not every:
        raise Problem(places.say_no_models())
    return every


def _list_files(sources: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield (file, its place in the output folder); a folder keeps its inner order.

    What a folder holds besides is said on stderr; earlier results of this command are passed over.
    """
    for source in sources:
        if not source.is_dir():
            yield source, Path(source.name)
            continue
        left_out: Counter[str] = Counter()
        found = []
        for path in walk(source, _endings(), left_out):
            if _read_sidecar(path) is not None:
                left_out["results of this command"] += 1
            else:
                found.append(path)
        left_out[".json"] -= left_out["results of this command"]
        others = describe_left_out(+left_out)
        if not found:
            raise Problem(
                f"There are no pictures or clips in the folder {printable(source)}"
                + (f" (only {others})." if others else ".")
            )
        if others:
            print(f"Left out of {printable(source)}: {others}.", file=sys.stderr)
        yield from ((path, path.relative_to(source)) for path in found)


def _read_sidecar(path: Path) -> dict[str, Any] | None:
    """What the JSON file beside a result says; None where `path` is no result of this command."""
    import json

    try:
        about = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return about if isinstance(about, dict) and about.get("colourized_by_ai") is True else None


def _colorize_file(path: Path, relative: Path, job: Job) -> Iterator[Path]:
    """Colour one file by every model; yield what is written."""
    from workbench.images import SUFFIXES
    from workbench.video.suffixes import SUFFIXES as CLIPS

    suffix = path.suffix.lower()
    moving = suffix in CLIPS and (suffix not in SUFFIXES or job.single == ".mp4")
    if suffix == ".gif" and not moving:
        moving = _is_film(path)
    yield from (_colorize_clip if moving else _colorize_picture)(path, relative, job)


def _is_film(path: Path) -> bool:
    """Whether a .gif is in truth an MP4 or alike, as some messengers write them."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False  # whoever opens it next says why
    return head[4:8] == b"ftyp" or head[:4] == b"\x1a\x45\xdf\xa3"


def _find_target(source: Path, relative: Path, model: str, suffix: str, job: Job) -> Path:
    """Where a result goes: its own name, numbered where another file has it already.

    A file that is there stays, unless it is this command's own earlier result of this source.
    """
    if job.single:
        target = job.out if job.single == suffix else job.out.with_suffix(suffix)
        if not _may_write(target, source):
            raise Problem(
                f"{printable(target)} is there already, and is no earlier result of "
                f"{printable(source.name)}. Choose another --out."
            )
    else:
        folder = job.out / model if len(job.painters) > 1 else job.out
        target = folder / relative.with_name(f"{shorten_stem(relative.stem)}{suffix}")
        if target.resolve() == source.resolve():
            raise Problem(
                f"{printable(source)} would be overwritten by its result. Choose another --out."
            )
        target = find_free(target, lambda path: path not in job.taken and _may_write(path, source))
    job.taken.add(target)
    return target


def _may_write(target: Path, source: Path) -> bool:
    """Whether `target` can be written: nothing is there, or what was made of `source` before."""
    import hashlib

    if not os.path.lexists(target):
        return True
    about = _read_sidecar(target)
    if about is None or about.get("source") != printable(source.name):
        return False
    try:
        return hashlib.sha256(target.read_bytes()).hexdigest() == about.get("result_sha256")
    except OSError:
        return False


def _colorize_picture(path: Path, relative: Path, job: Job) -> Iterator[Path]:
    import hashlib

    from workbench.images import open_image

    picture = open_image(path)
    suffix = path.suffix.lower() if path.suffix.lower() in KINDS else ".png"
    if job.single in KINDS:
        suffix = job.single
    if job.form and KINDS[suffix] != job.form:
        suffix = Form(job.form).suffix
    form = Form(KINDS[suffix], job.stamp)
    if job.samples:
        everything = draw_picture(picture, job.painters, job.settings, job.samples, job.seed)
    else:
        everything = colorize_picture(picture, job.painters, job.settings, finish=job.finish)
    for made in everything:
        checkpoint, rgb = made.painter.checkpoint, made.rgb
        called = relative
        if made.sample:
            called = relative.with_name(f"{relative.stem}_sample{made.sample}{relative.suffix}")
        target = _find_target(path, called, checkpoint.name, suffix, job)
        data = form.encode(picture, rgb, made.marks, stamp=made.marks["Description"])
        sidecar = _sidecar(path, checkpoint, job.settings) | job.finish.describe()
        if made.sample:
            sidecar |= {"sample": made.sample, "seed": job.seed}
        sidecar |= {
            "source_sha256": picture.sha256,
            "result_sha256": hashlib.sha256(data).hexdigest(),
            "width": rgb.shape[-1],
            "height": rgb.shape[-2],
            "bits": 16 if suffix == ".png" and picture.depth == 16 else 8,
            "seconds": round(made.seconds, 3),
            "notes": list(picture.notes),
        }
        write_whole(target.parent, {target.name: data, f"{target.name}.json": _json(sidecar)})
        yield target


def _colorize_clip(path: Path, relative: Path, job: Job) -> Iterator[Path]:
    from rich.progress import Progress as Bar

    from workbench.coloring.colorize import make_marks
    from workbench.hub.model_folder import sha256
    from workbench.video import Progress, colorize_video

    idle = {"--format": job.form, "--edges": job.settings.edges}
    idle |= {"--hint": job.finish.hints, "--exemplar": job.finish.exemplar}
    idle |= {"--samples": job.samples}
    if without := [option for option, given in idle.items() if given]:
        print(
            f"{printable(path.name)} is a clip, for which {' and '.join(without)} "
            f"{'does' if len(without) == 1 else 'do'} nothing.",
            file=sys.stderr,
        )

    for painter in job.painters:
        checkpoint = painter.checkpoint
        target = _find_target(path, relative, checkpoint.name, ".mp4", job)
        marks = make_marks(
            checkpoint.name, checkpoint.revision, job.settings, checkpoint.title,
            {"strength": job.strength},
        )  # fmt: skip
        with Bar(disable=not sys.stderr.isatty(), transient=True) as bar:
            task = bar.add_task(f"{path.name}, {checkpoint.name}", total=None)

            def step(progress: Progress, bar: Bar = bar, task: Any = task) -> None:
                bar.update(task, completed=progress.frames, total=progress.total or None)

            report = colorize_video(
                path, target, painter.net,
                size=checkpoint.size, settings=job.settings, strength=job.strength, progress=step,
                marks=marks, stamp=marks["Description"] if job.stamp else "", painted=job.painted,
            )  # fmt: skip
        sidecar = _sidecar(path, checkpoint, job.settings) | {
            "result_sha256": sha256(target),
            "strength": job.strength,
            "frames": report.frames,
            "painted": sorted(job.painted),
            "seconds": round(report.elapsed, 3),
            "notes": report.notes,
        }
        write_whole(target.parent, {f"{target.name}.json": _json(sidecar)})
        yield target


def _sidecar(path: Path, checkpoint: Checkpoint, settings: Settings) -> dict[str, Any]:
    """What the JSON file beside a picture or a clip says about how it was made."""
    from workbench import __version__

    return {
        "colourized_by_ai": True,
        "source": printable(path.name),
        "model": checkpoint.name,
        "architecture": checkpoint.spec.name,
        "revision": checkpoint.revision,
        "settings": asdict(settings) | {"size": settings.size or checkpoint.size},
        "workbench": __version__,
    }


def _json(about: dict[str, Any]) -> bytes:
    import json

    return (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode()
