"""The site that the tests of workers serve: each page is stored, and takes its worker a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from accelerator import ASGIAccelerator, WSGIAccelerator, cache_for
from tests.asgi.served import lifespan
from tests.support import Receive, Scope, Send, chunk, start

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

MOMENT = 0.02
"""Seconds in which the next request is another worker's to take."""


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        cache_for(60)
        time.sleep(MOMENT)  # noqa: ASYNC251 - it is to hold up the whole worker
        await send(start())
        await send(chunk(b"page"))


def wsgi_page(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    cache_for(60)
    time.sleep(MOMENT)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"page"]


app = ASGIAccelerator(page)
wsgi_app = WSGIAccelerator(wsgi_page)
