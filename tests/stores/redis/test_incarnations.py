"""Whatever happens to the server, what may have lost an invalidation is not believed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError, ReadOnlyError  # noqa: A004 - redis-py's own

from accelerator.stores.redis import server as redis_server
from accelerator.stores.redis.keys import Keys
from accelerator.stores.redis.link import Call
from accelerator.stores.redis.orders import KEEP_META
from accelerator.stores.redis.scripts import RENEW
from accelerator.testing import make_entry
from tests.stores.redis.relay import Relay
from tests.stores.redis.support import OpenStore, StartServer, entry_key, fill, mark_of, request_of, state

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer

pytestmark = pytest.mark.anyio


async def test_a_lost_order_begins_anew(server: RedisServer, prefix: str, open_store: OpenStore) -> None:
    """Only the meta is evicted: entries and records are there, and of no use."""
    store = open_store(server.url, prefix)
    entry = await fill(store, "x")
    with server.client() as admin:
        admin.delete(store.keys.partitions[0].meta)
    assert await state(store) == "missing"
    assert await store.commit(entry) is False, "a fill from before"
    again = await fill(store, "x")
    assert again.mark[0].incarnation != entry.mark[0].incarnation
    assert await state(store) == "fresh"


async def test_an_invalidation_that_finds_no_order_begins_one(
    server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    store = open_store(server.url, prefix)
    entry = await fill(store, "x", "y")
    with server.client() as admin:
        admin.delete(store.keys.partitions[0].meta)
    await store.invalidate_tag("y")
    assert await store.commit(entry) is False
    assert await state(store) == "missing"


@pytest.mark.parametrize("damaged", ["", "0123456789abcdef 1 0 0", "0123 1 0 0 me", "0123456789abcdef x 0 0 me"])
async def test_an_order_that_cannot_be_read_begins_anew(
    server: RedisServer, prefix: str, open_store: OpenStore, damaged: str
) -> None:
    store = open_store(server.url, prefix)
    await fill(store, "x")
    with server.client() as admin:
        admin.set(store.keys.partitions[0].meta, damaged)
    assert await state(store) == "missing"
    await fill(store, "x")
    assert await state(store) == "fresh"


async def test_many_that_find_no_order_begin_one(server: RedisServer, prefix: str, open_store: OpenStore) -> None:
    first, second = open_store(server.url, prefix), open_store(server.url, prefix)
    marks = [await mark_of(store) for store in (first, second, first)]
    assert len({mark[0].incarnation for mark in marks}) == 1


async def test_orders_that_begin_together_have_names_of_their_own(
    server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    """What was read of one may not pass for what was read of another: a judgement is kept by what it was made from."""
    link = open_store(server.url, prefix).links.here()
    partitions = Keys(prefix.encode(), 3).partitions
    begun = await link.run_all([Call(RENEW, [partition.meta, partition.log], [KEEP_META]) for partition in partitions])
    assert len({incarnation for incarnation, _ in begun}) == 3


async def test_a_flushed_server_is_empty(start_server: StartServer, open_store: OpenStore) -> None:
    server = start_server()
    store = open_store(server.url)
    entry = await fill(store, "x")
    with server.client() as admin:
        admin.flushall()
    assert await state(store) == "missing"
    assert await store.commit(entry) is False


async def test_a_server_that_was_restarted_empty_begins_anew(start_server: StartServer, open_store: OpenStore) -> None:
    server = start_server()
    store = open_store(server.url)
    entry = await fill(store, "x")
    server.kill()
    server.start()
    assert await state(store) == "missing"
    assert await store.commit(entry) is False
    await fill(store, "x")
    assert await state(store) == "fresh"


@pytest.mark.parametrize("has_missed", [True, False], ids=["older than the last invalidation", "complete"])
async def test_a_server_that_was_restarted_from_disk_begins_anew(
    start_server: StartServer, open_store: OpenStore, has_missed: bool
) -> None:
    """It cannot know whether it lost something, so it is taken to have."""
    server = start_server()
    store = open_store(server.url)
    await fill(store, "x")
    with server.client() as admin:
        admin.save()
    if has_missed:
        await store.invalidate_tag("x")
    server.kill()
    server.start()
    with server.client() as admin:
        assert admin.exists(entry_key(store, request_of())) == 1
    assert await state(store) == "missing"


def follow(replica: RedisServer, primary: RedisServer) -> None:
    with replica.client() as admin:
        admin.replicaof("127.0.0.1", str(primary.port))
        while admin.info("replication")["master_link_status"] != "up":
            time.sleep(0.01)
    with primary.client() as admin:
        admin.execute_command("WAIT", 1, 5000)


def lead(replica: RedisServer) -> None:
    with replica.client() as admin:
        admin.replicaof("NO", "ONE")


@pytest.fixture
def primary(start_server: StartServer) -> RedisServer:
    return start_server("--repl-diskless-sync-delay", "0")


@pytest.fixture
def replica(start_server: StartServer) -> RedisServer:
    return start_server("--repl-diskless-sync-delay", "0")


async def test_a_promoted_replica_that_missed_an_invalidation_begins_anew(
    primary: RedisServer, replica: RedisServer, open_store: OpenStore
) -> None:
    async with Relay(primary.socket) as relay:
        store = open_store(f"redis://127.0.0.1:{relay.port}")
        await fill(store, "x")
        follow(replica, primary)
        lead(replica)
        await store.invalidate_tag("x")
        primary.kill()
        relay.target = replica.socket
        with replica.client() as admin:
            assert admin.exists(entry_key(store, request_of())) == 1
        assert await state(store) == "missing"


async def test_without_identities_it_would_serve_what_was_taken_back(
    primary: RedisServer, replica: RedisServer, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail."""
    monkeypatch.setattr(redis_server, "identity_in", lambda _: b"nobody")
    with pytest.raises(AssertionError):
        await test_a_promoted_replica_that_missed_an_invalidation_begins_anew(primary, replica, open_store)


async def test_a_replica_is_not_read(primary: RedisServer, replica: RedisServer, open_store: OpenStore) -> None:
    """It may lag behind."""
    follow(replica, primary)
    store = open_store(replica.url)
    with pytest.raises(ConnectionError, match="no primary"):
        await store.lookup(request_of())


async def test_a_primary_that_became_a_replica_is_not_read_any_more(
    primary: RedisServer, replica: RedisServer, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections stay open; who leads is asked once a second, here each time."""
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", -1)
    follow(replica, primary)
    store = open_store(primary.url)
    await fill(store, "x")
    lead(replica)
    with primary.client() as admin:
        admin.replicaof("127.0.0.1", str(replica.port))
    with pytest.raises(ConnectionError):
        await store.lookup(request_of())


async def test_a_primary_that_became_a_replica_refuses_writes_at_once(
    primary: RedisServer, replica: RedisServer, open_store: OpenStore
) -> None:
    """READONLY ends the trust in every connection to it."""
    follow(replica, primary)
    store = open_store(primary.url)
    entry = await fill(store, "x")
    lead(replica)
    with primary.client() as admin:
        admin.replicaof("127.0.0.1", str(replica.port))
    with pytest.raises(ReadOnlyError):
        await store.commit(entry)
    with pytest.raises(ConnectionError, match="a moment ago"):
        await store.lookup(request_of())


async def test_a_primary_that_led_again_without_closing_its_connections_is_another_one(
    primary: RedisServer, replica: RedisServer, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took over the state of a replica that had missed an invalidation, and has its own run_id still."""
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", -1)
    store = open_store(primary.url)
    await fill(store, "x")
    follow(replica, primary)
    lead(replica)
    await store.invalidate_tag("x")
    follow(primary, replica)
    lead(primary)
    assert await state(store) == "missing"
    await fill(store, "x")
    assert await state(store) == "fresh"


@pytest.mark.parametrize("seconds", [-3600, 3600], ids=["back", "forward"])
async def test_a_clock_that_steps_moves_expiry_only(
    server: RedisServer, prefix: str, open_store: OpenStore, seconds: int
) -> None:
    """All that a server's clock decides is when keys expire: as if some were evicted, or kept for longer."""
    store = open_store(server.url, prefix)
    request = request_of()
    await fill(store, "x", lifetime=600.0)
    mark = await mark_of(store)
    await store.invalidate_tag("x")
    with server.client() as admin:
        step(admin, prefix, seconds)
    assert await state(store) == "missing"
    assert await store.commit(make_entry(request, mark, ["x"])) is False
    await fill(store, "x", lifetime=600.0)
    assert await state(store) == "fresh"


def step(admin: Any, prefix: str, seconds: int) -> None:
    for key in admin.keys(f"{prefix}*"):
        left: int = admin.pttl(key)
        admin.pexpire(key, left - 1000 * seconds)


@pytest.mark.parametrize("field", ["redis_mode", "server_mode"], ids=["Redis", "Valkey"])
def test_a_server_of_another_kind_says_which_url_is_right(field: str) -> None:
    info = f"# Server\r\n{field}:%s\r\nrun_id:1\r\n"
    redis_server.check_mode((info % "standalone").encode())
    for kind, words in (("cluster", r"redis\+cluster://"), ("sentinel", r"redis\+sentinel://host:port/NAME")):
        with pytest.raises(ConnectionError, match=words):
            redis_server.check_mode((info % kind).encode())
