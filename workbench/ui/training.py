"""Training runs on a page: where they stand, their curves, film-strip and papers; starting one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import streamlit as st

from workbench import charts, places
from workbench.data.sources import GRAMMAR, open_source
from workbench.errors import Problem
from workbench.evaluation.metrics import METRICS
from workbench.models import MODELS
from workbench.names import escape_markdown
from workbench.samples import FOLDER as SAMPLES
from workbench.training import follow
from workbench.training.follow import FINISHED, RUNNING, STOPPED, Followed
from workbench.ui import gate
from workbench.ui.widgets import show_plot, show_problem

BADGES = {
    RUNNING: (":material/play_arrow:", "green"),
    FINISHED: (":material/check:", "blue"),
    STOPPED: (":material/pause:", "orange"),
}
CURVES = {
    "Quality": ("psnr", "ssim", "auc", "delta_cf"),
    "Losses": ("net", "critic"),
    "Machine": ("rate", "learning_rate"),
}
MODEST = 100_000  # images: more than this is started from a terminal


def list_runs(typed: str = "") -> dict[str, Path]:
    """Every run by the name that charts know it by: bundled, fetched, own, then a typed folder's.

    Raises Problem when the typed folder holds no run.
    """
    roots = [places.CHECKPOINTS, places.fetched_folder(), places.RUNS]
    folders = follow.find(*roots)
    if typed:
        gate.check_folder(Path(typed), [*roots, places.ablations()])
        more = follow.find(Path(typed).expanduser())
        if not more:
            raise Problem(
                f"There is no run in {typed!r}: name a folder in which `train` was run "
                "(it has a log.jsonl), or one that holds such folders."
            )
        folders = [*more, *folders]
    found: dict[str, Path] = {}
    for folder in dict.fromkeys(folders):
        name = folder.name
        while name in found:
            name += "*"
        found[name] = folder
    return found


def read_states(folders: Mapping[str, Path]) -> tuple[dict[str, str], list[str]]:
    """How each run stands, and a sentence about each whose folder cannot be read."""
    found: dict[str, str] = {}
    complaints: list[str] = []
    for name, folder in folders.items():
        try:
            found[name] = follow.follow(folder).state
        except Problem as problem:
            complaints.append(str(problem))
    return found, complaints


def title(name: str, folder: Path) -> str:
    """What people read: the model's title for a bundled run, else its folder too."""
    spec = MODELS.get(folder.name)
    if spec and folder.parent == places.CHECKPOINTS:
        return spec.title
    return f"{folder.parent.name}/{folder.name}"


def show_state(run: Followed, name: str, may_stop: bool) -> None:
    """State, progress and speed in a line, with a button that stops it."""
    icon, color = BADGES[run.state]
    row = st.container(horizontal=True, vertical_alignment="center")
    row.markdown(f"**{escape_markdown(name)}**", width="content")
    stopping = run.state == RUNNING and follow.is_stopping(run.folder)
    row.badge("stopping" if stopping else run.state, icon=icon, color=color)
    row.markdown(describe_progress(run), width="content")
    if run.state == RUNNING and may_stop and not stopping:
        row.space("stretch")
        row.button(
            "Stop", icon=":material/stop:", key=f"stop_{run.folder}",
            on_click=_stop, args=(run.folder,),
        )  # fmt: skip
    if refused := st.session_state.pop("stop_refused", None):
        show_problem(Problem(refused))
    if run.state == RUNNING:
        st.progress(min(1.0, run.seen / run.images) if run.images else 0.0)
    elif run.state == STOPPED and not run.lines and run.said:
        st.error(escape_markdown(run.said), icon=":material/error:")
    for sentence in run.collapse:
        st.warning(sentence, icon=":material/warning:")
    if run.stop_signal and run.state != FINISHED:
        st.info(run.stop_signal, icon=":material/trending_flat:")
    if run.kept:
        st.info(run.kept, icon=":material/history:")


def _stop(folder: Path) -> None:
    """Ask a run to stop, before the page is drawn again: it says "stopping" at once."""
    try:
        follow.stop(folder)
    except Problem as problem:
        st.session_state["stop_refused"] = str(problem)


def describe_progress(run: Followed) -> str:
    """ "48,000 of 208,000 images, 134/s, 20 min left"; of an ended run how long it took."""
    if not run.images:
        return "reading the pictures" if run.state == RUNNING else ""
    words = [f"{run.seen:,} of {run.images:,} images"]
    if run.lines and run.state == RUNNING:
        rate = run.lines[-1]["rate"]
        left = (run.images - run.seen) / max(rate, 1e-9)
        words.append(f"{rate:.0f}/s")
        words.append(f"{left / 60:.0f} min left" if left > 90 else f"{left:.0f} s left")
    elif run.lines:
        words.append(f"{run.lines[-1]['seconds'] / 60:.0f} min")
    return ", ".join(words)


def show_curves(runs: Mapping[str, Followed], titles: Mapping[str, str], which: str) -> None:
    """Two charts beside each other of each value that at least one run has logged."""
    logs = {name: run.lines for name, run in runs.items()}
    grey = {name: run.grey for name, run in runs.items()}
    columns = st.columns(2)
    shown = 0
    for what in CURVES[which]:
        figure = charts.training_curves(logs, what, lambda name: titles[name], grey)
        if any(len(trace.x) for trace in figure.data):
            with columns[shown % 2]:
                show_plot(figure, f"curve_{what}")
            shown += 1
    old = [
        titles[name]
        for name, run in runs.items()
        if not run.grey and any(line.get("validation") for line in run.lines)
    ]
    if old and set(CURVES[which]) & set(METRICS):
        st.caption(
            f"No line for grey: the log of {escape_markdown(', '.join(old))} is from before grey "
            "was scored, and does not say which pictures were watched."
        )
    if not shown:
        st.caption("Nothing has been logged yet: the first line comes after a hundredth of a run.")


def show_film_strip(run: Followed, key: str) -> None:
    """The eight fixed pictures as the network coloured them after so many images; the truth."""
    frames = run.frames
    if not frames:
        st.caption("The first frame of the film-strip comes after a twentieth of the run.")
        return
    seen = list(frames)
    # The number of frames is in the key: with a new frame, the slider moves on to it.
    at = seen[0]
    if len(seen) > 1:
        at = st.select_slider(
            "Images seen", seen, seen[-1], format_func="{:,}".format, key=f"{key}_{len(seen)}"
        )
    said = f"Eight pictures as the network colours them after {at:,} images"
    st.image(str(frames[at]), width="stretch", caption=f"After {at:,} images", alt=said)
    if run.truth:
        st.image(
            str(run.truth),
            width="stretch",
            caption="The pictures themselves",
            alt="The same eight pictures with their own colours",
        )


def show_papers(run: Followed) -> None:
    """Data check, configuration and machine of a run."""
    check, made = run.header.get("check", {}), run.header
    if not made:
        return
    left, middle, right = st.columns(3)
    left.markdown("**Data check**")
    unreadable = check.get("unreadable", [])
    facts = {
        "pictures": check.get("n"),
        "unreadable": len(unreadable),
        "grey, left out": check.get("grey"),
        "enlarged": check.get("enlarged"),
        "without a label": check.get("unlabelled"),
    }
    left.dataframe(_pairs(facts), hide_index=True)
    if unreadable:
        left.caption(
            "Could not be read: " + escape_markdown(", ".join(map(str, unreadable[:5]))) + "."
        )
    if labels := check.get("labels"):
        counts = sorted(labels.items(), key=lambda pair: -pair[1])
        left.dataframe(
            [{"label": name, "pictures": count} for name, count in counts],
            hide_index=True,
            height=180,
        )
    middle.markdown("**Configuration**")
    names = ("model", "width", "size", "preset", "trained_on", "from", "bf16")
    settings = {key: made[key] for key in names if made.get(key) is not None}
    for key in {"trained_on", "from"} & set(settings):  # a source's own name, not its folder here
        told = settings[key]
        short = [Path(str(each)).name for each in (told if isinstance(told, list) else [told])]
        settings[key] = ", ".join(short)
    settings |= made.get("options") or {}
    settings |= made.get("recipe") or {}
    middle.dataframe(_pairs(settings | made.get("run", {})), hide_index=True, height=330)
    right.markdown("**Machine**")
    right.dataframe(_pairs(made.get("machine", {})), hide_index=True)


def _pairs(facts: Mapping[str, object]) -> list[dict[str, str]]:
    def text(value: object) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            return f"{value:,}"
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

    return [{"": key, "value": text(value)} for key, value in facts.items()]


@dataclasses.dataclass(frozen=True)
class Small:
    """A small run that somebody wants to start; without data, on our samples."""

    model: str
    data: str
    preset: str
    images: int
    name: str

    def arguments(self) -> list[str]:
        """What follows `python -m workbench train`. Raises Problem for what cannot be trained."""
        name = self.name.strip()
        if not name or Path(name).name != name or name.startswith("."):
            raise Problem(f"{self.name!r} is no name for a folder: use letters and digits.")
        data = self.data.strip() or str(SAMPLES)
        open_source(data)
        return [
            self.model, "--data", data, "--preset", self.preset,
            "--images", str(self.images),
        ]  # fmt: skip

    @property
    def folder(self) -> Path:
        """Where it will lie."""
        return places.RUNS / self.name.strip()


def is_busy(running: Iterable[Path]) -> bool:
    """Whether one of the runs under way lies where this page starts its own."""
    return any(folder.parent == places.RUNS for folder in running)


def start_small(taken: Sequence[str], busy: bool) -> None:
    """A form that starts a small run; its command is shown for those who want more."""
    model = st.selectbox("Model", list(MODELS), format_func=lambda name: MODELS[name].title)
    with st.form("start"):
        left, right = st.columns(2)
        data = right.text_input(
            "Pictures", placeholder="our sample photographs", help=f"One of: {GRAMMAR}."
        )
        presets = list(MODELS[model].presets)
        first = presets.index("quick") if "quick" in presets else 0
        preset = left.selectbox("Preset", presets, first, key=f"preset_{model}")
        images = right.number_input("Images to see", 100, MODEST, 2000, 100)
        name = left.text_input("Name", _free_name("small", taken), help="Of its folder in runs/.")
        right.caption(
            "A few thousand images show how a network begins. A real run is started in a "
            "terminal with `python -m workbench train`; this page follows it."
        )
        sent = st.form_submit_button(
            "Start", type="primary", icon=":material/play_arrow:", disabled=busy
        )
    if busy:
        st.caption("A run of yours is under way: stop it, or wait until it has finished.")
    if sent:
        wanted = Small(model, data, preset, int(images), name)
        try:
            if data.strip():
                gate.check_source(data)
            follow.start(wanted.arguments(), wanted.folder)
        except Problem as problem:
            show_problem(problem)
            return
        st.session_state["runs_started"] = wanted.folder.name
        st.rerun()


def _free_name(stem: str, taken: Sequence[str]) -> str:
    number = 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"
