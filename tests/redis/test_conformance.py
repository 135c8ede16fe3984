"""Every rule of HTTP caching, on RedisStore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator, RedisStore
from accelerator.stores.loop_thread import loop_thread
from tests.conformance.cases import each_case
from tests.conformance.runner import play
from tests.redis.test_middleware import Far

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer
    from accelerator.testing import ManualClock
    from tests.conformance.case import Case


@pytest.mark.anyio
@each_case
async def test_the_rule_holds(case: Case, server: RedisServer, prefix: str) -> None:
    store = RedisStore(server.url, prefix, deadline=5)

    def cache(app: Any, clock: ManualClock, case: Case) -> Any:
        return ASGIAccelerator(app, store=Far(store), clock=clock, **case.options)

    await play(case, cache)
    loop_thread.run(store.aclose())
