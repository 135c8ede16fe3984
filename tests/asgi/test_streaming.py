"""What the application sends reaches the client when it is sent, at the client's pace; a copy is kept beside."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route
from trio.testing import MockClock

from accelerator import ASGIAccelerator
from tests.support import (
    Answer,
    Client,
    Listening,
    Message,
    Receive,
    Scope,
    Script,
    Send,
    app_saying,
    ask,
    chunk,
    start,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

pytestmark = pytest.mark.anyio

SHARED = ("cache-control", "s-maxage=60")
PRIVATE = ("cache-control", "private")
STORABLE = pytest.mark.parametrize("line", [SHARED, PRIVATE], ids=["storable", "unstorable"])


# --- at once ----------------------------------------------------------------------------------------------------------


@STORABLE
async def test_the_first_byte_goes_out_as_soon_as_the_application_sends_it(line: tuple[str, str]) -> None:
    client, more = Client(), anyio.Event()
    cached = ASGIAccelerator(Script(start(line), chunk(b"first, ", more=True), more.wait, chunk(b"last")))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.ask, cached)
        await anyio.wait_all_tasks_blocked()
        assert (client.answer.body, client.answer.is_complete) == (b"first, ", False)
        more.set()
    assert (client.answer.body, client.answer.is_complete) == (b"first, last", True)


async def test_a_start_waits_for_its_first_chunk_only_where_it_can_be_stored() -> None:
    async def started(line: tuple[str, str]) -> bool:
        client, more = Client(), anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.ask, ASGIAccelerator(Script(start(line), more.wait, chunk(b"all"))))
            await anyio.wait_all_tasks_blocked()
            has_started = bool(client.answer.messages)
            more.set()
        assert client.answer.body == b"all"
        return has_started

    assert (await started(SHARED), await started(PRIVATE)) == (False, True)


async def test_an_empty_first_chunk_lets_the_start_out() -> None:
    client, more = Client(), anyio.Event()
    cached = ASGIAccelerator(Script(start(SHARED), chunk(more=True), more.wait, chunk(b"all")))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.ask, cached)
        await anyio.wait_all_tasks_blocked()
        assert [message["type"] for message in client.answer.messages] == ["http.response.start", "http.response.body"]
        more.set()


@STORABLE
async def test_chunks_reach_the_client_one_by_one_as_they_were_sent(line: tuple[str, str]) -> None:
    chunks = [chunk(b"a", more=True), chunk(more=True), chunk(b"b" * 100_000, more=True), chunk(b"")]
    answer = await ask(ASGIAccelerator(Script(start(line), *chunks)))
    assert answer.messages[1:] == chunks


@STORABLE
async def test_an_application_waits_for_a_slow_client(line: tuple[str, str]) -> None:
    sent: list[str] = []
    is_ready = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for name, message in (("start", start(line)), ("first", chunk(b"a", more=True)), ("last", chunk(b"b"))):
            await send(message)
            sent.append(name)

    async def hold(message: Message) -> None:
        if message.get("body") == b"a":
            await is_ready.wait()

    client = Client(on_send=hold)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.ask, ASGIAccelerator(app))
        await anyio.wait_all_tasks_blocked()
        assert sent == ["start"]
        is_ready.set()
    assert (sent, client.answer.body) == (["start", "first", "last"], b"ab")


async def test_a_hit_waits_for_a_slow_client_and_keeps_nobody_else_waiting() -> None:
    cached = ASGIAccelerator(app_saying(SHARED))
    await ask(cached)
    is_ready = anyio.Event()

    async def hold(message: Message) -> None:
        await is_ready.wait()

    slow = Client(on_send=hold)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slow.ask, cached)
        await anyio.wait_all_tasks_blocked()
        assert slow.answer.messages == []
        assert (await ask(cached)).body == b"answer 1"
        is_ready.set()
    assert slow.answer.body == b"answer 1"


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [9, 10, 11])
@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("is_promised", [True, False], ids=["with Content-Length", "without"])
async def test_a_body_up_to_max_body_bytes_is_stored(size: int, chunks: int, is_promised: bool) -> None:
    body = bytes(range(size))
    parts = [body[:4], body[4:8], body[8:]] if chunks == 3 else [body]
    length = [("content-length", str(size))] if is_promised else []
    app = Script(start(SHARED, *length), *(chunk(part, more=True) for part in parts[:-1]), chunk(parts[-1]))
    cached = ASGIAccelerator(app, max_body_bytes=10)
    answers = [await ask(cached), await ask(cached)]
    assert [answer.body for answer in answers] == [body, body]
    assert app.calls == (1 if size <= 10 else 2)


async def test_what_promises_to_be_too_large_is_not_held() -> None:
    client, more = Client(), anyio.Event()
    app = Script(start(SHARED, ("content-length", "11")), more.wait, chunk(b"x" * 11))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.ask, ASGIAccelerator(app, max_body_bytes=10))
        await anyio.wait_all_tasks_blocked()
        assert client.answer.status == 200
        more.set()


# --- stored before it ends --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [[b"all"], [b"first, ", b"last"]], ids=["one chunk", "two chunks"])
async def test_a_client_that_asks_again_at_once_gets_a_hit(parts: list[bytes]) -> None:
    """The entry is in the store before the last chunk goes out."""
    app = Script(start(SHARED), *(chunk(part, more=True) for part in parts[:-1]), chunk(parts[-1]))
    cached = ASGIAccelerator(app)
    again: list[Answer] = []

    async def ask_again(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            again.append(await ask(cached))

    await Client(on_send=ask_again).ask(cached)
    assert [answer.body for answer in again] == [b"".join(parts)]
    assert (app.calls, str(again[0].get("cache-status"))[:16]) == (1, "accelerator; hit")


# --- a client that leaves ---------------------------------------------------------------------------------------------


def left_after(body: bytes) -> Client:
    """A client that is gone when the chunk `body` comes."""

    async def leave(message: Message) -> None:
        if message.get("body") == body:
            client.leave()

    client = Client(on_send=leave)
    return client


async def test_a_client_that_cannot_be_sent_to_does_not_stop_what_can_be_stored() -> None:
    app = Script(start(SHARED), chunk(b"first, ", more=True), chunk(b"second, ", more=True), chunk(b"last"))
    cached = ASGIAccelerator(app)
    with suppress(OSError):  # the server's own, once all is stored
        await left_after(b"first, ").ask(cached)
    assert ((await ask(cached)).body, app.calls) == (b"first, second, last", 1)


async def test_a_client_that_leaves_before_the_only_chunk_leaves_a_stored_response() -> None:
    app = Script(start(SHARED), chunk(b"all"))
    cached = ASGIAccelerator(app)
    client = Client()
    client.leave()
    with suppress(OSError):
        await client.ask(cached)
    assert ((await ask(cached)).body, app.calls) == (b"all", 1)


@pytest.mark.parametrize(("line", "reached"), [(PRIVATE, 0), (SHARED, 9)], ids=["private", "too large in the end"])
async def test_a_client_that_cannot_be_sent_to_stops_what_cannot_be_stored(line: tuple[str, str], reached: int) -> None:
    last_sent = -1

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal last_sent
        await send(start(line))
        for number in range(100):
            await send(chunk(b"%03d" % number, more=True))
            last_sent = number

    with pytest.raises(OSError, match="left"):
        await left_after(b"001").ask(ASGIAccelerator(app, max_body_bytes=30))
    assert last_sent == reached


@STORABLE
async def test_only_what_cannot_be_stored_ends_when_its_client_is_seen_to_leave(line: tuple[str, str]) -> None:
    """Starlette's StreamingResponse ends once it receives http.disconnect (ASGI 2.3)."""
    client, gate = Client(raises=False), anyio.Event()
    calls = 0

    async def endpoint(request: Request) -> StreamingResponse:
        nonlocal calls
        calls += 1

        async def body() -> AsyncIterator[bytes]:
            yield b"first, "
            await gate.wait()
            yield b"last"

        return StreamingResponse(body(), headers=dict([line]))

    cached = ASGIAccelerator(Starlette(routes=[Route("/", endpoint)]))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(client.ask, cached, asgi={"version": "3.0", "spec_version": "2.3"}))
        await anyio.wait_all_tasks_blocked()
        client.leave()
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert client.answer.body == b"first, "
    assert ((await ask(cached)).body, calls) == (b"first, last", 1 if line == SHARED else 2)


@pytest.mark.parametrize("is_known", [True, False], ids=["known to be storable", "unknown"])
async def test_before_the_start_only_what_is_known_to_be_storable_goes_on_without_its_client(is_known: bool) -> None:
    app = Listening(SHARED)
    cached = ASGIAccelerator(app)
    if is_known:
        app.gate.set()
        await ask(cached)
        await cached.clear()
        app.gate, app.calls = anyio.Event(), 0
    client = Client(raises=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.ask, cached)
        await anyio.wait_all_tasks_blocked()
        client.leave()
        await anyio.wait_all_tasks_blocked()
        app.gate.set()
    assert (await ask(cached)).body == (b"answer 1" if is_known else b"answer 2")


@pytest.mark.parametrize("anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0)})], ids=["trio"])
async def test_an_application_that_ends_when_its_client_leaves_hears_of_it_in_the_end() -> None:
    """It may work for the store alone, but not for ever."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(SHARED))
        await send(chunk(b"waiting, ", more=True))
        while (await receive())["type"] != "http.disconnect":
            pass
        await send(chunk(b"left alone"))

    cached, client = ASGIAccelerator(app), Client(raises=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.ask, cached)
        await anyio.wait_all_tasks_blocked()
        client.leave()
    again = Client(raises=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(again.ask, cached)
        await anyio.wait_all_tasks_blocked()
        assert again.answer.body == b"waiting, "
        again.leave()


# --- messages of other kinds ------------------------------------------------------------------------------------------

OTHER_KINDS = {
    "pathsend": [start(SHARED), {"type": "http.response.pathsend", "path": "/a/file"}],
    "zerocopysend": [start(SHARED), {"type": "http.response.zerocopysend", "file": 3}, chunk()],
    "trailers": [
        start(SHARED, trailers=True),
        chunk(b"all"),
        {"type": "http.response.trailers", "headers": [(b"x", b"y")]},
    ],
    "trailers that were not announced": [start(SHARED), chunk(b"a", more=True), {"type": "http.response.trailers"}],
    "early hint": [{"type": "http.response.early_hint", "links": [b"</a>"]}, start(SHARED), chunk(b"all")],
    "push": [{"type": "http.response.push", "path": "/a", "headers": []}, start(SHARED), chunk(b"all")],
    "what comes next year": [start(SHARED), {"type": "http.response.next", "x": object()}, chunk(b"all")],
}


DEBUG: Message = {"type": "http.response.debug", "info": {"template": "x"}}


@pytest.mark.parametrize(
    "messages",
    [[DEBUG, start(SHARED, ("etag", '"v1"')), chunk(b"all")], [start(SHARED), DEBUG, chunk(b"all")]],
    ids=["before the start", "after the start"],
)
async def test_what_templates_tell_a_test_client_is_no_part_of_the_response(messages: list[Message]) -> None:
    app = Script(*messages)
    cached = ASGIAccelerator(app, cache_status=None)
    assert (await ask(cached)).messages == messages
    assert [message["type"] for message in (await ask(cached)).messages] == [
        "http.response.start",
        "http.response.body",
    ]
    assert app.calls == 1


@pytest.mark.parametrize("messages", OTHER_KINDS.values(), ids=OTHER_KINDS)
async def test_what_is_not_known_passes_through_and_is_not_stored(messages: list[Message]) -> None:
    app = Script(*messages)
    cached = ASGIAccelerator(app, cache_status=None)
    for _ in range(2):
        assert (await ask(cached)).messages == messages
    assert app.calls == 2


@pytest.mark.parametrize("line", [SHARED, PRIVATE], ids=["storable", "unstorable"])
@pytest.mark.parametrize("kind", ["pathsend", "zerocopysend"])
async def test_a_client_that_has_a_file_already_is_not_sent_it(line: tuple[str, str], kind: str) -> None:
    """The client's condition was kept from the application, so it is the cache that leaves the file out of a 304."""
    file: Message = {"type": f"http.response.{kind}", "path": "/a/file", "file": 3}
    app = Script(start(line, ("etag", '"v1"'), ("content-length", "5")), file)
    answer = await ask(ASGIAccelerator(app), headers=[("if-none-match", '"v1"')])
    assert (answer.status, answer.get("content-length")) == (304, None)
    assert [(message["type"], message.get("body")) for message in answer.messages[1:]] == [("http.response.body", b"")]
    assert answer.is_complete
