"""The lesson on the networks: paper, diagram, source, training and exercises of each."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING

import streamlit as st

from workbench import charts, provenance
from workbench.lessons.blocks import list_blocks
from workbench.lessons.diagram import amount_text, network_svg
from workbench.models import MODELS
from workbench.training.record import read_log
from workbench.ui import state
from workbench.ui.lessons.pieces import show_chart, show_drawing, show_exercise

if TYPE_CHECKING:
    from workbench.checkpoints import Checkpoint
    from workbench.spec import ModelSpec

CURVES = ("net", "critic", "psnr", "ssim", "delta_cf")  # of log.jsonl, those there are


def choose_spec() -> ModelSpec:
    """One of the registry: those of papers, then what is not from a paper."""
    name = st.segmented_control(
        "Network", list(MODELS), format_func=lambda name: MODELS[name].title, required=True,
        default=next(iter(MODELS)), key="lesson_model", label_visibility="collapsed", wrap=True,
        bind="query-params",
    )  # fmt: skip
    return MODELS[name]


def checkpoint_of(spec: ModelSpec) -> Checkpoint | None:
    """The weights of this model: the only ones, or those chosen; None without any."""
    found = {k: v for k, v in state.checkpoints().items() if v.config["model"] == spec.name}
    if len(found) < 2:
        return next(iter(found.values()), None)
    name = st.selectbox(
        "Weights", list(found), format_func=lambda k: found[k].title, key=f"weights_{spec.name}"
    )
    return found[name]


def show_paper(spec: ModelSpec, checkpoint: Checkpoint | None, projected: bool) -> None:
    """The paper, its claim, and where we differ from it."""
    st.subheader(spec.source)
    if spec.url:
        st.markdown(f"[Read it]({spec.url})")
    st.markdown(f"**The claim, in our words:** {spec.claim}" if not spec.ours else spec.claim)
    if not projected:
        if differs := provenance.differences(spec.build):
            st.markdown(f"**Differs from the paper:**\n\n{differs}")
        if table := provenance.markdown(spec.provenance):
            with st.expander("Whose each field of the recipe is", icon=":material/format_quote:"):
                st.markdown(table)
    elif told := provenance.summary(spec.provenance):
        st.markdown(told)


def show_diagram(spec: ModelSpec, checkpoint: Checkpoint | None, projected: bool) -> None:
    """The module, drawn from itself: no weights are made for it."""
    full = "At full width" if spec.ours else "As in the paper"
    which = st.segmented_control(
        "Size", [full, *(["The weights here"] if checkpoint else [])], default=full,
        required=True, key="diagram_size",
    )  # fmt: skip
    if which == full:
        width, size, options = 1.0, spec.size, {}
    else:
        config = checkpoint.config
        width, size, options = config["width"], config["size"], config.get("options", {})
    net = spec.outline(width, **options).eval()
    found = list_blocks(net, size, size)
    parameters = sum(weight.numel() for weight in net.parameters())
    adds = sum(block.multiply_adds for block in found)
    st.markdown(
        f"**{amount_text(parameters)}** parameters, **{amount_text(adds)}** multiply-adds for "
        f"a picture of {size} × {size}. Shapes: channels × height × width; the bar in a box is its "
        "share of the largest one's multiply-adds."
    )
    svg = network_svg(found, spec.color, f"{spec.title}, width {width:g}")
    show_drawing(svg, f"{spec.name}.svg", wide=projected)


def show_source(spec: ModelSpec, checkpoint: Checkpoint | None, projected: bool) -> None:
    """The classes of the model's own file, as they run here."""
    module = sys.modules[spec.build.__module__]
    own = {
        name: thing
        for name, thing in vars(module).items()
        if (inspect.isclass(thing) or inspect.isfunction(thing))
        and thing.__module__ == module.__name__
    }
    name = st.selectbox("Part", list(own), index=list(own).index(spec.build.__name__),
                        key=f"source_{spec.name}")  # fmt: skip
    code = inspect.getsource(own[name])
    st.code(code, language="python", line_numbers=not projected, wrap_lines=projected)


def show_training(spec: ModelSpec, checkpoint: Checkpoint | None, projected: bool) -> None:
    """The losses, as they are written, and the curves of these weights."""
    from workbench import losses

    made_by = sys.modules[spec.recipe.__module__]
    st.subheader("Its losses")
    if not projected:
        st.code(inspect.getsource(spec.recipe), language="python")
    used = [
        (name, function) for name, function in vars(losses).items()
        if inspect.isfunction(function) and f"losses.{name}(" in inspect.getsource(made_by)
    ]  # fmt: skip
    if "AdversarialRecipe" in vars(made_by):
        from workbench.models.pix2pix import AdversarialRecipe

        text = inspect.getsource(AdversarialRecipe.losses)
        used = [("l1", losses.l1)]
        if not projected:
            st.code(text, language="python")
        names = ("log", "least_squares", "hinge")
        used += [(f"{kind}, {who.__name__}", who) for kind in names
                 for who in losses.ADVERSARIAL[kind]]  # fmt: skip
    for name, function in used:
        st.markdown(f"- `{name}`: {inspect.getdoc(function).splitlines()[0]}")
    st.subheader("How these weights were trained")
    lines = read_log(checkpoint.folder) if checkpoint else []
    points = [line for line in lines if "seen" in line]
    if not points:
        st.info("There is no training log beside these weights: a run of ours leaves log.jsonl.")
        return
    known = {
        key for line in points
        for part in (line, line.get("losses") or {}, line.get("validation") or {}) for key in part
    }  # fmt: skip
    for what in CURVES:
        if what in known:
            grey = {spec.name: lines[0].get("scores_of_grey") or {}}
            figure = charts.training_curves({spec.name: points}, what, grey=grey)
            show_chart(figure, f"{spec.name}_{what}", projected)


def show_exercises(spec: ModelSpec, checkpoint: Checkpoint | None, projected: bool) -> None:
    """To be done on the Training page or here; the answers behind a click."""
    from workbench.models.ab_bins import load_prior

    shares = load_prior()
    show_exercise(
        f"Overfit one picture: train {spec.title} on a folder with a single photograph in it. What "
        "must the loss do, and what have you learnt when it does not?",
        f"`python -m workbench train {spec.name} --data FOLDER --preset quick`. The loss on that "
        "picture must fall towards its least, and its colours must come back almost exactly: there "
        "is nothing to be unsure of. When they do not, something is broken (a loss, a learning "
        "rate, a swapped a and b), and more data will not mend it. On any other picture this "
        "network is useless, which is what overfitting means.",
    )
    show_exercise(
        "Remove rebalancing from *Colorful* (the ablation “unbalanced”). What do the colours do?",
        f"They pale. Of {len(shares)} colours the ten most frequent, all near grey, hold "
        f"{float(shares.topk(10).values.sum() / shares.sum()):.0%} of the pixels of the training "
        "photographs, so the safest bet is one of them; weighting rare colours up makes a bold bet "
        "pay. The Experiments page shows the plane of frequencies and the comparison.",
    )
    show_exercise(
        "Which metric does grey win?",
        "Look at *Metric traps*: often PSNR against a bold wrong guess, and SSIM on luma always.",
    )


VIEWS = {
    "Paper": show_paper,
    "Diagram": show_diagram,
    "Source": show_source,
    "Training": show_training,
    "Inside your picture": None,  # the page shows insides.py
    "Exercises": show_exercises,
}
