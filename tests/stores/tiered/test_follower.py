"""What a follower says to a real Redis, and what it does where that fails."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgpack
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from accelerator import MemoryStore, NearEvent, RedisStore
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.redis import fleet
from accelerator.stores.tiered import TieredStore
from accelerator.testing import make_request
from tests.stores.redis.support import fill
from tests.stores.tiered.support import become, followers, following, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from accelerator.demo.redis_server import RedisServer
    from tests.stores.redis.support import StartServer
    from tests.stores.tiered.support import OpenTiered

pytestmark = pytest.mark.anyio

ORIGIN = b"origin"


@pytest.fixture(autouse=True)
def _long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine does meanwhile, no lease runs out, and the next heartbeat is far away."""
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 60.0)


@asynccontextmanager
async def acknowledgements(server: RedisServer, store: TieredStore) -> AsyncIterator[asyncio.Queue[list[object]]]:
    """Those for `ORIGIN`."""
    came: asyncio.Queue[list[object]] = asyncio.Queue()
    async with Redis.from_url(server.url) as client, client.pubsub(ignore_subscribe_messages=True) as messages:
        await messages.subscribe(b"%s:%s" % (store._far.keys.near, ORIGIN))
        await messages.get_message(timeout=None)

        async def listen() -> None:
            async for message in messages.listen():
                came.put_nowait(msgpack.unpackb(message["data"], raw=True))

        listening = asyncio.create_task(listen())
        yield came
        listening.cancel()
        await asyncio.wait([listening])


def message(store: TieredStore, sequence: int, incarnation: bytes | None = None) -> bytes:
    """The next message of a server, or one of another incarnation."""
    packed: bytes = msgpack.packb((incarnation or store._page.incarnation, sequence, 0, ("y",), ORIGIN))
    return packed


async def test_a_message_is_acknowledged_to_who_sent_it(open_tiered: OpenTiered, server: RedisServer) -> None:
    store = open_tiered()
    await following(store)
    page = store._page
    async with acknowledgements(server, store) as came:
        with server.client() as admin:
            admin.publish(store._far.keys.near, message(store, page.applied + 1))
        assert await asyncio.wait_for(came.get(), 30) == [page.follower, page.incarnation, page.applied]


async def test_what_was_heard_and_is_not_believed_any_more_is_not_acknowledged(
    open_tiered: OpenTiered, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 4.0)  # the next heartbeat is not far
    store = open_tiered()
    await following(store)
    payload = message(store, store._page.applied + 1)

    async def hear() -> None:
        store._follower._hear(payload)
        store._page.forget()

    async with acknowledgements(server, store) as came:
        await asyncio.wrap_future(loop_thread.begin(hear()))
        await become(lambda: store._page.is_good)
        with server.client() as admin:
            admin.publish(store._far.keys.near, message(store, store._page.applied + 1))
        assert await asyncio.wait_for(came.get(), 30) == [
            store._page.follower,
            store._page.incarnation,
            store._page.applied,
        ]
        assert came.empty()


async def test_what_was_to_be_acknowledged_when_a_subscription_broke_is_acknowledged_by_the_next(
    open_tiered: OpenTiered, start_server: StartServer, prefix: str
) -> None:
    server = start_server()
    settle(server, prefix)
    store = open_tiered(server.url)
    await following(store)
    page = store._page
    with server.client() as admin:
        (subscribed,) = admin.client_list(_type="pubsub")
        async with acknowledgements(server, store) as came:
            store._follower._origins.add(ORIGIN)
            admin.client_kill_filter(_id=subscribed["id"])
            assert await asyncio.wait_for(came.get(), 30) == [page.follower, page.incarnation, page.applied]


async def test_a_heartbeat_that_fails_is_followed_by_another_one(
    open_tiered: OpenTiered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 1.0)
    store = open_tiered()
    send = store._follower._send_heartbeat
    failed: list[bytes] = []

    async def fail_once(name: bytes) -> bool:
        if not failed:
            failed.append(name)
            raise RedisError("LOADING Redis is loading the dataset in memory")
        return await send(name)

    monkeypatch.setattr(store._follower, "_send_heartbeat", fail_once)
    await following(store)
    assert failed == [store._page.follower]


async def test_who_is_deaf_without_knowing_it_gives_up_what_is_near_and_subscribes_anew(
    open_tiered: OpenTiered, server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server says that there was a message, which does not come."""
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 0.5)
    events: list[NearEvent] = []
    store = open_tiered(on_event=events.append)
    await following(store)
    await fill(store, "x")
    with server.client() as admin:
        sequence = admin.hincrby(store._far.keys.near, "sequence", 1)
    await become(lambda: NearEvent("emptied", sequence) in events)
    await become(lambda: any("messages have not come" in record.getMessage() for record in caplog.records))
    await following(store)
    assert store._page.applied == sequence


async def test_who_ends_before_it_has_begun_has_nothing_to_leave(start_server: StartServer) -> None:
    server = start_server()
    server.stop()
    store = TieredStore(MemoryStore(), RedisStore(server.url))
    with pytest.raises(RedisError):
        await store.lookup(make_request())
    await become(lambda: store._follower._subscription._failures)
    await store.aclose()
    assert store.figures().follower is None


async def test_a_client_in_place_of_a_url_is_followed_too(server: RedisServer, prefix: str, settled: None) -> None:
    async with Redis.from_url(server.url) as client:
        store = TieredStore(MemoryStore(), RedisStore(client, prefix, deadline=5))
        await following(store)
        assert followers(server, prefix) == {store._page.follower}
        await store.aclose()
    assert followers(server, prefix) == set()
