"""Redis is down, slow or refuses: requests are answered by the application, and no invalidation is forgotten."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from accelerator import ASGIAccelerator, InvalidationError, RedisStore, cache_for, tag
from accelerator.demo.redis_server import RedisServer
from accelerator.stores import pending
from accelerator.stores.pending import Pending, judge
from accelerator.stores.redis import invalidations
from accelerator.stores.redis import link as redis_link
from accelerator.stores.redis import server as redis_server
from accelerator.tags import ALL
from tests.stores.redis.relay import Relay
from tests.stores.redis.stub import Stub
from tests.stores.redis.support import OpenStore, StartServer, fill, link_of, mark_of, state
from tests.support import App, Lines, ask

if TYPE_CHECKING:
    from accelerator.asgi_types import Scope

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wants to wait for what is repeated, or tried again."""
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 0.05)
    monkeypatch.setattr(invalidations, "REPEAT_SECONDS", (0.01,))


def counting_app() -> App:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        cache_for(60)
        tag("x")
        return 200, [], b"%d" % app.calls

    app = App(handle)
    return app


async def recover(store: RedisStore, app: ASGIAccelerator) -> None:
    """Ask until an answer comes from the store again."""
    async with asyncio.timeout(20):
        while (await ask(app)).get("cache-status") != "accelerator; hit; ttl=59":  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


# --- requests ---------------------------------------------------------------------------------------------------------

Outage = Callable[[RedisServer, Redis], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def killed(server: RedisServer, admin: Any) -> AsyncIterator[None]:
    server.kill()
    yield
    server.start()


@asynccontextmanager
async def stopped(server: RedisServer, admin: Any) -> AsyncIterator[None]:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    yield
    server.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def asleep(server: RedisServer, admin: Any) -> AsyncIterator[None]:
    sleeper = asyncio.create_task(asyncio.to_thread(admin.execute_command, "DEBUG", "SLEEP", 0.7))
    await asyncio.sleep(0.05)
    yield
    await sleeper


@asynccontextmanager
async def demoted(server: RedisServer, admin: Any) -> AsyncIterator[None]:
    admin.replicaof("127.0.0.1", "1")
    yield
    admin.replicaof("NO", "ONE")


@asynccontextmanager
async def locked(server: RedisServer, admin: Any) -> AsyncIterator[None]:
    admin.config_set("requirepass", "secret")
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    yield
    admin.config_set("requirepass", "")


@asynccontextmanager
async def overloaded(server: RedisServer, admin: Any) -> AsyncIterator[None]:
    """No more clients are let in, and those that were are gone."""
    admin.config_set("maxclients", 1)
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    yield
    admin.config_set("maxclients", 1000)


@pytest.mark.parametrize("outage", [killed, stopped, asleep, demoted, locked, overloaded])
async def test_every_request_is_answered_rightly_during_an_outage_and_redis_is_used_again_after_it(
    outage: Outage, start_server: StartServer, open_store: OpenStore
) -> None:
    server = start_server("--enable-debug-command", "yes")
    inner = counting_app()
    store = open_store(server.url, deadline=0.1)
    app = ASGIAccelerator(inner, store=store)
    with server.client() as admin:
        await recover(store, app)
        async with outage(server, admin):
            calls = inner.calls
            answers = await asyncio.gather(*(ask(app) for _ in range(50)))
            answers += [await ask(app) for _ in range(50)]
            assert {answer.status for answer in answers} == {200}
            made = inner.calls - calls
            assert made >= 90 or outage in {asleep, demoted}, "it is over soon, or noticed by the first write"
            with pytest.raises(InvalidationError):
                await app.invalidate_tag("x")
            after = inner.calls
            assert int((await ask(app)).body) > after, "what was made before the call is not served here"
        floor = inner.calls
        async with asyncio.timeout(20):
            while store.invalidations.pending.kept:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert int((await ask(app)).body) > after
        await recover(store, app)
        assert inner.calls >= floor


REFUSALS = {
    "OOM": b"-OOM command not allowed when used memory > 'maxmemory'.",
    "LOADING": b"-LOADING Redis is loading the dataset in memory",
    "READONLY": b"-READONLY You can't write against a read only replica.",
    "NOAUTH": b"-NOAUTH Authentication required.",
    "NOPERM": b"-NOPERM this user has no permissions to run the 'mget' command",
    "MISCONF": b"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "MASTERDOWN": b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN": b"-CLUSTERDOWN The cluster is down",
    "nonsense": b"what?",
    "another type": b":42",
}


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
async def test_a_server_that_refuses_fails_no_request(answer: bytes, open_store: OpenStore) -> None:
    inner = counting_app()
    async with Stub(answer) as stub:
        app = ASGIAccelerator(inner, store=open_store(stub.url))
        bodies = [int((await ask(app)).body) for _ in range(5)]
        assert bodies == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("answer", [REFUSALS["LOADING"], REFUSALS["READONLY"], REFUSALS["NOAUTH"]])
async def test_a_server_that_is_out_of_order_is_asked_by_one_request_at_a_time(
    answer: bytes, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 1000)
    inner = counting_app()
    async with Stub(answer) as stub:
        app = ASGIAccelerator(inner, store=open_store(stub.url))
        await asyncio.gather(*(ask(app) for _ in range(100)))
        for _ in range(100):
            await ask(app)
        assert inner.calls == 200
        assert stub.commands.count(b"MGET") <= 2, "once, and once more on a new connection"


async def test_half_open_connections_cost_one_deadline_and_are_replaced(
    server: RedisServer, prefix: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server vanishes from the network without a word, and comes back without knowing the connections."""
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 0.3)
    inner = counting_app()
    async with Relay(server.socket) as relay:
        store = open_store(f"redis://127.0.0.1:{relay.port}", prefix, deadline=0.1)
        app = ASGIAccelerator(inner, store=store)
        await recover(store, app)
        relay.silent = True
        assert [(await ask(app)).status for _ in range(20)] == [200] * 20
        dead = relay.accepted
        relay.silent = False
        link_of(store)._deadline = 5
        await recover(store, app)
        assert relay.accepted > dead


async def test_a_store_that_fails_is_reported_once(open_store: OpenStore, caplog: pytest.LogCaptureFixture) -> None:
    app = ASGIAccelerator(counting_app(), store=open_store("redis://127.0.0.1:1"))
    for _ in range(5):
        await ask(app)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_an_unsafe_method_is_answered_though_its_invalidation_cannot_be_made(
    open_store: OpenStore,
) -> None:
    """The application has made its change: its answer must not turn into an error."""

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        return 200, [], b"changed"

    store = open_store("redis://127.0.0.1:1")
    answer = await ask(ASGIAccelerator(App(handle), store=store), "/", method="POST")
    assert (answer.status, answer.body) == (200, b"changed")
    assert "@url:example.org/" in store.invalidations.pending.kept


# --- invalidations ----------------------------------------------------------------------------------------------------


@pytest.fixture
def own(start_server: StartServer) -> RedisServer:
    return start_server()


async def settled(store: RedisStore) -> None:
    async with asyncio.timeout(20):
        while store.invalidations.pending.kept:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("soft", "here"), [(False, "missing"), (True, "stale")], ids=["hard", "soft"])
async def test_a_failed_invalidation_raises_holds_here_and_is_repeated_until_redis_has_it(
    own: RedisServer, open_store: OpenStore, soft: bool, here: str
) -> None:
    store, other = open_store(own.url, deadline=0.2), open_store(own.url)
    entry = await fill(store, "x")
    assert own.process is not None
    own.process.send_signal(signal.SIGSTOP)
    with pytest.raises(InvalidationError, match="goes on trying"):
        await store.invalidate_tag("x", soft=soft)
    own.process.send_signal(signal.SIGCONT)
    store.invalidations._repeater.cancel()  # type: ignore[union-attr]  # it is a task by now
    store._breaker.succeed()
    found = store.invalidations.pending.kept
    store.invalidations._repeater = asyncio.current_task()  # as if one were at work
    assert await state(store) == here
    assert await store.commit(entry) is soft
    assert store.invalidations.pending.kept == found
    store.invalidations._repeater = None
    await state(store)
    await settled(store)
    assert await state(other) == here


async def test_a_fill_of_before_a_failed_invalidation_never_becomes_visible(
    own: RedisServer, open_store: OpenStore
) -> None:
    store, other = open_store(own.url, deadline=0.2), open_store(own.url)
    mark = await mark_of(other)
    own.kill()
    with pytest.raises(InvalidationError):
        await store.invalidate_tag("x")
    own.start()
    store.invalidations.see_to_pending()
    await settled(store)
    assert (await mark_of(other)) != mark
    assert await state(other) == "missing"


async def test_many_failed_invalidations_are_repeated_hard_and_soft_apart(
    own: RedisServer, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invalidations, "REPEATED_AT_ONCE", 3)
    store, other = open_store(own.url, deadline=1), open_store(own.url)
    for number in range(10):
        await fill(other, f"{number}", url=f"https://example.org/{number}")
    with monkeypatch.context() as patch:

        async def fail(*arguments: object, **options: object) -> None:
            raise RedisError

        patch.setattr(redis_link.Link, "run", fail)
        for number in range(9):
            with pytest.raises(InvalidationError):
                await store.invalidate_tag(f"{number}", soft=number % 2 == 1)
        await asyncio.sleep(0.05)
        assert len(store.invalidations.pending.kept) == 9
    await settled(store)
    states = [await state(other, f"https://example.org/{number}") for number in range(10)]
    assert states == ["missing", "stale"] * 4 + ["missing", "fresh"]


async def test_past_the_bound_nothing_of_the_store_is_trusted_until_everything_was_taken_back(
    own: RedisServer, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "MAX_PENDING", 3)
    store, other = open_store(own.url, deadline=1), open_store(own.url)
    await fill(store, "of another matter")
    with monkeypatch.context() as patch:

        async def fail(*arguments: object, **options: object) -> None:
            raise RedisError

        patch.setattr(redis_link.Link, "run", fail)
        with pytest.raises(InvalidationError):
            await store.invalidate_tag("1", "2", "3", soft=True)
        assert await state(store) == "fresh"
        with pytest.raises(InvalidationError):
            await store.invalidate_tag("4", soft=True)
        assert await state(store) == "missing"
        assert len(store.invalidations.pending.kept) == 1
    await settled(store)
    assert await state(other) == "missing"


async def test_what_is_settled_while_a_lookup_is_under_way_still_counts_for_it(
    own: RedisServer, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis was read before it had the invalidation."""
    store = open_store(own.url)
    await fill(store, "x")
    await state(store)
    link = store.links.here()
    read = link.read

    async def read_then_settle(keys: list[bytes]) -> object:
        answer = await read(keys)
        store.invalidations.pending.settle(store.invalidations.pending.kept)
        return answer

    store.invalidations._repeater = asyncio.current_task()  # as if one were at work
    store.invalidations.pending.add(["x"], soft=False)
    monkeypatch.setattr(link, "read", read_then_settle)
    assert await state(store) == "missing"
    store.invalidations._repeater = None


async def test_closing_waits_for_invalidations_and_ends_the_repetition(own: RedisServer, open_store: OpenStore) -> None:
    store, other = open_store(own.url), open_store(own.url)
    await fill(other, "x")
    call = asyncio.create_task(store.invalidate_tag("x"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    await store.aclose()
    assert await state(other) == "missing"
    own.kill()
    with pytest.raises(InvalidationError):
        await store.invalidate_tag("y")
    repeater = store.invalidations._repeater
    assert repeater is not None
    await store.aclose()
    await asyncio.gather(repeater, return_exceptions=True)
    assert repeater.cancelled()
    assert "y" in store.invalidations.pending.kept


def test_a_soft_invalidation_does_not_weaken_a_hard_one_that_is_kept() -> None:
    kept = Pending()
    kept.add(["x"], soft=False)
    kept.add(["x", "y"], soft=True)
    assert judge(kept.kept, {"x"}) == (True, False)
    assert judge(kept.kept, {"y", "z"}) == (False, True)
    assert judge(kept.kept, {"z"}) == (False, False)


def test_what_was_asked_for_again_meanwhile_stays() -> None:
    kept = Pending()
    kept.add(["x", "y"], soft=True)
    done = kept.kept
    kept.add(["x"], soft=True)
    kept.settle(done)
    assert set(kept.kept) == {"x"}


def test_one_record_stands_for_everything_past_the_bound() -> None:
    kept = Pending()
    kept.add((f"{number}" for number in range(pending.MAX_PENDING)), soft=True)
    assert len(kept.kept) == pending.MAX_PENDING
    kept.add(["one more"], soft=True)
    assert judge(kept.kept, {"whatever", ALL}) == (True, False)
    assert len(kept.kept) == 1


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not [record for record in caplog.records if "never retrieved" in record.message]
