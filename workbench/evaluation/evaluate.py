"""Protocol `cw-1`: how a number is made.

A picture is decoded, set upright as its EXIF says, cropped to its centre square, and scaled to
256 x 256 (and, as a second set of columns, to 128 x 128), bicubic with antialias. Only its L goes
to the colourizer, which sees it at its own working size; its ab comes back bilinearly, is put
under the same L and clipped to the sRGB gamut. Prediction and truth are compared as uint8 RGB. A
prediction made elsewhere goes through the same crop and the same filter. There is one row per
(model, revision of its weights, data set, picture, size); means with 95 % bootstrap intervals
(1,000 resamples over pictures) are computed from those rows, never stored instead of them. Three
rows are no network: `grey` (a = b = 0), `mean_ab` (the training set's mean colour), `truth`.
Legacy protocols (protocols.py) are other arguments of this same function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch

from workbench.color import split_lab
from workbench.data.pictures import Shape, decode
from workbench.data.sources import Item
from workbench.errors import Problem
from workbench.evaluation.entrants import Batch, Entrant
from workbench.evaluation.protocols import PROTOCOLS, Protocol
from workbench.evaluation.reader import Reader
from workbench.evaluation.scores import Score
from workbench.images import open_pixels

BATCH = 16


def batches(items: Iterable[Item], size: int = BATCH) -> Iterator[list[Item]]:
    """Pictures in groups: the same groups whoever works on them, so that numbers are the same."""
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group


def evaluate(
    entrants: Sequence[Entrant],
    items: Iterable[Item],
    dataset: str,
    *,
    protocol: Protocol = PROTOCOLS["cw-1"],
    sizes: Sequence[int] | None = None,
    device: str = "cpu",
    unreadable: Callable[[str], None] | None = None,
    reader: Reader | None = None,
) -> Iterator[Score]:
    """Score every entrant on every picture; the truth's side is made once for all of them.

    items: pictures of the data set, named `dataset` in the rows; sizes: heights of what is
    compared, pixels (the protocol's by default). A picture that cannot be decoded is handed to
    `unreadable` as a sentence and left out; without it, it raises Problem. reader: names what is
    in the pictures, for `agreement` and `top1`, which are left out without it.
    """
    sizes = sizes or protocol.sizes
    shapes = [protocol.shape(size) for size in sizes]
    with ThreadPoolExecutor(2) as pool, torch.inference_mode():
        for group in batches(items):
            decoded = list(pool.map(lambda item: _decode_item(item, shapes), group))
            for item, made in zip(group, decoded, strict=True):
                if isinstance(made, str):
                    sentence = f"{item.name} of {dataset} cannot be read ({made})."
                    if unreadable is None:
                        raise Problem(sentence)
                    unreadable(sentence)
            for position, size in enumerate(sizes):
                readable = [
                    (item.name, item.label, made[position])
                    for item, made in zip(group, decoded, strict=True)
                    if not isinstance(made, str)
                ]
                if readable:
                    names, labels, pixels = zip(*readable, strict=True)
                    truth = torch.from_numpy(np.stack(pixels)).to(device)
                    named = reader.classify(truth) if reader else None
                    batch = Batch(names, truth, split_lab(truth)[0], labels, named)
                    for entrant in entrants:
                        yield from _score(entrant, batch, dataset, protocol, size, reader)


def _score(
    entrant: Entrant,
    batch: Batch,
    dataset: str,
    protocol: Protocol,
    size: int,
    reader: Reader | None,
) -> Iterator[Score]:
    if entrant.pictures is not None:  # it has an answer for some of them only
        kept = [i for i, name in enumerate(batch.names) if name in entrant.pictures]
        if not kept:
            return
        names = tuple(batch.names[i] for i in kept)
        labels = tuple(batch.labels[i] for i in kept)
        named = None if batch.named is None else batch.named[kept]
        batch = Batch(names, batch.truth[kept], batch.L[kept], labels, named)
    start = time.perf_counter()
    prediction = entrant.paint(batch)
    if prediction.is_cuda:
        torch.cuda.synchronize()
    ms = 1000 * (time.perf_counter() - start) / len(batch.names)
    measured = protocol.measure(prediction, protocol.truth(batch.truth))
    columns = {name: values.tolist() for name, values in measured.items()}
    if reader is not None and batch.named is not None:
        columns |= reader.measure(prediction, batch.named, batch.labels, dataset)
    for i, name in enumerate(batch.names):
        values = {column: numbers[i] for column, numbers in columns.items()}
        yield Score(
            entrant.name, entrant.revision, dataset, name, protocol.name, size, **values, ms=ms
        )


def _decode_item(item: Item, shapes: Sequence[Shape]) -> list[np.ndarray] | str:
    """The picture at every height and width, uint8 (3, H, W); or why it cannot be decoded."""
    try:
        data = item.data if isinstance(item.data, np.ndarray) else open_pixels(item.data, item.name)
        return [decode(data, shape)[0] for shape in shapes]
    except Problem as reason:
        return str(reason)
