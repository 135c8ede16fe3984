"""An event stream goes on for as long as somebody listens: nothing of it is kept, held or waited for by itself."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from accelerator import ASGIAccelerator, CacheEvent, cache_for
from accelerator.testing import ManualClock
from tests.asgi.servers import SECONDS, Connection, started, wait_until_it_listens
from tests.support import Client, Receive, Scope, Script, Send, ask, chunk, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from starlette.requests import Request

    from tests.asgi.servers import Server

pytestmark = pytest.mark.anyio

EVENTS = ("content-type", "text/event-stream; charset=utf-8")
SAID = ("cache-control", "s-maxage=60")
NEVER = anyio.sleep_forever
KINDS = ["text/event-stream", "Text/Event-Stream ;charset=utf-8", 'multipart/x-mixed-replace; boundary="frame"']
SAYING = pytest.mark.parametrize("lines", [[EVENTS], [EVENTS, SAID]], ids=["by default_ttl", "by its own word"])


def cached_forever(app: Any, **options: Any) -> ASGIAccelerator:
    """The cache with every option that gives a time to what has none."""
    return ASGIAccelerator(app, default_ttl=60, heuristic=True, **options)


# --- kept -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("line", "detail"),
    [
        pytest.param(("x-time", "none"), "an event stream needs an explicit time", id="default_ttl"),
        pytest.param(
            ("last-modified", "Thu, 14 Jan 2027 08:00:00 GMT"), "an event stream needs an explicit time", id="heuristic"
        ),
        pytest.param(("cache-control", "no-cache"), "no time to be fresh", id="no-cache"),
        pytest.param(("cache-control", "max-age=0"), "no time to be fresh", id="a time of 0"),
    ],
)
async def test_an_event_stream_is_not_kept_without_a_time_of_its_own(
    kind: str, line: tuple[str, str], detail: str
) -> None:
    events: list[CacheEvent] = []
    app = Script(start(("content-type", kind), ("etag", '"v1"'), line), chunk(b"data: 1\n\n"))
    cached = cached_forever(app, stale_while_revalidate=60, stale_if_error=60, on_event=events.append)
    for _ in range(2):
        await ask(cached)
    assert ([event.detail for event in events], app.calls) == ([detail, detail], 2)


@pytest.mark.parametrize("line", [SAID, ("cache-control", "max-age=60"), ("cdn-cache-control", "max-age=60")])
async def test_one_that_ends_is_kept_for_the_time_that_it_says_itself(line: tuple[str, str]) -> None:
    app = Script(start(EVENTS, line), chunk(b"data: 1\n\n", more=True), chunk(b"data: 2\n\n"))
    clock = ManualClock()
    cached = cached_forever(app, stale_while_revalidate=60, clock=clock)
    answers = [await ask(cached) for _ in range(2)]
    assert ({answer.body for answer in answers}, app.calls) == ({b"data: 1\n\ndata: 2\n\n"}, 1)
    assert "hit" in str(answers[1].get("cache-status"))
    clock.advance(60)
    await ask(cached)
    assert app.calls == 2, "past its time it is made for who asks, not for nobody in the background"


async def test_what_is_no_event_stream_is_kept_as_before() -> None:
    app = Script(start(("content-type", "text/event-stream-like")), chunk(b"all"))
    cached = cached_forever(app)
    for _ in range(2):
        await ask(cached)
    assert app.calls == 1


# --- held back, waited for --------------------------------------------------------------------------------------------


@SAYING
async def test_its_start_is_not_held_back_for_its_first_event(lines: list[tuple[str, str]]) -> None:
    client = Client()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.ask, cached_forever(Script(start(*lines), NEVER)))
        await anyio.wait_all_tasks_blocked()
        assert [message["type"] for message in client.answer.messages] == ["http.response.start"]
        tasks.cancel_scope.cancel()


class Opening:
    """An application whose streams start once the gate opens, and have no end."""

    def __init__(self, *lines: tuple[str, str]) -> None:
        self.lines = lines
        self.gate = anyio.Event()
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        number = self.calls
        await self.gate.wait()
        await send(start(*self.lines))
        await send(chunk(b"data: %d\n\n" % number, more=True))
        await anyio.sleep_forever()


@SAYING
async def test_who_waits_for_another_ones_answer_goes_on_as_soon_as_it_starts_as_a_stream(
    lines: list[tuple[str, str]],
) -> None:
    app, clients = Opening(*lines), [Client() for _ in range(4)]
    cached = cached_forever(app)
    async with anyio.create_task_group() as tasks:
        for client in clients:
            tasks.start_soon(client.ask, cached)
        await anyio.wait_all_tasks_blocked()
        assert app.calls == 1, "nobody knows yet what it will be"
        app.gate.set()
        await anyio.wait_all_tasks_blocked()
        assert {client.answer.body for client in clients} == {b"data: %d\n\n" % number for number in (1, 2, 3, 4)}
        tasks.cancel_scope.cancel()


@SAYING
async def test_from_then_on_nobody_waits_even_for_its_start(lines: list[tuple[str, str]]) -> None:
    app, clock = Opening(*lines), ManualClock()
    cached = cached_forever(app, clock=clock)
    async with anyio.create_task_group() as tasks:
        app.gate.set()
        tasks.start_soon(ask, cached)
        await anyio.wait_all_tasks_blocked()
        app.gate = anyio.Event()
        for _ in range(3):
            tasks.start_soon(ask, cached)
        await anyio.wait_all_tasks_blocked()
        assert app.calls == 4
        tasks.cancel_scope.cancel()


async def test_nobody_waits_for_one_that_was_kept_before_either() -> None:
    """The next one may have no end."""
    app, clock = Script(start(EVENTS, ("cache-control", "s-maxage=30")), chunk(b"data: 1\n\n")), ManualClock()
    cached = cached_forever(app, clock=clock)
    await ask(cached)
    clock.advance(30)
    gate = anyio.Event()
    app.steps = (gate.wait, *app.steps)
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask, cached)
        await anyio.wait_all_tasks_blocked()
        assert app.calls == 4
        gate.set()


# --- left -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("notes", [False, True], ids=["by default_ttl", "by its own word"])
async def test_its_generator_ends_when_its_client_leaves(notes: bool) -> None:
    has_ended = False

    async def events() -> AsyncIterator[bytes]:
        nonlocal has_ended
        try:
            yield b"data: news\n\n"
            await anyio.sleep_forever()
        finally:
            has_ended = True

    async def endpoint(request: Request) -> StreamingResponse:
        if notes:
            cache_for(60)
        return StreamingResponse(events(), media_type="text/event-stream")

    client, cached = Client(raises=False), cached_forever(Starlette(routes=[Route("/", endpoint)]))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(client.ask, cached, asgi={"version": "3.0", "spec_version": "2.3"}))
        await anyio.wait_all_tasks_blocked()
        assert client.answer.body == b"data: news\n\n"
        client.leave()
    assert has_ended


@SAYING
async def test_one_that_only_sends_hears_from_the_server_that_its_client_has_left(lines: list[tuple[str, str]]) -> None:
    """ASGI 2.4: `send` raises OSError."""
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(start(*lines))
        for sent in range(100):
            if sent == 2:
                client.leave()
            await send(chunk(b"data: news\n\n", more=True))

    client = Client()
    with pytest.raises(OSError, match="left"):
        await client.ask(cached_forever(app))
    assert sent == 2


async def test_an_application_that_is_kept_from_its_clients_leaving_hears_of_it_once_it_starts_a_stream() -> None:
    """Before the start a page that was storable so far goes on for the store alone."""
    gate, heard = anyio.Event(), anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen, receive)
            await gate.wait()
            await send(start(("content-type", kind), SAID))
            await send(chunk(b"first", more=kind != "text/html"))

    async def listen(receive: Receive) -> None:
        assert (await receive())["type"] == "http.disconnect"
        heard.set()

    kind, clock = "text/html", ManualClock()
    cached = cached_forever(app, clock=clock)
    gate.set()
    await ask_and_leave(cached)
    clock.advance(60)
    gate, heard, kind, client = anyio.Event(), anyio.Event(), "text/event-stream", Client(raises=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.ask, cached)
        await anyio.wait_all_tasks_blocked()
        client.leave()
        await anyio.wait_all_tasks_blocked()
        assert not heard.is_set()
        gate.set()
    assert heard.is_set()


async def ask_and_leave(app: Any) -> None:
    client = Client(raises=False)
    client.leave()
    await client.ask(app)


# --- under a real server ----------------------------------------------------------------------------------------------


@pytest.fixture(params=["h11", "httptools"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    command = f"uvicorn --http {request.param} --host 127.0.0.1 --port {{port}} --log-level warning {{app}}"
    server = started(command, "tests.asgi.served_events:app", tmp_path / "log")
    try:
        wait_until_it_listens(server)
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def read_until(connection: Connection, end: bytes) -> bytes:
    received = b""
    while end not in received:
        received += connection.socket.recv(65536)
    return received


@pytest.mark.parametrize("target", ["/events", "/said"])
def test_under_uvicorn_each_subscriber_is_told_at_once_and_nobody_is_told_for_ever(server: Server, target: str) -> None:
    with ExitStack() as stack:
        subscribers = [stack.enter_context(Connection(server.port)) for _ in range(4)]
        for subscriber in subscribers:
            subscriber.send(target)
            assert b"text/event-stream" in read_until(subscriber, b"\r\n\r\n"), "before the first event"
        with Connection(server.port) as other:
            assert other.ask("/go").body == b"4"
            for subscriber in subscribers:
                read_until(subscriber, b"data: news")
                subscriber.break_off()
            assert other.ask("/alone").body == b"0"
    server.process.terminate()
    server.process.wait(SECONDS)
    assert server.log.read_text() == ""
