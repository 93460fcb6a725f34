"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "0")

import pytest
from browser import browser_page, chromium, workbench_server

__all__ = ["browser_page", "chromium", "workbench_server"]
ROOT = Path(__file__).resolve().parent.parent


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
    """Five checkpoints of width 0.125 with random weights, for WORKBENCH_CHECKPOINTS."""
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


@pytest.fixture
def workbench(small_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The workbench's app without a browser, on small networks: an AppTest, not yet run."""
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.testing.v1 import AppTest

    from workbench import checkpoints
    from workbench.ui import state

    monkeypatch.setattr(checkpoints, "ROOT", small_checkpoints)
    monkeypatch.setattr(checkpoints, "RUNS", tmp_path / "runs")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)
    state.checkpoints.clear()
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)  # app.py is the router
    yield app
    state.checkpoints.clear()
