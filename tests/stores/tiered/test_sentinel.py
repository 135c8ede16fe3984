"""Near stores in front of the primary that Sentinels name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio.sentinel import Sentinel

from accelerator import MemoryStore, RedisStore
from accelerator.stores.redis import server as redis_server
from accelerator.stores.tiered import TieredStore
from benchmarks.deployments.sentinels import SERVICE, Watched
from tests.stores.redis.sentinels import succeeds
from tests.stores.redis.support import fill, state
from tests.stores.tiered.support import become, following

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with Watched("--min-replicas-to-write", "1") as watched:
        yield watched


def source_of(watched: Watched, kind: str) -> Any:
    if kind == "URL":
        return watched.url
    return Sentinel(watched.places).master_for(SERVICE)  # type: ignore[no-untyped-call]  # redis-py does not annotate it


@pytest.mark.parametrize("kind", ["URL", "client"])
async def test_near_stores_follow_the_primary_through_a_failover(
    kind: str, watched: Watched, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 0.05)
    here, there = (
        TieredStore(MemoryStore(), RedisStore(source_of(watched, kind), prefix, deadline=5)) for _ in range(2)
    )
    await following(here, there)
    await fill(here, "x")
    assert await state(there) == "fresh"
    before = here._page.incarnation
    await asyncio.to_thread(watched.failover)
    await asyncio.to_thread(watched.become_whole)
    await become(lambda: all(one._page.is_good and one._page.incarnation != before for one in (here, there)))
    assert await succeeds(lambda: state(there)) == "missing"
    await fill(here, "x")
    assert await state(there) == "fresh"
    await here.invalidate_tag("x")
    assert await state(there) == "missing"
    for store in (here, there):
        await store.aclose()
