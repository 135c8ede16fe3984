"""What a store on a server takes back is counted, whoever is cancelled, and failures apart."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from accelerator import InvalidationError
from tests.stores.downstream import Noting

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer
    from tests.stores.redis.support import OpenStore, StartServer

pytestmark = pytest.mark.anyio


async def test_what_is_taken_back_is_counted_by_kind(server: RedisServer, prefix: str, open_store: OpenStore) -> None:
    store = open_store(server.url, prefix)
    await store.invalidate_tag("a", "b", soft=True)
    await store.invalidate_url("https://example.org/")
    figures = store.invalidated.as_figures()
    assert figures["invalidations"] == {
        "tag": {"hard": 0, "soft": 2},
        "url": {"hard": 1, "soft": 0},
        "all": {"hard": 0, "soft": 0},
    }
    assert sum(figures["invalidating"]["counts"]) == 2


async def test_an_invalidation_counts_and_is_told_although_its_caller_was_cancelled(
    server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    store, noting = open_store(server.url, prefix), Noting()
    store.invalidated.follow(noting)
    call = asyncio.ensure_future(store.invalidate_tag("a"))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await store.invalidations.aclose()
    assert store.invalidated.as_figures()["invalidations"]["tag"]["hard"] == 1
    assert noting.told == [(("a",), False)]
    await store.aclose()
    assert noting.is_closed


async def test_one_that_the_server_did_not_get_counts_as_failed_and_counts_and_is_told_again_when_it_has_it(
    start_server: StartServer, open_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_server()
    store, noting = open_store(server.url), Noting()
    store.invalidated.follow(noting)
    server.kill()
    with pytest.raises(InvalidationError):
        await store.invalidate_tag("a")
    figures = store.invalidated.as_figures()
    assert figures["invalidations_failed"] == 1
    assert figures["invalidations"]["tag"]["hard"] == 0
    assert noting.told == [(("a",), False)]
    server.start()
    store.invalidations.see_to_pending()
    async with asyncio.timeout(20):
        while store.invalidations.pending.kept:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert noting.told[1:]
    assert {*noting.told} == {(("a",), False)}
    figures = store.invalidated.as_figures()
    assert figures["invalidations_failed"] == 1
    assert figures["invalidations"]["tag"] == {"hard": 1, "soft": 0}
    failed, holds = [record for record in caplog.records if "invalidation" in record.getMessage()]
    assert failed.getMessage().startswith("an invalidation failed and will be repeated: ")
    assert (holds.levelname, holds.getMessage()) == ("WARNING", "invalidations that had failed hold now (tags: 1)")
