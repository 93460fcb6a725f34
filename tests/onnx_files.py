"""The bundled networks as ONNX files, made once for all tests that want them."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def onnx_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model -> its file, of every bundled checkpoint."""
    from workbench import checkpoints, places
    from workbench.publishing import onnx

    out = tmp_path_factory.mktemp("onnx")
    found = checkpoints.available(places.ROOT / "checkpoints")
    return {name: onnx.export(checkpoint, out) for name, checkpoint in found.items()}
