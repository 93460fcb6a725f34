"""A trained network as one ONNX file, for any size of picture.

    inputs    L            float (1, 1, height, width), [0, 100]: short side at `size`, both sides
                           multiples of `cell` (`colorize.network_input`)
              whole        float (1, 1, whole, whole): the whole picture's L, shrunk; only of
                           networks that look at a picture twice (`embed`)
              temperature  float (): of the annealed mean; only of networks with bins
              rebalancing  float (): how much of the training's is kept, 0 to 1; only of networks
                           that were trained with rare colours weighted up
    outputs   ab           float (1, 2, h, w), CIELAB units, at the network's own resolution
              logits       float (1, bins, h, w): scores of the bins, of networks with bins

Weights are stored as float16 and cast to float32 in the graph, so that computation is fp32. What
else must be known (`Facts`), the checkpoint's configuration and its terms are in the metadata.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import warnings
from dataclasses import asdict, dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from workbench.checkpoints import Checkpoint
from workbench.coloring import edges
from workbench.coloring.colorize import (
    CELL,
    Settings,
    has_rebalancing,
    has_temperature,
    network_input,
    own_gain,
)
from workbench.errors import Problem
from workbench.writing import write_whole

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

OPSET = 18
NEEDS = ("onnx", "onnxscript", "onnxruntime")
SEEN = (131, 197)  # height and width of the L that the graph is recorded with: both are free
HALVED = 64  # weights of at least so many numbers, in two dimensions or more, become float16
TERMS = (
    "Code: Apache-2.0. For the weights the terms of the photographs they were trained on hold; "
    "where some are for research only, so is their use."
)


@dataclass(frozen=True)
class Facts:
    """What whoever feeds the file must know, beside the shapes in it."""

    size: int  # short side shown to the network, pixels
    cell: int  # both sides shown are multiples of it
    whole: int = 0  # side of the `whole` input, pixels; 0: there is none
    temperature: float = 0.0  # the model's own; 0: it has none
    rebalancing: float | None = None  # how much of it the model keeps; None: it has none


def need_packages() -> None:
    """Raise Problem, with what to install, where a package of the extra is missing."""
    from importlib.util import find_spec

    if missing := [name for name in NEEDS if find_spec(name) is None]:
        raise Problem(
            f"ONNX files need packages that are not installed: {', '.join(missing)}. "
            "Install them with: pip install -r requirements-onnx.txt"
        )


def facts(net: nn.Module, size: int) -> Facts:
    """What a network is fed, read from what it can do; size is its checkpoint's."""
    if has_temperature(net):
        own = float(signature(net.decode).parameters["temperature"].default)
        kept = signature(net.rebalance).parameters["kept"].default if has_rebalancing(net) else None
        return Facts(size, CELL, temperature=own, rebalancing=kept)
    asked = getattr(net, "backbone", None) if hasattr(net, "embed") else None
    return Facts(size, 1, whole=0 if asked is None else int(asked.size))


class _Graph(nn.Module):
    """A network as the file has it: everything between the shrunk L and the coarse ab."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net


class _Distribution(_Graph):
    def forward(
        self, L: Tensor, temperature: Tensor, rebalancing: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        logits = self.net.logits(L)  # (1, bins, h, w)
        if rebalancing is not None:
            logits = self.net.rebalance(logits, rebalancing)
        # the annealed mean's own temperature divides once more by 1
        ab = self.net.decode(logits / temperature.clamp(min=1e-3), 1.0)
        return own_gain(self.net) * ab, logits


class _Told(_Graph):
    def forward(self, L: Tensor, whole: Tensor) -> Tensor:
        return own_gain(self.net) * self.net(L, self.net.embed(whole))


class _Plain(_Graph):
    def forward(self, L: Tensor) -> Tensor:
        return own_gain(self.net) * self.net(L)


def record_graph(net: nn.Module, size: int) -> ModelProto:
    """The network in evaluation mode, recorded for every height and width, weights in float16."""
    need_packages()
    known = facts(net, size)
    multiple = getattr(net, "multiple", 1)
    free, sides = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}, SEEN
    if multiple > 1:  # the network pads what it is shown: here the graph around it does
        net = _with_fixed_padding(copy.deepcopy(net))
        free = {2: multiple * torch.export.Dim("rows"), 3: multiple * torch.export.Dim("columns")}
        sides = (4 * multiple, 6 * multiple)
    L = torch.rand(1, 1, *(side // known.cell * known.cell for side in sides)) * 100
    names, inputs, shapes, recorded = ["L"], [L], [free], _Plain(net)
    outputs = ["ab"]
    if known.temperature:
        names, inputs, shapes = ["L", "temperature"], [L, torch.tensor(1.0)], [free, None]
        outputs, recorded = ["ab", "logits"], _Distribution(net)
        if known.rebalancing is not None:
            names, inputs = [*names, "rebalancing"], [*inputs, torch.tensor(0.5)]
            shapes.append(None)
    elif known.whole:
        names, inputs = ["L", "whole"], [L, torch.rand(1, 1, known.whole, known.whole) * 100]
        shapes, recorded = [free, None], _Told(net)
    recorded.eval()
    with _silence_recording(), torch.no_grad():
        recorded(*inputs)  # tables that a network keeps are made now, of real numbers
        program = torch.export.export(
            recorded, tuple(inputs), dynamic_shapes=tuple(shapes), strict=False
        )
        made = torch.onnx.export(
            program, (), input_names=names, output_names=outputs, opset_version=OPSET,
            dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip
    model = made.model_proto
    if multiple > 1:
        _pad_and_crop(model, multiple)
    _name_sizes(model)
    _halve(model)
    return model


class _Padded(nn.Module):
    """timm's convolution with TensorFlow's padding, for sides that the stride divides."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv, self.pads = conv, []
        for size, stride in reversed(list(zip(conv.kernel_size, conv.stride, strict=True))):
            pad = max(size - stride, 0)
            self.pads += [pad // 2, pad - pad // 2]

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x, self.pads)
        return self.conv._conv_forward(x, self.conv.weight, self.conv.bias)


def _with_fixed_padding(net: nn.Module) -> nn.Module:
    """Replace, in place, convolutions that work out their padding from what they are shown."""
    from timm.layers import Conv2dSame

    for parent in list(net.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, Conv2dSame):
                setattr(parent, name, _Padded(layer))
    return net


def _pad_and_crop(model: ModelProto, multiple: int) -> None:
    """Repeat the last row and column of L up to a multiple; crop the outputs in proportion."""
    import numpy as np
    from onnx import helper, numpy_helper

    recorded = model.graph
    kept = {value.name: value for value in (*recorded.input, *recorded.output)}
    outputs = [value.name for value in recorded.output]
    for node in recorded.node:
        for names in (node.input, node.output):
            names[:] = [f"{name}_padded" if name in ("L", *outputs) else name for name in names]
    for name, numbers in (
        ("pad_multiple", [multiple]), ("pad_none", [0] * 6),
        ("crop_first", [0, 0]), ("crop_axes", [2, 3]),
    ):  # fmt: skip
        recorded.initializer.append(numpy_helper.from_array(np.array(numbers, np.int64), name))
    before = [
        helper.make_node("Shape", ["L"], ["pad_sides"], start=2),
        helper.make_node("Neg", ["pad_sides"], ["pad_below"]),
        helper.make_node("Mod", ["pad_below", "pad_multiple"], ["pad_ends"]),
        helper.make_node("Concat", ["pad_none", "pad_ends"], ["pad_all"], axis=0),
        helper.make_node("Pad", ["L", "pad_all"], ["L_padded"], mode="edge"),
        helper.make_node("Shape", ["L_padded"], ["padded_sides"], start=2),
    ]
    after = []
    for name in outputs:
        whole = f"{name}_padded"
        after += [
            helper.make_node("Shape", [whole], [f"{name}_sides"], start=2),
            helper.make_node("Mul", [f"{name}_sides", "pad_sides"], [f"{name}_product"]),
            helper.make_node("Div", [f"{name}_product", "padded_sides"], [f"{name}_ends"]),
            helper.make_node(
                "Slice", [whole, "crop_first", f"{name}_ends", "crop_axes"], [kept[name].name]
            ),
        ]
    nodes = [*before, *recorded.node, *after]
    del recorded.node[:]
    recorded.node.extend(nodes)


@contextlib.contextmanager
def _silence_recording() -> Any:
    """Recording talks about itself at length; what goes wrong is an exception all the same."""
    names = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "torch.fx")
    before = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _name_sizes(model: ModelProto) -> None:
    """Call the free sizes height and width, and forget what was noted of those in between."""
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        if value.name in ("L", "ab", "logits"):
            coarse = "" if value.name == "L" else f"{value.name}_"
            dims[2].dim_param, dims[3].dim_param = f"{coarse}height", f"{coarse}width"


def _halve(model: ModelProto) -> None:
    """Store the large weights as float16; a Cast gives them back as float32."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in model.graph.initializer:
        many = len(weight.dims) >= 2 and torch.Size(weight.dims).numel() >= HALVED
        if weight.data_type != TensorProto.FLOAT or not many:
            continue
        name = weight.name
        half = numpy_helper.to_array(weight).astype("float16")
        weight.CopyFrom(numpy_helper.from_array(half, f"{name}_float16"))
        casts.append(helper.make_node("Cast", [f"{name}_float16"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for node in model.graph.node:  # where in the source each came from: half of the file's text
        del node.metadata_props[:]
        node.doc_string = ""


def export(checkpoint: Checkpoint, out: Path) -> Path:
    """Write `out`/NAME.onnx, whole or not at all, and return it. Raises Problem."""
    import onnx

    net = checkpoint.net()
    model = record_graph(net, checkpoint.size)
    model.producer_name = "colorization-workbench"
    model.doc_string = f"{checkpoint.title}: L to ab. AI-generated colours."
    config = {k: v for k, v in checkpoint.config.items() if k != "files"}
    metadata = {
        "model": checkpoint.config["model"],
        "title": checkpoint.title,
        "revision": checkpoint.revision,
        "licence": checkpoint.config.get("licence") or TERMS,
        "config": json.dumps(config, ensure_ascii=False),
        "facts": json.dumps(asdict(facts(net, checkpoint.size))),
    }
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    name = f"{checkpoint.name}.onnx"
    write_whole(out, {name: model.SerializeToString()})
    return out / name


def read_facts(file: Path) -> dict[str, Any]:
    """The facts in the metadata of a file, as they are written there."""
    import onnx

    said = {prop.key: prop.value for prop in onnx.load(file).metadata_props}
    return json.loads(said["facts"])


# ------------------------------------------------------------------------ running such a file


def facts_of(session: InferenceSession) -> Facts:
    """The facts in a file's metadata."""
    return Facts(**json.loads(session.get_modelmeta().custom_metadata_map["facts"]))


def predict_coarse(session: InferenceSession, L: Tensor, settings: Settings = Settings()) -> Tensor:
    """`colorize.predict_coarse` of an exported file: L (1, 1, H, W) -> ab (1, 2, h, w), fp32.

    Of the settings temperature and rebalancing count.
    """
    known = facts_of(session)
    given = {"L": network_input(L, known.size, known.cell).numpy()}
    if known.whole:
        given["whole"] = edges.shrink(L, (known.whole, known.whole)).numpy()
    if known.temperature:
        given["temperature"] = torch.tensor(settings.temperature or known.temperature).numpy()
    if known.rebalancing is not None:
        kept = known.rebalancing if settings.rebalancing is None else settings.rebalancing
        given["rebalancing"] = torch.tensor(float(kept)).numpy()
    return torch.from_numpy(session.run(["ab"], given)[0])
