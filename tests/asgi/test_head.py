"""What is stored for GET answers HEAD, also where the application has a route for GET alone: a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from accelerator import ASGIAccelerator, cache_for
from accelerator.testing import ManualClock
from tests.support import Answer, ask, chunk, start

if TYPE_CHECKING:
    from accelerator.asgi_types import Application
    from tests.support import Receive, Scope, Send

pytestmark = pytest.mark.anyio


@pytest.fixture
def site() -> FastAPI:
    site = FastAPI()

    @site.get("/")
    def page() -> str:
        cache_for(60)
        return "page"

    return site


async def head(app: Application) -> Answer:
    return await ask(app, method="HEAD")


async def test_a_head_to_a_route_that_knows_only_get_is_answered_where_the_response_to_get_is_stored(
    site: FastAPI,
) -> None:
    """RFC 9110 §9.3.2: HEAD is GET without the content; RFC 9111 §4: what is stored for GET may answer it."""
    clock = ManualClock()
    cached = ASGIAccelerator(site, clock=clock)
    assert ((await head(cached)).status, (await head(site)).status) == (405, 405)
    get, stored = await ask(cached), await head(cached)
    assert (stored.status, stored.body, stored.get("content-length")) == (200, b"", str(len(get.body)))
    clock.advance(60)
    assert (await head(cached)).status == 405, "what is past its time answers nobody"


async def test_the_405_to_a_head_says_nothing_of_what_is_stored(site: FastAPI) -> None:
    clock = ManualClock()
    cached = ASGIAccelerator(site, clock=clock, stale_if_error=600)
    await ask(cached)
    clock.advance(60)
    assert (await head(cached)).status == 405
    clock.advance(-60)
    assert (await head(cached)).status == 200


async def test_a_head_freshens_nothing_that_was_replaced_while_it_was_answered() -> None:
    """RFC 9111 §4.3.5 is about the stored response that the HEAD was for."""
    clock = ManualClock()
    pages = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal pages
        if scope["method"] == "HEAD":
            await ask(cached)  # another client, meanwhile
        else:
            pages += 1
        cache_for(60)
        await send(start(("etag", f'"{pages}"'), ("x-method", scope["method"])))
        await send(chunk(b"" if scope["method"] == "HEAD" else b"%d" % pages))

    cached = ASGIAccelerator(app, clock=clock)
    await ask(cached)
    clock.advance(61)
    assert (await head(cached)).get("x-method") == "HEAD"
    hit = await ask(cached)
    assert (hit.body, hit.get("cache-status")) == (b"2", "accelerator; hit; ttl=60")
    assert hit.get("x-method") == "GET"
