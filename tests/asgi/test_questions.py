"""Requests that ask by their content: QUERY, and POST where the option or the view says that it only asks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from accelerator import ASGIAccelerator, CacheEvent, MemoryStore, cached, tag
from accelerator.engine.question import MAX_LEARNED, MAX_QUESTION_BYTES, Questions
from accelerator.notes import Notes
from accelerator.testing import ManualClock
from tests.samples import request
from tests.support import Answer, Client, Lines, Message, Receive, Scope, Send, ask, chunk, start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

SHARED = ("cache-control", "s-maxage=60")
POSTS: dict[str, Any] = {"cacheable_posts": ("/search", "/api/*")}


class Echo:
    """An application that answers with what it was asked, and the number of its call."""

    def __init__(self, *headers: tuple[str, str], status: int = 200) -> None:
        self.headers = headers
        self.status = status
        self.calls = 0
        self.scope: Scope = {}
        self.during: Callable[[], Awaitable[object]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        call = self.calls
        self.scope = {**scope, "headers": list(scope["headers"])}
        content = await content_of(receive)
        if self.during is not None:
            await self.during()
        await send(start(*self.headers, status=self.status))
        await send(chunk(b"%d:%b" % (call, content)))


async def content_of(receive: Receive) -> bytes:
    """The content as an application reads it; `|` where the client left."""
    content = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return content + b"|"
        content += bytes(message["body"])
        if not message["more_body"]:
            return content


async def pose(
    app: Any, content: bytes, url: str = "/search", *, method: str = "POST", headers: Lines = (), **more: Any
) -> Answer:
    """Ask by a content whose length is declared."""
    lines = [("content-length", str(len(content))), *headers]
    return await Client(body=[content]).ask(app, url, method=method, headers=lines, **more)


# --- QUERY ------------------------------------------------------------------------------------------------------------


async def test_a_query_is_answered_from_the_store_by_its_content() -> None:
    app = Echo(SHARED)
    cached_app = ASGIAccelerator(app)
    bodies = [(await pose(cached_app, content, method="QUERY")).body for content in (b"a", b"b", b"a", b"b", b"")]
    assert bodies == [b"1:a", b"2:b", b"1:a", b"2:b", b"3:"]


async def test_a_query_takes_a_default_time_as_a_get_does() -> None:
    cached_app = ASGIAccelerator(Echo(), default_ttl=60)
    assert [(await pose(cached_app, b"a", method="QUERY")).body for _ in range(2)] == [b"1:a"] * 2


@pytest.mark.parametrize("field", ["content-type", "content-encoding", "content-language"])
async def test_the_fields_that_say_what_the_content_is_tell_questions_apart(field: str) -> None:
    app = Echo(SHARED)
    cached_app = ASGIAccelerator(app)
    for value in ("x", "y", "x"):
        await pose(cached_app, b"a", method="QUERY", headers=[(field, value)])
    assert app.calls == 2


async def test_a_field_without_a_value_is_not_one_that_is_absent() -> None:
    app = Echo(SHARED)
    cached_app = ASGIAccelerator(app)
    for headers in ([("content-type", "")], [], [("content-type", "")]):
        await pose(cached_app, b"a", method="QUERY", headers=headers)
    assert app.calls == 2


async def test_the_fields_of_a_question_are_shown_as_they_came_so_that_a_refresh_asks_the_same() -> None:
    clock = ManualClock()
    app = Echo(("cache-control", "max-age=60"))
    cached_app = ASGIAccelerator(app, clock=clock, stale_while_revalidate=60)
    lines = [("content-type", "a/b,c/d"), ("x-forwarded-proto", "https,http")]
    await pose(cached_app, b"a", method="QUERY", headers=lines)
    clock.advance(61)
    await pose(cached_app, b"a", method="QUERY", headers=lines)
    await anyio.wait_all_tasks_blocked()
    assert {*lines} <= {(name.decode(), value.decode()) for name, value in app.scope["headers"]}
    assert (await pose(cached_app, b"a", method="QUERY", headers=lines)).body == b"2:a"


async def test_the_method_tells_questions_apart() -> None:
    cached_app = ASGIAccelerator(Echo(SHARED), **POSTS)
    answers = [await pose(cached_app, b"", method=method) for method in ("QUERY", "POST")]
    answers.append(await ask(cached_app, "/search"))
    assert [answer.body for answer in answers] == [b"1:", b"2:", b"3:"]


async def test_a_content_in_parts_of_undeclared_length_is_the_same_question() -> None:
    cached_app = ASGIAccelerator(Echo(SHARED))
    parts = await Client(body=[b"a", b"", b"bc"]).ask(
        cached_app, "/search", method="QUERY", headers=[("transfer-encoding", "chunked")]
    )
    assert [parts.body, (await pose(cached_app, b"abc", method="QUERY")).body] == [b"1:abc", b"1:abc"]


async def test_a_query_is_asked_for_by_its_conditions_as_a_get_is() -> None:
    cached_app = ASGIAccelerator(Echo(SHARED, ("etag", '"a"')))
    answers = [
        await pose(cached_app, b"a", method="QUERY", headers=[("if-none-match", etag)]) for etag in ('"b"', '"a"')
    ]
    assert [answer.status for answer in answers] == [200, 304]


async def test_a_stale_answer_to_a_query_is_validated_with_its_content() -> None:
    clock = ManualClock()
    seen: list[tuple[bytes, bytes | None]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        condition = dict(scope["headers"]).get(b"if-none-match")
        seen.append((await content_of(receive), condition))
        await send(start(SHARED, ("etag", '"a"'), status=304 if condition else 200))
        await send(chunk(b"" if condition else b"page"))

    cached_app = ASGIAccelerator(app, clock=clock)
    await pose(cached_app, b"a", method="QUERY")
    clock.advance(61)
    assert (await pose(cached_app, b"a", method="QUERY")).body == b"page"
    assert seen == [(b"a", None), (b"a", b'"a"')]


async def test_a_304_that_proves_nothing_has_the_question_asked_again() -> None:
    clock = ManualClock()
    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        condition = dict(scope["headers"]).get(b"if-none-match")
        seen.append(await content_of(receive))
        await send(start(SHARED, ("etag", '"other"' if condition else '"a"'), status=304 if condition else 200))
        await send(chunk(b"" if condition else b"page %d" % len(seen)))

    cached_app = ASGIAccelerator(app, clock=clock)
    await pose(cached_app, b"a", method="QUERY")
    clock.advance(61)
    assert (await pose(cached_app, b"a", method="QUERY")).body == b"page 3"
    assert seen == [b"a"] * 3


async def test_questions_for_the_same_thing_wait_for_one_answer() -> None:
    app = Echo(SHARED)
    gate = anyio.Event()
    app.during = gate.wait
    cached_app = ASGIAccelerator(app)
    bodies: list[bytes] = []

    async def one() -> None:
        bodies.append((await pose(cached_app, b"a", method="QUERY")).body)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert bodies == [b"1:a"] * 3


async def test_what_says_who_asks_counts_for_questions_too() -> None:
    app = Echo(("cache-control", "max-age=60"))
    cached_app = ASGIAccelerator(app)
    for key in ("a", "b"):
        await pose(cached_app, b"a", method="QUERY", headers=[("x-api-key", key)])
    assert app.calls == 2


# --- POST -------------------------------------------------------------------------------------------------------------


async def test_a_post_that_nobody_calls_a_question_passes_by_and_takes_back_its_url() -> None:
    app = Echo(SHARED)
    cached_app = ASGIAccelerator(app, **POSTS)
    await ask(cached_app, "/page")
    assert [(await pose(cached_app, b"a", "/page")).body for _ in range(2)] == [b"2:a", b"3:a"]
    assert (await ask(cached_app, "/page")).body == b"4:"


@pytest.mark.parametrize("url", ["/search", "/search?page=2", "/api/", "/api/v1/items"])
async def test_a_post_to_a_named_path_is_answered_from_the_store_by_its_content(url: str) -> None:
    events: list[CacheEvent] = []
    cached_app = ASGIAccelerator(Echo(SHARED), on_event=events.append, **POSTS)
    bodies = [(await pose(cached_app, content, url)).body for content in (b"a", b"b", b"a")]
    assert bodies == [b"1:a", b"2:b", b"1:a"]
    assert [(event.kind, event.method) for event in events] == [("miss", "POST"), ("miss", "POST"), ("hit", "POST")]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param(200, [SHARED], id="stored"),
        pytest.param(200, [], id="no time"),
        pytest.param(201, [("location", "/page")], id="a location"),
    ],
)
async def test_a_post_to_a_named_path_takes_nothing_back(status: int, headers: list[tuple[str, str]]) -> None:
    app = Echo(SHARED)
    cached_app = ASGIAccelerator(app, **POSTS)
    for url in ("/search", "/page"):
        await ask(cached_app, url)
    app.headers, app.status = tuple(headers), status
    await pose(cached_app, b"a")
    assert [(await ask(cached_app, url)).body for url in ("/search", "/page")] == [b"1:", b"2:"]


@pytest.mark.parametrize("options", [{"default_ttl": 60}, {"heuristic": True}])
async def test_an_answer_to_a_post_is_never_kept_without_a_time_of_its_own(options: dict[str, Any]) -> None:
    cached_app = ASGIAccelerator(Echo(("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")), **POSTS, **options)
    answers = [await pose(cached_app, b"a") for _ in range(2)]
    assert [answer.body for answer in answers] == [b"1:a", b"2:a"]
    assert answers[0].get("cache-status") == 'accelerator; fwd=uri-miss; detail="no explicit time"'


@pytest.mark.parametrize(
    "line",
    [
        ("if-none-match", '"a"'),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("if-range", '"a"'),
        ("if-match", '"a"'),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("x-http-method-override", "DELETE"),
        ("upgrade", "h2c"),
    ],
)
async def test_a_post_under_a_condition_or_another_name_is_the_applications_business(line: tuple[str, str]) -> None:
    app = Echo(SHARED)
    cached_app = ASGIAccelerator(app, **POSTS)
    assert [(await pose(cached_app, b"a", headers=[line])).body for _ in range(2)] == [b"1:a", b"2:a"]
    assert (line[0].encode(), line[1].encode()) in app.scope["headers"]


async def test_a_post_whose_other_name_is_unsafe_takes_back_even_a_named_path() -> None:
    cached_app = ASGIAccelerator(Echo(SHARED), **POSTS)
    await ask(cached_app, "/search")
    await pose(cached_app, b"a", headers=[("x-http-method-override", "DELETE")])
    assert (await ask(cached_app, "/search")).body == b"3:"


async def test_a_stale_answer_to_a_post_is_made_anew_and_not_validated() -> None:
    clock = ManualClock()
    app = Echo(SHARED, ("etag", '"a"'))
    cached_app = ASGIAccelerator(app, clock=clock, **POSTS)
    await pose(cached_app, b"a")
    clock.advance(61)
    assert (await pose(cached_app, b"a")).body == b"2:a"
    assert b"if-none-match" not in dict(app.scope["headers"])


async def test_a_range_means_nothing_for_a_post() -> None:
    cached_app = ASGIAccelerator(Echo(SHARED), **POSTS)
    answers = [await pose(cached_app, b"abc", headers=[("range", "bytes=0-1")]) for _ in range(2)]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"1:abc")] * 2


async def test_a_refresh_in_the_background_asks_the_same_question() -> None:
    clock = ManualClock()
    app = Echo(SHARED)
    cached_app = ASGIAccelerator(app, clock=clock, stale_while_revalidate=60, **POSTS)
    app.headers = (("cache-control", "max-age=60"),)
    await pose(cached_app, b"abc")
    clock.advance(61)
    assert (await pose(cached_app, b"abc")).body == b"1:abc"
    await anyio.wait_all_tasks_blocked()
    assert (app.calls, app.scope["method"]) == (2, "POST")
    assert (await pose(cached_app, b"abc")).body == b"2:abc"


async def test_what_is_invalidated_while_a_question_is_answered_is_not_stored() -> None:
    store = MemoryStore()
    calls = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        tag("data")
        await store.invalidate_tag("data")
        await send(start(SHARED))
        await send(chunk(b"%d" % calls))

    cached_app = ASGIAccelerator(app, store=store, **POSTS)
    assert [(await pose(cached_app, b"a")).body for _ in range(2)] == [b"1", b"2"]


@pytest.mark.parametrize("method", ["DELETE", "POST"])
async def test_a_change_of_the_url_takes_back_the_answers_to_questions(method: str) -> None:
    cached_app = ASGIAccelerator(Echo(SHARED))
    await pose(cached_app, b"a", "/page", method="QUERY")
    await pose(cached_app, b"", "/page", method=method)
    assert (await pose(cached_app, b"a", "/page", method="QUERY")).body == b"3:a"


async def test_questions_are_none_where_the_cache_is_off() -> None:
    cached_app = ASGIAccelerator(Echo(SHARED), enabled=False)
    assert [(await pose(cached_app, b"a", method="QUERY")).body for _ in range(2)] == [b"1:a", b"2:a"]


async def test_questions_pass_by_where_the_partition_says_so() -> None:
    cached_app = ASGIAccelerator(Echo(SHARED), partition=lambda _: None)
    assert [(await pose(cached_app, b"a", method="QUERY")).body for _ in range(2)] == [b"1:a", b"2:a"]


# --- contents that are not read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_content_beyond_the_bound_passes_by_whole(is_declared: bool) -> None:
    app = Echo(SHARED)
    cached_app = ASGIAccelerator(app, **POSTS)
    await ask(cached_app, "/search")
    parts = [b"a" * MAX_QUESTION_BYTES, b"b", b"c"]
    lines = [("content-length", str(MAX_QUESTION_BYTES + 2))] if is_declared else [("transfer-encoding", "chunked")]
    for call in (2, 3):
        answer = await Client(body=parts).ask(cached_app, "/search", method="POST", headers=lines)
        assert answer.body == b"%d:" % call + b"".join(parts)
    assert (await ask(cached_app, "/search")).body == b"1:"


async def test_a_content_at_the_bound_is_a_question() -> None:
    app = Echo(SHARED)
    cached_app = ASGIAccelerator(app, **POSTS)
    for _ in range(2):
        await pose(cached_app, b"a" * MAX_QUESTION_BYTES)
    assert app.calls == 1


async def test_the_application_learns_that_the_client_left_within_its_question() -> None:
    cached_app = ASGIAccelerator(Echo(SHARED), **POSTS)
    events: list[Message] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.disconnect"},
    ]
    client = Client()
    client.receive = lambda: _given(events)  # type: ignore[method-assign]  # what a client that leaves gives
    assert (await client.ask(cached_app, "/search", method="POST")).body == b"1:ab|"
    assert (await pose(cached_app, b"ab")).body == b"2:ab"


async def _given(events: list[Message]) -> Message:
    return events.pop(0)


# --- views that say so ------------------------------------------------------------------------------------------------


class Search(BaseModel):
    text: str


def site_of_fastapi() -> tuple[ASGIAccelerator, list[str]]:
    """A site with a search by POST, and what its views did."""
    done: list[str] = []
    site = FastAPI()

    @cached(60, methods=["POST"])
    async def found(text: str) -> list[str]:
        done.append(f"found {text}")
        return [text, str(len(done))]

    @site.get("/search")
    @cached(60)
    async def form() -> str:
        done.append("form")
        return "form"

    @site.post("/search")
    async def search(search: Search) -> list[str]:
        if search.text.startswith("!"):
            done.append(f"changed {search.text}")
            return [search.text]
        return await found(search.text)

    return ASGIAccelerator(site), done


async def post(app: Any, text: str) -> Any:
    content = json.dumps({"text": text}).encode()
    return json.loads((await pose(app, content, headers=[("content-type", "application/json")])).body)


async def test_the_second_post_to_a_view_that_says_so_is_stored_and_the_third_answered_from_there() -> None:
    app, done = site_of_fastapi()
    assert [await post(app, "a") for _ in range(3)] == [["a", "1"], ["a", "2"], ["a", "2"]]
    assert await post(app, "b") == ["b", "3"]
    assert done == ["found a", "found a", "found b"]


async def test_a_view_that_only_answers_takes_back_nothing_not_even_the_first_time() -> None:
    app, done = site_of_fastapi()
    await ask(app, "/search")
    for _ in range(2):
        await post(app, "a")
    await ask(app, "/search")
    assert done.count("form") == 1


async def test_a_change_on_the_path_of_questions_is_made_each_time_and_takes_their_answers_back() -> None:
    app, done = site_of_fastapi()
    for text in ("a", "a", "!", "!", "a"):
        await post(app, text)
    assert done == ["found a", "found a", "changed !", "changed !", "found a"]


async def test_the_paths_that_are_kept_in_mind_are_bounded() -> None:
    questions = Questions()
    asks = Notes()
    asks.safe_methods = frozenset({"POST"})
    for number in range(MAX_LEARNED + 1):
        questions.learn(request(url=f"/{number}", method="POST"), asks)
    known = [questions.may_be(request(url=f"/{number}", method="POST")) for number in (0, 1, MAX_LEARNED)]
    assert known == [False, True, True]


def test_a_path_whose_view_lets_nothing_be_stored_is_not_remembered() -> None:
    questions, asks = Questions(), Notes()
    asks.allow_methods(frozenset({"POST"}))
    asks.no_store = True
    questions.learn(request(url="/", method="POST"), asks)
    assert not questions.may_be(request(url="/", method="POST"))


@pytest.mark.parametrize("method", ["PUT", "post", "DELETE", ""])
def test_a_method_by_which_nobody_asks_is_an_error(method: str) -> None:
    with pytest.raises(ValueError, match="methods are some of GET, HEAD, POST, QUERY"):
        cached(60, methods=[method])


def test_a_method_is_a_text() -> None:
    with pytest.raises(TypeError, match="a method is a str, not int"):
        cached(60, methods=[1])  # type: ignore[list-item]  # that is the error


def test_a_view_that_says_so_outside_a_request_is_just_called() -> None:
    assert cached(60, methods=["POST"])(lambda: "called")() == "called"
