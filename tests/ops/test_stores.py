"""Operators see the entries of each store, and take them back there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from werkzeug.test import Client

from accelerator import (
    ASGIAccelerator,
    LMDBStore,
    MemoryStore,
    RedisStore,
    TieredStore,
    WSGIAccelerator,
    cache_for,
    tag,
)
from accelerator.demo.redis_server import RedisServer
from accelerator.ops import OpsApp
from accelerator.stores.loop_thread import loop_thread
from tests.ops.support import order, said
from tests.support import app_saying, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from accelerator import Store

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]  # redis-py knows no other loop

PAGES = 30
DEADLINE = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(params=["memory", "lmdb", "redis", "near"])
async def store(
    request: pytest.FixtureRequest, anyio_backend: str, tmp_path: Path, server: RedisServer
) -> AsyncIterator[Store]:
    def redis() -> RedisStore:
        return RedisStore(server.url, prefix=f"{request.node.name}:", deadline=DEADLINE)

    stores: dict[str, Callable[[], Any]] = {
        "memory": MemoryStore,
        "lmdb": lambda: LMDBStore(tmp_path),
        "redis": redis,
        "near": lambda: TieredStore(MemoryStore(), redis()),
    }
    store = stores[request.param]()
    yield store
    await store.aclose()


async def all_entries(app: OpsApp, query: str) -> dict[str, Any]:
    """What is listed until there is no cursor, by URL."""
    found: dict[str, Any] = {}
    cursor = ""
    while True:
        told = said(await ask(app, f"/entries?{query}&limit=7&cursor={cursor}"))
        found |= {entry["url"]: entry for entry in told["entries"]}
        cursor = told["cursor"]
        if cursor is None:
            return found


async def test_what_is_stored_is_listed_until_it_is_taken_back(store: Store) -> None:
    site = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60"), ("cache-tag", "pages")), store=store)
    app = OpsApp(site, authorize=lambda request: True)
    urls = {f"https://example.org/{number}" for number in range(PAGES)}
    for number in range(PAGES):
        await ask(site, f"/{number}")
    listed = await all_entries(app, "tag=pages")
    assert listed.keys() == urls == (await all_entries(app, "")).keys()
    assert (await all_entries(app, "tag=other")).keys() == set()
    (entry,) = said(await ask(app, "/story?url=https://example.org/1"))["entries"]
    assert (entry["url"], entry["tags"], entry["is_fresh"]) == ("https://example.org/1", ["pages"], True)
    assert 0 < entry["ttl"] <= 60
    assert said(await order(app, {"tags": ["pages"]})) == {"done": True}
    left = await all_entries(app, "tag=pages")
    assert [entry for entry in left.values() if entry["is_usable"] or entry["ttl"] > 0] == []
    assert (await ask(site, "/1")).body == b"answer %d" % (PAGES + 1)
    assert said(await ask(app, "/figures"))["invalidations"]["tag"]["hard"] == 1


async def test_a_wsgi_site_on_redis_is_operated_from_another_loop(anyio_backend: str, server: RedisServer) -> None:
    flask = Flask(__name__)
    numbers = iter(range(1, 10))

    @flask.get("/p")
    def page() -> str:
        cache_for(60)
        tag("pages")
        return f"page {next(numbers)}"

    store = RedisStore(server.url, prefix="wsgi:", deadline=DEADLINE)
    site = WSGIAccelerator(flask, store)
    app, client = OpsApp(site, authorize=lambda request: True), Client(site)
    assert [client.get("/p", base_url="https://example.org").text for _ in range(2)] == ["page 1", "page 1"]
    assert (await all_entries(app, "tag=pages")).keys() == {"https://example.org/p"}
    assert said(await order(app, {"tags": ["pages"]})) == {"done": True}
    assert client.get("/p", base_url="https://example.org").text == "page 2"
    assert said(await ask(app, "/figures"))["requests"]["hit"] == {"": 1}
    loop_thread.run(store.aclose())
