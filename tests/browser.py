"""The workbench in a real browser: a server with small networks, and a page that watches itself.

Import both fixtures into a test module's namespace: `from tests.browser import browser_page, ...`.
A test that takes `browser_page` fails when the page asked another machine for anything, or
wrote an error to its console.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PATIENCE = 120_000  # ms; what takes a second may take a minute on a machine that trains
RUN_PATIENCE = 300  # s, for a page's script without a browser, or a process
LOCAL = ("127.0.0.1", "localhost", "::1")


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(address: str, process: subprocess.Popen, seconds: float = PATIENCE / 1000) -> None:
    """Return once `address` answers 200; fail when the process ends or the time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode} before it answered")
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"{address} did not answer within {seconds} s")


@contextmanager
def serving(log: Path, **environment: str) -> Iterator[str]:
    """Run the workbench on a free port; yields its address, e.g. http://127.0.0.1:8599."""
    with running(log, free_port(), **environment) as (address, _):
        yield address


@contextmanager
def running(log: Path, port: int, **environment: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run the workbench; yields its address and its process."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1"]
    address = f"http://127.0.0.1:{port}"
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=out, stderr=out
        )
        try:
            wait_for(f"{address}/_stcore/health", process)
            yield address, process
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:  # a busy machine: it has had its chance
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def workbench_server(
    small_checkpoints: Path,
    small_scores: Path,
    small_test_set: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The address of a workbench with small networks of random weights, and their scores."""
    folder = tmp_path_factory.mktemp("workbench")
    with serving(
        folder / "server.log",
        WORKBENCH_CHECKPOINTS=str(small_checkpoints),
        WORKBENCH_SCORES=str(small_scores),
        WORKBENCH_DATA=str(small_test_set.parent),
        WORKBENCH_LOCAL="1",
        WORKBENCH_RUNS=str(folder / "runs"),
        WORKBENCH_CACHE=str(folder / "cache"),
    ) as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """Debian's Chromium where it is installed, else Playwright's own."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else shutil.which("chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def watched_page(chromium, **context) -> Iterator[object]:
    """A page in a fresh context; at the end: no request left the machine, no console error."""
    opened = chromium.new_context(accept_downloads=True, **context)
    opened.set_default_timeout(PATIENCE)
    page = opened.new_page()
    elsewhere: list[str] = []
    errors: list[str] = []

    def requested(request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL:
            elsewhere.append(request.url)

    def said(message) -> None:
        address = (message.location or {}).get("url", "")
        # on an address below the root, Streamlit looks for its server there first, then at the root
        if message.type == "error" and "/_stcore/" not in address:
            errors.append(f"{message.text} {address}")

    page.on("request", requested)
    page.on("websocket", requested)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", said)
    try:
        yield page
        assert not elsewhere, f"the page asked other machines: {elsewhere}"
        assert not errors, f"the page's console has errors: {errors}"
    finally:
        opened.close()


@pytest.fixture
def browser_page(chromium) -> Iterator[object]:
    """A watched page at desktop width (1,360 x 900)."""
    with watched_page(chromium, viewport={"width": 1360, "height": 900}) as page:
        yield page
