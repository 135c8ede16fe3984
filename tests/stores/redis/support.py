"""What the tests of RedisStore share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from accelerator.demo.redis_server import RedisServer
from accelerator.stores.redis import RedisStore
from accelerator.stores.redis.link import Link
from accelerator.testing import make_entry, make_request

if TYPE_CHECKING:
    from accelerator import Store
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry, Mark

StartServer: TypeAlias = Callable[..., RedisServer]
OpenStore: TypeAlias = Callable[..., RedisStore]

X = "https://example.org/x"


async def mark_of(store: Store, url: str = X, **more: Any) -> Mark:
    """The mark of a fill that begins now."""
    return (await store.lookup(make_request(url, **more))).mark


async def fill(store: Store, *tags: str, url: str = X, headers: Any = (), **more: Any) -> Entry:
    """Store a response that was begun just now."""
    request = make_request(url, headers)
    entry = make_entry(request, (await store.lookup(request)).mark, tags, **more)
    assert await store.commit(entry) is True
    return entry


async def state(store: Store, url: str = X, headers: Any = ()) -> str:
    """What a request meets: `fresh`, `stale` or `missing`."""
    found = await store.lookup(make_request(url, headers))
    return "missing" if found.entry is None else "stale" if found.invalidated else "fresh"


def request_of(url: str = X) -> Request:
    return make_request(url)


def link_of(store: RedisStore) -> Link:
    """The connections of this event loop to the one server of a store."""
    link = store.links.here()
    assert isinstance(link, Link)
    return link


def record_key(store: RedisStore, tag: str) -> bytes:
    return store.keys.needed([tag]).records[0]


def entry_key(store: RedisStore, request: Request, vary: tuple[bytes, ...] = ()) -> bytes:
    return store._memos.get(request.key).place(vary, request.selecting_values(vary))[0]


async def cancel_lookups_at_any_point(store: RedisStore, urls: int, longest: int) -> None:
    """Cancel every other one of some lookups after 0, 1, 2 and more turns of the loop; the others find theirs."""
    places = [f"https://example.org/{number}" for number in range(urls)]
    for url in places:
        await fill(store, "x", url=url, body=url.encode())

    async def look_up(url: str) -> None:
        found = await store.lookup(make_request(url))
        assert found.entry is not None
        assert found.entry.body == url.encode()

    for turns in range(longest):
        calls = [asyncio.ensure_future(look_up(url)) for url in places]
        for _ in range(turns):
            await asyncio.sleep(0)
        for one in calls[::2]:
            one.cancel()
        await asyncio.gather(*calls[1::2])
        await asyncio.gather(*calls, return_exceptions=True)
