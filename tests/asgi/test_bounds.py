"""What could grow or go on without end does not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio
import pytest

from accelerator import ASGIAccelerator, Lookup, MemoryStore, Store, cache_for, tag
from accelerator.engine import budget, fill, flight
from accelerator.engine.flight import Flights, Patience, Place
from accelerator.engine.runtime import AnyioRuntime
from accelerator.testing import ManualClock
from tests.support import Message, app_saying, ask, chunk, http_scope, start

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.asgi_types import Receive, Scope, Send
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry

pytestmark = pytest.mark.anyio

SHARED = ("cache-control", "s-maxage=60")


def place(number: int) -> Place:
    return Place(("https", b"h", b"/", "/", b"%d" % number, "", "", b""), (), None, is_stored=False)


async def test_verdicts_and_landings_are_remembered_for_so_many_places_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight, "MAX_STORABLE", 2)
    monkeypatch.setattr(flight, "MAX_LANDINGS", 2)
    flights = Flights(AnyioRuntime(), ManualClock())
    ended = []
    for number in range(3):
        led = await flights.join_or_lead(place(number), Patience(1), flights.landings)
        assert led is not None
        led.land()
        ended.append(led)
        flights.remember(place(number), storable=False)
    assert [flights.is_storable(place(number), if_unknown=True) for number in range(3)] == [True, False, False]
    assert [flights._has_landed_since(led, 0) for led in ended] == [False, True, True]


async def test_the_copies_of_all_running_fills_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MAX_COPIED_BYTES", 10)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(SHARED))
        await send(chunk(b"12345678", more=True))
        if scope["path"] == "/slow":
            await ask(cached, "/quick")  # another one, while this one is under way
        await send(chunk(b""))

    store = MemoryStore()
    cached = ASGIAccelerator(app, store=store)
    assert (await ask(cached, "/slow")).body == b"12345678"
    assert "hit" in str((await ask(cached, "/slow")).get("cache-status"))
    assert "hit" not in str((await ask(cached, "/quick")).get("cache-status"))
    assert "hit" in str((await ask(cached, "/quick")).get("cache-status")), "what was copied was given back"


async def test_an_application_goes_on_for_nobody_only_for_so_long() -> None:
    clock = ManualClock()
    sent: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(SHARED))
        for number in range(1000):
            sent.append(number)
            await send(chunk(b"x", more=True))
            clock.advance(fill.MAX_SECONDS_WITHOUT_CLIENT / 10)

    async def send(message: Message) -> None:
        raise OSError("the client has left")

    async def receive() -> Message:
        raise AssertionError

    with pytest.raises(OSError, match="left"):
        await ASGIAccelerator(app, clock=clock)(http_scope(), receive, send)
    assert len(sent) == 11


async def test_a_refresh_that_is_softly_taken_back_again_and_again_ends() -> None:
    store, clock = MemoryStore(), ManualClock()
    calls = 0
    refreshed = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        cache_for(60, stale_while_revalidate=60)
        tag("x")
        await send(start())
        if calls > 1:
            await store.invalidate_tag("x", soft=True)
        await send(chunk(b"%d" % calls))
        if calls == 4:
            refreshed.set()

    cached = ASGIAccelerator(app, store=store, clock=clock)
    await ask(cached)
    clock.advance(61)
    assert (await ask(cached)).body == b"1"
    with anyio.fail_after(5):
        await refreshed.wait()
        await anyio.wait_all_tasks_blocked()
    assert calls == 4
    assert (await ask(cached)).body == b"4"
    await anyio.wait_all_tasks_blocked()
    assert calls == 7, "and the next request may start another one"


async def test_a_refresh_leaves_the_next_one_to_who_has_begun_it() -> None:
    store, clock = MemoryStore(), ManualClock()
    calls = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        call = calls
        cache_for(60, stale_while_revalidate=60)
        tag("x")
        await send(start())
        if call == 2:
            await store.invalidate_tag("x", soft=True)
        await send(chunk(b"%d" % call))
        if call == 2:
            await ask(cached)  # this begins the one refresh after the invalidation

    cached = ASGIAccelerator(app, store=store, clock=clock)
    await ask(cached)
    clock.advance(61)
    await ask(cached)
    await anyio.wait_all_tasks_blocked()
    assert calls == 3
    assert (await ask(cached)).body == b"3"


class Slow(Store):
    """A store whose lookups for one path take until they are let go, as over a network."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.gate = anyio.Event()
        self.is_slow = False

    async def lookup(self, request: Request) -> Lookup:
        found = await self.store.lookup(request)
        if self.is_slow:
            await self.gate.wait()
        return found

    async def commit(self, entry: Entry) -> bool:
        return await self.store.commit(entry)

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await self.store.invalidate(tags, soft=soft)


async def test_a_lookup_that_missed_what_was_stored_meanwhile_looks_once_more() -> None:
    store = Slow()
    app = app_saying(SHARED)
    cached = ASGIAccelerator(app, store=store)
    answers: list[bytes] = []

    async def ask_slowly() -> None:
        answers.append((await ask(cached)).body)

    async with anyio.create_task_group() as tasks:
        store.is_slow = True
        tasks.start_soon(ask_slowly)
        await anyio.wait_all_tasks_blocked()
        store.is_slow = False
        answers.append((await ask(cached)).body)
        store.gate.set()
    assert (answers, app.calls) == ([b"answer 1", b"answer 1"], 1)


async def test_a_time_that_was_set_outside_stays_in_the_scope() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(chunk(b"x"))

    scope = http_scope()
    scope["accelerator.cache_for"] = 60
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        raise AssertionError

    store = MemoryStore()
    await ASGIAccelerator(app, store=store)(scope, receive, send)
    assert (len(store), scope["accelerator.cache_for"]) == (1, 60)


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_refresh_that_wants_to_end_the_program_is_logged_instead(
    anyio_backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        raise SystemExit(1)

    with caplog.at_level(logging.ERROR, "accelerator"):
        AnyioRuntime().spawn("refresh", 1, work)
        await anyio.wait_all_tasks_blocked()
    assert [record.getMessage() for record in caplog.records] == ["refresh was ended"]


def test_a_refresh_ends_with_its_loop(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        AnyioRuntime().spawn("refresh", 60, anyio.sleep_forever)
        await anyio.wait_all_tasks_blocked()

    for backend in ("asyncio", "trio"):
        anyio.run(main, backend=backend)
    assert not caplog.records
