"""The workbench's style in the first byte of its page, before Streamlit has painted anything.

Streamlit hands styles to a page in a piece of its own, which comes when the page is already on the
screen, and then everything moves. Its page of HTML is the same for every address: a middleware
writes the style into that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

STYLE = Path(__file__).parent.parent / "ui/components/page.css"
THEIRS = b"<title>Streamlit</title>"  # its page says so, and no other does
# the file is not what is sent: it is neither compressed nor remembered by its time
ASKED = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
ANSWERED = (b"etag", b"last-modified", b"content-length", b"accept-ranges")
Message = MutableMapping[str, Any]


class FirstPaint:
    """ASGI middleware that writes our title and our style into Streamlit's page."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app
        style = STYLE.read_bytes()
        self.ours = b"<title>Colorization workbench</title><style>%s</style>" % style

    async def __call__(self, scope: Message, receive: Callable, send: Callable) -> None:
        """Pass a request on; a page of HTML that is Streamlit's comes back with our style."""
        if scope["type"] != "http" or scope["method"] != "GET" or not _asks_for_page(scope):
            await self.app(scope, receive, send)
            return
        started: Message = {}
        page = b""

        async def sent(message: Message) -> None:
            nonlocal page
            if message["type"] == "http.response.start" and _is_page(message):
                started.update(message)
            elif message["type"] == "http.response.body" and started:
                page += message.get("body", b"")
                if not message.get("more_body"):
                    await self._send_page(started, page, send)
            else:
                await send(message)

        kept = [pair for pair in scope["headers"] if pair[0] not in ASKED]
        await self.app({**scope, "headers": kept}, receive, sent)

    async def _send_page(self, started: Message, page: bytes, send: Callable) -> None:
        if THEIRS in page:
            page = page.replace(THEIRS, self.ours, 1)
            kept = [pair for pair in started["headers"] if pair[0].lower() not in ANSWERED]
            started["headers"] = [*kept, (b"content-length", str(len(page)).encode())]
        await send(started)
        await send({"type": "http.response.body", "body": page})


def _asks_for_page(scope: Message) -> bool:
    return any(name == b"accept" and b"text/html" in what for name, what in scope["headers"])


def _is_page(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and what.startswith(b"text/html")
        for name, what in message.get("headers", [])
    )
