"""The assembled static page, and a server for it that a test can stop."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workbench.errors import Problem
from workbench.publishing import runtime


@pytest.fixture(scope="session")
def browser_runtime() -> Path:
    """A folder with onnxruntime-web; a test that needs it skips where it cannot be had."""
    try:
        return runtime.find_runtime()
    except Problem as problem:
        pytest.skip(f"needs {runtime.NAME} once: {problem}")


@pytest.fixture(scope="session")
def static_site(browser_runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static Space of the bundled checkpoints."""
    from workbench.publishing import spaces

    return spaces.assemble("static", tmp_path_factory.mktemp("static") / "site")


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, object]]:
    """Serve a folder on the loopback; yields its address and what stops it."""
    from workbench.publishing.static_server import bind_server

    running = bind_server(folder, "127.0.0.1", 0)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()

    def stop() -> None:
        running.shutdown()
        running.server_close()
        thread.join()

    try:
        yield f"http://127.0.0.1:{running.server_address[1]}/", stop
    finally:
        if thread.is_alive():
            stop()


@contextmanager
def changed(site: Path, out: Path, files: dict[str, bytes]) -> Iterator[str]:
    """A copy of a site with some files replaced, served; yields its address."""
    shutil.copytree(site, out)
    for name, data in files.items():
        (out / name).write_bytes(data)
    with served(out) as (address, _):
        yield address
