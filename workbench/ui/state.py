"""What the pages keep between runs and share between visitors: every st.cache_* is here.

Networks are shared and read-only; one runs at a time (`Queue`); results are kept by what made
them (`Shelf`), so that the same picture with the same settings is there at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

if TYPE_CHECKING:  # torch takes seconds to import: a page paints first
    from torch import nn

    from workbench.checkpoints import Checkpoint
    from workbench.colorize import Result, Settings
    from workbench.images import Picture

T = TypeVar("T")
SHELF_BYTES = 512 * 2**20


class Queue:
    """First come, first served: one network runs at a time, whoever waits is told their place."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def turn(self, on_wait: Callable[[int], None] | None = None) -> Iterator[None]:
        """Wait for one's turn; `on_wait` hears how many are in front, each time that changes."""
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


@st.cache_resource(show_spinner=False)
def queue() -> Queue:
    """The one queue of this server."""
    return Queue()


@st.cache_resource(show_spinner=False)
def shelf() -> Shelf:
    """The one shelf of this server: results and the encoded pictures made from them."""
    return Shelf()


@st.cache_resource(ttl=10, show_spinner=False)
def checkpoints() -> dict[str, Checkpoint]:
    """Every model that can be used now, bundled ones first; read again after ten seconds."""
    from workbench.checkpoints import available

    return available()


@st.cache_resource(max_entries=12, show_spinner=False)
def _network(name: str, revision: str, _checkpoint: Checkpoint) -> nn.Module:
    return _checkpoint.net()


def network(checkpoint: Checkpoint) -> nn.Module:
    """The checkpoint's network, loaded once a server. Read-only: never train or change it."""
    return _network(checkpoint.name, checkpoint.revision, checkpoint)


def colorized(
    checkpoint: Checkpoint,
    picture: Picture,
    settings: Settings,
    on_wait: Callable[[int], None] | None = None,
) -> Result:
    """The picture in colour, from the shelf when the same weights made it before.

    `on_wait` hears how many visitors are in front while another's picture is being made.
    """
    from workbench.colorize import colorize

    key = (checkpoint.name, checkpoint.revision, picture.sha256, settings)
    if result := shelf().get(key):
        return result
    with queue().turn(on_wait):
        if result := shelf().get(key):  # made by another visitor while this one waited
            return result
        result = colorize(network(checkpoint), picture.rgb, settings)
    return shelf().put(key, result, result.rgb.nbytes + result.ab.nbytes)
