"""Commands: demo, serve."""

from __future__ import annotations

import importlib.util
import os
import socket
from typing import Annotated

import typer

from workbench.errors import Problem

PORT = Annotated[int, typer.Option(help="TCP port.")]
HOST = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is all of them.")]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(demo)
    app.command()(serve)


def demo(
    port: PORT = 7860,
    host: HOST = "127.0.0.1",
    mcp: Annotated[bool, typer.Option("--mcp", help="Also offer the API as MCP tools.")] = False,
) -> None:
    """Start the Gradio demo: one screen, and an API (/colorize, /compare, /suggest and more)."""
    if mcp and importlib.util.find_spec("mcp") is None:
        raise Problem("--mcp needs one more package: pip install 'gradio[mcp]'.")
    _prepare(port, host)
    from workbench.serving.demo import launch

    below = None
    if importlib.util.find_spec("sqlalchemy") and importlib.util.find_spec("alembic"):
        from workbench.serving.demo_arena import add_screen as below  # votes need a database
    launch(port, host, mcp, below)


def serve(port: PORT = 7860, host: HOST = "127.0.0.1") -> None:
    """Start workbench (at /) and demo (at /demo) on one port, as one process."""
    _prepare(port, host)
    from workbench.serving.serve import serve

    print(f"Workbench: http://{host}:{port}/  Demo: http://{host}:{port}/demo/")
    serve(port, host)


def _prepare(port: int, host: str) -> None:
    """Ask nothing of another machine; raise Problem where somebody else listens."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Problem(
                f"Nothing can listen on {host}, port {port} ({error.strerror}). "
                "Choose another with --port."
            ) from None
