"""A refresh runs after its request: where it fails for that, the next request makes the response itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from accelerator import ASGIAccelerator, MemoryStore, cache_for
from accelerator.engine import refresh
from accelerator.testing import ManualClock
from tests.support import App, Lines, Receive, Scope, Send, ask

if TYPE_CHECKING:
    from starlette.requests import Request

    from accelerator.asgi_types import Application
    from accelerator.http.request import Request as CacheRequest
    from accelerator.stores.protocol import Lookup

pytestmark = pytest.mark.anyio

WHILE = ("cache-control", "s-maxage=60, stale-while-revalidate=600")
WINDOW = 660
FAILING = {"500": 500, "503": 503, "401": 401, "404": 404}


async def settled() -> None:
    """Let what goes on in the background get as far as it can."""
    await anyio.wait_all_tasks_blocked()


class Session:
    """A session of a database, which raises once it is closed."""

    is_open = True

    def read(self) -> str:
        if not self.is_open:
            raise RuntimeError("the session is closed")
        return "data"


class SessionOutside:
    """A middleware that gives each request a session, and closes it after the answer."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["session of the database"] = session = Session()
        try:
            await self.app(scope, receive, send)
        finally:
            session.is_open = False


FAILED = (
    "refresh of 'https://example.org/' failed (it runs after its request, when outer middlewares have closed theirs):"
    " RuntimeError('the session is closed')"
)


async def test_where_each_refresh_lacks_its_session_each_time_is_followed_by_a_fresh_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, clock = 0, ManualClock()

    async def page(request: Request) -> PlainTextResponse:
        nonlocal made
        cache_for(60, stale_while_revalidate=600)
        data = request.scope["session of the database"].read()
        made += 1
        return PlainTextResponse(f"{data} {made}")

    app = SessionOutside(ASGIAccelerator(Starlette(routes=[Route("/", page)]), clock=clock))
    bodies = []
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            for _ in range(4):
                bodies.append((await ask(app)).body)
                await settled()
            clock.advance(61)
    one, two, three = b"data 1", b"data 2", b"data 3"
    assert bodies == [one, one, one, one, one, two, two, two, two, three, three, three]
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [(FAILED, None)] * 2


async def test_its_traceback_is_there_for_who_asks_for_it(caplog: pytest.LogCaptureFixture) -> None:
    origin = Turns((200, WHILE), RuntimeError("broken"))
    with caplog.at_level(logging.DEBUG, "accelerator"):
        await origin.become_stale()
        await ask(origin.cached)
        await settled()
    assert [bool(record.exc_info) for record in caplog.records] == [False, True]


class Turns:
    """A cached application whose answers are these in turn, and the last one from then on; an exception is raised."""

    def __init__(self, *answers: tuple[int, tuple[str, str]] | Exception, **options: Any) -> None:
        self.answers = answers
        self.clock = ManualClock()
        self.app = App(self.handle)
        self.cached = ASGIAccelerator(self, clock=self.clock, **options)
        self.gate: anyio.Event | None = None
        self.is_silent = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.is_silent:
            await self.app(scope, receive, send)

    async def handle(self, scope: Scope) -> tuple[int, Lines, bytes]:
        number = self.app.calls
        answer = self.answers[min(number, len(self.answers)) - 1]
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        status, line = answer
        return status, [line], b"answer %d" % number

    async def become_stale(self) -> None:
        await ask(self.cached)
        self.clock.advance(60)

    async def bodies(self, count: int) -> list[bytes]:
        """Ask so many times, each time once the background has settled."""
        found = []
        for _ in range(count):
            found.append((await ask(self.cached)).body)
            await settled()
        return found


# --- what counts as failed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", FAILING.values(), ids=FAILING)
async def test_a_refresh_that_is_answered_with_an_error_has_failed(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    origin = Turns((200, WHILE), (status, ("x-error", "1")), (200, WHILE))
    await origin.become_stale()
    with caplog.at_level(logging.INFO, "accelerator"):
        assert await origin.bodies(3) == [b"answer 1", b"answer 3", b"answer 3"]
    assert [f"the application answered {status}" in record.getMessage() for record in caplog.records] == [True]


async def test_a_refresh_that_is_answered_by_half_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    origin = Turns((200, WHILE), (200, ("content-length", "1000")), (200, WHILE), default_ttl=60)
    await origin.become_stale()
    assert await origin.bodies(2) == [b"answer 1", b"answer 3"]
    assert "did not answer to the end" in caplog.text


async def test_a_refresh_that_is_not_answered_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    origin = Turns((200, WHILE))
    await origin.become_stale()
    origin.is_silent = True
    assert await origin.bodies(1) == [b"answer 1"]
    origin.is_silent = False
    assert await origin.bodies(1) == [b"answer 2"]
    assert "did not answer to the end" in caplog.text


@pytest.mark.parametrize("line", [("cache-control", "private"), ("set-cookie", "a=1")])
async def test_one_that_may_not_be_stored_has_not_failed(line: tuple[str, str]) -> None:
    origin = Turns((200, WHILE), (200, line))
    await origin.become_stale()
    assert await origin.bodies(3) == [b"answer 1"] * 3


async def test_a_404_that_may_be_stored_is_an_answer() -> None:
    origin = Turns((200, WHILE), (404, WHILE))
    await origin.become_stale()
    assert await origin.bodies(3) == [b"answer 1", b"answer 2", b"answer 2"]


async def test_one_that_was_overtaken_leaves_it_to_the_next_that_has_begun_meanwhile() -> None:
    """What a soft invalidation took back while it was made is made once more: by one of them."""

    class Held(MemoryStore):
        """A store whose lookups wait while there is a gate."""

        gate: anyio.Event | None = None

        async def lookup(self, request: CacheRequest) -> Lookup:
            gate, self.gate = self.gate, None
            found = await super().lookup(request)
            if gate is not None:
                await gate.wait()
            return found

    store = Held()
    origin = Turns((200, WHILE), store=store)
    await origin.become_stale()
    made = origin.gate = anyio.Event()
    await origin.bodies(1)
    await store.invalidate_url("https://example.org/", soft=True)
    looked_up = store.gate = anyio.Event()
    made.set()
    await settled()
    remade = origin.gate = anyio.Event()
    await origin.bodies(1)
    looked_up.set()
    await settled()
    assert origin.app.calls == 3
    remade.set()
    await settled()
    assert await origin.bodies(1) == [b"answer 3"]
    assert origin.app.calls == 3


async def test_one_that_is_overtaken_each_time_leaves_it_to_the_next_request() -> None:
    async def overtake(scope: Scope, receive: Receive, send: Send) -> None:
        await origin.cached.invalidate_url("https://example.org/", soft=True)
        await origin(scope, receive, send)

    origin = Turns((200, WHILE))
    await origin.become_stale()
    origin.cached = ASGIAccelerator(overtake, store=origin.cached.store, clock=origin.clock)
    for calls in (1 + refresh.REFRESHES, 1 + 2 * refresh.REFRESHES):
        await origin.bodies(1)
        assert origin.app.calls == calls


# --- the fill after it ------------------------------------------------------------------------------------------------


async def test_only_one_request_waits_for_it_the_others_get_what_is_stale() -> None:
    origin = Turns((200, WHILE), RuntimeError("broken"), (200, WHILE))
    await origin.become_stale()
    await origin.bodies(1)
    origin.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, origin.cached)
        await settled()
        assert await origin.bodies(3) == [b"answer 1"] * 3
        assert origin.app.calls == 3
        origin.gate.set()
    assert await origin.bodies(1) == [b"answer 3"]


@pytest.mark.parametrize("failure", [RuntimeError("broken"), (503, ("x-error", "1"))], ids=["an exception", "503"])
async def test_if_that_fails_too_what_is_stale_is_served_within_its_window(
    failure: RuntimeError | tuple[int, tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    origin = Turns((200, WHILE), failure)
    await origin.become_stale()
    assert await origin.bodies(2) == [b"answer 1"] * 2
    assert "a stale response was served" in caplog.text
    origin.clock.advance(WINDOW - 60)
    if isinstance(failure, Exception):
        with pytest.raises(RuntimeError, match="broken"):
            await ask(origin.cached)
    else:
        assert (await ask(origin.cached)).status == 503


async def test_if_that_fails_too_nobody_else_waits_for_that_for_a_while() -> None:
    origin = Turns((200, WHILE), RuntimeError("broken"))
    await origin.become_stale()
    await origin.bodies(2)
    origin.gate = anyio.Event()

    async def waits() -> bool:
        """Tell whether a request waits for the application."""
        with anyio.move_on_after(0.01) as patience:
            await ask(origin.cached)
        return patience.cancelled_caught

    assert not await waits()
    origin.gate.set()
    await settled()
    origin.clock.advance(refresh.FAILING_SECONDS)
    origin.gate = anyio.Event()
    assert await waits()


async def test_an_error_that_is_not_hidden_is_the_clients_until_the_application_recovers() -> None:
    origin = Turns((200, WHILE), (404, ("x-error", "1")), (404, ("x-error", "1")), (200, WHILE))
    await origin.become_stale()
    await origin.bodies(1)
    assert [(await ask(origin.cached)).status for _ in range(3)] == [404, 200, 200]


async def test_who_cannot_fill_is_served_what_is_stale() -> None:
    """A HEAD and a range fill nothing: the background tries once more for them."""
    origin = Turns((200, WHILE), RuntimeError("broken"), RuntimeError("broken"), (200, WHILE))
    await origin.become_stale()
    await origin.bodies(1)
    head = await ask(origin.cached, method="HEAD")
    await settled()
    part = await ask(origin.cached, headers=[("range", "bytes=0-0")])
    await settled()
    assert (head.status, part.body, origin.app.calls) == (200, b"a", 4)
    assert await origin.bodies(1) == [b"answer 4"]


async def test_once_it_has_been_made_anew_the_background_is_tried_first_again() -> None:
    origin = Turns((200, WHILE), RuntimeError("broken"), (200, WHILE))
    await origin.become_stale()
    await origin.bodies(2)
    origin.clock.advance(60)
    assert await origin.bodies(2) == [b"answer 3", b"answer 4"]


async def test_what_is_remembered_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "MAX_FAILURES", 2)
    origin = Turns((200, WHILE), (200, WHILE), (200, WHILE), RuntimeError("broken"))
    urls = ["/1", "/2", "/3"]
    for url in urls:
        await ask(origin.cached, url)
    origin.clock.advance(60)
    for url in urls:
        await ask(origin.cached, url)
        await settled()
    origin.answers = ((200, WHILE),)
    assert [(await ask(origin.cached, url)).body for url in urls] == [b"answer 1", b"answer 7", b"answer 8"]
