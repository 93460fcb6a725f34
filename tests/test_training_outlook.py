"""`train --dry-run`: what is said is what would happen, and nothing is written."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from typer.testing import CliRunner

from workbench import places
from workbench.cli import build
from workbench.models import MODELS
from workbench.training import Run, outlook
from workbench.training.measure import Saved
from workbench.training.plan import make_plan


@pytest.fixture
def photos(twenty_photos, tmp_path, monkeypatch) -> Path:
    """Twenty small pictures in a folder and a broken one; a cache and runs that are not there."""
    (twenty_photos / "broken.png").write_bytes(b"no picture")
    monkeypatch.setattr(places, "RUNS", tmp_path / "runs")
    return twenty_photos


def test_what_autograd_keeps_is_counted_once_and_is_gone_after_the_backward_pass():
    weight = nn.Parameter(torch.ones(4, 4))
    x = torch.ones(100, 4)
    saved = Saved([weight])
    with saved.counting():
        hidden = F.linear(x, weight)  # keeps x (1,600 bytes) and the weight, which is there anyway
        squared = hidden * hidden  # keeps one tensor twice (1,600 bytes)
        squared.sum().backward()
    assert saved.most == 3200
    del hidden, squared
    assert saved._now == 0


def test_a_dry_run_says_what_would_happen_and_writes_nothing(photos, tmp_path):
    told = ["train", "vanilla_cnn", "--data", str(photos), "--width", "0.125", "--size",
            "16:0.75,32:0.25", "--batch-size", "4", "--images", "80", "--dry-run"]  # fmt: skip
    done = CliRunner().invoke(build(), told)
    assert done.exit_code == 0, done.output
    assert "unreadable   1, the first: broken.png" in done.output
    assert "80 images in 20 batches of 4" in done.output
    assert "60 images at 16 px" in done.output
    assert "20 images at 32 px" in done.output
    assert "an estimate" in done.output
    assert str(tmp_path / "runs") in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_counted_memory_is_that_of_the_parts(photos):
    made = make_plan(
        MODELS["vanilla_cnn"], [str(photos)], width=0.125, keep=False,
        choices={"images": 40, "batch_size": 4, "size": "32", "precision": "fp32"},
    )  # fmt: skip
    found = outlook.look_ahead(made, photos / "run").measured
    recipe = made.make(40)
    numbers = sum(value.numel() for value in recipe.net.parameters())
    assert found.trained == numbers
    assert found.gradients == 4 * numbers
    assert found.optimizers >= 4 * numbers  # RMSprop keeps one moment
    assert found.activations > 4 * 3 * 32 * 32


def test_rates_are_those_of_the_recipe_s_own_schedule(photos):
    recipe = MODELS["vanilla_cnn"].recipe(
        MODELS["vanilla_cnn"].build(width=0.125), 1000, learning_rate=0.01, decay=0.5
    )
    first, middle, last = outlook.rates_of(recipe, Run(1000, 2))["net"]
    assert first == middle == 0.01
    assert last == pytest.approx(0.01 / 500)
    first, middle, _ = outlook.rates_of(recipe, Run(1000, 2, warm_up=400))["net"]
    assert first == pytest.approx(0.01 / 401)
    assert middle == 0.01


def test_a_dry_run_of_all_tells_every_model_and_the_whole_time(photos, tmp_path):
    told = ["train", "all", "--data", str(photos), "--size", "32", "--batch-size", "4", "--images",
            "60", "--only", "vanilla_cnn", "--only", "reference", "--dry-run"]  # fmt: skip
    done = CliRunner().invoke(build(), told)
    assert done.exit_code == 0, done.output
    assert "network      vanilla_cnn" in done.output
    assert "network      reference" in done.output
    assert "card" in done.output
    assert "All trainings: about" in done.output
    assert not (tmp_path / "runs").exists()
