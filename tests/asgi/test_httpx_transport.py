"""Tests of an application through `httpx.ASGITransport`, whose requests without content begin with an empty event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from accelerator import ASGIAccelerator, CacheEvent, cache_for
from tests.support import Client, Receive, Scope, Send, chunk, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.requests import Request
    from starlette.responses import Response

    from accelerator.asgi_types import Application

pytestmark = pytest.mark.anyio


async def parts() -> AsyncIterator[str]:
    yield "in "
    yield "parts"


async def streamed(request: Request) -> Response:
    cache_for(60)
    return StreamingResponse(parts())


async def whole(request: Request) -> Response:
    cache_for(60)
    return PlainTextResponse("in parts")


async def read(request: Request) -> Response:
    assert await request.body() == b""
    return await whole(request)


class Base(BaseHTTPMiddleware):
    """The base of most middlewares that are written for Starlette; it listens for the disconnect."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)


SITES = {
    "StreamingResponse": Starlette(routes=[Route("/", streamed)]),
    "BaseHTTPMiddleware": Starlette(routes=[Route("/", whole)], middleware=[Middleware(Base)]),
    "both": Starlette(routes=[Route("/", streamed)], middleware=[Middleware(Base)]),
    "a view that reads the request": Starlette(routes=[Route("/", read)]),
}


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
async def test_what_listens_for_the_disconnect_is_stored_and_hit(site: Application) -> None:
    events: list[CacheEvent] = []
    transport = httpx.ASGITransport(ASGIAccelerator(site, on_event=events.append))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answers = [await client.get("/") for _ in range(2)]
    assert [answer.text for answer in answers] == ["in parts", "in parts"]
    assert [(event.kind, event.detail) for event in events] == [("miss", "stored"), ("hit", "")]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param([b"", b""], "stored", id="no content"),
        pytest.param([b"", b"?"], "a request with content", id="content after an empty event"),
    ],
)
async def test_content_is_what_has_bytes_however_it_begins(body: list[bytes], detail: str) -> None:
    """RFC 9110 §6.4: a message has content where bytes follow, and only then may the answer depend on them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            """It reads the whole request."""
        await send(start(("cache-control", "s-maxage=60")))
        await send(chunk(b"answer"))

    events: list[CacheEvent] = []
    await Client(body=body).ask(ASGIAccelerator(app, on_event=events.append))
    assert [event.detail for event in events] == [detail]
