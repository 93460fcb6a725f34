"""A run of `evaluate`: pictures shared among processes, a journal of what is done, one table.

Each process takes every n-th batch of a data set and keeps its rows in a hidden journal beside the
table, `scores/.<dataset>.<protocol>.<i>-of-<n>.csv`. When all are through, the journals are merged
into `scores/<dataset>.csv` by picture and removed. A run that was killed leaves its journals; the
same command, with any number of processes, takes what is in them as done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from workbench import places
from workbench.data import DATASETS
from workbench.data.sources import Item, Source
from workbench.errors import Problem
from workbench.evaluation.entrants import Entrant
from workbench.evaluation.evaluate import batches, evaluate
from workbench.evaluation.protocols import PROTOCOLS, Protocol
from workbench.evaluation.reader import Reader
from workbench.evaluation.scores import Score, merge, read, write

SAVE_EVERY = 5.0  # seconds between two writings of a journal


@dataclass(frozen=True)
class Shard:
    """Which part of the work this process has. wait: returns when every process has come to it."""

    index: int = 0
    count: int = 1
    wait: Callable[[], None] = lambda: None


def this_shard() -> Shard:
    """This process's part under `accelerate launch` or torchrun; all of it when started alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Shard()
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    return Shard(state.process_index, state.num_processes, state.wait_for_everyone)


def score_roots() -> tuple[Path, ...]:
    """Where a leaderboard finds scores: bundled models, own runs, everybody else."""
    return places.CHECKPOINTS, places.RUNS, places.scores()


def scores_folder(name: str, folder: Path | None = None, out: Path | None = None) -> Path:
    """Where a model's tables go: beside its weights, unless those were fetched, or below `out`."""
    if out is not None:
        return out / _file_name(name) / "scores"
    if folder is not None and places.fetched_folder() not in folder.parents:
        return folder / "scores"
    return places.scores() / _file_name(name) / "scores"


def baselines_folder(
    out: Path | None = None, dataset: str | None = None, pictures: Collection[str] | None = None
) -> Path:
    """The folder of the tables of grey, mean_ab and truth.

    Those of a set that the workbench knows lie with the bundled weights; of anybody's own pictures
    they lie where one's own scores do, so that nothing of one's own is published unawares.

    pictures: names of the pictures to be scored, or some of them. A folder of one's own may have
    the name of a known set: it is that set only if its pictures are in the bundled table or, before
    there is one, come from the set's file, DATASET.parquet.
    """
    known = dataset is None or dataset in DATASETS
    if known and pictures is not None:
        table = places.CHECKPOINTS / "baselines" / "scores" / f"{dataset}.csv"
        if table.is_file():
            known = not {row.picture for row in read(table)}.isdisjoint(pictures)
        else:
            known = all(name.startswith(f"{dataset}.parquet[") for name in pictures)
    root = out or (places.CHECKPOINTS if known else places.scores())
    return root / "baselines" / "scores"


def dataset_name(text: str) -> str:
    """The name of what `--data` says: coco for .../test/coco.parquet, pictures for a/pictures/."""
    path = Path(text.rstrip("/\\"))
    name = path.stem if path.suffix == ".parquet" else path.name
    return _file_name(name).strip("-.") or "pictures"


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in text)


def score_data(
    entrants: Sequence[tuple[Entrant, Path]],
    source: Source,
    dataset: str,
    *,
    protocol: Protocol = PROTOCOLS["cw-1"],
    sizes: Sequence[int] | None = None,
    limit: int | None = None,
    named: Sequence[str] = (),
    device: str = "cpu",
    shard: Shard = Shard(),
    progress: Callable[[int, int | None], None] | None = None,
    unreadable: Callable[[str], None] | None = None,
    reader: Reader | None = None,
) -> None:
    """Score entrants, each with the folder of its tables, on a data set and write the tables.

    limit: only the first so many pictures; named: only pictures with one of these texts in their
    name; progress(done, total) is called after every batch; reader: see `evaluate`. Raises Problem
    when nothing is scored.
    """
    sizes = tuple(sizes or protocol.sizes)
    journals = [_Journal(entrant, folder, dataset, protocol, shard) for entrant, folder in entrants]
    shard.wait()  # nobody writes before everybody has read
    items: Iterator[Item] = (item for item in source.items() if _is_named(item.name, named))
    total = None if named else source.count()
    if limit is not None:
        items, total = islice(items, limit), min(limit, total) if total is not None else None
    done = 0
    for number, group in enumerate(batches(items)):
        done += len(group)
        if number % shard.count == shard.index:
            names = [item.name for item in group]
            wanting = [journal for journal in journals if journal.lacks(names, sizes)]
            by_name = {(j.entrant.name, j.entrant.revision): j for j in wanting}
            for score in evaluate(
                [journal.entrant for journal in wanting],
                group if wanting else (),
                dataset,
                protocol=protocol,
                sizes=sizes,
                device=device,
                unreadable=unreadable,
                reader=reader,
            ):
                by_name[score.model, score.revision].rows.append(score)
            for journal in wanting:
                journal.save()
        if progress:
            progress(done, total)
    if not done:
        raise Problem(f"There is no picture to score in {source.title}.")
    for journal in journals:
        journal.save(now=True)
    shard.wait()
    if shard.index == 0:
        for journal in journals:
            journal.merge()
    shard.wait()


def _is_named(name: str, named: Sequence[str]) -> bool:
    return not named or any(text in name for text in named)


class _Journal:
    """What this process has scored for one entrant on one data set, and what others had before."""

    def __init__(
        self, entrant: Entrant, folder: Path, dataset: str, protocol: Protocol, shard: Shard
    ) -> None:
        self.entrant, self.folder = entrant, folder
        self.table = folder / f"{dataset}.csv"
        mark = f".{dataset}.{protocol.name}.{_file_name(entrant.name)}"
        self.pattern = f"{mark}.*-of-*.csv"
        self.path = folder / f"{mark}.{shard.index}-of-{shard.count}.csv"
        self.rows = self._own(read(self.path)) if self.path.is_file() else []
        before = [row for path in self._parts() for row in self._own(read(path))]
        self.scored = {(row.picture, row.size) for row in before}
        self.saved = time.monotonic()

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob(self.pattern))

    def _own(self, rows: Iterable[Score]) -> list[Score]:
        return [row for row in rows if row.revision == self.entrant.revision]

    def lacks(self, names: Sequence[str], sizes: Sequence[int]) -> bool:
        """Whether a picture of a batch is still to be scored."""
        mine = self.entrant.pictures
        wanted = names if mine is None else [name for name in names if name in mine]
        return any((name, size) not in self.scored for name in wanted for size in sizes)

    def save(self, now: bool = False) -> None:
        if now or time.monotonic() - self.saved > SAVE_EVERY:
            write(self.path, merge(self.rows))
            self.saved = time.monotonic()

    def merge(self) -> None:
        """Put the rows of all journals into the table, and remove the journals."""
        parts = self._parts()
        old = read(self.table) if self.table.is_file() else []
        write(self.table, merge(old, *(self._own(read(part)) for part in parts)))
        for part in parts:
            part.unlink()
