"""`--compile`: what it compiles, that it agrees, and that a run goes on where it cannot."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from workbench.data.pictures import Pictures
from workbench.models import MODELS
from workbench.spec import Recipe
from workbench.training import Run, compiling, record, train
from workbench.training.batches import Batches, source_shape
from workbench.training.compiling import CUT, compile_step, cut_batch, try_losses
from workbench.training.measure import Measured, measure
from workbench.training.plan import Plan

OPTIONS = {"inception_attention": {"backbone": "eye", "backbone_classes": 1000}}
RUN = Run(images=18, batch_size=4, size="32", rotate=10.0, zoom=0.1, shear=0.1, compile=True,
          precision="fp32")  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_is_left_compiled():
    yield
    torch._dynamo.reset()


class Painter(Recipe):
    """A convolution, L1 in the loss; a second loss of another piece."""

    pieces = ("near", "far")

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.5))
        self.optimizers = {"net": torch.optim.SGD(self.net.parameters(), 0.01)}

    def losses(self, L, ab, label=None, answers=None):
        yield "net", self.near(L, ab)
        yield "net", self.far(L, ab)

    def near(self, L, ab):
        return (self.net(L / 100) - ab / 110).abs().mean()

    def far(self, L, ab):
        return (self.net(L / 100) - ab / 110).square().mean()


def batches(run: Run = RUN, asks: bool = False) -> Batches:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (16, 3, *source_shape(run.largest)), dtype=np.uint8)
    answers = rng.random((16, 1000)).astype(np.float16) if asks else None
    return Batches(pixels, np.arange(16) % 3 - 1, run, torch.device("cpu"), answers=answers)


def backend(change):
    """A compiler that runs what was traced, its results changed."""
    return lambda graph, _: lambda *given: tuple(change(x) for x in graph(*given))


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler: g++")
def test_compiled_by_torchs_own_compiler_a_run_has_the_losses_of_one_that_is_not(tmp_path):
    pictures = batches()
    labels = pictures.labels.numpy()
    shown = Pictures(np.asarray(pictures.pixels), labels, (), labels, "key", {})
    losses = {}
    for compile in (False, True):
        told = []
        run = Run(**{**vars(RUN), "compile": compile, "log_every": 4})
        train(
            lambda images: Painter(), shown, shown.pixels, run, tmp_path / str(compile), {},
            report=told.append, save=lambda net, place, config: config,
        )  # fmt: skip
        header, *lines = record.read_log(tmp_path / str(compile))
        losses[compile] = [line["losses"]["net"] for line in lines]
        if compile:
            assert header["compiled"].startswith("--compile: compiled in ")
            assert "crops and Lab, near, far" in header["compiled"]
            assert [status["compiled"] for status in told if "compiled" in status] == [
                header["compiled"]
            ]
        else:
            assert "compiled" not in header
    assert losses[True] == pytest.approx(losses[False], rel=1e-3)
    assert len(losses[True]) == 5


@pytest.mark.parametrize("name", MODELS)
def test_every_recipes_step_is_traced_whole_and_agrees(name, monkeypatch):
    # aot_eager traces the backward pass too, but trips over the strides of an einsum in reference,
    # which torch's own compiler does not.
    monkeypatch.setattr(compiling, "BACKEND", "eager" if name == "reference" else "aot_eager")
    torch.manual_seed(0)
    net = MODELS[name].build(width=0.125, **OPTIONS.get(name, {}))
    recipe = MODELS[name].recipe(net, RUN.images).train().to(memory_format=torch.channels_last)
    given = batches(asks=bool(recipe.asks))
    weights = {key: value.clone() for key, value in recipe.state_dict().items()}
    torch._dynamo.utils.counters.clear()
    said = compile_step(recipe, given, RUN, bf16=False)
    assert said.startswith("--compile: compiled in "), said
    assert not torch._dynamo.utils.counters["graph_break"]
    after = recipe.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in weights.items())  # nothing stepped
    assert all(value.grad is None for value in recipe.parameters())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda x: x * 1.01 if x.dim() == 0 else x, "a step came out otherwise: a loss"),
        (lambda x: x + 1 if x.dim() == 4 else x, "crops in Lab came out 1 apart"),
        (lambda x: 1 / 0, "torch.compile failed ("),
    ],
)
def test_where_it_fails_or_differs_the_run_goes_on_uncompiled(change, why, monkeypatch):
    monkeypatch.setattr(compiling, "BACKEND", backend(change))
    recipe, given = Painter(), batches()
    expected = try_losses(recipe, given, cut_batch(given, 0), False, 0)
    said = compile_step(recipe, given, RUN, bf16=False)
    assert said.startswith("--compile: goes on uncompiled, because ")
    assert why in said
    assert not {"near", "far"} & set(vars(recipe))
    assert CUT not in vars(given)
    assert try_losses(recipe, given, cut_batch(given, 0), False, 0) == expected


def test_a_failure_between_two_losses_leaves_nothing_frozen(monkeypatch):
    class Frozen(Painter):
        def losses(self, L, ab, label=None, answers=None):
            yield "net", self.near(L, ab)
            self.net[0].requires_grad_(False)
            yield "net", self.far(L, ab)
            self.net[0].requires_grad_(True)

    traced = []

    def fail_at_the_third(graph, given):
        traced.append(graph)
        if len(traced) == 3:  # cut_lab, near, far
            raise RuntimeError("no")
        return graph

    monkeypatch.setattr(compiling, "BACKEND", fail_at_the_third)
    recipe = Frozen()
    said = compile_step(recipe, batches(), RUN, bf16=False)
    assert said.startswith("--compile: goes on uncompiled")
    assert len(traced) == 3
    assert all(value.requires_grad and value.grad is None for value in recipe.parameters())


def test_no_compiler_is_said(monkeypatch):
    def fail(graph, given):
        from torch._inductor.exc import InvalidCxxCompiler

        raise InvalidCxxCompiler

    monkeypatch.setattr(compiling, "BACKEND", fail)
    said = compile_step(Painter(), batches(), RUN, bf16=False)
    assert said == (
        "--compile: goes on uncompiled, because torch.compile found no C++ compiler (g++)."
    )


def test_a_recipe_whose_losses_are_not_made_of_pieces_is_not_said_to_be_compiled(monkeypatch):
    class Whole(Painter):
        pieces = ("loss",)

        def losses(self, L, ab, label=None, answers=None):
            yield "net", self.near(L, ab)

    monkeypatch.setattr(compiling, "BACKEND", "eager")
    said = compile_step(Whole(), batches(), RUN, bf16=False)
    assert said.endswith("because the losses of Whole are not made of its pieces.")


def test_each_size_is_tried_and_a_smaller_last_batch_runs_as_it_is_written(monkeypatch):
    monkeypatch.setattr(compiling, "BACKEND", "eager")
    run = Run(images=18, batch_size=4, size="32:0.5,64:0.5", compile=True)
    recipe, given = Painter(), batches(run)
    compile_step(recipe, given, run, bf16=False)
    assert {shapes[0] for shapes in recipe.near.known} == {(4, 1, 32, 32), (4, 1, 64, 64)}
    before = recipe.near.known.copy()
    try_losses(recipe, given, cut_batch(given, 16), False, 16)  # two pictures
    assert recipe.near.known == before


def test_what_is_timed_before_a_run_is_the_compiled_step(monkeypatch):
    monkeypatch.setattr(compiling, "BACKEND", backend(lambda x: x))
    given = batches()
    pixels = given.pixels.numpy() if isinstance(given.pixels, torch.Tensor) else given.pixels
    labels = np.arange(16) % 3 - 1
    found = measure(lambda images: Painter(), pixels, labels, RUN, (32, 32), 2, count=True)
    assert found.compiled.startswith("--compile: compiled in "), found.compiled
    assert found.compiling > 0
    assert found.activations > 0
    written = replace(RUN, compile=False)
    plain = measure(lambda images: Painter(), pixels, labels, written, (32, 32), 2)
    assert (plain.compiled, plain.compiling) == ("", 0.0)


def test_minutes_count_what_compiling_takes(monkeypatch):
    made = Plan(lambda images: Painter(), None, None, RUN, {})
    told = Measured(10.0, compiling=5.0)
    monkeypatch.setattr(Plan, "measure", lambda self, shape, steps, count=False: told)
    assert made.images_in(60.0) == 550
    assert made.images_in(1.0) == RUN.batch_size
