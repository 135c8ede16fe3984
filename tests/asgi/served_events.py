"""The event streams that the tests of real servers listen to. Nothing is ever said on them before `/go`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from accelerator import ASGIAccelerator, cache_for
from accelerator.engine import flight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

flight.PATIENCE = 600  # type: ignore[misc]  # who waits for another one's stream waits longer than any test


class Audience:
    """Who listens, and when they are told something."""

    def __init__(self) -> None:
        self.listeners = 0
        self.go = anyio.Event()
        self.is_alone = anyio.Event()

    async def events(self) -> AsyncIterator[str]:
        """Say one thing, and go on for as long as anybody listens."""
        self.listeners += 1
        try:
            await self.go.wait()
            yield "data: news\n\n"
            await anyio.sleep_forever()
        finally:
            self.listeners -= 1
            if not self.listeners:
                self.is_alone.set()


audience = Audience()


async def events(request: Request) -> Response:
    return StreamingResponse(audience.events(), media_type="text/event-stream")


async def notes(request: Request) -> Response:
    cache_for(600)
    return await events(request)


async def go(request: Request) -> Response:
    audience.go.set()
    return PlainTextResponse(str(audience.listeners))


async def alone(request: Request) -> Response:
    """Answer once nobody's generator runs any more."""
    await audience.is_alone.wait()
    return PlainTextResponse(str(audience.listeners))


site = Starlette(
    routes=[Route("/events", events), Route("/said", notes), Route("/go", go), Route("/alone", alone)],
)
app = ASGIAccelerator(site, default_ttl=60)
