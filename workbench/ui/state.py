"""What the pages keep between runs and share between visitors: every st.cache_* is here.

Networks are shared and read-only; one runs at a time (`Queue`); results are kept by what made
them (`Shelf`), so that the same picture with the same settings is there at once.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

if TYPE_CHECKING:  # torch takes seconds to import: a page paints first
    from torch import Tensor, nn

    from workbench.checkpoints import Checkpoint
    from workbench.colorize import Settings
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


def lightness(picture: Picture) -> Tensor:
    """The picture's L (1, H, W) in [0, 100], made once for all networks."""
    from workbench.colorize import lightness

    key = ("L", picture.sha256)
    if (L := shelf().get(key)) is None:
        L = lightness(picture.full)
        shelf().put(key, L, L.nbytes)
    return L


def colorized(
    checkpoint: Checkpoint,
    picture: Picture,
    settings: Settings,
    on_wait: Callable[[int], None] | None = None,
) -> tuple[Tensor, float]:
    """The picture in colour, RGB (3, H, W) at its own depth, and the seconds it took.

    From the shelf when the same weights made it before. `on_wait` hears how many visitors are in
    front while another's picture is being made.
    """
    from workbench.colorize import colorize_lightness

    key = (checkpoint.name, checkpoint.revision, picture.sha256, settings)
    if found := shelf().get(key):
        return found
    with queue().turn(on_wait):
        if found := shelf().get(key):  # made for another visitor while this one waited
            return found
        L, net = lightness(picture), network(checkpoint)
        made = colorize_lightness(net, L, settings, checkpoint.size, picture.full.dtype)
    return shelf().put(key, (made.rgb, made.seconds), made.rgb.nbytes)


def has_bins(checkpoint: Checkpoint) -> bool:
    """Whether the network predicts a distribution over 313 colours."""
    from workbench.colorize import has_temperature

    return has_temperature(network(checkpoint))


def entropy(checkpoint: Checkpoint, picture: Picture, size: int | None = None) -> Tensor:
    """Entropy of the predicted distribution, bits, (H, W), smoothed up from its own resolution."""
    from workbench.colorize import predict_logits
    from workbench.edges import upsample

    key = ("entropy", checkpoint.name, checkpoint.revision, picture.sha256, size)
    if (bits := shelf().get(key)) is None:
        L = lightness(picture)
        with queue().turn():
            logits = predict_logits(network(checkpoint), L[None], size or checkpoint.size)
        shares = logits.log_softmax(1)
        coarse = -(shares.exp() * shares).sum(1, keepdim=True) / math.log(2)
        bits = upsample(coarse, L.shape[-2:])[0, 0]
        shelf().put(key, bits, bits.nbytes)
    return bits


def sampled(
    checkpoint: Checkpoint, picture: Picture, count: int, seed: int, temperature: float
) -> list[Tensor]:
    """`count` draws from the network's distribution, each uint8 RGB (3, H, W)."""
    from workbench.colorize import paint, sample_ab

    key = ("sampled", checkpoint.revision, picture.sha256, count, seed, temperature)
    if (drawn := shelf().get(key)) is None:
        L = lightness(picture)
        with queue().turn():
            planes = sample_ab(network(checkpoint), L, count, seed, checkpoint.size, temperature)
        drawn = [paint(L, ab) for ab in planes]
        shelf().put(key, drawn, sum(rgb.nbytes for rgb in drawn))
    return drawn


@st.cache_data(max_entries=64, show_spinner=False)
def _parameters(name: str, revision: str, _checkpoint: Checkpoint) -> int:
    return sum(weight.numel() for weight in network(_checkpoint).parameters())


def parameters(checkpoint: Checkpoint) -> int:
    """How many numbers the checkpoint's network has learnt."""
    return _parameters(checkpoint.name, checkpoint.revision, checkpoint)
