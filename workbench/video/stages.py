"""Work that overlaps: each stage of a clip in a thread of its own, with its share of the cores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

import torch

from workbench.coloring.together import threads_of_torch

T = TypeVar("T")
STAGES = 3  # threads that a clip passes through at the same time


@contextmanager
def share_of_cores() -> Iterator[None]:
    """Let this thread, and no other, compute with a stage's share of torch's threads.

    Stages with all the threads each wait for one another after every operation.
    """
    with threads_of_torch(max(1, torch.get_num_threads() // STAGES)):
        yield


def make_ahead(items: Iterable[T], limit: int = 1) -> Iterator[T]:
    """The same items, made in a thread of their own, at most `limit` of them in advance.

    An error in the thread is raised here; closing this closes `items` in its thread.
    """
    queue: Queue[tuple[str, Any]] = Queue(limit)
    halt = Event()

    def put(item: tuple[str, Any]) -> bool:
        while not halt.is_set():
            try:
                queue.put(item, timeout=0.2)
                return True
            except Full:
                continue
        return False

    @share_of_cores()
    def work() -> None:
        source = iter(items)
        try:
            for item in source:
                if not put(("item", item)):
                    break
            else:
                put(("end", None))
        except BaseException as error:
            put(("error", error))
        finally:
            if hasattr(source, "close"):
                source.close()

    thread = Thread(target=work, name="video", daemon=True)
    thread.start()
    try:
        while True:
            try:
                kind, item = queue.get(timeout=0.2)
            except Empty:
                continue
            if kind == "error":
                raise item
            if kind == "end":
                return
            yield item
    finally:
        halt.set()
        thread.join()
