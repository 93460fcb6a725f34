"""A run's curves elsewhere: a stand-in of trackio and wandb records what it is told."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from typer.testing import CliRunner

from workbench.cli import build
from workbench.errors import Problem
from workbench.training import record
from workbench.training.tensorboard import scalars
from workbench.training.tracking import TRACKERS, Tracker, name_run


class Stand(ModuleType):
    """Of a package: init, Image, and runs that log and finish."""

    def __init__(self, name: str, fails_after: int = 100) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # accelerate asks for it
        self.begun: list[dict] = []
        self.told: list[tuple[dict, int]] = []
        self.finished = 0
        self.fails_after = fails_after

    def init(self, **about) -> "Stand":
        self.begun.append(about)
        return self

    def Image(self, image: Image.Image) -> tuple[int, int]:
        return image.size

    def log(self, values: dict, step: int) -> None:
        if len(self.told) >= self.fails_after:
            raise ConnectionError("The network is gone.\nTrace.")
        self.told.append((values, step))

    def finish(self) -> None:
        self.finished += 1


def train(twenty_photos: Path, out: Path, *more: str):
    told = ["train", "vanilla_cnn", "--data", str(twenty_photos), "--width", "0.125",
            "--size", "16", "--batch-size", "4", "--images", "16", "--log-every", "4",
            "--out", str(out)]  # fmt: skip
    return CliRunner().invoke(build(), [*told, *more])


@pytest.mark.parametrize("package", TRACKERS)
def test_a_tracker_is_told_every_line_of_the_log(package, twenty_photos, tmp_path, monkeypatch):
    stand = Stand(package)
    monkeypatch.setitem(sys.modules, package, stand)
    done = train(twenty_photos, tmp_path / "run", f"--{package}", "colours")
    assert done.exit_code == 0, done.output
    (begun,) = stand.begun
    assert (begun["project"], begun["resume"]) == ("colours", "allow")
    assert begun["name"] == name_run(tmp_path / "run")
    assert begun["config"]["model"] == "vanilla_cnn"
    assert begun["config"]["batch_size"] == 4
    lines = [line for line in record.read_log(tmp_path / "run") if "seen" in line]
    assert [step for _, step in stand.told] == [line["seen"] for line in lines]
    for (values, _), line in zip(stand.told, lines, strict=True):
        assert values.items() >= scalars(line).items()
    assert stand.told[-1][0]["strip"][1] == record.Watch.SIDE
    assert stand.finished == 1


def test_what_a_tracker_refuses_is_said_once_and_the_run_goes_on(tmp_path, monkeypatch, capsys):
    stand = Stand("wandb", fails_after=1)
    monkeypatch.setitem(sys.modules, "wandb", stand)
    tracker = Tracker("wandb", "colours", tmp_path, {})
    line = {"losses": {"net": 1.0}, "learning_rate": 0.1, "rate": 1, "size": 16, "waited": 0}
    for seen in (4, 8, 12):
        tracker({**line, "seen": seen})
    tracker.close()
    assert [step for _, step in stand.told] == [4]
    said = capsys.readouterr().err
    assert said == "--wandb takes no more: The network is gone. The training goes on.\n"


@pytest.mark.parametrize("package", TRACKERS)
def test_without_the_package_the_option_says_what_is_missing(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Problem, match=f"--{package} needs the package {package}: pip install"):
        Tracker(package, "colours", tmp_path, {})
