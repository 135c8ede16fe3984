"""Every rule of HTTP caching, on RedisStore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from accelerator import ASGIAccelerator, RedisStore
from accelerator.stores.loop_thread import loop_thread
from tests.conformance.cases import each_subject
from tests.conformance.runner import play_all
from tests.stores.redis.test_middleware import Far

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer
    from accelerator.testing import ManualClock
    from tests.conformance.case import Case


@pytest.mark.anyio
@each_subject
async def test_the_rules_hold(cases: list[Case], server: RedisServer, prefix: str) -> None:
    client = Redis.from_url(server.url)

    def cache(app: Any, clock: ManualClock, case: Case) -> Any:
        store = RedisStore(client, f"{prefix}{case.id}:", deadline=5)
        return ASGIAccelerator(app, store=Far(store), clock=clock, **case.options)

    try:
        await play_all(cases, cache)
    finally:
        loop_thread.run(client.aclose())
