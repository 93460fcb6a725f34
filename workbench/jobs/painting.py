"""How one picture file is coloured, named and written: the same for Batch and the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.coloring.finish import Finish
    from workbench.images import Picture

AnyPath = TypeVar("AnyPath", bound=PurePath)


@dataclass(frozen=True)
class Painter:
    """A checkpoint and its network, ready to be used."""

    checkpoint: Checkpoint
    net: nn.Module

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.name


@dataclass(frozen=True)
class Colored:
    """What one painter made of a picture."""

    painter: Painter
    rgb: Tensor  # (3, H, W) at the picture's own depth
    seconds: float
    marks: dict[str, str]  # for the file: who coloured it, and how
    sample: int = 0  # which draw of its distribution this is, from 1; 0: its own answer


def colorize_picture(
    picture: Picture,
    painters: Sequence[Painter],
    settings: Settings,
    take_place: Callable[[], AbstractContextManager[object]] = nullcontext,
    finish: Finish | None = None,
) -> Iterator[Colored]:
    """Yield the picture as every painter colours it, in their order; then `finish` is applied.

    take_place: entered around the networks' work. A small picture is coloured by all of them at the
    first time (see `colorize_all`).
    """
    from workbench.coloring.colorize import colorize_all, make_marks
    from workbench.coloring.finish import finish_picture

    by_name = {each.name: each for each in painters}
    nets = {name: (each.net, each.checkpoint.size) for name, each in by_name.items()}
    made = colorize_all(nets, picture.full, settings)
    while True:
        with take_place():
            found = next(made, None)
            if found is None:
                return
            name, result = found
            rgb = finish_picture(picture, result.rgb, finish) if finish else result.rgb
        checkpoint = by_name[name].checkpoint
        also = finish.describe() if finish else None
        marks = make_marks(name, checkpoint.revision, settings, checkpoint.title, also)
        yield Colored(by_name[name], rgb, result.seconds, marks)


def draw_picture(
    picture: Picture, painters: Sequence[Painter], settings: Settings, count: int, seed: int
) -> Iterator[Colored]:
    """Yield `count` draws from each painter's distribution: see `colorize.sample_ab`.

    Of the settings size, temperature and chroma count. Raises Problem where one has none.
    """
    import time

    from workbench.coloring.colorize import join_at_depth, lightness, make_marks, sample_ab

    L = lightness(picture.full)
    for painter in painters:
        start, checkpoint = time.perf_counter(), painter.checkpoint
        told = {"temperature": settings.temperature} if settings.temperature else {}
        size = settings.size or checkpoint.size
        planes = sample_ab(painter.net, L, count, seed, size, **told) * settings.chroma
        seconds = (time.perf_counter() - start) / count
        for number, ab in enumerate(planes, 1):
            also = {"sample": number, "seed": seed}
            marks = make_marks(painter.name, checkpoint.revision, settings, checkpoint.title, also)
            yield Colored(painter, join_at_depth(L, ab, picture.full.dtype), seconds, marks, number)


def find_free(path: AnyPath, is_free: Callable[[AnyPath], bool]) -> AnyPath:
    """The path, or the same with the first number behind its stem that makes it free."""
    wanted, number = path, 2
    while not is_free(wanted):
        wanted, number = path.with_name(f"{path.stem}_{number}{path.suffix}"), number + 1
    return wanted
