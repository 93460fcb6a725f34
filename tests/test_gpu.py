"""A GPU that is not there: the trainer traced on fake CUDA tensors, which know shapes and devices.

A tensor on the wrong device, or a value read back to the host, fails the trace. torch's autograd
engine asks the driver for its streams: without a GPU the backward pass is walked, not run.
"""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from workbench import color
from workbench.models import MODELS, ab_bins
from workbench.training import Run
from workbench.training.batches import Batches, move_whole, source_shape
from workbench.training.record import Watch
from workbench.training.step import set_rates, step

CUDA = torch.device("cuda", 0)
OPTIONS = {"inception_attention": {"backbone": "eye", "backbone_classes": 1000}}
RUN = Run(images=64, batch_size=4, size="64", rotate=10.0, zoom=0.1, shear=0.1)
PRESETS = {name: spec.presets["gpu"] for name, spec in MODELS.items()}


class Copies(TorchDispatchMode):
    """Counts what is copied from the host to the device, or back."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if "copy" in function.__name__ and isinstance(out, torch.Tensor):
            source = args[1] if function.__name__.startswith("copy_") else args[0]
            if isinstance(source, torch.Tensor) and source.device.type != out.device.type:
                self.found.append(f"{function.__name__} {tuple(out.shape)} {out.dtype}")
        return out


def walk_backward(loss: torch.Tensor) -> None:
    """Follow the graph of a loss to its leaves, as the engine does, and give each a gradient."""
    waiting, met = [loss.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in met:
            continue
        met.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            assert leaf.device == CUDA
            leaf.grad = torch.empty_like(leaf)
        waiting += [following for following, _ in node.next_functions]


def forget_constants() -> None:
    for kept in (color.constant_on, ab_bins._centres_on, ab_bins._lookup_on):
        kept.cache_clear()


@pytest.fixture
def fakes(monkeypatch):
    """Fake tensors, of which no cache keeps one; autocast believes in the device."""
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
    monkeypatch.setattr(torch.Tensor, "backward", walk_backward)
    forget_constants()
    # The prior is read and checked on the host; a stand-in of its shape is copied to the device.
    monkeypatch.setattr(ab_bins, "log_weights", lambda: torch.zeros(len(ab_bins.centres())))
    ab_bins._lookup()  # of the host, made before anything is a fake
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        yield mode
    forget_constants()


def move_to_fake_cuda(recipe: nn.Module) -> None:
    """Put fakes on the device in the place of every parameter and buffer, for optimizers too."""
    fresh: dict[int, torch.Tensor] = {}
    for module in recipe.modules():
        for name, value in list(module._parameters.items()):
            if value is not None:
                if id(value) not in fresh:
                    fake = torch.empty(value.shape, dtype=value.dtype, device=CUDA)
                    fresh[id(value)] = nn.Parameter(fake, requires_grad=value.requires_grad)
                module._parameters[name] = fresh[id(value)]
        for name, value in list(module._buffers.items()):
            if value is not None:
                module._buffers[name] = torch.empty(value.shape, dtype=value.dtype, device=CUDA)
    for optimizer in recipe.optimizers.values():
        for group in optimizer.param_groups:
            group["params"] = [fresh[id(value)] for value in group["params"]]


def made_recipe(name: str) -> nn.Module:
    build = {**PRESETS[name].build, **OPTIONS.get(name, {}), "width": 0.125}
    net, images = MODELS[name].build(**build), PRESETS[name].run["images"]
    return MODELS[name].recipe(net, images, **PRESETS[name].recipe).train()


@pytest.fixture(params=list(MODELS))
def recipe(request):
    return made_recipe(request.param)  # on the CPU, before anything is a fake


def batches_on_cuda(run: Run = RUN) -> Batches:
    rng = np.random.default_rng(0)
    count = max(16, 2 * run.batch_size)
    pixels = rng.integers(0, 255, (count, 3, *source_shape(run.largest)), dtype=np.uint8)
    answers = rng.random((count, 1000)).astype(np.float16)
    labels = np.arange(count) % 3 - 1
    pixels.flags.writeable = False  # as those of a memory map
    return Batches(move_whole(pixels, CUDA), labels, run, CUDA, answers=answers)


def train_two_steps(recipe: nn.Module, batches: Batches, bf16: bool = True) -> list[str]:
    """Two steps as the loop makes them; what was copied in the second."""
    for seen in (0, batches.run.batch_size):
        with Copies() as copies:
            pixels, label, answers = batches.take(batches.fetch(seen))
            lab = batches.lab(pixels, seen)
            set_rates(recipe, seen, batches.run.warm_up)
            told = answers if recipe.asks else None
            for _, loss in step(recipe, lab, label, bf16, answers=told):
                assert loss.device == CUDA
                assert loss.shape == ()
    return copies.found


def test_a_step_on_a_gpu_agrees_on_devices_and_copies_nothing(recipe, fakes):
    move_to_fake_cuda(recipe)
    assert train_two_steps(recipe, batches_on_cuda()) == []
    for optimizer in recipe.optimizers.values():
        assert {value.device for value in optimizer.state} == {CUDA}


@pytest.mark.parametrize("name", MODELS)
def test_the_preset_for_a_gpu_makes_the_steps_of_its_own_batch(name, request):
    preset = PRESETS[name]
    recipe = made_recipe(name)  # on the CPU, before anything is a fake
    chosen = Run(**preset.run)
    assert (chosen.batch_size, chosen.largest) == (256, (128, 128))
    assert "not yet run on a GPU" in preset.title
    request.getfixturevalue("fakes")
    move_to_fake_cuda(recipe)
    assert train_two_steps(recipe, batches_on_cuda(chosen)) == []
    rate = recipe.optimizers["net"].param_groups[0]["lr"]
    assert 0 < rate < preset.recipe["learning_rate"] / 2  # it has begun to rise


def test_a_run_on_a_gpu_is_resumed_on_it(recipe, fakes):
    move_to_fake_cuda(recipe)
    batches = batches_on_cuda()
    train_two_steps(recipe, batches)
    kept = {name: copy.copy(o.state_dict()) for name, o in recipe.optimizers.items()}
    recipe.load_state_dict(recipe.state_dict())
    for name, optimizer in recipe.optimizers.items():
        optimizer.state.clear()
        optimizer.load_state_dict(kept[name])
        assert optimizer.state
    assert train_two_steps(recipe, batches) == []


def test_a_look_at_the_validation_pictures_on_a_gpu(recipe, fakes):
    move_to_fake_cuda(recipe)
    watch = Watch(np.zeros((4, 3, 72, 72), np.uint8), (64, 64), CUDA)
    painted = watch.paint(recipe.net.eval(), bf16=True)
    assert painted.shape == (4, 3, 64, 64)
    assert painted.device == CUDA


def test_the_trace_finds_what_it_is_for(fakes):
    on_device = torch.empty(3, device=CUDA)
    with pytest.raises(Exception, match="device"):
        on_device + torch.empty(3)
    with pytest.raises(Exception, match=r"item|local_scalar_dense"):
        bool((on_device > 0).any())
    with Copies() as copies:
        torch.empty(3).to(CUDA)
    assert len(copies.found) == 1
