"""An application that does wrong gives its client what it would give it without the cache, and nobody else."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from accelerator import ASGIAccelerator, MemoryStore
from accelerator.testing import ManualClock
from tests.support import Client, Message, Receive, Scope, Script, Send, chunk, drive, start

SHARED = ("cache-control", "s-maxage=60")
ETAG = ("etag", '"v1"')  # so that the cache adds none
START = start(SHARED, ETAG)
MORE = chunk(b"more", more=True)
LAST = chunk(b"last")


def outcome(app: Any, **request: Any) -> tuple[list[Message], str]:
    """What a client gets without a loop, and what is raised to the server: nothing in it may wait for anything."""
    client = Client()
    raised = ""
    try:
        drive(client.ask(app, **request))
    except BaseException as error:  # noqa: BLE001 - whatever the application raises, it is compared
        raised = repr(error)
    return client.answer.messages, raised


def broken_start(**changes: object) -> Message:
    """A start that a server would refuse."""
    return {**start(), **changes}


WRONGS: dict[str, list[Message | BaseException]] = {
    "nothing at all": [],
    "an exception before the start": [RuntimeError("broken")],
    "an interruption before the start": [KeyboardInterrupt()],
    "an exception after the start": [START, RuntimeError("broken")],
    "an exception after a chunk": [START, MORE, RuntimeError("broken")],
    "an exception after the end": [START, LAST, RuntimeError("broken")],
    "a start and nothing more": [START],
    "a start and no end": [START, MORE],
    "two starts": [START, start(("x", "y")), LAST],
    "a start after a chunk": [START, MORE, START, LAST],
    "a start after the end": [START, LAST, START, LAST],
    "a body before the start": [LAST, START, LAST],
    "a body and no start": [MORE, LAST],
    "fewer bytes than promised": [start(SHARED, ETAG, ("content-length", "5")), LAST],
    "more bytes than promised": [start(SHARED, ETAG, ("content-length", "3")), MORE, LAST],
    "two promises": [start(SHARED, ETAG, ("content-length", "4"), ("content-length", "5")), LAST],
    "a promise that is no number": [start(SHARED, ETAG, ("content-length", "four")), LAST],
    "a chunk after the end": [START, LAST, MORE],
    "an end after the end": [START, LAST, LAST],
    "an end after the end of chunks": [START, MORE, LAST, LAST],
    "a message after the end": [START, LAST, {"type": "http.response.next"}],
    "a start of no status": [{"type": "http.response.start", "headers": [(b"cache-control", b"s-maxage=60")]}, LAST],
    "a status that is text": [broken_start(status="200"), LAST],
    "a status that is nothing": [broken_start(status=None), LAST],
    "header lines that are nothing": [broken_start(headers=None), LAST],
    "header lines that are text": [broken_start(headers=[("cache-control", "s-maxage=60")]), LAST],
    "a value that is text": [broken_start(headers=[(b"cache-control", "s-maxage=60")]), LAST],
    "a value that is a number": [broken_start(headers=[(b"cache-control", b"s-maxage=60"), (b"x", 5)]), LAST],
    "a value that is nothing": [broken_start(headers=[(b"cache-control", b"s-maxage=60"), (b"x", None)]), LAST],
    "a line of one": [broken_start(headers=[(b"x",)]), LAST],
    "a line of three": [broken_start(headers=[(b"x", b"y", b"z")]), LAST],
    "a body that is text": [START, {"type": "http.response.body", "body": "last"}],
    "a body that is nothing": [START, {"type": "http.response.body", "body": None}],
    "a chunk that is text": [START, {"type": "http.response.body", "body": "a", "more_body": True}, LAST],
    "a message of no type": [START, {"body": b"all"}],
    "no message": [START, {}],
}
UNSTORED = {name: steps for name, steps in WRONGS.items() if "after the end" not in name}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("steps", WRONGS.values(), ids=WRONGS)
def test_the_client_gets_what_it_gets_without_the_cache(steps: list[Message | BaseException], method: str) -> None:
    app = Script(*steps)
    assert outcome(ASGIAccelerator(app, cache_status=None), method=method) == outcome(app, method=method)


@pytest.mark.parametrize("steps", UNSTORED.values(), ids=UNSTORED)
def test_nothing_of_it_is_stored(steps: list[Message | BaseException]) -> None:
    store = MemoryStore()
    outcome(ASGIAccelerator(Script(*steps), store=store))
    assert len(store) == 0


@pytest.mark.parametrize("steps", UNSTORED.values(), ids=UNSTORED)
def test_the_next_request_neither_waits_nor_gets_anything_of_it(steps: list[Message | BaseException]) -> None:
    app = Script(*steps)
    cached = ASGIAccelerator(app, cache_status=None)
    outcome(cached)
    app.steps = (START, LAST)
    assert outcome(cached) == ([START, LAST], "")


# --- while it validates -----------------------------------------------------------------------------------------------

NOT_MODIFIED = start(ETAG, status=304)
NOT_WHAT_WAS_ASKED = start(("etag", '"v2"'), status=304)


def validated_by(*steps: Message | BaseException, stale_if_error: float = 0) -> tuple[list[Message], str]:
    """What a client gets if a stale entry is validated by an application that takes these steps."""
    clock = ManualClock()
    app = Script(start(("cache-control", "max-age=60"), ETAG), LAST)
    cached = ASGIAccelerator(app, clock=clock, stale_if_error=stale_if_error)
    outcome(cached)
    clock.advance(61)
    app.steps = steps
    return outcome(cached)


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([NOT_MODIFIED, LAST, LAST], id="two ends"),
        pytest.param([NOT_MODIFIED, MORE, LAST], id="a 304 with a body"),
        pytest.param([NOT_MODIFIED, LAST, RuntimeError("broken")], id="an exception after the end"),
    ],
)
def test_a_304_is_answered_once(steps: list[Message | BaseException]) -> None:
    messages, _ = validated_by(*steps)
    assert [message.get("status", message.get("body")) for message in messages] == [200, b"last"]


@pytest.mark.parametrize("begin", [NOT_MODIFIED, NOT_WHAT_WAS_ASKED], ids=["304", "304 of something else"])
def test_an_exception_in_a_304_is_the_servers_to_answer(begin: Message) -> None:
    assert validated_by(begin, RuntimeError("broken")) == ([], "RuntimeError('broken')")


@pytest.mark.parametrize("begin", [NOT_MODIFIED, NOT_WHAT_WAS_ASKED], ids=["304", "304 of something else"])
def test_an_exception_in_a_304_is_hidden_once_where_that_is_allowed(begin: Message) -> None:
    messages, raised = validated_by(begin, RuntimeError("broken"), stale_if_error=60)
    assert ([message.get("status", message.get("body")) for message in messages], raised) == ([200, b"last"], "")


# --- what only looks wrong --------------------------------------------------------------------------------------------


def test_a_status_of_the_standard_library_is_a_status() -> None:
    """Starlette passes on `status_code=HTTPStatus.OK` as it is, and servers send it."""
    app = Script(start(SHARED, ETAG, status=HTTPStatus.OK), LAST)
    store = MemoryStore()
    cached = ASGIAccelerator(app, store=store)
    outcome(cached)
    assert len(store) == 1
    outcome(cached, method="POST")
    messages, _ = outcome(cached)
    assert b"hit" not in dict(messages[0]["headers"])[b"cache-status"], "an unsafe method takes back its URL"


def test_an_unsafe_request_takes_back_its_url_even_if_its_answer_cannot_be_read() -> None:
    calls = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        headers = None if scope["method"] == "POST" else [(b"cache-control", b"s-maxage=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(chunk(b"answer %d" % calls))

    cached = ASGIAccelerator(app)
    drive(Client().ask(cached))
    drive(Client().ask(cached, method="POST"))
    assert drive(Client().ask(cached)).body == b"answer 3"
