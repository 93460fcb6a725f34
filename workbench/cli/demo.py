"""Commands: demo."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(demo)


def demo(
    port: Annotated[int, typer.Option(help="TCP port.")] = 7860,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is all.")] = "127.0.0.1",
    mcp: Annotated[bool, typer.Option("--mcp", help="Also offer the API as MCP tools.")] = False,
) -> None:
    """Start the Gradio demo: one screen, and an API at /colorize, /compare and /models."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is asked of another machine
    from workbench.demo import launch

    launch(port, host, mcp)
