"""A request whose answer is cut short, by whoever it is, is counted once, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from accelerator import ASGIAccelerator, MemoryStore, WSGIAccelerator
from accelerator.engine import budget, refresh
from accelerator.figures.counts import MIN_TALLIES
from accelerator.testing import ManualClock
from tests.support import BROWSER, Client, app_saying, ask, chunk, http_scope, start
from tests.wsgi.support import Body, Exchange, environ_of, site_with
from tests.wsgi.support import ask as ask_wsgi

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from accelerator.asgi_types import Message, Receive, Scope, Send
    from accelerator.events import CacheEvent
    from accelerator.rules.entry import Entry

SHARED = ("cache-control", "s-maxage=60")
INCOMPLETE = {"miss": {"incomplete response": 1}}


@pytest.fixture(autouse=True)
def _room_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for the copy of one response only, so that what is not given back shows."""
    monkeypatch.setattr(budget, "MAX_COPIED_BYTES", 10)


class Hanging(MemoryStore):
    """A store that hangs while it stores a certain page."""

    async def commit(self, entry: Entry) -> bool:
        if "/store" in entry.key:
            await anyio.sleep_forever()
        return await super().commit(entry)


class Site:
    """An application that hangs where the path says, behind a cache."""

    def __init__(self) -> None:
        self.events: list[CacheEvent] = []
        self.cache = ASGIAccelerator(self.app, store=Hanging(), on_event=self.events.append)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/view":
            await anyio.sleep_forever()
        await send(start(SHARED))
        if scope["path"] == "/body":
            await send(chunk(b"12345678", more=True))
            await anyio.sleep_forever()
        await send(chunk(b"12345678"))

    async def ask_and_leave(self, path: str, **more: Any) -> None:
        """Ask for a page whose answer hangs, and be cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: ask(self.cache, path, **more))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/view", "/body", "/store"])
async def test_a_fill_that_is_cancelled_is_counted_and_gives_back_what_it_has_copied(path: str) -> None:
    site = Site()
    await site.ask_and_leave(path)
    figures = site.cache.figures()
    assert (figures["requests"], figures["filling"]) == (INCOMPLETE, 0)
    assert [(event.kind, event.detail) for event in site.events] == [("miss", "incomplete response")]
    await ask(site.cache, "/page")
    assert site.cache.figures()["requests"]["miss"]["stored"] == 1


@pytest.mark.anyio
async def test_a_stored_response_whose_client_takes_no_more_is_counted_once_though_it_is_cancelled() -> None:
    site = Site()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.cache, http_scope("/page"), receive, send)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert site.cache.figures()["requests"] == {"miss": {"stored": 1}}


@pytest.mark.anyio
async def test_a_request_that_passes_by_is_counted_though_it_is_cancelled() -> None:
    site = Site()
    await site.ask_and_leave("/body", method="POST")
    assert site.cache.figures()["requests"] == {"pass": {"method": 1}}


@pytest.mark.anyio
async def test_a_refresh_that_takes_too_long_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "REFRESH_SECONDS", 0.01)
    clock, has_ended = ManualClock(), anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(("cache-control", "max-age=60, stale-while-revalidate=600")))
        if clock() > began:
            try:
                await anyio.sleep_forever()
            finally:
                has_ended.set()
        await send(chunk(b"1"))

    began = clock()
    cache = ASGIAccelerator(app, clock=clock)
    await ask(cache)
    clock.advance(70)
    await ask(cache)
    with anyio.fail_after(20):
        await has_ended.wait()
    await anyio.wait_all_tasks_blocked()
    figures = cache.figures()
    assert (figures["refreshes"], figures["filling"]) == ({"incomplete response": 1}, 0)


def dropped(exchange: Exchange) -> None:
    """The server drops the body unclosed."""
    del exchange.iterable, exchange._chunks


def ended(exchange: Exchange) -> None:
    """The server ends its worker."""
    with pytest.raises(SystemExit):
        exchange.finish()


@pytest.mark.parametrize("end", [dropped, ended])
def test_under_wsgi_a_fill_that_a_server_ends_is_counted_and_gives_back_what_it_has_copied(
    end: Callable[[Exchange], None],
) -> None:
    pages = {"/body": Body(b"12345678", SystemExit(1)), "/page": Body(b"12345678")}
    cache = WSGIAccelerator(lambda environ, reply: site_with(pages[environ["PATH_INFO"]], ttl=60)(environ, reply))
    exchange = Exchange(cache, environ_of("/body"))
    exchange.step()
    end(exchange)
    figures = cache.figures()
    assert (figures["requests"], figures["filling"]) == (INCOMPLETE, 0)
    ask_wsgi(cache, "/page")
    assert cache.figures()["requests"]["miss"]["stored"] == 1


@pytest.mark.parametrize(("ttl", "reason"), [(60, "stored"), (None, "no explicit time")])
def test_under_wsgi_a_fill_whose_client_leaves_is_counted_once(ttl: float | None, reason: str) -> None:
    cache = WSGIAccelerator(site_with(Body(b"1", b"2", b"3"), ttl=ttl))
    exchange = Exchange(cache, environ_of())
    exchange.step()
    exchange.close()
    assert cache.figures()["requests"] == {"miss": {reason: 1}}


# --- answers from the store -------------------------------------------------------------------------------------------

LONG = ("cache-control", "max-age=86400")


@pytest.mark.anyio
async def test_an_answer_from_the_store_is_counted_though_its_client_has_left() -> None:
    cache, client = ASGIAccelerator(app_saying(LONG, body=b"1")), Client()
    await ask(cache, headers=BROWSER)
    client.leave()
    ranged = [*BROWSER, ("range", "bytes=0-0")]
    for lines in (BROWSER, BROWSER, ranged):
        with pytest.raises(OSError, match="the client has left"):
            await client.ask(cache, headers=lines)
    assert cache.figures()["requests"]["hit"] == {"": 3}


@pytest.mark.anyio
async def test_a_504_is_counted_though_its_client_has_left() -> None:
    cache, client = ASGIAccelerator(app_saying(), obey_request_directives=True), Client()
    client.leave()
    with pytest.raises(OSError, match="the client has left"):
        await client.ask(cache, headers=[("cache-control", "only-if-cached")])
    assert cache.figures()["requests"] == {"miss": {"only-if-cached": 1}}


@pytest.mark.anyio
async def test_a_hit_is_counted_though_its_client_reads_slowly_until_its_answer_is_given_up() -> None:
    clock, gate = ManualClock(), anyio.Event()
    cache = ASGIAccelerator(app_saying(LONG), clock=clock)

    async def fill_and_hit(number: int) -> None:
        for _ in range(3):  # the second one makes the third one a plain hit
            await ask(cache, f"/{number}", headers=BROWSER)

    await fill_and_hit(0)
    assert cache.answer_at_once(http_scope("/0", headers=BROWSER)) is not None, "it is a plain hit"
    slow = Client(on_send=lambda _: gate.wait())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: slow.ask(cache, "/0", headers=BROWSER))
        await anyio.wait_all_tasks_blocked()
        clock.advance(2)
        for number in range(1, MIN_TALLIES + 2):  # so many that answers which are over are given up
            await fill_and_hit(number)
        gate.set()
    assert cache.figures()["requests"]["hit"] == {"": 2 * (MIN_TALLIES + 2) + 1}


# --- a 304 that cannot be used, and no second call --------------------------------------------------------------------


class Revalidated:
    """An application whose 304 is about another representation, and which then does as it is told."""

    def __init__(self, then: Callable[[Send], Awaitable[None]], *directives: str) -> None:
        self.then = then
        self.directives = ", ".join(("max-age=5", *directives))
        self.clock = ManualClock()
        self.events: list[CacheEvent] = []
        self.cache = ASGIAccelerator(self.app, clock=self.clock, on_event=self.events.append)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(name == b"if-none-match" for name, _ in scope["headers"]):
            await receive()
            await send(start(("etag", '"2"'), status=304))
            await self.then(send)
        else:
            await send(start(("etag", '"1"'), ("cache-control", self.directives)))
            await send(chunk(b"1"))

    async def prepare(self) -> None:
        """Store a page, and let it become stale."""
        await ask(self.cache)
        self.clock.advance(10)

    @property
    def counted(self) -> tuple[dict[str, dict[str, int]], list[tuple[str, str]]]:
        """The requests after the first one, and their events."""
        found = self.cache.figures()["requests"]
        found["miss"]["stored"] -= 1
        return found, [(event.kind, event.detail) for event in self.events[1:]]


async def fails(send: Send) -> None:
    """The application fails."""
    raise BrokenError


async def hangs(send: Send) -> None:
    """The application hangs."""
    await send(chunk())
    await anyio.sleep_forever()


async def returns(send: Send) -> None:
    """The application has said what it had to say."""
    await send(chunk())


class BrokenError(Exception):
    """What an application raises."""


@pytest.mark.anyio
async def test_an_exception_after_a_304_that_cannot_be_used_is_counted_once() -> None:
    site = Revalidated(fails)
    await site.prepare()
    with pytest.raises(BrokenError):
        await ask(site.cache)
    assert site.counted == ({"miss": {"stored": 0, "stale": 1}}, [("miss", "")])


@pytest.mark.anyio
async def test_where_a_stale_answer_stands_in_for_that_exception_it_is_counted_once() -> None:
    site = Revalidated(fails, "stale-if-error=600")
    await site.prepare()
    assert (await ask(site.cache)).body == b"1"
    assert site.counted == (
        {"miss": {"stored": 0}, "stale": {"stale-if-error": 1}},
        [("stale", "stale-if-error")],
    )


@pytest.mark.anyio
async def test_a_cancellation_after_a_304_that_cannot_be_used_is_counted_once() -> None:
    site = Revalidated(hangs)
    await site.prepare()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, site.cache)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert site.counted == ({"miss": {"stored": 0, "incomplete response": 1}}, [("miss", "incomplete response")])


@pytest.mark.anyio
async def test_two_calls_of_the_application_for_one_request_are_counted_once() -> None:
    site = Revalidated(returns)
    await site.prepare()
    assert (await ask(site.cache)).body == b"1"
    assert site.counted == ({"miss": {"stored": 1}}, [("miss", "stored")])


@pytest.mark.anyio
async def test_two_calls_of_the_application_for_a_request_with_content_are_counted_once() -> None:
    site = Revalidated(returns)
    await site.prepare()
    answer = await Client(body=[b"content"]).ask(site.cache)
    assert answer.body == b"1"
    assert site.counted == ({"miss": {"stored": 1}}, [("miss", "stored")])
