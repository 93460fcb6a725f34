"""Networks as ONNX files: the same colours as in PyTorch, at every size, and what is in a file."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import onnx as format_of
import onnxruntime
import pytest
import torch
from onnx_files import onnx_files

from workbench import checkpoints, samples
from workbench.coloring import colorize, edges
from workbench.coloring.colorize import Settings
from workbench.errors import Problem
from workbench.evaluation.metrics import delta_e
from workbench.images import open_image
from workbench.models import MODELS
from workbench.models.inception_attention import EYE
from workbench.publishing import onnx

__all__ = ["onnx_files"]
ROOT = Path(__file__).resolve().parent.parent
EXACT = Settings(exact=True)
BUNDLED = list(checkpoints.available(ROOT / "checkpoints"))
# Three sizes, square, broad and tall; and one so long that the short side gets less than it asks.
SIZES = [(300, 300), (301, 457), (700, 510), (40, 600)]


@pytest.fixture(scope="module")
def sessions(onnx_files):
    return {name: onnxruntime.InferenceSession(file) for name, file in onnx_files.items()}


def lightness(height: int, width: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(height)
    coarse = torch.rand(1, 1, 9, 13, generator=random) * 100
    return edges.upsample(coarse, (height, width))


def agree(session: onnxruntime.InferenceSession, net: torch.nn.Module, size: int) -> None:
    """The file's ab is the network's, to a small part of the range that it uses."""
    for height, width in SIZES:
        L = lightness(height, width)
        ours = colorize.predict_coarse(net, L, size, EXACT)
        theirs = onnx.predict_coarse(session, L)
        assert theirs.shape == ours.shape
        apart, most = (theirs - ours).abs(), ours.abs().max()
        # A processor's sums differ with the range, and random weights use nearly all of it.
        assert apart.mean() < 0.1 + 0.002 * most
        # where two colours are nearly as likely, the file's half-precision weights lean a little
        assert apart.max() < 0.1 + 0.02 * most


@pytest.mark.parametrize("name", BUNDLED)
def test_a_file_takes_every_size_and_aspect_ratio(sessions, name):
    checkpoint = checkpoints.available(ROOT / "checkpoints")[name]
    agree(sessions[name], checkpoint.net(), checkpoint.size)


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("reference", {}, 192),
        ("inception_attention", EYE, 128),
        ("colorful", {"bins": False}, 64),
        ("vanilla_cnn", {}, 64),
    ],
)
def test_networks_of_random_weights_are_exported_too(name, options, size):
    torch.manual_seed(0)
    net = MODELS[name].build(width=0.25, **options).eval()
    model = onnx.record_graph(net, size)
    format_of.helper.set_model_props(model, {"facts": json.dumps(asdict(onnx.facts(net, size)))})
    agree(onnxruntime.InferenceSession(model.SerializeToString()), net, size)


@pytest.mark.parametrize("name", BUNDLED)
def test_the_samples_get_the_colours_that_pytorch_gives_them(sessions, name):
    agree_on(samples_read(), sessions[name], name)


@pytest.mark.parametrize("name", BUNDLED)
def test_24_photographs_get_the_colours_that_pytorch_gives_them(sessions, shared, name):
    from workbench.data.sources import open_source

    items = open_source(str(shared / "data" / "test" / "kodak24.parquet")).items()
    pictures = [open_image(item.data).rgb for item in items]
    assert len(pictures) == 24
    agree_on(pictures, sessions[name], name)


def samples_read() -> list[torch.Tensor]:
    return [open_image(sample.path).rgb for sample in samples.SAMPLES.values()]


def agree_on(pictures: list[torch.Tensor], session, name: str) -> None:
    """Mean CIEDE2000 between what PyTorch and the file make of pictures is below 0.1."""
    checkpoint = checkpoints.available(ROOT / "checkpoints")[name]
    net, distances = checkpoint.net(), []
    for rgb in pictures:
        L = colorize.lightness(rgb)
        ours = colorize.predict_coarse(net, L[None], checkpoint.size, EXACT)
        theirs = onnx.predict_coarse(session, L[None])
        painted = [
            colorize.join_at_depth(L, edges.upsample(ab, L.shape[-2:])[0])[None]
            for ab in (ours, theirs)
        ]
        distances.append(float(delta_e(*painted)[0]))
    print(f"{name}: mean CIEDE2000 {sum(distances) / len(distances):.4f}")
    assert sum(distances) / len(distances) < 0.1


def test_temperature_and_rebalancing_stay_choices(sessions):
    name = next(n for n in sessions if onnx.facts_of(sessions[n]).temperature)
    net, L = checkpoints.find(name).net(), lightness(200, 300)
    size = onnx.facts_of(sessions[name]).size
    for changed in ({"temperature": 0.1}, {"temperature": 1.0}, {"rebalancing": 0.0}):
        settings = Settings(exact=True, **changed)
        ours = colorize.predict_coarse(net, L, size, settings)
        assert (onnx.predict_coarse(sessions[name], L, settings) - ours).abs().max() < 0.5
    assert {output.name for output in sessions[name].get_outputs()} == {"ab", "logits"}


@pytest.mark.parametrize("name", BUNDLED)
def test_a_file_says_what_it_is(onnx_files, name):
    checkpoint = checkpoints.available(ROOT / "checkpoints")[name]
    model = format_of.load(onnx_files[name])
    said = {prop.key: prop.value for prop in model.metadata_props}
    assert said["revision"] == checkpoint.revision
    assert json.loads(said["config"])["trained_on"] == checkpoint.config["trained_on"]
    assert "terms" in said["licence"]
    assert model.opset_import[0].version >= 18
    assert [dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim][2:] == [
        "height", "width",
    ]  # fmt: skip
    halves = sum(w.data_type == format_of.TensorProto.FLOAT16 for w in model.graph.initializer)
    assert halves >= 5
    assert onnx_files[name].stat().st_size < 1.1 * parameters(checkpoint) * 2 + 300_000


def parameters(checkpoint: checkpoints.Checkpoint) -> int:
    return sum(value.numel() for value in checkpoint.net().state_dict().values())


def test_the_command_writes_a_file_that_opens(tmp_path):
    command = [sys.executable, "-m", "workbench", "export-onnx", "vanilla_cnn", "--json"]
    done = subprocess.run(
        [*command, "--out", tmp_path / "new"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["bytes"] == Path(row["file"]).stat().st_size
    onnxruntime.InferenceSession(row["file"])


def test_what_is_missing_is_a_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Problem, match=r"pip install -r requirements-onnx.txt"):
        onnx.need_packages()
