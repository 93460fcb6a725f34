"""Every picture that a study may show, made beforehand: a rater never waits for a network.

<studies>/<study>/pictures/<sha256 of the source, 16 hex digits>/<name@revision, truth, catch>.png
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import places
from workbench.errors import Problem, reason_of
from workbench.names import shorten_stem
from workbench.study.plans import CATCH, GREY, TRUTH, Plan
from workbench.study.trials import plan_of
from workbench.study.votes import Votes
from workbench.writing import write_whole

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.checkpoints import Checkpoint
    from workbench.data.sources import Item

Painter = Callable[["Tensor"], "Tensor"]  # uint8 RGB (3, S, S) -> uint8 RGB (3, S, S)
UPLOADS = "uploads"  # pictures: uploads, the folder of that name in the study's own folder


def picture_file(study: str, sha256: str, shown: str) -> Path:
    """Where one rendered picture lies."""
    name = shown.replace("/", "--") + ".png"
    return places.studies() / study / "pictures" / sha256[:16] / name


def painters_of(plan: Plan) -> dict[str, Painter]:
    """name@revision -> painter, of the checkpoints that the plan names (all, if it names none)."""
    from workbench.checkpoints import available

    here = available()
    wanted = plan.models or tuple(here)
    painters: dict[str, Painter] = {}
    for name in wanted:
        name, _, revision = name.partition("@")
        if name == TRUTH:
            painters[TRUTH] = lambda rgb: rgb
            continue
        if name not in here:
            raise Problem(
                f"There are no weights called {name!r}; there are {', '.join(here) or 'none yet'}."
            )
        if revision and revision != here[name].revision:
            raise Problem(f"The weights of {name} are now {here[name].revision}, not {revision}.")
        painters[f"{name}@{here[name].revision}"] = _network_painter(here[name])
    if not painters:
        raise Problem("There are no trained weights yet, so there is nothing to compare.")
    return painters


def make_study(
    votes: Votes,
    plan: Plan,
    uploads: Sequence[tuple[str, bytes]] = (),
    painters: Mapping[str, Painter] | None = None,
) -> int:
    """A draft with its pictures, ready to be opened; how many. What fails leaves nothing behind."""
    study = votes.create_study(plan.to_dict())
    try:
        keep_uploads(plan.name, uploads)
        return render(votes, plan.name, painters)
    except (Problem, OSError) as error:
        votes.delete_study(study)
        shutil.rmtree(places.studies() / plan.name, ignore_errors=True)
        if isinstance(error, Problem):
            raise
        raise Problem(
            f"The pictures of study {plan.name!r} could not be written: {reason_of(error)}. "
            "Make room, or name another folder in WORKBENCH_STUDIES."
        ) from error


def render(
    votes: Votes,
    name: str,
    painters: Mapping[str, Painter] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Make every picture of a draft and record models and pictures with it; how many pictures."""
    from workbench import images

    study = votes.study(name)
    plan = plan_of(study)
    if study.state != "draft":
        raise Problem(f"Study {name!r} has been opened: its pictures cannot change any more.")
    painters = dict(painters_of(plan) if painters is None else painters)
    needed = 1 if plan.design == "real_or_fake" else 2
    if len(painters) < needed:
        raise Problem(f"Study {name!r} compares at least {needed} models; {len(painters)} is here.")
    shutil.rmtree(places.studies() / name / "pictures", ignore_errors=True)
    made: list[dict[str, str]] = []
    for title, sha256, rgb in _photographs(plan, places.studies() / name / UPLOADS):
        versions = {TRUTH: rgb, CATCH: rotate_to_purple(rgb)}
        if plan.reference == GREY:
            versions[GREY] = without_color(rgb)
        versions |= {shown: paint(rgb) for shown, paint in painters.items()}
        for shown, picture in versions.items():
            _write(picture_file(name, sha256, shown), images.encode(picture))
        made.append({"picture": title, "sha256": sha256})
        progress(len(made), plan.limit)
    if not made:
        raise Problem(f"Study {name!r}: no colour photograph was found in {plan.pictures!r}.")
    votes.freeze(name, list(painters), made)
    return len(made)


def open_study(votes: Votes, name: str) -> None:
    """Let raters in; Problem where a picture is missing."""
    study = votes.study(name)
    pictures, models = json.loads(study.pictures), json.loads(study.models)
    if not pictures:
        raise Problem(f"Study {name!r} has no pictures yet: run `study render {name}` first.")
    reference = plan_of(study).reference
    for picture in pictures:
        for shown in (TRUTH, CATCH, *models, *([reference] if reference else [])):
            if not picture_file(name, picture["sha256"], shown).exists():
                raise Problem(
                    f"Study {name!r}: the picture {picture['picture']!r} of {shown} is missing. "
                    f"Run `study render {name}` again."
                )
    votes.set_state(name, "open")


def rotate_to_purple(rgb: Tensor) -> Tensor:
    """uint8 RGB (3, H, W) with its hues rotated by 180° under a strong purple cast, same lightness.

    For catch trials: nobody who looks takes it for the photograph, or prefers it.
    """
    import torch

    from workbench import color

    L, ab = color.split_lab(rgb)
    cast = torch.tensor([45.0, -45.0]).view(2, 1, 1)
    return color.join_rgb(L, cast - 1.5 * ab)


def without_color(rgb: Tensor) -> Tensor:
    """uint8 RGB (3, H, W) -> the same in black and white: its lightness."""
    from workbench import color

    L, ab = color.split_lab(rgb)
    return color.join_rgb(L, 0 * ab)


def _network_painter(checkpoint: Checkpoint) -> Painter:
    from workbench.coloring.colorize import colorize

    net = None

    def paint(rgb: Tensor) -> Tensor:
        nonlocal net
        net = checkpoint.net() if net is None else net
        return colorize(net, rgb, size=checkpoint.size).rgb

    return paint


def _photographs(plan: Plan, uploads: Path) -> Iterator[tuple[str, str, Tensor]]:
    """(title, sha256 of the source, uint8 RGB (3, S, S)) of at most `limit` colour photographs."""
    import torch

    from workbench.data.pictures import decode_square
    from workbench.images.grey import is_faint

    titles: set[str] = set()
    for item in _items(plan, uploads):
        if len(titles) == plan.limit:
            return
        try:
            rgb, _ = decode_square(item.data, plan.size)
        except Problem:
            continue  # no picture: `data check` names such files
        if is_faint(rgb):
            continue
        data = item.data if isinstance(item.data, bytes) else item.data.tobytes()
        title = Path(item.name).stem[:200] or "picture"
        while title in titles:
            title += "+"
        titles.add(title)
        yield title, hashlib.sha256(data).hexdigest(), torch.from_numpy(rgb)


def _items(plan: Plan, uploads: Path) -> Iterable[Item]:
    from workbench.data.sources import Item, open_source

    if plan.pictures == "samples":
        from workbench.samples import SAMPLES

        return (Item(sample.file, sample.path.read_bytes()) for sample in SAMPLES.values())
    return open_source(str(uploads) if plan.pictures == UPLOADS else plan.pictures).items()


def _write(path: Path, data: bytes) -> None:
    write_whole(path.parent, {path.name: data})


def keep_uploads(study: str, files: Sequence[tuple[str, bytes]]) -> None:
    """Put uploaded photographs (name, bytes) where `pictures: uploads` finds them, all of them."""
    folder = places.studies() / study / UPLOADS
    shutil.rmtree(folder, ignore_errors=True)
    for place, (name, data) in enumerate(files):
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in Path(name).name)
        stem = shorten_stem(Path(safe).stem)
        _write(folder / f"{place:04d}_{stem}{Path(safe).suffix[:8]}", data)
