"""Work on a large picture, a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

STRIP = 1 << 16  # pixels at once: a strip's planes stay in the processor's cache


def work_by_strips(work: Callable[[slice], None], height: int, width: int) -> None:
    """Call `work` for each strip of rows, on as many threads as torch has.

    One thread per strip, rather than torch's own several per operation: they wait for each other
    after every operation, which on a busy machine takes six times as long.
    """
    step = max(1, STRIP // width)
    rows = [slice(top, top + step) for top in range(0, height, step)]
    quiet = torch.inference_mode()(work)
    if len(rows) == 1:
        quiet(rows[0])
        return
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(quiet, rows))
