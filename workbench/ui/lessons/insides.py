"""What happens inside a network for the visitor's picture: by its parts, or its feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.names import write_number
from workbench.ui import state
from workbench.ui.lessons.pieces import show_drawing, show_figure
from workbench.ui.viewers import Cell

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.checkpoints import Checkpoint
    from workbench.images import Picture

MAPS = 8  # maps shown at once


def show(checkpoint: Checkpoint, picture: Picture) -> None:
    """The inside of a checkpoint's network: the views that its spec names, in their order."""
    net, L = state.network(checkpoint), read_lightness(checkpoint, picture)
    for name in checkpoint.spec.inside:
        VIEWS[name](checkpoint, net, L, picture)


def read_lightness(checkpoint: Checkpoint, picture: Picture) -> Tensor:
    """L (1, 1, h, w) at the size at which the network looks."""
    from workbench.coloring.colorize import CELL, network_input

    return network_input(state.lightness(picture)[None], checkpoint.size, CELL)


def _color_map(values: Tensor, high: float | None = None) -> Tensor:
    from workbench.coloring.maps import shade_map

    return shade_map(values.float(), 0, float(values.max()) if high is None else high)


def _point(picture: Picture, cells: list[Cell], key: str) -> tuple[float, float]:
    """A point of the picture, clicked or set with two sliders; shares of width and height."""
    height, width = picture.rgb.shape[-2:]
    for axis in ("across", "down"):
        st.session_state.setdefault(f"point_{axis}", 50)
    x, y = st.session_state["point_across"] / 100, st.session_state["point_down"] / 100
    marks = [{"x": int(x * width), "y": int(y * height), "color": "#ff3b30"}]
    picked = show_figure(cells, key, marks=marks, pick=True, enlarge=True)
    if picked:
        st.session_state["point_across"] = min(99, int(100 * picked[0] / width))
        st.session_state["point_down"] = min(99, int(100 * picked[1] / height))
        st.rerun()
    left, right = st.columns(2)
    left.slider("Point, from the left, %", 0, 99, key="point_across")
    right.slider("Point, from the top, %", 0, 99, key="point_down")
    return x, y


def _read_point() -> tuple[float, float]:
    """The point as it was set last."""
    return tuple(st.session_state.get(f"point_{axis}", 50) / 100 for axis in ("across", "down"))


def show_gates(checkpoint: Checkpoint, net: nn.Module, L: Tensor, picture: Picture) -> None:
    """Channel weights and spatial maps of every CBAM."""
    from workbench.lessons.probes import channel_weights, spatial_maps

    st.subheader("Which places count")
    maps = spatial_maps(net, L)
    if not maps:
        st.info("This network was trained without CBAM.")
    else:
        shown = [
            Cell(place, _color_map(m, 1), f"{m.min():.2f} to {m.max():.2f}")
            for place, m in maps.items()
        ]
        show_figure([Cell("The picture", picture.rgb), *shown], "spatial", cell=190, enlarge=True)
        st.caption("Bright is a weight of 1, dark 0. Down is the encoder, up the decoder.")
        st.subheader("Which channels count")
        weights = channel_weights(net, L)
        place = st.select_slider("Block", list(weights), key="channel_block")
        chosen = weights[place]
        st.bar_chart(
            chosen.tolist(), color=checkpoint.spec.color, height=220,
            x_label="number of the channel", y_label="its weight",
        )  # fmt: skip
        most = ", ".join(str(i) for i in chosen.topk(min(5, len(chosen))).indices.tolist())
        st.caption(
            f"{place}: the weights of its {len(chosen)} channels, 0 to {len(chosen) - 1}. Most "
            f"weight in this picture: {most}."
        )


def show_classes(checkpoint: Checkpoint, net: nn.Module, L: Tensor, picture: Picture) -> None:
    """The five likeliest classes, in words."""
    from workbench.errors import Problem
    from workbench.lessons.probes import likeliest_classes

    st.subheader("What it takes the picture for")
    try:
        found = likeliest_classes(net, L, checkpoint.config.get("classes", ()))
    except Problem as problem:
        st.info(str(problem))
        return
    for name, share in found:
        st.progress(min(share, 1.0), f"{name}: {share:.1%}")


def show_attention(checkpoint: Checkpoint, net: nn.Module, L: Tensor, picture: Picture) -> None:
    """Where a point of the picture looks, for every attention."""
    from workbench.lessons.probes import attention_maps

    st.subheader("Where a point looks")
    maps = attention_maps(net, L, *_read_point())
    if not maps:
        st.info("This network was trained without attention.")
        return
    shown = [
        Cell(name, _color_map(m), f"the brightest place has {m.max():.1%} of the attention")
        for name, m in maps.items()
    ]
    _point(picture, [Cell("Click a point", picture.rgb), *shown], "attention")
    found = [getattr(module, "gamma", None) for module in net.modules()]
    gammas = [write_number(float(gamma.detach()), "+.3f") for gamma in found if gamma is not None]
    if gammas:
        st.caption(f"How much each adds to what it was given, γ: {', '.join(gammas)}. Before "
                   "training γ is 0: the attention has to earn its place.")  # fmt: skip


def show_fusion(checkpoint: Checkpoint, net: nn.Module, L: Tensor, picture: Picture) -> None:
    """With and without what the frozen classifier says of the picture."""
    import torch

    from workbench.coloring.colorize import join_at_depth
    from workbench.coloring.edges import upsample
    from workbench.errors import Problem
    from workbench.lessons.probes import copy_modules, predict_without_fusion

    st.subheader("Fusion on and off")
    key = ("fusion", checkpoint.revision, picture.sha256)
    if (pair := state.shelf().get(key)) is None:
        try:
            with state.queue().take_place(), torch.no_grad():
                both = [copy_modules(net)(L), predict_without_fusion(net, L)]
        except Problem as problem:
            st.info(str(problem))
            return
        full = state.lightness(picture)
        pair = [join_at_depth(full, upsample(ab, full.shape[-2:])[0]) for ab in both]
        state.shelf().put(key, pair, sum(rgb.nbytes for rgb in pair))
    moved = float((pair[0].int() - pair[1].int()).abs().float().mean())
    show_figure(
        [
            Cell("On", pair[0], "the classifier's scores join the features"),
            Cell("Off", pair[1], f"all scores 0; {moved:.1f} of 255 apart in the mean"),
            Cell("The picture", picture.rgb),
        ],
        "fusion",
        cell=340,
    )


def show_distribution(checkpoint: Checkpoint, net: nn.Module, L: Tensor, picture: Picture) -> None:
    """The distribution of one pixel over 313 colours, its entropy, and the temperature."""
    from workbench.coloring.colorize import Settings
    from workbench.lessons.colors import color_of_lab
    from workbench.lessons.diagram import distribution_svg
    from workbench.lessons.probes import distribution, mean_color

    if not state.has_bins(checkpoint):
        st.info("This network predicts one colour for each pixel, no distribution.")
        show_feature_maps(checkpoint, net, L, picture)
        return
    temperature = st.slider("Temperature", 0.05, 1.0, 0.38, 0.01, key="lesson_temperature")
    rgb, _ = state.colorize(checkpoint, picture, Settings(temperature=temperature))
    bits = state.entropy(checkpoint, picture)
    left, right = st.columns(2)
    with left:
        x, y = _point(
            picture,
            [
                Cell("Click a point", rgb, f"temperature {temperature:g}"),
                Cell("Entropy", _color_map(bits, 8.29), f"mean {bits.mean():.1f} of 8.3 bits"),
            ],
            "bins",
        )
    p, doubt = distribution(_logits(checkpoint, net, L, picture), x, y, temperature)
    a, b = mean_color(p)
    lightness = float(L[0, 0, int(y * L.shape[-2]), int(x * L.shape[-1])])
    (red, green, blue), _ = color_of_lab(lightness, a, b)
    with right:
        show_drawing(distribution_svg(p, 65), "distribution.svg")
        st.html(f'<div style="height:2.5rem;border-radius:.4rem;'
                f'background:rgb({red} {green} {blue})"></div>')  # fmt: skip
        st.markdown(
            f"Entropy at this temperature **{doubt:.2f} bits**; the likeliest colour has "
            f"{float(p.max()):.1%}; the mean is a {write_number(a, '.0f')}, "
            f"b {write_number(b, '.0f')}."
        )
    st.caption("The drawing: a square for each of the 313 colours, its area the probability. At "
               "temperature 1 the mean of a broad distribution is pale; near 0 one colour wins "
               "and neighbours may disagree.")  # fmt: skip


def _logits(checkpoint: Checkpoint, net: nn.Module, L: Tensor, picture: Picture) -> Tensor:
    import torch

    key = ("logits", checkpoint.revision, picture.sha256)
    if (logits := state.shelf().get(key)) is None:
        with state.queue().take_place(), torch.no_grad():
            logits = net.logits(L).float()
        state.shelf().put(key, logits, logits.nbytes)
    return logits


def show_feature_maps(checkpoint: Checkpoint, net: nn.Module, L: Tensor, picture: Picture) -> None:
    """The feature maps of any convolution, the liveliest first."""
    from workbench.lessons import probes
    from workbench.lessons.probes import pick_strongest

    layers = probes.feature_maps(net, L)
    name = st.select_slider("Convolution", list(layers), key="layer")
    numbers, maps = pick_strongest(layers[name], MAPS)
    channels, height, width = layers[name].shape
    show_figure(
        [
            Cell("The picture", picture.rgb),
            *(Cell(f"Channel {n}", _color_map(m, 1)) for n, m in zip(numbers, maps, strict=True)),
        ],
        "features",
        cell=220,
        enlarge=True,
    )
    st.caption(f"{name}: {channels} channels of {height} × {width}; the {len(numbers)} that vary "
               "most in this picture, each from its own 0 to its own largest value.")  # fmt: skip


VIEWS = {  # what a ModelSpec may name in `inside`
    "features": show_feature_maps,
    "gates": show_gates,
    "fusion": show_fusion,
    "attention": show_attention,
    "classes": show_classes,
    "distribution": show_distribution,
}
