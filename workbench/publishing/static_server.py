"""A small web server for an assembled static page: for trying it, as the Hub would serve it."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from workbench.errors import Problem
from workbench.publishing.static_page import HEADERS

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
}


class _Handler(SimpleHTTPRequestHandler):
    extensions_map: ClassVar = {**SimpleHTTPRequestHandler.extensions_map, **KINDS}
    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *args: object) -> None:
        """Nobody's visit is written down."""


def bind_server(folder: Path, host: str, port: int) -> ThreadingHTTPServer:
    """A server of `folder` that is bound, not yet running; raises Problem."""
    if not (folder / "index.html").is_file():
        raise Problem(
            f"{folder} holds no page. Make one first: python -m workbench publish-space "
            f"--kind static --repo USER/NAME --dry-run --out {folder}"
        )
    try:
        return ThreadingHTTPServer((host, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        raise Problem(
            f"Nothing can listen on {host}, port {port} ({error.strerror}). "
            "Choose another with --port."
        ) from None


def serve(folder: Path, host: str, port: int) -> None:
    """Serve until stopped."""
    with bind_server(folder, host, port) as running:
        print(f"http://{host}:{running.server_address[1]}/", flush=True)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print()
