"""Several networks at the same time, each on one thread of the processor.

A network on all threads waits for the slowest of them after every operation: as soon as anything
else keeps one core busy, it takes three to five times as long. On one thread each, and as many at
once as there are cores, nothing waits for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock, Thread
from typing import TypeVar

import torch

T = TypeVar("T")
_setting = Lock()


@contextmanager
def threads_of_torch(count: int) -> Iterator[None]:
    """Let this thread, and no other, compute with `count` threads of torch.

    A thread of torch keeps the number that it was given; that for threads to come is set back by
    one of those.
    """
    with _setting:
        threads = torch.get_num_threads()
        _set_here(count, threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def run_at_once(works: Sequence[Callable[[], T]]) -> list[T]:
    """What each of `works` returns, in their order; an error of one of them is raised.

    As many at once as torch has threads, each on one. A single one has all threads to itself.
    """
    if len(works) < 2 or torch.get_num_threads() < 2:
        return [work() for work in works]
    return list(_pool(torch.get_num_threads()).map(lambda work: work(), works))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    def alone() -> None:
        with _setting:
            _set_here(1, threads)

    return ThreadPoolExecutor(threads, "network", initializer=alone)


def _set_here(count: int, elsewhere: int) -> None:
    torch.get_num_threads()  # a thread's first question sets its number: ask before it is set
    torch.set_num_threads(count)
    other = Thread(target=torch.set_num_threads, args=(elsewhere,))
    other.start()
    other.join()
