"""What every test may ask for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "0")

import pytest
from browser import RUN_PATIENCE, browser_page, chromium, workbench_server

from workbench import places

__all__ = ["browser_page", "chromium", "workbench_server"]
ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks for a browser is marked so: `make test` runs it after all else."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """A page that is tested becomes `__main__`; processes started later would look for its file."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs beside the checkout; a test that needs it skips without."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs the photographs of ../shared/data, which are not ours to ship")
    return folder


SMALL_BACKBONE = {
    "backbone": "mobilenetv3_small_050",
    "backbone_classes": 10,
    "backbone_size": 32,
    "pretrained": False,
}


@pytest.fixture(scope="session")
def small_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of width 0.125 with random weights, for WORKBENCH_CHECKPOINTS."""
    import torch

    from workbench import checkpoints
    from workbench.models import MODELS

    root = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    for name, spec in MODELS.items():
        options = SMALL_BACKBONE if name == "inception_attention" else {}
        config = {
            "model": name,
            "width": 0.125,
            "options": options,
            "size": 64,
            "images_seen": 0,
            "trained_on": ["random weights for tests"],
        }
        checkpoints.save(spec.build(width=0.125, **options), root / name, config)
    return root


@pytest.fixture(scope="session")
def small_test_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `tiny` of six pictures of smooth coloured noise, 40 x 40."""
    import torch
    from PIL import Image

    folder = tmp_path_factory.mktemp("sets") / "tiny"
    folder.mkdir()
    random = torch.Generator().manual_seed(1)
    for number in range(6):
        coarse = torch.rand(1, 3, 5, 5, generator=random)
        rgb = torch.nn.functional.interpolate(coarse, size=(40, 40), mode="bilinear")[0]
        pixels = (rgb * 255).byte().permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def twenty_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of twenty small pictures, and a cache that is not there yet."""
    import numpy as np
    from PIL import Image

    root = tmp_path / "photos"
    root.mkdir()
    random = np.random.default_rng(0)
    for number in range(20):
        low = random.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(low).resize((40, 40)).save(root / f"{number}.png")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return root


@pytest.fixture(scope="session")
def small_scores(
    small_checkpoints: Path, small_test_set: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Scores of two small models and the baselines on `tiny`, at 32 and 16 pixels."""
    from workbench import checkpoints
    from workbench.data.sources import open_source
    from workbench.evaluation import scores
    from workbench.evaluation.entrants import baselines, from_checkpoint
    from workbench.evaluation.evaluate import evaluate

    root = tmp_path_factory.mktemp("scored")
    found = checkpoints.available(small_checkpoints)
    entrants = [from_checkpoint(found[name]) for name in ("vanilla_cnn", "colorful")]
    items = list(open_source(str(small_test_set)).items())
    for entrant in [*entrants, *baselines()]:
        rows = evaluate([entrant], items, "tiny", sizes=(32, 16))
        scores.write(root / entrant.name / "scores" / "tiny.csv", rows)
    return root


@pytest.fixture
def workbench(small_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The workbench's app without a browser, on small networks: an AppTest, not yet run."""
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.testing.v1 import AppTest

    from workbench import places
    from workbench.ui import state

    monkeypatch.setattr(places, "CHECKPOINTS", small_checkpoints)
    monkeypatch.setattr(places, "RUNS", tmp_path / "runs")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)
    monkeypatch.setenv("WORKBENCH_LOCAL", "1")  # as `make run`; tests of a hosted one take it away
    state.checkpoints.clear()
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=RUN_PATIENCE)
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)  # app.py is the router
    yield app
    state.checkpoints.clear()


@pytest.fixture
def type_command(small_checkpoints, tmp_path, monkeypatch, capsys):
    """Run a command of the workbench with small models: words -> (exit code, stdout, stderr)."""
    monkeypatch.setattr(places, "CHECKPOINTS", small_checkpoints)
    monkeypatch.setattr(places, "RUNS", tmp_path / "no-runs")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))

    def run(*words: object) -> tuple[int, str, str]:
        from workbench.cli import main

        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
