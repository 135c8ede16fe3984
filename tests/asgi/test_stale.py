"""What is past its time: served while it is made anew, in place of an error, or once it was found to hold still."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NoReturn

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from trio.testing import MockClock

from accelerator import ASGIAccelerator, MemoryStore, cache_for, no_store, tag
from accelerator.engine.refresh import REFRESH_SECONDS
from accelerator.stores.memory import store as memory
from accelerator.testing import ManualClock
from tests.support import Answer, Client, Lines, Listening, Receive, Scope, Script, Send, ask, chunk, raw, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from accelerator.asgi_types import Application

pytestmark = pytest.mark.anyio

SHARED = ("cache-control", "s-maxage=60")
WHILE = ("cache-control", "s-maxage=60, stale-while-revalidate=30")
IF_ERROR = ("cache-control", "s-maxage=60, stale-if-error=600")
STRONG = ("etag", '"v1"')
WEAK = ("etag", 'W/"v1"')
MODIFIED = ("last-modified", "Thu, 14 Jan 2027 08:00:00 GMT")


class Origin:
    """An application whose answers are these in turn, and the last one from then on; an exception is raised.

    An answer waits in front of the gate, if there is one; `say` is called with each. `asked` are the fields of each
    request.
    """

    def __init__(self, *answers: tuple[int, Lines] | Exception, say: Callable[[], None] = lambda: None) -> None:
        self.answers = answers
        self.say = say
        self.asked: list[dict[bytes, bytes]] = []
        self.methods: list[str] = []
        self.gate: anyio.Event | None = None

    @property
    def calls(self) -> int:
        return len(self.asked)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(dict(scope["headers"]))
        self.methods.append(scope["method"])
        number = self.calls
        answer = self.answers[min(number, len(self.answers)) - 1]
        if self.gate is not None:
            await self.gate.wait()
        self.say()
        if isinstance(answer, Exception):
            raise answer
        status, lines = answer
        await send(start(*lines, status=status))
        await send(chunk(b"" if status == 304 else b"answer %d" % number))

    def conditions(self) -> dict[bytes, bytes]:
        """The conditions of the last request."""
        return {name: value for name, value in self.asked[-1].items() if name.startswith(b"if-")}


async def settled() -> None:
    """Let what goes on in the background get as far as it can."""
    await anyio.wait_all_tasks_blocked()


# --- stale while revalidate -------------------------------------------------------------------------------------------


async def test_what_is_stale_is_served_at_once_and_made_anew_once() -> None:
    origin, clock = Origin((200, [WHILE])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    origin.gate = anyio.Event()
    answers = [await ask(cached) for _ in range(100)]
    await settled()
    assert ({answer.body for answer in answers}, origin.calls) == ({b"answer 1"}, 2)
    assert (answers[-1].get("age"), answers[-1].get("cache-status")) == ("60", "accelerator; hit; ttl=0")
    origin.gate.set()
    await settled()
    fresh = await ask(cached)
    assert (fresh.body, fresh.get("age"), origin.calls) == (b"answer 2", "0", 2)


async def test_a_head_has_it_made_anew_by_a_get() -> None:
    origin, clock = Origin((200, [WHILE])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    head = await ask(cached, method="HEAD", headers=[("if-none-match", '"v0"'), ("range", "bytes=0-1")])
    await settled()
    assert (head.status, head.body, origin.methods) == (200, b"", ["GET", "GET"])
    assert not {b"if-none-match", b"range"} & origin.asked[-1].keys()
    assert (await ask(cached)).body == b"answer 2"


async def test_past_the_window_the_client_waits_for_the_new_one() -> None:
    origin, clock = Origin((200, [WHILE])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(90)
    assert (await ask(cached)).body == b"answer 2"


@pytest.mark.parametrize("notes", ["by the option", "by cache_for"])
async def test_the_window_may_be_said_elsewhere(notes: str) -> None:
    clock = ManualClock()
    if notes == "by the option":
        origin = Origin((200, [("cache-control", "max-age=60")]))
        cached = ASGIAccelerator(origin, clock=clock, stale_while_revalidate=30)
    else:
        origin = Origin((200, []), say=lambda: cache_for(60, stale_while_revalidate=30))
        cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(89)
    assert (await ask(cached)).body == b"answer 1"
    await settled()
    assert (await ask(cached)).body == b"answer 2"


async def test_a_soft_invalidation_has_it_served_once_more_and_made_anew() -> None:
    origin = Origin((200, [WHILE]), say=lambda: tag("news"))
    cached = ASGIAccelerator(origin, clock=ManualClock())
    await ask(cached)
    await cached.invalidate_tag("news", soft=True)
    assert (await ask(cached)).body == b"answer 1"
    await settled()
    assert (await ask(cached)).body == b"answer 2"
    assert origin.calls == 2


async def test_a_hard_invalidation_has_it_never_served_again() -> None:
    origin = Origin((200, [WHILE]), say=lambda: tag("news"))
    cached = ASGIAccelerator(origin, clock=ManualClock())
    await ask(cached)
    await cached.invalidate_tag("news", soft=True)
    await cached.invalidate_tag("news")
    await cached.invalidate_tag("news", soft=True)
    assert (await ask(cached)).body == b"answer 2"


async def test_a_refresh_begun_before_a_soft_invalidation_is_repeated() -> None:
    origin, clock = Origin((200, [WHILE]), say=lambda: tag("news")), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    origin.gate = anyio.Event()
    await ask(cached)
    await settled()
    await cached.invalidate_tag("news", soft=True)
    origin.gate.set()
    await settled()
    assert origin.calls == 3
    assert (await ask(cached)).body == b"answer 3"


@pytest.mark.parametrize(
    ("control", "age"), [("s-maxage=60, stale-while-revalidate=30", 60), ("max-age=0, stale-while-revalidate=30", 1)]
)
async def test_a_refresh_is_not_told_that_its_client_left(control: str, age: int) -> None:
    """It has none, and an application that hears so may give up."""
    app, clock = Listening(("cache-control", control)), ManualClock()
    cached = ASGIAccelerator(app, clock=clock)
    app.gate.set()
    await ask(cached)
    clock.advance(age)
    app.gate = anyio.Event()
    assert (await ask(cached)).body == b"answer 1"
    await settled()
    app.gate.set()
    await settled()
    assert (await ask(cached)).body == b"answer 2"


async def test_a_refresh_that_fails_is_logged_and_the_next_request_fills(caplog: pytest.LogCaptureFixture) -> None:
    origin, clock = Origin((200, [WHILE]), RuntimeError("broken"), (200, [WHILE])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    with caplog.at_level(logging.ERROR, "accelerator"):
        assert (await ask(cached)).body == b"answer 1"
        await settled()
    assert [("RuntimeError('broken')" in record.message, record.exc_info) for record in caplog.records] == [
        (True, None)
    ]
    answer = await ask(cached)
    assert (answer.body, answer.get("cache-status")) == (b"answer 3", "accelerator; fwd=stale; stored")
    assert ((await ask(cached)).body, origin.calls) == (b"answer 3", 3)


@pytest.mark.parametrize("anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0)})], ids=["trio"])
async def test_a_refresh_that_hangs_is_ended_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    origin, clock = Origin((200, [WHILE])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    origin.gate = anyio.Event()
    with caplog.at_level(logging.ERROR, "accelerator"):
        assert (await ask(cached)).body == b"answer 1"
        await anyio.sleep(REFRESH_SECONDS + 1)
    assert ["TimeoutError('it took too long')" in record.message for record in caplog.records] == [True]
    origin.gate = None
    assert (await ask(cached)).body == b"answer 3"


async def test_a_refresh_that_may_not_be_stored_changes_nothing() -> None:
    origin, clock = Origin((200, [WHILE]), (200, [("cache-control", "private")])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    await ask(cached)
    await settled()
    assert (await ask(cached)).body == b"answer 1"


def test_a_refresh_that_ends_with_its_loop_keeps_nobody_waiting() -> None:
    """A test client that runs each request on a loop of its own ends this one right after the answer."""
    origin, clock = Origin((200, [WHILE])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)

    async def ask_while_the_origin_hangs() -> None:
        origin.gate = anyio.Event()
        await ask(cached)

    async def ask_and_settle() -> None:
        origin.gate = None
        await ask(cached)
        await settled()

    asyncio.run(ask(cached))
    clock.advance(60)
    asyncio.run(ask_while_the_origin_hangs())
    asyncio.run(ask_and_settle())
    assert (asyncio.run(ask(cached)).body, origin.calls) == (b"answer 3", 3)


# --- stale if error ---------------------------------------------------------------------------------------------------


async def raising(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("broken")


async def raising_while_the_start_is_held(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(SHARED))
    raise RuntimeError("broken")


async def raising_after_500(scope: Scope, receive: Receive, send: Send) -> None:
    async def endpoint(request: Request) -> NoReturn:
        raise RuntimeError("broken")

    await Starlette(routes=[Route("/", endpoint)])(scope, receive, send)


def answering(status: int) -> Script:
    return Script(start(status=status), chunk(b"broken"))


FAILURES = {
    "raises": raising,
    "raises while the start is held": raising_while_the_start_is_held,
    "raises after a 500, as Starlette": raising_after_500,
    "500": answering(500),
    "502": answering(502),
    "503": answering(503),
    "504": answering(504),
}


def failing(failure: Application, *lines: tuple[str, str], say: Callable[[], None] = lambda: None) -> Application:
    """An application that answers once with these header lines, and fails from then on."""
    origin = Origin((200, lines), say=say)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (failure if origin.calls else origin)(scope, receive, send)

    return app


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("validator", [[], [STRONG]], ids=["filling", "validating"])
async def test_an_error_is_hidden_behind_what_is_stale_and_logged(
    failure: Application, validator: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    cached = ASGIAccelerator(failing(failure, IF_ERROR, *validator), clock=clock)
    await ask(cached)
    clock.advance(659)
    with caplog.at_level(logging.ERROR, "accelerator"):
        answer = await ask(cached)
    assert (answer.status, answer.body, answer.get("age"), len(answer.messages)) == (200, b"answer 1", "659", 2)
    assert "fwd=stale" in str(answer.get("cache-status"))
    assert caplog.records


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_past_the_window_the_error_is_the_clients(failure: Application) -> None:
    clock = ManualClock()
    app = failing(failure, IF_ERROR)
    cached = ASGIAccelerator(app, clock=clock, cache_status=None)
    await ask(cached)
    clock.advance(660)
    assert await outcome(cached) == await outcome(app)


async def outcome(app: Application, headers: Lines = ()) -> tuple[object, str]:
    """What a client gets, and what is raised to the server."""
    client = Client()
    try:
        await client.ask(app, headers=headers)
    except RuntimeError as error:
        return client.answer.messages, repr(error)
    return client.answer.messages, ""


@pytest.mark.parametrize("status", [400, 403, 404, 501, 505])
async def test_other_answers_are_no_errors_to_hide(status: int) -> None:
    clock = ManualClock()
    cached = ASGIAccelerator(failing(answering(status), IF_ERROR), clock=clock)
    await ask(cached)
    clock.advance(60)
    assert (await ask(cached)).status == status


async def test_once_a_byte_is_out_an_error_cannot_be_hidden() -> None:
    async def raise_after_a_chunk(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(SHARED))
        await send(chunk(b"half", more=True))
        raise RuntimeError("broken")

    clock, client = ManualClock(), Client()
    cached = ASGIAccelerator(failing(raise_after_a_chunk, IF_ERROR), clock=clock)
    await ask(cached)
    clock.advance(60)
    with pytest.raises(RuntimeError, match="broken"):
        await client.ask(cached)
    assert (client.answer.body, client.answer.is_complete) == (b"half", False)


@pytest.mark.parametrize(
    ("control", "is_hidden"),
    [
        ("max-age=60", True),
        ("max-age=60, stale-if-error=0", False),
        ("max-age=60, must-revalidate", False),
        ("max-age=60, must-revalidate, stale-if-error=600", False),
        ("max-age=60, proxy-revalidate", False),
        ("no-cache", False),
        ("s-maxage=60", False),
        ("s-maxage=60, stale-if-error=600", True),
    ],
)
async def test_what_a_response_says_of_stale_answers_counts_before_the_option(control: str, is_hidden: bool) -> None:
    clock = ManualClock()
    app = failing(answering(503), ("cache-control", control), STRONG)
    cached = ASGIAccelerator(app, clock=clock, stale_if_error=600)
    await ask(cached)
    clock.advance(60)
    assert (await ask(cached)).status == (200 if is_hidden else 503)


@pytest.mark.parametrize("soft", [True, False], ids=["softly", "hard"])
async def test_an_error_is_hidden_behind_what_was_taken_back_softly_never_hard(soft: bool) -> None:
    cached = ASGIAccelerator(failing(answering(503), IF_ERROR, say=lambda: tag("news")), clock=ManualClock())
    await ask(cached)
    await cached.invalidate_tag("news", soft=soft)
    assert (await ask(cached)).status == (200 if soft else 503)


@pytest.mark.parametrize("failure", [raising, answering(503)], ids=["an exception", "503"])
async def test_an_error_is_not_hidden_from_who_may_not_have_the_entry(failure: Application) -> None:
    clock = ManualClock()
    app = failing(failure, ("cache-control", "max-age=60, stale-if-error=600"))
    cached = ASGIAccelerator(app, clock=clock, cache_status=None)
    await ask(cached)
    clock.advance(60)
    cookie = [("cookie", "session=1")]
    assert await outcome(cached, cookie) == await outcome(app, cookie)


# --- validation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "conditions"),
    [
        pytest.param([STRONG], {b"if-none-match": b'"v1"'}, id="strong ETag"),
        pytest.param([WEAK], {b"if-none-match": b'W/"v1"'}, id="weak ETag"),
        pytest.param([MODIFIED], {b"if-modified-since": MODIFIED[1].encode()}, id="Last-Modified"),
        pytest.param(
            [STRONG, MODIFIED],
            {b"if-none-match": b'"v1"', b"if-modified-since": MODIFIED[1].encode()},
            id="both",
        ),
        pytest.param([], {}, id="neither: the ETag that the cache added is none of the application's"),
    ],
)
async def test_the_application_is_asked_whether_what_is_stale_still_holds(
    own: list[tuple[str, str]], conditions: dict[bytes, bytes]
) -> None:
    origin, clock = Origin((200, [SHARED, *own]), (304 if own else 200, own)), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    answer = await ask(cached, headers=[("if-none-match", '"mine"'), ("if-modified-since", "long ago")])
    assert origin.conditions() == conditions
    assert (answer.status, answer.body) == (200, b"answer 1" if own else b"answer 2")


async def test_a_304_makes_it_fresh_for_as_long_as_before() -> None:
    origin, clock = Origin((200, [SHARED, STRONG]), (304, [STRONG])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    for calls in (2, 3):
        clock.advance(60)
        validated, hit = await ask(cached), await ask(cached)
        assert (validated.body, validated.get("age"), hit.body, hit.get("age")) == (b"answer 1", "0", b"answer 1", "0")
        assert validated.get("cache-status") == "accelerator; fwd=stale; fwd-status=304; stored"
        assert origin.calls == calls
        clock.advance(59)
        assert (await ask(cached)).get("age") == "59"
        clock.advance(-59)


async def test_a_304_replaces_the_fields_it_names_and_no_other() -> None:
    own = [
        ("content-type", "text/plain"),
        ("x-kept", "1"),
        ("x-replaced", "1"),
        ("x-replaced", "2"),
        ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
        SHARED,
        STRONG,
    ]
    news = [("x-replaced", "3"), ("x-new", "4"), ("content-encoding", "none"), ("cache-control", "s-maxage=5")]
    origin, clock = Origin((200, own), (304, news)), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    lines = [
        ("content-type", "text/plain"),
        ("x-kept", "1"),
        STRONG,
        ("x-replaced", "3"),
        ("x-new", "4"),
        ("cache-control", "s-maxage=5"),
    ]
    for answer in (await ask(cached), await ask(cached)):
        assert sorted(answer.headers[:-2]) == sorted(raw(lines))
    clock.advance(5)
    await ask(cached)
    assert origin.calls == 3


@pytest.mark.parametrize(("listed", "status"), [('"v1"', 304), ('"v0"', 200)])
async def test_the_clients_own_condition_is_answered_after_the_validation(listed: str, status: int) -> None:
    origin, clock = Origin((200, [SHARED, STRONG]), (304, [])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    assert (await ask(cached, headers=[("if-none-match", listed)])).status == status
    assert origin.conditions() == {b"if-none-match": b'"v1"'}


@pytest.mark.parametrize(
    ("own", "other"),
    [
        pytest.param([STRONG], [("etag", '"v2"')], id="another ETag"),
        pytest.param([WEAK], [("etag", '"v1"')], id="a strong ETag for a weak one"),
        pytest.param([MODIFIED], [STRONG], id="an ETag where there was none"),
        pytest.param([MODIFIED], [("last-modified", "Fri, 15 Jan 2027 08:00:00 GMT")], id="another Last-Modified"),
    ],
)
async def test_a_304_of_something_else_is_asked_again_without_conditions(
    own: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    origin, clock = Origin((200, [SHARED, *own]), (304, other), (200, [SHARED, *other])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    answer = await ask(cached)
    assert (answer.status, answer.body, len(answer.messages)) == (200, b"answer 3", 2)
    assert (origin.calls, origin.conditions()) == (3, {})
    assert (await ask(cached)).body == b"answer 3"


async def test_what_was_said_with_a_304_of_something_else_is_not_said_of_what_comes_next() -> None:
    clock, calls = ManualClock(), 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            scope["accelerator.cache_for"] = 60
        await send(start(STRONG) if calls == 1 else start(("etag", '"v2"'), status=304 if calls == 2 else 200))
        await send(chunk(b"" if calls == 2 else b"answer %d" % calls))

    cached = ASGIAccelerator(app, clock=clock)
    await ask(cached)
    clock.advance(60)
    assert (await ask(cached)).body == b"answer 3"
    assert (await ask(cached)).body == b"answer 4"


async def test_a_200_in_place_of_a_304_replaces_what_was_stored() -> None:
    origin, clock = Origin((200, [SHARED, STRONG]), (200, [SHARED, ("etag", '"v2"')])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    for answer in (await ask(cached), await ask(cached)):
        assert (answer.body, answer.get("etag")) == (b"answer 2", '"v2"')


async def test_a_304_that_nobody_asked_for_goes_to_the_client_and_nowhere_else() -> None:
    origin = Origin((304, [SHARED, STRONG]), (200, [SHARED]))
    cached = ASGIAccelerator(origin)
    assert [(await ask(cached)).status for _ in range(2)] == [304, 200]


async def test_set_cookie_of_a_304_reaches_its_own_client_only() -> None:
    origin, clock = Origin((200, [SHARED, STRONG]), (304, [("set-cookie", "a=1")]), (304, [])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    first, second = await ask(cached), await ask(cached)
    assert (first.status, first.body, first.get("set-cookie")) == (200, b"answer 1", "a=1")
    assert (second.status, second.body, second.get("set-cookie"), origin.calls) == (200, b"answer 1", None, 3)


@pytest.mark.parametrize(
    "news",
    [[("cache-control", "no-store")], [("cache-control", "private")], [("vary", "*")]],
    ids=["no-store", "private", "Vary of everything"],
)
async def test_a_304_may_forbid_what_was_allowed_before(news: list[tuple[str, str]]) -> None:
    origin, clock = Origin((200, [SHARED, STRONG]), (304, news)), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    for calls in (2, 3):
        answer = await ask(cached)
        assert (answer.status, answer.body, origin.calls) == (200, b"answer 1", calls)


async def test_no_store_said_with_a_304_keeps_it_from_being_fresh_again() -> None:
    origin, clock = Origin((200, [SHARED, STRONG]), (304, [])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    origin.say = no_store
    for calls in (2, 3):
        answer = await ask(cached)
        assert (answer.status, answer.body, origin.calls) == (200, b"answer 1", calls)


async def test_tags_said_with_a_304_add_to_those_said_before() -> None:
    origin, clock = Origin((200, [SHARED, STRONG]), (304, [STRONG]), say=lambda: tag("old")), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)

    async def validated() -> None:
        origin.answers = ((200, [SHARED, STRONG]),)
        origin.say = lambda: tag("old")
        await cached.clear()
        await ask(cached)
        clock.advance(60)
        origin.answers = ((304, [STRONG]),)
        origin.say = lambda: tag("new")
        await ask(cached)
        origin.answers = ((200, [SHARED]),)

    for name in ("old", "new"):
        await validated()
        before = origin.calls
        await cached.invalidate_tag(name)
        await ask(cached)
        assert (origin.calls, origin.conditions()) == (before + 1, {})


async def test_a_304_that_proves_too_little_cannot_bring_new_tags() -> None:
    store, clock = MemoryStore(), ManualClock()
    origin = Origin((200, [SHARED, WEAK]), (304, [WEAK]), (200, [SHARED, WEAK]), say=lambda: tag("old"))
    cached = ASGIAccelerator(origin, store=store, clock=clock)
    await ask(cached)
    await store.invalidate_tag("new", soft=True)
    clock.advance(60)
    origin.say = lambda: tag("new")
    assert (await ask(cached)).body == b"answer 3"


async def test_a_304_that_would_lose_a_tag_takes_the_entry_with_it() -> None:
    kept = ("cache-control", "s-maxage=60, stale-if-error=600")
    origin, clock = Origin((200, [kept, STRONG]), (304, []), (503, [])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    origin.say = lambda: tag(str(number) for number in range(1001))
    assert (await ask(cached)).body == b"answer 1"
    assert (await ask(cached)).status == 503


async def test_it_takes_the_entry_with_it_though_the_client_has_left() -> None:
    origin, clock, client = Origin((200, [IF_ERROR, STRONG]), (304, []), (503, [])), ManualClock(), Client()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    origin.say = lambda: tag(str(number) for number in range(1001))
    client.leave()
    with pytest.raises(OSError, match="the client has left"):
        await client.ask(cached)
    assert (await ask(cached)).status == 503


async def test_an_old_mark_that_the_store_does_not_accept_any_more_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "LOG_LENGTH", 1)
    store, clock = MemoryStore(), ManualClock()
    origin = Origin((200, [SHARED, WEAK]), (304, [WEAK]), (200, [SHARED, WEAK]))
    cached = ASGIAccelerator(origin, store=store, clock=clock)
    await ask(cached)
    for name in ("a", "b", "c"):
        await store.invalidate_tag(name)
    clock.advance(60)
    assert (await ask(cached)).body == b"answer 3"
    assert "hit" in str((await ask(cached)).get("cache-status"))


@pytest.mark.parametrize(
    ("own", "conditions"),
    [(STRONG, {b"if-none-match": b'"v1"'}), (WEAK, {}), (MODIFIED, {})],
    ids=["strong ETag", "weak ETag", "Last-Modified"],
)
async def test_after_a_soft_invalidation_only_a_strong_etag_is_asked_about(
    own: tuple[str, str], conditions: dict[bytes, bytes]
) -> None:
    origin = Origin((200, [SHARED, own]), (304 if conditions else 200, [SHARED, own]), say=lambda: tag("news"))
    cached = ASGIAccelerator(origin, clock=ManualClock())
    await ask(cached)
    await cached.invalidate_tag("news", soft=True)
    body = b"answer 1" if conditions else b"answer 2"
    assert ((await ask(cached)).body, origin.conditions()) == (body, conditions)
    assert ((await ask(cached)).body, origin.calls) == (body, 2)


@pytest.mark.parametrize("own", [STRONG, WEAK, MODIFIED], ids=["strong ETag", "weak ETag", "Last-Modified"])
async def test_after_a_hard_invalidation_nothing_is_asked_about(own: tuple[str, str]) -> None:
    origin = Origin((200, [SHARED, own]), say=lambda: tag("news"))
    cached = ASGIAccelerator(origin, clock=ManualClock())
    await ask(cached)
    await cached.invalidate_tag("news")
    assert ((await ask(cached)).body, origin.conditions()) == (b"answer 2", {})


@pytest.mark.parametrize("own", [STRONG, WEAK], ids=["strong ETag", "weak ETag"])
async def test_what_is_taken_back_while_it_is_validated_stays_taken_back(own: tuple[str, str]) -> None:
    origin, clock = Origin((200, [SHARED, own]), (304, []), (200, [SHARED])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    origin.say = lambda: tag("news")
    await ask(cached)
    clock.advance(60)
    origin.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, cached)
        await settled()
        await cached.invalidate_tag("news")
        origin.gate.set()
    assert ((await ask(cached)).body, origin.conditions()) == (b"answer 3", {})


async def test_a_weak_validator_does_not_lift_an_entry_over_a_later_soft_invalidation() -> None:
    origin, clock = Origin((200, [SHARED, WEAK]), (304, []), (200, [SHARED])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    origin.say = lambda: tag("news")
    await ask(cached)
    clock.advance(60)
    await cached.invalidate_tag("other", soft=True)
    await ask(cached)
    await cached.invalidate_tag("news", soft=True)
    assert ((await ask(cached)).body, origin.conditions()) == (b"answer 3", {})


async def test_no_cache_is_stored_and_validated_each_time() -> None:
    origin = Origin((200, [("cache-control", "no-cache"), STRONG]), (304, []))
    cached = ASGIAccelerator(origin, clock=ManualClock())
    for calls in (1, 2, 3):
        assert (await ask(cached)).body == b"answer 1"
        assert origin.calls == calls


async def test_validating_requests_share_one_call() -> None:
    origin, clock = Origin((200, [SHARED, STRONG]), (304, [])), ManualClock()
    cached = ASGIAccelerator(origin, clock=clock)
    await ask(cached)
    clock.advance(60)
    origin.gate = anyio.Event()
    answers: list[Answer] = []

    async def one() -> None:
        answers.append(await ask(cached))

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(one)
        await settled()
        origin.gate.set()
    assert (origin.calls, len(answers), {answer.body for answer in answers}) == (2, 100, {b"answer 1"})
