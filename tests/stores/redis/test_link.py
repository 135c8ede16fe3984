"""Connections: whose answer is whose, which server it is, and how long a server that fails is left alone."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from accelerator import RedisStore
from accelerator.stores.redis import fleet
from accelerator.stores.redis import link as redis_link
from accelerator.stores.redis import memo as redis_memo
from accelerator.stores.redis import server as redis_server
from accelerator.stores.redis.keys import Keys
from accelerator.stores.redis.link import Call, Link
from accelerator.stores.redis.orders import KEEP_META
from accelerator.stores.redis.scripts import RENEW
from accelerator.stores.redis.server import Breaker, ServerLeftAloneError, TooFewReplicasError
from accelerator.testing import make_request
from tests.stores.redis.relay import Relay
from tests.stores.redis.support import (
    OpenStore,
    StartServer,
    cancel_lookups_at_any_point,
    fill,
    link_of,
    request_of,
    state,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from accelerator.demo.redis_server import RedisServer

pytestmark = pytest.mark.anyio


def echo(text: str) -> Any:
    return lambda _: ("ECHO", text)


class Reply(NamedTuple):
    value: Any
    identity: bytes


async def call(link: Link, command_for: Any, *, anyway: bool = False) -> Reply:
    """One command and its answer."""
    replies = await link.call_all(lambda identity: [command_for(identity)], anyway=anyway)
    (value,) = replies.values
    if isinstance(value, Exception):
        raise value
    return Reply(value, replies.identity)


@pytest.fixture
async def relay(server: RedisServer) -> AsyncIterator[Relay]:
    async with Relay(server.socket) as relay:
        yield relay


@pytest.fixture
async def pool(relay: Relay) -> AsyncIterator[ConnectionPool]:
    url = f"redis://127.0.0.1:{relay.port}"
    pool = ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 0), max_connections=2)
    yield pool
    await pool.disconnect()


def mgets(admin: Any) -> int:
    """How many the server has seen."""
    calls: int = admin.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"]
    return calls


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_own", [False, True], ids=["a pool of others", "a pool of its own"])
async def test_a_call_cancelled_at_any_point_leaves_no_answer_behind(pool: ConnectionPool, is_own: bool) -> None:
    """The schedules of redis-py's issues 2624 and 2665: the next one on the connection would read it as its own."""
    link = Link(pool, 5, Breaker(), is_own=is_own)
    points = 0
    for steps in range(200):
        cancelled = asyncio.ensure_future(call(link, echo(f"cancelled {steps}")))
        for _ in range(steps):
            await asyncio.sleep(0)
        points += not cancelled.done()
        cancelled.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cancelled
        assert (await call(link, echo(f"next {steps}"))).value == f"next {steps}".encode()
    assert points > 5


@pytest.mark.parametrize("is_own", [False, True], ids=["a pool of others", "a pool of its own"])
@pytest.mark.parametrize("delay", [0.0, 0.001])
async def test_under_load_every_answer_belongs_to_its_question(
    pool: ConnectionPool, relay: Relay, delay: float, monkeypatch: pytest.MonkeyPatch, is_own: bool
) -> None:
    monkeypatch.setattr(redis_link, "MAX_CALLS", 2)
    relay.delay = delay
    link = Link(pool, 5, Breaker(), is_own=is_own)
    chance = random.Random(7)  # noqa: S311 - no secret
    answered = cancelled = 0

    async def ask(text: str) -> None:
        nonlocal answered
        assert (await call(link, echo(text))).value == text.encode()
        answered += 1

    for turn in range(150):
        calls = [asyncio.ensure_future(ask(f"{turn} {number}")) for number in range(4)]
        for _ in range(chance.randrange(30)):
            await asyncio.sleep(0)
        for one in calls[:2]:
            cancelled += one.cancel()
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome
    assert answered > 100
    assert cancelled > 50


async def test_lookups_cancelled_at_any_point_take_nothing_from_others(
    server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    await cancel_lookups_at_any_point(open_store(server.url, prefix), urls=8, longest=40)


async def test_commits_cancelled_at_any_point_leave_the_store_right(
    server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    store = open_store(server.url, prefix)
    for steps in range(60):
        call = asyncio.ensure_future(fill(store, "x", body=b"%d" % steps))
        for _ in range(steps):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        other = f"https://example.org/{steps}"
        await fill(store, "x", url=other, body=other.encode())
        found = await store.lookup(make_request(other))
        assert found.entry is not None
        assert found.entry.body == other.encode()


async def test_reads_that_wait_at_the_same_moment_share_a_command(pool: ConnectionPool, server: RedisServer) -> None:
    link = Link(pool, 5, Breaker())
    with server.client() as admin:
        admin.mset({f"shared:{number}": number for number in range(300)})
        await link.read([b"nothing"])
        before = mgets(admin)
        reads = [link.read([b"shared:%d" % number, b"shared:0"]) for number in range(300)]
        for number, values in enumerate(await asyncio.gather(*reads)):
            assert values[b"shared:%d" % number] == b"%d" % number
        assert mgets(admin) - before == 3, "128, 128, and the rest"


async def test_a_read_that_is_alone_makes_no_task(server: RedisServer, open_store: OpenStore) -> None:
    def count(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        made.append(work)
        return asyncio.Task(work, loop=loop, **more)

    link, made = open_store(server.url).links.here(), list[object]()
    await link.read([b"nothing"])
    loop = asyncio.get_running_loop()
    loop.set_task_factory(count)
    await link.read([b"nothing"])
    alone = len(made)
    await asyncio.gather(link.read([b"one"]), link.read([b"other"]))
    loop.set_task_factory(None)
    assert (alone, len(made)) == (0, 2 + 1), "gather makes two, and the command that they share is the third"


@pytest.mark.parametrize("is_own", [False, True], ids=["a pool of others", "a pool of its own"])
async def test_who_joins_a_read_that_is_then_cancelled_is_answered(
    pool: ConnectionPool, relay: Relay, is_own: bool
) -> None:
    """Whether it is cancelled before its command is sent, or while the answer is on its way."""
    link = Link(pool, 5, Breaker(), is_own=is_own)
    relay.delay = 0.001
    for steps in range(12):
        alone = asyncio.ensure_future(link.read([b"alone"]))
        for _ in range(steps):
            await asyncio.sleep(0)
        others = [asyncio.ensure_future(link.read([b"%d" % number])) for number in range(3)]
        await asyncio.sleep(0)
        alone.cancel()
        found = await asyncio.wait_for(asyncio.gather(*others), 5)
        assert [values[b"%d" % number] for number, values in enumerate(found)] == [None] * 3
        assert await asyncio.gather(alone, return_exceptions=True)


async def test_only_the_pool_of_a_client_that_was_given_gets_its_connections_back(
    server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    """Its owner needs them, too. In a pool of the store's own, to get one and to give it back is for nothing."""
    client = Redis.from_url(server.url, max_connections=1)
    given, own = open_store(client, prefix), open_store(f"{server.url}?max_connections=1", prefix)
    for store in (given, own):
        await fill(store, "x")
        assert await state(store) == "fresh"
    assert await client.ping()
    assert link_of(given)._idle is None
    assert len(link_of(own)._idle or ()) == 1
    await client.aclose()


async def test_large_values_share_a_command_with_fewer_others(
    pool: ConnectionPool, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them in one answer would not come in time."""
    monkeypatch.setattr(redis_link, "MAX_BYTES", 10_000)
    link = Link(pool, 5, Breaker())
    with server.client() as admin:
        admin.mset({f"large:{number}": bytes(5000) for number in range(20)})
        before = mgets(admin)
        reads = [link.read([b"large:%d" % number]) for number in range(20)]
        for number, values in enumerate(await asyncio.gather(*reads)):
            assert values[b"large:%d" % number] == bytes(5000)
        assert mgets(admin) - before == 1 + 12, "a few at first, to learn how large they are; then one by one"


async def test_what_did_not_come_in_time_is_asked_for_by_halves(pool: ConnectionPool, relay: Relay) -> None:
    link = Link(pool, 5, Breaker())
    await link.read([b"nothing"])
    relay.silent = True
    link._deadline = 0.02
    reads = (link.read([b"%d" % number]) for number in range(20))
    outcomes = await asyncio.gather(*reads, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {TimeoutError}
    assert link._shared == 10


async def test_a_failure_that_nobody_expects_reaches_those_who_wait(
    pool: ConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that dies in silence would leave them waiting for ever."""
    link = Link(pool, 5, Breaker())

    async def fail(commands_for: object) -> None:
        await asyncio.sleep(0)
        raise LookupError

    with monkeypatch.context() as patch:
        patch.setattr(link, "call_all", fail)
        reads = [asyncio.ensure_future(link.read([b"%d" % number])) for number in range(3)]
        await asyncio.sleep(0)
        reads[1].cancel()
        outcomes = await asyncio.wait_for(asyncio.gather(*reads, return_exceptions=True), 5)
        assert [type(outcome) for outcome in outcomes] == [LookupError, asyncio.CancelledError, LookupError]
    assert await link.read([b"nothing"]) == {b"nothing": None}


async def test_lookups_that_meet_while_a_url_begins_to_vary_all_get_an_answer(
    server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    """Each has its own idea of what the URL varies on; none may take over another's half way."""
    here, there = open_store(server.url, prefix), open_store(server.url, prefix)
    await fill(here, "x")
    await here.lookup(request_of())
    for name in ("accept", "accept-language"):
        await fill(there, "x", headers=[(name, "a")], vary=(name.encode(),))
        requests = [make_request(request_of().url, [(name, value)]) for value in "aabab"]
        found = await asyncio.gather(*(here.lookup(request) for request in requests))
        chosen = (name.encode(),)
        assert [look.entry and look.entry.vary for look in found] == [chosen, chosen, (), chosen, ()]


async def test_a_call_that_waits_for_its_turn_has_sent_nothing(
    pool: ConnectionPool, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would take the connection from the one before it, and lose it if it is cancelled."""
    monkeypatch.setattr(redis_link, "MAX_CALLS", 1)
    link = Link(pool, 5, Breaker(), is_own=True)

    async def call_twice() -> None:
        await call(link, echo("first"))
        await call(link, echo("third"))

    for turn in range(3):
        hasty = asyncio.ensure_future(call_twice())
        await asyncio.sleep(0)
        second = asyncio.ensure_future(call(link, echo(f"second {turn}")))
        while not second.done():
            await asyncio.sleep(0)
            if link._free.locked() and link._idle:
                hasty.cancel()  # it waits for the second one
        assert (await second).value == f"second {turn}".encode()
        await asyncio.gather(hasty, return_exceptions=True)
        assert (await call(link, echo("next"))).value == b"next"
    assert relay.accepted == 1
    assert len(link._idle or ()) == 1
    await link.close()


async def test_nothing_is_sent_on_a_connection_that_is_known_to_be_closed(
    pool: ConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some event loops raise then, which is no failure that a call expects."""
    link = Link(pool, 5, Breaker(), is_own=True)
    await call(link, echo("connected"))
    assert link._idle
    writer = redis_link._socket(link._idle[0])
    writer.transport.abort()
    await asyncio.sleep(0)

    def refuse(data: bytes) -> None:
        raise RuntimeError("the transport is closed")

    monkeypatch.setattr(writer, "write", refuse)
    assert (await call(link, echo("again"))).value == b"again"


# --- which server -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_own", [False, True], ids=["a pool of others", "a pool of its own"])
async def test_a_connection_that_connects_anew_is_asked_again_who_it_leads_to(
    pool: ConnectionPool, relay: Relay, start_server: StartServer, server: RedisServer, is_own: bool
) -> None:
    link = Link(pool, 5, Breaker(), is_own=is_own)
    one = (await call(link, echo("one"))).identity
    relay.target = start_server().socket
    relay.cut()
    other = (await call(link, echo("two"))).identity
    assert one != other
    relay.target = server.socket
    relay.cut()
    assert (await call(link, echo("three"))).identity == one


@pytest.mark.parametrize("is_own", [False, True], ids=["a pool of others", "a pool of its own"])
async def test_a_connection_is_asked_again_after_a_while(
    pool: ConnectionPool, server: RedisServer, monkeypatch: pytest.MonkeyPatch, is_own: bool
) -> None:
    """Whoever stands between may have turned to another server without closing it."""
    link = Link(pool, 5, Breaker(), is_own=is_own)
    with server.client() as admin:

        def asked() -> int:
            calls: int = admin.info("commandstats")["cmdstat_info"]["calls"]
            return calls

        await call(link, echo("one"))
        before = asked()
        await call(link, echo("two"))
        assert asked() == before + 1, "only by the test itself"
        monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", -1)
        await call(link, echo("three"))
        assert asked() == before + 3


async def test_a_connection_is_asked_again_after_the_machine_has_slept(
    pool: ConnectionPool, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile another server may have taken over, and been told of invalidations."""
    link = Link(pool, 5, Breaker(), is_own=True)
    with server.client() as admin:
        await call(link, echo("one"))
        before = admin.info("commandstats")["cmdstat_info"]["calls"]
        monkeypatch.setattr(redis_server, "clock", lambda: fleet.clock() + 60)
        await call(link, echo("two"))
        assert admin.info("commandstats")["cmdstat_info"]["calls"] == before + 2, "one of them by the test itself"


@pytest.mark.parametrize("is_own", [False, True], ids=["a pool of others", "a pool of its own"])
async def test_a_connection_closed_by_the_server_costs_no_call(
    pool: ConnectionPool, server: RedisServer, is_own: bool
) -> None:
    """Servers close idle connections (`timeout`), and redis-py does not notice with RESP3."""
    link = Link(pool, 5, Breaker(), is_own=is_own)
    with server.client() as admin:
        for turn in range(5):
            assert (await call(link, echo(f"{turn}"))).value == b"%d" % turn
            admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


# --- a server that fails ----------------------------------------------------------------------------------------------


async def test_a_server_that_fails_is_left_alone_and_then_tried_by_one_call(
    pool: ConnectionPool, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 1000)
    link = Link(pool, 5, Breaker())
    await call(link, echo("connected"))
    relay.silent = True
    link._deadline = 0.02
    with pytest.raises(TimeoutError):
        await call(link, echo("lost"))
    monkeypatch.setattr(link._breaker, "_left_alone_until", redis_server.clock())
    outcomes = await asyncio.gather(*(call(link, echo("again")) for _ in range(20)), return_exceptions=True)
    tried, *others = outcomes
    assert isinstance(tried, TimeoutError | RedisTimeoutError)  # redis-py's own, if it was connecting
    assert [type(outcome) for outcome in others] == [ServerLeftAloneError] * 19
    relay.silent = False
    link._deadline = 5
    with pytest.raises(ServerLeftAloneError):
        await call(link, echo("too early"))
    assert (await call(link, echo("anyway"), anyway=True)).value == b"anyway"
    assert (await call(link, echo("all is well"))).value == b"all is well"


@pytest.mark.parametrize("is_own", [False, True], ids=["a pool of others", "a pool of its own"])
async def test_connections_from_before_a_failure_are_not_used_again(
    server: RedisServer, relay: Relay, is_own: bool
) -> None:
    """They may be dead without saying so: each would cost a deadline."""
    pool = ConnectionPool.from_url(f"redis://127.0.0.1:{relay.port}", retry=Retry(NoBackoff(), 0))
    link = Link(pool, 1, Breaker(), is_own=is_own)
    relay.delay = 0.01
    await asyncio.gather(*(call(link, echo("connect")) for _ in range(8)))
    assert relay.accepted > 2
    relay.silent = True
    link._deadline = 0.05
    with pytest.raises(TimeoutError):
        await call(link, echo("lost"))
    relay.cut()
    relay.silent = False
    link._deadline = 1
    for turn in range(8):
        assert (await call(link, echo(f"{turn}"), anyway=True)).value == b"%d" % turn
    await link.close()


@pytest.mark.parametrize("is_own", [False, True], ids=["a pool of others", "a pool of its own"])
async def test_an_error_that_is_an_answer_leaves_the_connection_in_step(
    pool: ConnectionPool, relay: Relay, is_own: bool
) -> None:
    link = Link(pool, 5, Breaker(), is_own=is_own)
    for turn in range(3):
        with pytest.raises(RedisError, match="wrong number"):
            await call(link, lambda _: ("GET",))
        assert (await call(link, echo(f"{turn}"))).value == b"%d" % turn
    assert relay.accepted == 1


async def test_what_too_few_replicas_have_is_not_written_whatever_else_was_sent_with_it(
    server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    """On a cluster what was sent beside it may have to go to another node, which says nothing of these replicas."""
    written, wrong = Keys(prefix.encode(), 2).partitions
    with server.client() as admin:
        admin.lpush(wrong.meta, "of another kind")
    calls = [Call(RENEW, [partition.meta, partition.log], [KEEP_META]) for partition in (written, wrong)]
    results = await open_store(server.url, prefix, deadline=0.5).links.here().run_all(calls, replicas=1)
    assert [type(result) for result in results] == [TooFewReplicasError, ResponseError]


async def test_a_call_that_goes_on_while_its_connections_are_closed_leaves_none_open(
    pool: ConnectionPool, relay: Relay
) -> None:
    """It connects anew, as after any loss: so calls to a node that leaves a cluster just then do."""
    link = Link(pool, 20, Breaker(), is_own=True)
    await call(link, echo("first"))
    relay.silent = True
    calling = asyncio.create_task(call(link, echo("second")))
    await asyncio.sleep(0)  # it is sent
    relay.silent = False
    await link.close()
    assert (await calling).value == b"second"
    assert relay.accepted == 2
    assert not [connection for connection in pool._in_use_connections if connection.is_connected]


async def test_more_calls_than_connections_wait_for_one(relay: Relay) -> None:
    pool = ConnectionPool.from_url(f"redis://127.0.0.1:{relay.port}")
    link = Link(pool, 5, Breaker())
    replies = await asyncio.gather(*(call(link, echo(f"{number}")) for number in range(200)))
    assert [reply.value for reply in replies] == [b"%d" % number for number in range(200)]
    assert relay.accepted <= redis_link.MAX_CALLS
    await link.close()


@pytest.mark.parametrize("kind", [ConnectionPool, functools.partial(BlockingConnectionPool, timeout=0.01)])
async def test_a_full_pool_is_no_failure_of_the_server(server: RedisServer, kind: Any) -> None:
    client = Redis(connection_pool=kind(max_connections=1, host="127.0.0.1", port=server.port))
    link = Link(client.connection_pool, 0.5, Breaker())
    held = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py does not say
    with pytest.raises(RedisError):
        await call(link, echo("no room"))
    await client.connection_pool.release(held)
    assert (await call(link, echo("room"), anyway=True)).value == b"room"
    await client.connection_pool.disconnect()


async def test_a_closed_port_fails_at_once(open_store: OpenStore, server: RedisServer) -> None:
    store = open_store("redis://127.0.0.1:1", deadline=60)
    with pytest.raises(RedisError):
        await asyncio.wait_for(store.lookup(request_of()), 5)


async def test_after_a_failure_each_kept_connection_is_made_anew(pool: ConnectionPool, relay: Relay) -> None:
    link = Link(pool, 5, Breaker(), is_own=True)
    relay.delay = 0.01
    await asyncio.gather(*(call(link, echo("connect")) for _ in range(2)))
    assert relay.accepted == 2
    relay.silent = True
    link._deadline = 0.05
    with pytest.raises(TimeoutError):
        await call(link, echo("lost"))
    relay.silent = False
    link._deadline = 5
    await asyncio.gather(*(call(link, echo("anew"), anyway=True) for _ in range(2)))
    assert relay.accepted == 4
    await link.close()


# --- loops ------------------------------------------------------------------------------------------------------------


def test_a_store_with_a_url_serves_one_event_loop_after_the_other(server: RedisServer, prefix: str) -> None:
    store = RedisStore(server.url, prefix, deadline=5)

    async def use() -> None:
        await fill(store, "x")
        assert await state(store) == "fresh"
        await store.aclose()

    for _ in range(3):
        asyncio.run(use())
    assert not store.links._links


def test_connections_of_loops_that_were_closed_do_not_pile_up(server: RedisServer, prefix: str) -> None:
    store = RedisStore(server.url, prefix, deadline=5)

    async def use() -> None:
        await fill(store, "x")
        await link_of(store)._pool.disconnect()

    for _ in range(3):
        asyncio.run(use())
    assert len(store.links._links) == 1


async def test_a_store_with_a_client_says_that_it_works_on_one_loop(server: RedisServer, prefix: str) -> None:
    client = Redis.from_url(server.url)
    store = RedisStore(client, prefix, deadline=5)
    await fill(store, "x")
    with pytest.raises(RuntimeError, match="give RedisStore a URL"):
        await asyncio.to_thread(asyncio.run, store.invalidate_tag("x"))
    await store.aclose()
    assert await client.ping(), "it is not the store's to close"
    await client.aclose()


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        (None, {}, TypeError),
        (b"redis://localhost", {}, TypeError),
        ("localhost:6379", {}, ValueError),
        ("http://localhost", {}, ValueError),
        ("redis://localhost", {"deadline": 0}, ValueError),
        ("redis://localhost", {"deadline": -1.0}, ValueError),
        ("redis://localhost", {"deadline": "1"}, TypeError),
        ("redis://localhost", {"prefix": b"a:"}, TypeError),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(source: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        RedisStore(source, **options)


# --- what a process remembers -----------------------------------------------------------------------------------------


async def test_what_a_process_remembers_of_urls_is_bounded(
    server: RedisServer, prefix: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_memo, "MAX_MEMOS", 3)
    monkeypatch.setattr(redis_memo, "MAX_VARIANTS", 3)
    store = open_store(server.url, prefix)
    for number in range(10):
        await fill(store, "x", url=f"https://example.org/{number}")
        await fill(store, "x", headers=[("accept", f"{number}")], vary=(b"accept",))
    assert len(store._memos.kept) == 3
    assert all(len(memo.needed) <= 3 for memo, _ in store._memos.kept._kept.values())
    assert [await state(store, f"https://example.org/{number}") for number in range(10)] == ["fresh"] * 10


async def test_a_url_that_changes_faster_than_one_can_read_is_a_miss(
    server: RedisServer, prefix: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(server.url, prefix)
    await fill(store, "x")
    link, names = store.links.here(), iter("abcdefgh")
    read = link.read

    async def read_what_changes(keys: list[bytes]) -> object:
        values = await read(keys)
        values[keys[1]] = next(names).encode()
        return values

    monkeypatch.setattr(link, "read", read_what_changes)
    found = await store.lookup(request_of())
    assert found.entry is None
    assert found.mark is not None
    assert next(names) == "e", "four trips, and no more"


async def test_an_invalidation_whose_loop_ends_first_is_not_called_done(server: RedisServer, prefix: str) -> None:
    store = RedisStore(server.url, prefix, deadline=5)
    call = asyncio.create_task(store.invalidate_tag("x"))
    await asyncio.sleep(0)
    (work,) = store.invalidations._running
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not store.invalidations._running
    await store.aclose()
