"""What the visitors of one server share: networks, a queue for them, and a shelf of results.

Networks are read-only; one runs at a time (`Queue`); results are kept by what made them
(`Shelf`), so that the same picture with the same settings is there at once. torch is imported
when the first picture is coloured.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from workbench.errors import Problem

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.images import Picture

T = TypeVar("T")
SHELF_BYTES = 256 * 2**20  # with these and all six networks the demo stays below 1.5 GB
NETWORKS = 12  # held in memory; the least recently used goes first


class Queue:
    """First come, first served: one network runs at a time, whoever waits is told their place."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def take_place(self, on_wait: Callable[[int], None] | None = None) -> Iterator[None]:
        """Take the next place and wait; `on_wait` hears how many are in front when that changes."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
        try:
            with self._changed:
                while (place := self._waiting.index(ticket)) > 0:
                    if on_wait:
                        on_wait(place)
                    self._changed.wait()
            yield
        finally:
            with self._changed:
                self._waiting.remove(ticket)
                self._changed.notify_all()


class Shelf:
    """Things by key, at most `limit` bytes of them; the least recently used go first."""

    def __init__(self, limit: int = SHELF_BYTES) -> None:
        self.limit = limit
        self._things: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> object | None:
        """The thing under this key, or None."""
        with self._lock:
            if key not in self._things:
                return None
            self._things.move_to_end(key)
            return self._things[key][0]

    def put(self, key: Hashable, thing: T, size: int) -> T:
        """Keep a thing of `size` bytes, unless it alone is more than the shelf holds."""
        with self._lock:
            if size <= self.limit:
                self._things[key] = (thing, size)
                self._things.move_to_end(key)
            while sum(size for _, size in self._things.values()) > self.limit:
                self._things.popitem(last=False)
        return thing

    def __len__(self) -> int:
        return len(self._things)


class Studio:
    """One queue, one shelf, and the networks that have been used."""

    def __init__(self, shelf_bytes: int = SHELF_BYTES) -> None:
        self.queue = Queue()
        self.shelf = Shelf(shelf_bytes)
        self._networks: OrderedDict[tuple[str, str], nn.Module] = OrderedDict()
        self._loading: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def network(self, checkpoint: Checkpoint) -> nn.Module:
        """The checkpoint's network, loaded once. Read-only: never train or change it."""
        from workbench.checkpoints import Blended

        if isinstance(checkpoint, Blended):
            return checkpoint.join(self.network)
        key = (checkpoint.name, checkpoint.revision)
        with self._lock:
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:  # several networks are loaded side by side, the same one once
            net = self._networks.get(key)
            if net is None:
                net = checkpoint.net()
            with self._lock:
                self._networks[key] = net
                self._networks.move_to_end(key)
                if len(self._networks) > NETWORKS:
                    self._networks.popitem(last=False)
        return net

    def open_picture(
        self,
        key: Hashable,
        read: Callable[[], Picture],
        on_wait: Callable[[int], None] | None = None,
    ) -> Picture:
        """The picture that `read` opens, from the shelf where it was opened before under `key`.

        Decoding takes a place in the queue, too: large pictures are never opened side by side.
        """
        if (picture := self.shelf.get(("picture", key))) is None:
            with self.queue.take_place(on_wait):
                picture = read()
            return_memory()
            deep = 0 if picture.rgb16 is None else picture.rgb16.nbytes
            self.shelf.put(("picture", key), picture, picture.rgb.nbytes + deep)
        return picture

    def lightness(self, picture: Picture) -> Tensor:
        """The picture's L (1, H, W) in [0, 100], made once for all networks."""
        from workbench.coloring.colorize import lightness

        key = ("L", picture.sha256)
        if (L := self.shelf.get(key)) is None:
            L = lightness(picture.full)
            self.shelf.put(key, L, L.nbytes)
        return L

    def grey(self, picture: Picture) -> Tensor:
        """The picture's lightness as uint8 RGB (3, H, W)."""
        import torch

        from workbench.coloring.colorize import join_at_depth

        L = self.lightness(picture)
        return join_at_depth(L, torch.zeros(2, *L.shape[-2:]))

    def colorize(
        self,
        checkpoint: Checkpoint,
        picture: Picture,
        settings: Settings,
        on_wait: Callable[[int], None] | None = None,
    ) -> tuple[Tensor, float]:
        """The picture in colour, RGB (3, H, W) at its own depth, and the seconds it took.

        From the shelf when the same weights made it before. `on_wait` hears how many visitors are
        in front while another's picture is being made.
        """
        found = self.colorize_by_all([checkpoint], picture, settings, on_wait)[checkpoint.name]
        if isinstance(found, Problem):
            raise found
        return found

    def colorize_by_all(
        self,
        checkpoints: Sequence[Checkpoint],
        picture: Picture,
        settings: Settings,
        on_wait: Callable[[int], None] | None = None,
    ) -> dict[str, tuple[Tensor, float] | Problem]:
        """`colorize` by several models at one place in the queue: name -> what it made.

        Several at a time, each on one thread. A model that cannot be used has its Problem there,
        and the rest go on.
        """
        from workbench.coloring.colorize import TOGETHER
        from workbench.coloring.together import run_at_once

        found = {each.name: self._get_kept(each, picture, settings) for each in checkpoints}
        missing = [each for each in checkpoints if found[each.name] is None]
        if missing:
            works = [partial(self._make_color, each, picture, settings) for each in missing]
            with self.queue.take_place(on_wait):
                self.lightness(picture)  # once, before all of them ask for it
                few = picture.full[0].numel() <= TOGETHER
                made = run_at_once(works) if few else [work() for work in works]
            found |= zip((each.name for each in missing), made, strict=True)
        return found

    def _get_kept(
        self, checkpoint: Checkpoint, picture: Picture, settings: Settings
    ) -> tuple[Tensor, float] | None:
        net = self._networks.get((checkpoint.name, checkpoint.revision))
        return None if net is None else self.shelf.get(_key(checkpoint, net, picture, settings))

    def _make_color(
        self, checkpoint: Checkpoint, picture: Picture, settings: Settings
    ) -> tuple[Tensor, float] | Problem:
        from workbench.coloring.colorize import colorize_lightness

        try:
            net = self.network(checkpoint)
            key = _key(checkpoint, net, picture, settings)
            if found := self.shelf.get(key):  # made for another visitor while this one waited
                return found
            L, own = self.lightness(picture), key[-1]
            made = colorize_lightness(net, L, own, checkpoint.size, picture.full.dtype)
            rgb, seconds = made.rgb, made.seconds
            del made, L
        except Problem as problem:
            return problem
        return_memory()
        return self.shelf.put(key, (rgb, seconds), rgb.nbytes)


def return_memory() -> None:
    """Hand what was freed back to the machine.

    The C library keeps it otherwise, in pieces: after some thousand pictures that is gigabytes.
    """
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """glibc's malloc_trim; None on other systems."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None


def _key(
    checkpoint: Checkpoint, net: nn.Module, picture: Picture, settings: Settings
) -> tuple[str, str, str, Settings]:
    """What a result is kept under: settings that the network ignores do not count."""
    from workbench.coloring.colorize import own_settings

    own = own_settings(net, settings)
    return checkpoint.name, checkpoint.revision, picture.sha256, own


M_MMAP_THRESHOLD = -3  # of mallopt(3)
LARGE = 2**20  # bytes of a block that is taken from the machine, and given back, by itself
SHAPES = 256  # of layers for which oneDNN keeps compiled code: all networks at one picture's size


def bound_memory() -> None:
    """Have what was freed go back to the machine, before the first network runs.

    The C library hands back blocks of `LARGE` bytes at once: else its own limit grows with the
    first pictures to 32 MB, pictures lie in the heap among smaller things, and what `give_back`
    finds free there is in pieces, 0.5 GB after 180 pictures and growing. oneDNN compiles code for
    every new size of picture and else keeps 1,024 of them. Without glibc the first is left out.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(SHAPES))
    try:
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
    except (AttributeError, OSError, TypeError):
        return


@cache
def shared_studio() -> Studio:
    """The one studio of this process, whichever faces it serves."""
    from workbench.images.signing import load_signer

    bound_memory()
    load_signer()  # a bad key is said when a server starts
    return Studio()
