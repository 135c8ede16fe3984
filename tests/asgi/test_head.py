"""What is stored for GET answers HEAD, also where the application has a route for GET alone: a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from accelerator import ASGIAccelerator, cache_for
from accelerator.testing import ManualClock
from tests.support import Answer, ask

if TYPE_CHECKING:
    from accelerator.asgi_types import Application

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
