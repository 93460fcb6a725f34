"""What the pages keep between runs and share between visitors: every st.cache_* is here.

Networks are shared and read-only; one runs at a time (`Queue`); results are kept by what made
them (`Shelf`), so that the same picture with the same settings is there at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

if TYPE_CHECKING:  # torch takes seconds to import: a page paints first
    from torch import Tensor, nn

    from workbench.checkpoints import Checkpoint
    from workbench.colorize import Settings
    from workbench.evaluation.scores import Score
    from workbench.evaluation.summaries import Line
    from workbench.images import Picture
    from workbench.study.limits import Limits
    from workbench.study.results import Results
    from workbench.study.tables import Study
    from workbench.study.votes import Votes
    from workbench.ui.board import Choice

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


def entropy(checkpoint: Checkpoint, picture: Picture) -> Tensor:
    """Entropy of the predicted distribution, bits, (H, W); see workbench.maps."""
    from workbench.maps import entropy_map

    key = ("entropy", checkpoint.revision, picture.sha256)
    if (bits := shelf().get(key)) is None:
        L = lightness(picture)
        with queue().turn():
            bits = entropy_map(network(checkpoint), L, checkpoint.size)
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


@st.cache_resource(show_spinner=False)
def study_votes() -> Votes:
    """The database of studies, opened once a server; its journal goes to the Hub if asked to."""
    from workbench.study import backup
    from workbench.study.votes import Votes

    votes = Votes()
    backup.start(votes)
    return votes


@st.cache_resource(max_entries=16, show_spinner=False)
def _study_results(name: str, stamp: tuple[int, int], without: frozenset[str]) -> Results:
    from workbench.study.results import load

    return load(study_votes(), study_votes().study(name), without)


def study_results(study: Study, without: Collection[str] = ()) -> Results:
    """A study's figures, computed again when a vote came or went."""
    return _study_results(study.name, study_votes().stamp(study), frozenset(without))


@st.cache_data(max_entries=4, show_spinner=False)
def _study_archive(name: str, stamp: tuple[int, int]) -> bytes:
    from workbench.study.export import archive

    return archive(study_votes(), study_votes().study(name))


def study_archive(study: Study) -> bytes:
    """Every file of a study's export in one zip."""
    return _study_archive(study.name, study_votes().stamp(study))


@st.cache_resource(show_spinner=False)
def study_limits() -> Limits:
    """How often raters and addresses did what; forgotten when the server ends."""
    from workbench.study.limits import Limits

    return Limits()


def _score_files() -> tuple[tuple[str, int, int], ...]:
    """The files of scores with size and time: what changes when anyone evaluates."""
    from workbench.evaluation.tables import roots

    files = (file for root in roots() for file in sorted(root.glob("*/scores/*.csv")))
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)


@st.cache_resource(max_entries=2, show_spinner=False)
def _scores(files: tuple[tuple[str, int, int], ...]) -> list[Score]:
    from workbench.evaluation.scores import read

    return [score for file, _, _ in files for score in read(Path(file))]


def scores() -> list[Score]:
    """Every row of scores there is; read again when a file has changed. Read-only."""
    return _scores(_score_files())


@st.cache_resource(max_entries=32, show_spinner=False)
def _lines(files: tuple[tuple[str, int, int], ...], choice: Choice) -> list[Line]:
    from workbench.evaluation.summaries import lines

    metrics = dict.fromkeys((*choice.metrics, "psnr", "colorfulness"))
    rows = [score for score in _scores(files) if choice.takes(score)]
    measured = [m for m in metrics if any(getattr(row, m) is not None for row in rows)]
    return lines(rows, measured)


def lines(choice: Choice) -> list[Line]:
    """Means and intervals of what the leaderboard's filters leave. Read-only."""
    return _lines(_score_files(), choice)
