"""The two databases that studies are tested on: a SQLite file, and Debian's PostgreSQL.

Import the fixtures into a test module's namespace: `from databases import database, ...`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import free_port


def postgres_programs() -> Path | None:
    """The folder of initdb and postgres, newest version first; None where there is none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    folders += [Path(on_path).parent] if on_path else []
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def as_nobody(folder: Path) -> list[str]:
    """What to put before a command that refuses to run as root; hands the folder over."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("PostgreSQL will not run as root, and setpriv is not there to step down")
    shutil.chown(folder, "nobody")
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL of our own, without a database name; skips where none is."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (tests/install_system.sh does it on Debian)")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    step_down = as_nobody(folder)
    port = free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run(
        [*step_down, programs / "initdb", "-D", folder / "data", "-U", "workbench", "-A", "trust",
         "-E", "UTF8", "--no-sync", "--locale=C"],
        check=True, **quiet,
    )  # fmt: skip
    server = subprocess.Popen(
        [*step_down, programs / "postgres", "-D", folder / "data", "-p", str(port),
         "-c", "listen_addresses=127.0.0.1", "-k", folder, "-c", "fsync=off"],
        **quiet,
    )  # fmt: skip
    try:
        address = f"127.0.0.1:{port}"
        wait_until_ready(address, server)
        yield f"postgresql+psycopg://workbench@{address}"
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_ready(address: str, server: subprocess.Popen) -> None:
    """Return once PostgreSQL takes a connection."""
    import psycopg

    for _ in range(200):
        if server.poll() is not None:
            raise RuntimeError(f"postgres ended with {server.returncode}")
        try:
            psycopg.connect(f"postgresql://workbench@{address}/postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise RuntimeError("postgres took no connection within 20 s")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'votes.sqlite3'}"
    import psycopg

    server = request.getfixturevalue("postgres_server")
    name = f"study_{abs(hash(request.node.nodeid))}"
    plain = server.replace("+psycopg", "")
    with psycopg.connect(f"{plain}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"
