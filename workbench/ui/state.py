"""What the pages keep between runs and share between visitors: every st.cache_* is here.

Networks, queue and results are those of `workbench.serving.studio`.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from workbench import places, spare
from workbench.errors import Problem
from workbench.serving.studio import Queue, Shelf
from workbench.serving.studio import shared_studio as studio

if TYPE_CHECKING:  # torch takes seconds to import: a page paints first
    from torch import Tensor, nn

    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.evaluation.by_color import Share
    from workbench.evaluation.fine_tuned import FineTuned
    from workbench.evaluation.scores import Score
    from workbench.evaluation.summaries import Choice, Line
    from workbench.images import Picture
    from workbench.jobs.clip import VideoJob
    from workbench.study.limits import Limits
    from workbench.study.ranking import Adjusted
    from workbench.study.results import Results
    from workbench.study.tables import Study
    from workbench.study.votes import Votes


_settled = 0  # modules that were there when the collector was last told to leave them alone


def freeze_imports() -> None:
    """Keep the garbage collector from walking through all that was imported.

    Streamlit collects after every run of a page; with torch and pandas that is 0.2 s during which
    no other visitor's page moves. What lives as long as the server need not be looked at again.
    """
    global _settled
    if not _settled:
        spare.sweep_folders()
        atexit.register(gc.unfreeze)  # or what is left over is called a leak when the server ends
    if len(sys.modules) > _settled:
        _settled = len(sys.modules)
        gc.freeze()


def queue() -> Queue:
    """The one queue of this server."""
    return studio().queue


def shelf() -> Shelf:
    """The one shelf of this server: results and the encoded pictures made from them."""
    return studio().shelf


@st.cache_resource(ttl=10, show_spinner=False)
def _scan() -> tuple[dict[str, Checkpoint], list[str]]:
    from workbench.checkpoints import scan

    return scan()


def checkpoints() -> dict[str, Checkpoint]:
    """Every model that can be used now, bundled ones first; read again after ten seconds."""
    return _scan()[0]


checkpoints.clear = _scan.clear


def list_passed_over() -> list[str]:
    """A sentence about each folder of a model that cannot be used."""
    return _scan()[1]


def network(checkpoint: Checkpoint) -> nn.Module:
    """The checkpoint's network, loaded once a server. Read-only: never train or change it."""
    return studio().network(checkpoint)


def open_picture(data: bytes | Path, name: str, key: str) -> Picture:
    """The picture in an upload or a file: see `Studio.open_picture`. Raises Problem."""
    from workbench.images import open_image

    return studio().open_picture((key, name), lambda: open_image(data, name))


def lightness(picture: Picture) -> Tensor:
    """The picture's L (1, H, W) in [0, 100], made once for all networks."""
    return studio().lightness(picture)


def colorize(
    checkpoint: Checkpoint,
    picture: Picture,
    settings: Settings,
    on_wait: Callable[[int], None] | None = None,
) -> tuple[Tensor, float]:
    """The picture in colour and the seconds it took: `Studio.colorize`."""
    return studio().colorize(checkpoint, picture, settings, on_wait)


def colorize_by_all(
    checkpoints: list[Checkpoint],
    picture: Picture,
    settings: Settings,
    on_wait: Callable[[int], None] | None = None,
) -> dict[str, tuple[Tensor, float] | Problem]:
    """Several models' pictures, made at the same time: `Studio.colorize_by_all`."""
    return studio().colorize_by_all(checkpoints, picture, settings, on_wait)


def has_bins(checkpoint: Checkpoint) -> bool:
    """Whether the network predicts a distribution over 313 colours."""
    from workbench.coloring.colorize import has_temperature

    return has_temperature(network(checkpoint))


def entropy(checkpoint: Checkpoint, picture: Picture) -> Tensor:
    """Entropy of the predicted distribution, bits, (H, W); see workbench.coloring.maps."""
    from workbench.coloring.maps import entropy_map

    key = ("entropy", checkpoint.revision, picture.sha256)
    if (bits := shelf().get(key)) is None:
        L = lightness(picture)
        with queue().take_place():
            bits = entropy_map(network(checkpoint), L, checkpoint.size)
        shelf().put(key, bits, bits.nbytes)
    return bits


def draw_samples(
    checkpoint: Checkpoint, picture: Picture, count: int, seed: int, temperature: float
) -> list[Tensor]:
    """`count` draws from the network's distribution, each uint8 RGB (3, H, W)."""
    from workbench.coloring.colorize import join_at_depth, sample_ab

    key = ("sampled", checkpoint.revision, picture.sha256, count, seed, temperature)
    if (drawn := shelf().get(key)) is None:
        L = lightness(picture)
        with queue().take_place():
            planes = sample_ab(network(checkpoint), L, count, seed, checkpoint.size, temperature)
        drawn = [join_at_depth(L, ab) for ab in planes]
        shelf().put(key, drawn, sum(rgb.nbytes for rgb in drawn))
    return drawn


@st.cache_resource(max_entries=64, show_spinner=False)
def _parameters(name: str, revision: str, _checkpoint: Checkpoint) -> int:
    return sum(weight.numel() for weight in network(_checkpoint).parameters())


def parameters(checkpoint: Checkpoint) -> int:
    """How many numbers the checkpoint's network has learnt."""
    return _parameters(checkpoint.name, checkpoint.revision, checkpoint)


@st.cache_resource(max_entries=8, show_spinner=False)
def _sample_video(name: str, revision: str, _checkpoint: Checkpoint) -> VideoJob:
    from workbench.coloring.colorize import Settings
    from workbench.jobs.clip import start

    return start(_checkpoint, Settings())


def sample_video(checkpoint: Checkpoint) -> VideoJob:
    """Our sample clip on its way through this network with its own settings, once a server."""
    job = _sample_video(checkpoint.name, checkpoint.revision, checkpoint)
    if job.problem:  # the next visitor's is made anew
        _sample_video.clear()
    return job


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


@st.cache_resource(max_entries=16, show_spinner=False)
def _study_adjusted(name: str, stamp: tuple[int, int], without: frozenset[str]) -> Adjusted | None:
    from workbench.study.results import load_adjusted

    return load_adjusted(study_votes(), study_votes().study(name), without)


def study_adjusted(study: Study, without: Collection[str] = ()) -> Adjusted | None:
    """A study's strengths beside colourfulness, computed again when a vote came or went."""
    return _study_adjusted(study.name, study_votes().stamp(study), frozenset(without))


@st.cache_resource(max_entries=4, show_spinner=False)
def _study_archive(name: str, stamp: tuple[int, int]) -> bytes:
    from workbench.study.export import make_archive

    return make_archive(study_votes(), study_votes().study(name))


def study_archive(study: Study) -> bytes:
    """Every file of a study's export in one zip."""
    return _study_archive(study.name, study_votes().stamp(study))


@st.cache_resource(show_spinner=False)
def study_limits() -> Limits:
    """How often raters and addresses did what; forgotten when the server ends."""
    from workbench.study.limits import Limits

    return Limits()


def _stamp_files(files: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)


def _score_files() -> tuple[tuple[str, int, int], ...]:
    """The files of scores with size and time: what changes when anyone evaluates."""
    from workbench.evaluation.score_run import score_roots

    return _stamp_files(
        file for root in score_roots() for file in sorted(root.glob("*/scores/*.csv"))
    )


@st.cache_resource(max_entries=2, show_spinner=False)
def _scores(files: tuple[tuple[str, int, int], ...]) -> tuple[list[Score], list[str]]:
    from workbench.evaluation.scores import read_each

    return read_each(Path(file) for file, _, _ in files)


def scores() -> list[Score]:
    """Every row of scores there is; read again when a file has changed. Read-only."""
    return _scores(_score_files())[0]


def list_scores_passed_over() -> list[str]:
    """A sentence about each table of scores that cannot be read."""
    return _scores(_score_files())[1]


@st.cache_resource(max_entries=2, show_spinner=False)
def _fine_tuned(
    files: tuple[tuple[str, int, int], ...],
) -> tuple[list[FineTuned], list[Score], list[Score], list[str]]:
    from workbench.evaluation.fine_tuned import read_bases, read_rows

    found, rows, complaints = read_rows()
    bases, torn = read_bases(found)
    return found, rows, bases, complaints + torn


def fine_tuned() -> tuple[list[FineTuned], list[Score], list[Score], list[str]]:
    """Fine-tuned weights of which the scores are kept, these, those of what they began from, and a
    sentence about each file that cannot be read. Read-only."""
    kinds = ("*/config.json", "*/scores/*.csv*", "*.csv.gz")
    return _fine_tuned(
        _stamp_files(file for kind in kinds for file in sorted(places.fine_tuned().glob(kind)))
    )


@st.cache_resource(max_entries=2, show_spinner=False)
def _by_color(files: tuple[tuple[str, int, int], ...]) -> tuple[list[Share], list[str]]:
    from workbench.evaluation.by_color import read_each

    return read_each(Path(file) for file, _, _ in files)


def by_color() -> tuple[list[Share], list[str]]:
    """Every row of errors by colour, read-only, and a sentence about each table that is none."""
    from workbench.evaluation import by_color, score_run

    return _by_color(_stamp_files(by_color.files(score_run.score_roots())))


@st.cache_resource(max_entries=32, show_spinner=False)
def _lines(files: tuple[tuple[str, int, int], ...], choice: Choice) -> list[Line]:
    from workbench.evaluation.summaries import lines

    metrics = dict.fromkeys((*choice.metrics, "psnr", "colorfulness"))
    rows = [score for score in _scores(files)[0] if choice.includes(score)]
    measured = [m for m in metrics if any(getattr(row, m) is not None for row in rows)]
    return lines(rows, measured)


def lines(choice: Choice) -> list[Line]:
    """Means and intervals of what the leaderboard's filters leave. Read-only."""
    return _lines(_score_files(), choice)
