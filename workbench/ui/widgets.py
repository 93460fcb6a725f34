"""Shared pieces of pages: choosing a picture, models and settings, saying what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from workbench.errors import Problem
from workbench.names import escape_markdown
from workbench.samples import FIRST, IN_COLOR, SAMPLES
from workbench.ui import state

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from workbench.charts import Figure
    from workbench.checkpoints import Checkpoint
    from workbench.coloring.colorize import Settings
    from workbench.images import Picture


def show_problem(problem: Problem) -> None:
    """Say what went wrong, in place."""
    st.error(escape_markdown(problem), icon=":material/error:")


def show_passed_over(sentences: Sequence[str]) -> None:
    """Name what could not be read and was left out, folded away; the page goes on."""
    if sentences:
        with st.expander(f"{len(sentences)} passed over", icon=":material/error:"):
            for sentence in sentences:
                st.text(sentence)


def show_plot(figure: Figure, name: str) -> None:
    """A chart with Plotly's own buttons, among them PNG."""
    from workbench.charts import set_ink

    st.plotly_chart(
        set_ink(figure, st.context.theme.type or "light"),
        key=f"chart_{name}",
        theme=None,
        config={
            "displaylogo": False,
            "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
            "toImageButtonOptions": {"format": "png", "scale": 2, "filename": name},
        },
    )


def offer_figure(
    make: Callable[[], bytes] | bytes | str, file: str, mime: str = "image/png"
) -> None:
    """A button for a figure; the file is made when it is asked for."""
    form = file.rpartition(".")[2].upper()
    st.download_button(
        f"This figure ({form})",
        make,
        file,
        mime,
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        key=f"download_{file}",
    )


def refresh_while(show: Callable[..., None], running: bool) -> Callable[..., None]:
    """`show`, again every half second while something runs, and once when it has ended.

    A fragment only while it runs: a late tick of one that stays would take away what follows it.
    """
    return st.fragment(show, run_every=0.5) if running else show


def choose_view(names: list[str], key: str) -> str:
    """One of several ways to look, the first at first; the page's address remembers it."""
    return st.segmented_control(
        "View",
        names,
        default=names[0],
        required=True,
        key=key,
        label_visibility="collapsed",
        bind="query-params",
        wrap=True,
    )


def choose_picture(*, truth: bool = False) -> Callable[[], Picture]:
    """An uploader beside the samples, and the name of the one picture that all pages show.

    Returns a function that opens the picture (that imports torch, so the page can paint first).
    When a new file cannot be read, it says so and the picture before it stays. With `truth` a
    black and white picture is named and one of ours in colour shown in its place.
    """
    upload = st.file_uploader(
        "Drop a photograph here, in colour or black and white",
        key="upload",
        on_change=lambda: st.session_state.update(uploaded=True),
    )
    if upload is not None and st.session_state.get("uploaded"):
        try:
            st.session_state["chosen"] = state.open_picture(
                upload.getvalue(), upload.name, upload.file_id
            )
        except Problem as problem:
            show_problem(problem)
    chosen: str | Picture = st.session_state.setdefault("chosen", FIRST)
    if truth and (SAMPLES[chosen] if isinstance(chosen, str) else chosen).grey:
        st.info(f"{_name_choice(chosen)} has no colours to compare with: here is one that has.")
        chosen = IN_COLOR[0]
    offered = IN_COLOR if truth else list(SAMPLES)
    st.session_state["sample"] = chosen if isinstance(chosen, str) else None
    st.pills(
        "or take one of ours",
        offered,
        format_func=lambda name: SAMPLES[name].title,
        key="sample",
        on_change=_take_sample,
        wrap=True,
    )
    st.caption(f"Shown: {_name_choice(chosen)}")

    def open_chosen() -> Picture:
        if not isinstance(chosen, str):
            return chosen
        path = SAMPLES[chosen].path
        return state.open_picture(path, path.name, chosen)

    return open_chosen


def files_of(uploads: Sequence[UploadedFile | None]) -> list[str]:
    """What tells these uploads from others."""
    return [each.file_id for each in uploads if each is not None]


def are_new(uploads: Sequence[UploadedFile | None], known: str) -> bool:
    """Whether something is in the uploader that is not what the session keeps as `known`."""
    files = files_of(uploads)
    return bool(files) and files != st.session_state.get(known)


def _take_sample() -> None:
    """What was clicked among the samples is what all pages show; a second click changes nothing."""
    if (name := st.session_state["sample"]) is not None:
        st.session_state.update(chosen=name, uploaded=False)


def _name_choice(chosen: str | Picture) -> str:
    """The chosen picture in words."""
    if isinstance(chosen, str):
        return SAMPLES[chosen].title
    return f"{escape_markdown(chosen.name)}, your upload"


def _usable() -> dict[str, Checkpoint]:
    """Every model that can be used; none means a sentence and a stop."""
    checkpoints = state.checkpoints() | st.session_state.get("hub_models", {})
    show_passed_over(state.list_passed_over())
    if not checkpoints:
        show_problem(
            Problem(
                "There are no trained weights yet. Train a model with "
                "`python -m workbench train MODEL --data SOURCE` or fetch one with "
                "`python -m workbench fetch USER/NAME`."
            )
        )
        st.stop()
    return checkpoints


def choose_model(where=st, *, key: str = "model", first: str = "") -> Checkpoint:
    """One of the models that can be used, at first the one named `first` where it is there."""
    checkpoints = _usable()
    names = list(checkpoints)
    name = where.selectbox(
        "Model",
        names,
        index=names.index(first) if first in names else 0,
        format_func=lambda name: checkpoints[name].title,
        key=key,
    )
    return checkpoints[name]


def choose_models(where=st, *, key: str = "models") -> list[Checkpoint]:
    """Chips for every model that can be used; none chosen means a sentence and a stop."""
    checkpoints = _usable()
    usual = [name for name, each in checkpoints.items() if name == each.spec.name]
    if came := st.session_state.pop("hub_chosen", None):  # fetched a moment ago
        st.session_state[key] = [*(st.session_state.get(key) or ()), came]
    names = where.pills(
        "Models",
        list(checkpoints),
        format_func=lambda name: escape_markdown(checkpoints[name].title),
        selection_mode="multi",
        default=None if came else usual,
        key=key,
        persist_state="session",
        wrap=True,
    )
    if not names:
        st.info("Choose at least one model.")
        st.stop()
    return [checkpoints[name] for name in checkpoints if name in names]


def choose_settings(where=st) -> Settings:
    """Temperature, chroma, network size and edges; the defaults are the models' own."""
    from workbench.coloring.colorize import Settings
    from workbench.models import MODELS
    from workbench.models.colorful import KEPT, TEMPERATURE

    with_one = [spec.title for spec in MODELS.values() if spec.predicts == "distribution"]

    temperature = where.slider(
        "Temperature",
        0.05,
        1.0,
        TEMPERATURE,
        0.01,
        key="temperature",
        persist_state="session",
        help=f"Only networks that predict a distribution of colours have one: "
        f"{', '.join(with_one)}. 1 takes its "
        "mean (safe, pale); toward 0 its most likely colour (vivid, spotty). At 0.38, the "
        "paper's, each network takes its own.",
    )
    rebalancing = where.slider(
        "Rebalancing",
        0.0,
        1.0,
        KEPT,
        0.05,
        key="rebalancing",
        persist_state="session",
        help="Colorful was trained with rare colours weighted up. 1 keeps all of that (bold, often "
        f"wrong), 0 none (nearer to the truth, paler); its own is {KEPT:g}.",
    )
    chroma = where.slider(
        "Chroma",
        0.0,
        2.0,
        1.0,
        0.05,
        key="chroma",
        persist_state="session",
        help="All colours of all models times this: 0 is grey, 1 as predicted.",
    )
    size = where.select_slider(
        "Network input",
        ["own", 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512],
        value="own",
        format_func=lambda side: "each model's own" if side == "own" else f"{side} px",
        key="size",
        persist_state="session",
        help="The short side at which a network sees the picture. Lightness always stays at full "
        "resolution; only the colours are resized.",
    )
    edges = where.toggle(
        "Keep colours inside edges",
        key="edges",
        persist_state="session",
        help="Colours are enlarged along the edges of the lightness.",
    )
    mirror = where.toggle(
        "Average with the mirror image",
        key="mirror",
        persist_state="session",
        help="The network also sees the picture mirrored, and the mean of both answers is taken: "
        "a little nearer to the truth, in twice the time.",
    )
    return Settings(
        size=None if size == "own" else size,
        temperature=None if temperature == TEMPERATURE else temperature,
        rebalancing=None if rebalancing == KEPT else rebalancing,
        mirror=mirror,
        chroma=chroma,
        edges=edges,
    )
