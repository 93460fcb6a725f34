"""Headers of every answer: no guessing of types, and a frame only where a Space shows us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

FRAMED_BY = "'self' https://huggingface.co https://*.hf.space"
HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": f"frame-ancestors {FRAMED_BY}",
    "referrer-policy": "same-origin",
}
Message = MutableMapping[str, Any]


class SafeHeaders:
    """ASGI middleware that adds HEADERS where an answer does not have them."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Callable, send: Callable) -> None:
        """Pass a request on; its answer gets the headers."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message.get("headers", [])}
                more = [(name.encode(), text.encode()) for name, text in HEADERS.items()]
                message["headers"] = [
                    *message.get("headers", []), *(pair for pair in more if pair[0] not in there)
                ]  # fmt: skip
            await send(message)

        await self.app(scope, receive, sent if scope["type"] == "http" else send)
