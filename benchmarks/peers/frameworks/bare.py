"""The page without a framework: the floor of what a server can answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from benchmarks.peers.site import as_it_is

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.peers.site import Pages

IS_ASGI = True


def build(pages: Pages, decorate: Callable[[Any], Any] = as_it_is, fields: Mapping[str, str] | None = None) -> Any:
    """Return the application."""
    lines = [(name.encode(), value.encode()) for name, value in (fields or {}).items()]

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        _, _, size, milliseconds, number = scope["path"].split("/")
        body = pages.show(int(size), int(number)).encode()
        if milliseconds != "0":
            await asyncio.sleep(int(milliseconds) / 1000)
        length = (b"content-length", b"%d" % len(body))
        headers = [length, (b"content-type", b"text/plain; charset=utf-8"), *lines]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return decorate(app)
