"""A near store in front of a real Redis: what it answers, whom it follows, and what it does where it cannot."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from redis.exceptions import RedisError

from accelerator import ASGIAccelerator, InvalidationError, MemoryStore, NearEvent, RedisStore, WSGIAccelerator
from accelerator.engine import flight
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.redis import fleet, leasing
from accelerator.stores.redis.link import Link
from accelerator.stores.tiered import TieredStore
from accelerator.testing import ManualClock, make_entry, make_request
from tests.asgi.test_collapsing import Gated, crowd
from tests.stores.downstream import Noting
from tests.stores.redis.support import fill, state
from tests.stores.tiered.support import become, followers, following, settle
from tests.support import Message, Receive, Scope, Send, ask, drive

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer
    from tests.stores.redis.support import StartServer
    from tests.stores.tiered.support import OpenTiered

pytestmark = pytest.mark.anyio

X = make_request("https://example.org/x")


@pytest.fixture(autouse=True)
def _long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine does meanwhile, no lease runs out."""
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 60.0)


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let leases run out soon from now on."""
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 0.3)


async def filled(*stores: TieredStore) -> None:
    """Let all follow, and have the page of `x` in their near stores."""
    await following(*stores)
    await fill(stores[0], "x")
    for store in stores:
        assert await state(store) == "fresh"
        assert (await store._near.lookup(X)).entry is not None


# --- what is answered -------------------------------------------------------------------------------------------------


async def test_a_near_hit_suspends_nothing_and_asks_the_server_nothing(
    open_tiered: OpenTiered, server: RedisServer
) -> None:
    store = open_tiered()
    await filled(store)
    with server.client() as admin:
        admin.config_resetstat()
        for _ in range(100):
            assert drive(store.lookup(X)).entry is not None
        calls = admin.info("commandstats")
    assert not {name[8:] for name in calls} & {"mget", "get", "eval"}


async def test_what_one_process_fills_is_near_in_another_after_one_read(open_tiered: OpenTiered) -> None:
    one, other = open_tiered(), open_tiered()
    await following(one, other)
    await fill(one, "x")
    assert (await other._near.lookup(X)).entry is None
    assert await state(other) == "fresh"
    assert drive(other.lookup(X)).entry is not None


@pytest.mark.parametrize("soft", [False, True])
async def test_what_one_process_takes_back_is_taken_back_in_all_when_that_returns(
    open_tiered: OpenTiered, soft: bool
) -> None:
    stores = [open_tiered() for _ in range(3)]
    await filled(*stores)
    await stores[0].invalidate_tag("x", soft=soft)
    for store in stores:
        found = drive(store._near.lookup(X))
        assert found.entry is None or found.invalidated
        assert await state(store) == ("stale" if soft else "missing")


async def test_who_has_no_near_store_waits_for_those_of_others(open_tiered: OpenTiered, server: RedisServer) -> None:
    store = open_tiered()
    await filled(store)
    plain = RedisStore(server.url, store._far._prefix.decode(), deadline=5)
    await plain.invalidate_tag("x")
    assert (await store._near.lookup(X)).entry is None
    await plain.aclose()


async def test_a_stale_entry_is_looked_for_in_the_far_store_which_may_have_a_fresh_one(open_tiered: OpenTiered) -> None:
    clock = ManualClock(1_000_000)
    one, other = open_tiered(clock=clock), open_tiered(clock=clock)
    await following(one, other)
    await fill(one, "x", received=clock(), lifetime=60.0, stale_if_error=10_000.0, body=b"old")
    assert await state(other) == "fresh"
    clock.advance(100)
    found = await other.lookup(X)
    assert found.entry is not None
    assert found.entry.body == b"old", "it may serve where nothing better is to be had"
    await fill(one, "x", received=clock(), lifetime=60.0, body=b"new")
    found = await other.lookup(X)
    assert found.entry is not None
    assert found.entry.body == b"new"


async def test_an_entry_that_the_far_store_has_lost_is_still_near(open_tiered: OpenTiered, server: RedisServer) -> None:
    store = open_tiered()
    await filled(store)
    await store.invalidate_tag("x", soft=True)
    with server.client() as admin:
        for key in admin.keys(f"{store._far._prefix.decode()}e:*"):
            admin.delete(key)
    assert await state(store) == "stale"


async def test_a_far_read_from_before_an_invalidation_is_not_kept_near(open_tiered: OpenTiered) -> None:
    store, other = open_tiered(), open_tiered()
    await following(store, other)
    await fill(other, "x")
    lookup = store._far.lookup

    async def overtaken(request: Any) -> Any:
        found = await lookup(request)
        await other.invalidate_tag("x")
        return found

    store._far.lookup = overtaken  # type: ignore[method-assign]
    assert (await store.lookup(X)).entry is not None, "it was asked for before"
    store._far.lookup = lookup  # type: ignore[method-assign]
    assert (await store._near.lookup(X)).entry is None
    assert await state(store) == "missing"


async def test_what_was_found_near_can_be_stored_near_only(open_tiered: OpenTiered) -> None:
    store = open_tiered()
    await filled(store)
    found = await store.lookup(X)
    assert await store.commit(make_entry(X, found.mark, ["x"], body=b"again"))
    near, far = (await store._near.lookup(X)).entry, (await store._far.lookup(X)).entry
    assert near is not None
    assert far is not None
    assert (near.body, far.body) == (b"again", b"hello")


async def test_nothing_is_kept_near_while_that_may_not_answer(
    open_tiered: OpenTiered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be packed and written with each hit of the far store, for nothing."""
    store = open_tiered()
    await filled(store)
    monkeypatch.setattr(store._near, "commit", None)
    monkeypatch.setattr(type(store._page), "is_good", False)
    assert await state(store) == "fresh"
    await fill(store, "x")
    assert not store._has_failed


async def test_a_thread_without_a_loop_answers_near_hits_by_itself(open_tiered: OpenTiered) -> None:
    store = open_tiered()
    await following(store)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/x", "SERVER_NAME": "example.org", "SERVER_PORT": "443",
        "wsgi.url_scheme": "https", "wsgi.input": None,
    }  # fmt: skip
    threads: list[threading.Thread] = []

    def application(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("cache-control", "s-maxage=60"), ("content-length", "2")])
        return [b"hi"]

    cached = WSGIAccelerator(application, store=store)

    def ask() -> bytes:
        answer = cached(dict(environ), lambda *_: lambda _: None)
        return b"".join(answer)

    assert await asyncio.to_thread(ask) == b"hi"
    far = store._far.lookup_here
    store._far.lookup_here = lambda request: threads.append(threading.current_thread()) or far(request)  # type: ignore[method-assign,func-returns-value]
    assert await asyncio.to_thread(ask) == b"hi"
    assert threads == []
    await asyncio.to_thread(lambda: loop_thread.run(store._far.links.close()))


# --- following --------------------------------------------------------------------------------------------------------


async def test_a_follower_that_is_silent_is_waited_for_as_long_as_its_lease_and_then_taken_out(
    open_tiered: OpenTiered, server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process that was killed is."""
    store = open_tiered()
    await filled(store)
    with server.client() as admin:
        admin.hset(store._far.keys.near, "f:killed", 0)
    shorten(monkeypatch)
    began = fleet.clock()
    await store.invalidate_tag("x")
    assert fleet.clock() - began >= fleet.LEASE_SECONDS
    assert b"f:killed" not in followers(server, prefix)


async def test_a_follower_that_has_sent_a_heartbeat_since_is_not_taken_out(
    open_tiered: OpenTiered, server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_tiered()
    await filled(store)
    with server.client() as admin:
        await store.invalidate_tag("y")  # the first call in a process may announce twice
        admin.hset(store._far.keys.near, "f:slow", 0)
        before = admin.hget(store._far.keys.near, "sequence")
        shorten(monkeypatch)
        invalidating = asyncio.create_task(store.invalidate_tag("x"))
        await become(lambda: admin.hget(store._far.keys.near, "sequence") != before)
        admin.hset(store._far.keys.near, "f:slow", 1)
        await invalidating
        assert b"f:slow" in followers(server, prefix)
        admin.hdel(store._far.keys.near, "f:slow")


@pytest.mark.parametrize("by", ["a request", "a heartbeat"])
async def test_a_follower_acknowledges_though_something_else_has_found_the_server_slow(
    open_tiered: OpenTiered, by: str
) -> None:
    one, other = open_tiered(), open_tiered()
    await filled(one, other)
    follows = other._follower._link
    assert isinstance(follows, Link)
    breaker = other._far._breaker if by == "a request" else follows._breaker
    breaker.fail(TimeoutError())
    await one.invalidate_tag("x")
    assert one.figures().silent == 0
    assert other._follower._subscription._failures == 0


async def test_what_could_not_be_acknowledged_is_acknowledged_later(open_tiered: OpenTiered) -> None:
    one, other = open_tiered(), open_tiered()
    await filled(one, other)
    await one.invalidate_tag("y")  # it hears acknowledgements from now on
    link = other._follower._link
    send = link.send
    failed: list[bytes] = []

    async def fail(key: bytes, *command: bytes) -> None:
        link.send = send  # type: ignore[method-assign]
        failed.append(command[0])
        raise TimeoutError

    link.send = fail  # type: ignore[method-assign]
    await one.invalidate_tag("x")
    assert one.figures().silent == 0
    assert failed == [b"PUBLISH"]


async def test_an_eventual_invalidation_waits_for_nobody_and_arrives(
    open_tiered: OpenTiered, server: RedisServer, prefix: str
) -> None:
    one, other = open_tiered(consistency="eventual"), open_tiered()
    await filled(one, other)
    with server.client() as admin:
        admin.hset(one._far.keys.near, "f:silent", 1)
        await one.invalidate_tag("x")
        assert (await one._near.lookup(X)).entry is None
        await become(lambda: drive(other._near.lookup(X)).entry is None)
        admin.hdel(one._far.keys.near, "f:silent")


async def test_who_closes_follows_until_its_own_invalidations_hold(open_tiered: OpenTiered) -> None:
    """Else they would wait for its acknowledgement as long as for a lease."""
    store = open_tiered()
    await filled(store)
    running, aclose = store._far.invalidations._running, store._follower.aclose
    still_running: list[int] = []

    async def noted() -> None:
        still_running.append(len(running))
        await aclose()

    store._follower.aclose = noted  # type: ignore[method-assign]
    invalidating = asyncio.create_task(store.invalidate_tag("x"))
    await asyncio.sleep(0)
    assert running, "it has begun, and takes more than one round of the loop"
    await store.aclose()
    await invalidating
    assert still_running == [0]


async def test_who_closes_leaves_the_list_and_may_come_back(
    open_tiered: OpenTiered, server: RedisServer, prefix: str
) -> None:
    store = open_tiered()
    await filled(store)
    (first,) = followers(server, prefix)
    await store.aclose()
    assert followers(server, prefix) == set()
    assert not store._page.is_good
    assert await state(store) == "fresh"
    await following(store)
    (second,) = followers(server, prefix)
    assert first != second


async def test_who_is_used_while_it_closes_follows_again_when_it_has_ended(open_tiered: OpenTiered) -> None:
    """Else it would lose the name that it has just begun to use."""
    store = open_tiered()
    await filled(store)
    follower, said = store._follower, []
    begin, end = follower.begin, follower.end

    async def noted_begin() -> None:
        said.append("begins")
        await begin()

    async def noted_end() -> None:
        await end()
        said.append("has ended")

    follower.begin, follower.end = noted_begin, noted_end  # type: ignore[method-assign]
    closing = asyncio.create_task(follower.aclose())
    await asyncio.sleep(0)
    follower.start()
    await closing
    await become(lambda: store._page.is_good)
    assert said == ["has ended", "begins"]


async def test_a_message_that_cannot_be_read_costs_a_subscription_and_no_more(
    open_tiered: OpenTiered, server: RedisServer, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = open_tiered(), open_tiered()
    await filled(one, other)
    with server.client() as admin:
        admin.publish(other._far.keys.near, b"\xc1")
    await become(lambda: caplog.text.count("no messages of other processes") == 2)
    await become(lambda: all(store._follower._subscription.is_confirmed for store in (one, other)))
    assert len(followers(server, prefix)) == 2
    await one.invalidate_tag("x")
    assert other._page.is_good
    assert (await other._near.lookup(X)).entry is None


async def test_what_is_taken_back_in_another_database_costs_nothing(
    open_tiered: OpenTiered, server: RedisServer, prefix: str
) -> None:
    """Databases have keys of their own, but the channels of a server are one."""
    store, elsewhere = open_tiered(), open_tiered(f"{server.url}?db=1", consistency="eventual")
    await filled(store)
    await elsewhere.invalidate_tag("x")
    await store.invalidate_tag("y")  # of which it hears after the other one
    figures = store.figures()
    assert (figures.leases, figures.emptied, figures.lapsed) == (1, 1, 0)
    assert (await store._near.lookup(X)).entry is not None


async def test_a_client_that_decodes_what_it_reads_hears_messages(open_tiered: OpenTiered, server: RedisServer) -> None:
    one, other = open_tiered(), open_tiered(f"{server.url}?decode_responses=true")
    await filled(one, other)
    await one.invalidate_tag("x")
    figures = other.figures()
    assert (figures.applied > 0, figures.emptied) == (True, 1)


def announced_to(*followers: bytes) -> fleet.Announced:
    return fleet.Announced(b"a", 1, True, dict.fromkeys(followers, b"1"), fleet.clock())


def test_an_acknowledgement_for_a_loop_that_was_closed_is_for_nobody() -> None:
    async def listen() -> fleet.Heard:
        heard = fleet.Heard()
        waiting = asyncio.ensure_future(heard.wait(announced_to(b"f:1")))
        await asyncio.sleep(0)
        assert not waiting.done()
        return heard

    heard = asyncio.run(listen())
    heard.note(fleet.Acknowledgement(b"f:1", b"a", 1))
    assert not heard._came.is_set()


async def test_who_waits_for_many_acknowledgements_is_woken_by_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "LEASE_SECONDS", 60.0)
    heard, woken, loop = fleet.Heard(), list[object](), asyncio.get_running_loop()
    wake = loop.call_soon_threadsafe

    def noted(callback: Any, *arguments: Any, **more: Any) -> Any:
        woken.append(callback)
        return wake(callback, *arguments, **more)

    monkeypatch.setattr(loop, "call_soon_threadsafe", noted)
    followers = [b"f:%d" % number for number in range(100)]
    heard.note(fleet.Acknowledgement(followers[0], b"a", 1))  # before the answer that says who is waited for
    waiting = asyncio.ensure_future(heard.wait(announced_to(*followers)))
    await asyncio.sleep(0)
    for follower in followers[1:]:
        heard.note(fleet.Acknowledgement(follower, b"b", 1))  # of another incarnation
        assert woken == []
        heard.note(fleet.Acknowledgement(follower, b"a", 2))
    said = await waiting
    assert list(said) == followers
    assert None not in said.values()
    assert woken == [heard._came.set]


async def test_a_subscription_that_broke_is_made_again_and_keeps_all_if_nothing_was_missed(
    open_tiered: OpenTiered, server: RedisServer
) -> None:
    store = open_tiered()
    await filled(store)
    with server.client() as admin:
        admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await become(lambda: store._follower._following._is_fresh or not store._follower._subscription.is_confirmed)
    await become(lambda: store._follower._subscription.is_confirmed and not store._follower._following._is_fresh)
    assert (await store._near.lookup(X)).entry is not None


async def test_what_was_taken_back_while_a_subscription_was_broken_costs_the_near_store(
    open_tiered: OpenTiered, server: RedisServer
) -> None:
    one, other = open_tiered(), open_tiered()
    await filled(one, other)
    await other._follower._subscription.stop()
    await one.invalidate_tag("y")
    await following(other)
    assert (await other._near.lookup(X)).entry is None
    assert await state(other) == "fresh"


async def test_a_server_that_was_started_anew_ends_all_belief(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server()
    settle(server, "accelerator:")
    store = TieredStore(MemoryStore(), RedisStore(server.url, deadline=5))
    await following(store)
    await fill(store, "x")
    assert await state(store) == "fresh"
    shorten(monkeypatch)
    server.kill()
    server.start()
    await become(lambda: drive(store._near.lookup(X)).entry is None)
    await become(lambda: store._page.is_good)
    assert await state(store) == "missing"
    await store.invalidate_tag("x")
    await store.aclose()


async def test_while_the_server_is_away_nothing_near_is_believed_past_its_lease(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    server = start_server()
    events: list[NearEvent] = []
    store = TieredStore(MemoryStore(), RedisStore(server.url, deadline=5), on_event=events.append)
    await following(store)
    await fill(store, "x")
    server.stop()
    await become(lambda: NearEvent("lapsed") in events)
    assert not store._page.is_good
    with pytest.raises(RedisError, match=r"Redis at"):
        await store.lookup(X)
    with pytest.raises(InvalidationError):
        await store.invalidate_tag("x")
    assert (await store._near.lookup(X)).entry is None
    await store.aclose()


async def test_nothing_near_is_believed_while_an_invalidation_is_pending(open_tiered: OpenTiered) -> None:
    store = open_tiered()
    await filled(store)
    store._far.invalidations.pending.add(["y"], soft=False)
    assert store.ready_entry(X.key, X, lambda request, vary: request.selecting_values(vary)) is None
    with pytest.raises(AssertionError):
        drive(store.lookup(X))


def test_several_event_loops_one_after_another_use_it(server: RedisServer, prefix: str) -> None:
    settle(server, prefix)
    store = TieredStore(MemoryStore(), RedisStore(server.url, prefix, deadline=5))
    asyncio.run(_fill_and_leave(store))
    asyncio.run(_hit_and_take_back(store))
    assert followers(server, prefix) == set()


async def _fill_and_leave(store: TieredStore) -> None:
    await filled(store)
    await store._far.links.close()


async def _hit_and_take_back(store: TieredStore) -> None:
    assert drive(store.lookup(X)).entry is not None
    await store.invalidate_tag("x")
    assert await state(store) == "missing"
    await store.aclose()


async def test_the_end_of_an_application_takes_the_follower_of_its_middleware_off_the_list(
    server: RedisServer, prefix: str, settled: None
) -> None:
    sent: list[str] = []

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{step}"
            await send({"type": f"lifespan.{step}.complete"})

    app = ASGIAccelerator(site, store=f"{server.url}?prefix={prefix}&deadline=5")
    store = app.store
    assert isinstance(store, TieredStore)
    steps = iter(["startup", "shutdown"])

    async def receive() -> Message:
        step = next(steps)
        if step == "shutdown":
            await following(store)
            assert len(followers(server, prefix)) == 1
        return {"type": f"lifespan.{step}"}

    async def send(message: Message) -> None:
        sent.append(message["type"])
        assert len(followers(server, prefix)) == 0

    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_fill_that_the_near_store_refuses_to_take_is_in_the_far_one(
    open_tiered: OpenTiered, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_tiered()
    await following(store)

    async def fails(_: object) -> bool:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(store._near, "commit", fails)
        await fill(store, "x")
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "the near store failed, and the far one is asked until it works again: the disk is gone"
    ]
    assert (await store._near.lookup(X)).entry is None
    assert await state(store) == "fresh"


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_near_store_that_waits_is_refused() -> None:
    far = RedisStore("redis://localhost")
    with pytest.raises(TypeError, match="never waits"):
        TieredStore(far, far)


def test_a_far_store_is_a_redis_store() -> None:
    with pytest.raises(TypeError, match="not a MemoryStore"):
        TieredStore(MemoryStore(), MemoryStore())  # type: ignore[arg-type]


def test_a_word_for_consistency_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="'strict' or 'eventual', not 'strong'"):
        TieredStore(MemoryStore(), RedisStore("redis://localhost"), consistency="strong")  # type: ignore[arg-type]


def test_what_is_told_of_events_is_a_function() -> None:
    with pytest.raises(TypeError, match="on_event is a function, not a int"):
        TieredStore(MemoryStore(), RedisStore("redis://localhost"), on_event=3)  # type: ignore[arg-type]


def test_a_url_in_place_of_the_near_store_is_refused() -> None:
    with pytest.raises(TypeError, match=r"near is a store that never waits, such as MemoryStore\(\), not a str"):
        TieredStore("memory:", RedisStore("redis://localhost"))  # type: ignore[arg-type]


# --- one fill for all -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_stale", [False, True], ids=["cold", "stale"])
async def test_who_waits_finds_what_another_process_has_stored_and_keeps_it_near(
    open_tiered: OpenTiered, is_stale: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flight, "PATIENCE", 1000.0)
    monkeypatch.setattr(leasing, "LEASE_SECONDS", 1000.0)
    stores = open_tiered(), open_tiered()
    await following(*stores)
    app = Gated(("cache-control", "s-maxage=60"), ("cache-tag", "x"))
    first, second = (ASGIAccelerator(app, store=store) for store in stores)
    if is_stale:
        app.gate.set()
        assert {(await ask(one)).body for one in (first, second)} == {b"answer 1"}
        await stores[0].invalidate_tag("x", soft=True)
        app.gate = anyio.Event()
    before = app.calls
    async with crowd(first, 10) as one:
        await become(lambda: app.calls == before + 1)
        async with crowd(second, 10) as other:
            await become(lambda: stores[1]._far._mailbox.ends._awaited)
            app.gate.set()
    made = b"answer %d" % (before + 1)
    assert [answer.body for answer in [*one, *other]] == [made] * 20
    assert app.calls == before + 1
    for store in stores:
        found = drive(store._near.lookup(make_request("https://example.org/")))
        assert found.entry is not None
        assert found.entry.body == made


# --- figures ----------------------------------------------------------------------------------------------------------


async def test_an_invalidation_counts_and_is_told_once_although_it_is_made_near_and_far(
    open_tiered: OpenTiered,
) -> None:
    store, noting = open_tiered(), Noting()
    store.invalidated.follow(noting)
    await store.invalidate_tag("x")
    figures = store.invalidated.as_figures()
    assert figures["invalidations"]["tag"] == {"hard": 1, "soft": 0}
    assert sum(figures["invalidating"]["counts"]) == 1
    assert noting.told == [(("x",), False)]
