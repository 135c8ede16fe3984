"""The three ways to speak, from wherever an application may speak, and what the cache says of itself."""

from __future__ import annotations

import enum
import logging
from typing import TYPE_CHECKING, Annotated

import anyio
import anyio.to_thread
import pytest
from fastapi import Depends, FastAPI, Query
from fastapi.responses import PlainTextResponse as FastAPIText
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from accelerator import ASGIAccelerator, CacheEvent, MemoryStore, Store, SyncStore, cache_for, cached, no_store, tag
from accelerator.testing import ManualClock
from tests.support import App, Client, Lines, Message, Receive, Scope, Send, app_saying, ask, chunk, raw, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from accelerator.asgi_types import Application
    from accelerator.http.request import Request as CacheRequest
    from accelerator.rules.entry import Entry
    from accelerator.stores.protocol import Lookup

pytestmark = pytest.mark.anyio

SHARED = ("cache-control", "s-maxage=60")


def say() -> None:
    """What each of the applications below says of its response, from somewhere else."""
    cache_for(60)
    tag("data")


class Counter:
    """Counts the responses that were made."""

    def __init__(self) -> None:
        self.made = 0

    def next(self) -> str:
        self.made += 1
        return f"answer {self.made}"


# --- from where -------------------------------------------------------------------------------------------------------


def async_handler(count: Counter) -> Application:
    async def endpoint(request: Request) -> Response:
        say()
        return PlainTextResponse(count.next())

    return Starlette(routes=[Route("/", endpoint)])


def sync_handler_in_the_thread_pool(count: Counter) -> Application:
    def endpoint(request: Request) -> Response:
        say()
        return PlainTextResponse(count.next())

    return Starlette(routes=[Route("/", endpoint)])


def code_below_in_tasks_and_threads(count: Counter) -> Application:
    async def below() -> None:
        await anyio.to_thread.run_sync(say)

    async def endpoint(request: Request) -> Response:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(below)
        return PlainTextResponse(count.next())

    return Starlette(routes=[Route("/", endpoint)])


def async_dependency(count: Counter) -> Application:
    async def dependency() -> None:
        say()

    app = FastAPI()

    @app.get("/", dependencies=[Depends(dependency)], response_class=FastAPIText)
    async def endpoint() -> str:
        return count.next()

    return app


def sync_dependency(count: Counter) -> Application:
    app = FastAPI()

    @app.get("/", dependencies=[Depends(say)], response_class=FastAPIText)
    def endpoint() -> str:
        return count.next()

    return app


def dependency_with_yield(count: Counter) -> Application:
    def dependency() -> Iterator[None]:
        say()
        yield

    app = FastAPI()

    @app.get("/", dependencies=[Depends(dependency)], response_class=FastAPIText)
    def endpoint() -> str:
        return count.next()

    return app


def exception_handler(count: Counter) -> Application:
    async def handle(request: Request, error: Exception) -> Response:
        say()
        return PlainTextResponse(count.next(), 404)

    async def endpoint(request: Request) -> Response:
        raise HTTPException(404)

    return Starlette(routes=[Route("/", endpoint)], exception_handlers={404: handle})


def with_base_http_middleware(count: Counter, when: str) -> Application:
    async def dispatch(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if when == "before":
            say()
        response = await call_next(request)
        if when == "after":
            say()
        return response

    async def endpoint(request: Request) -> Response:
        if when == "inside":
            say()
        return PlainTextResponse(count.next())

    return Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=dispatch)])


def base_http_middleware_before_the_handler(count: Counter) -> Application:
    return with_base_http_middleware(count, "before")


def base_http_middleware_after_the_handler(count: Counter) -> Application:
    return with_base_http_middleware(count, "after")


def handler_inside_base_http_middleware(count: Counter) -> Application:
    return with_base_http_middleware(count, "inside")


def async_stream(count: Counter) -> Application:
    async def body() -> AsyncIterator[str]:
        yield "a stream, "
        tag("data")
        yield count.next()

    async def endpoint(request: Request) -> Response:
        cache_for(60)
        return StreamingResponse(body())

    return Starlette(routes=[Route("/", endpoint)])


def sync_stream_in_the_thread_pool(count: Counter) -> Application:
    def body() -> Iterator[str]:
        yield count.next()
        tag("data")

    def endpoint(request: Request) -> Response:
        cache_for(60)
        return StreamingResponse(body())

    return Starlette(routes=[Route("/", endpoint)])


def stream_inside_base_http_middleware(count: Counter) -> Application:
    async def dispatch(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        return await call_next(request)

    return BaseHTTPMiddleware(async_stream(count), dispatch)


def scope_keys(count: Counter) -> Application:
    async def endpoint(request: Request) -> Response:
        request.scope["accelerator.cache_for"] = 60
        request.scope["accelerator.tags"].append("data")
        return PlainTextResponse(count.next())

    return Starlette(routes=[Route("/", endpoint)])


def scope_keys_replaced(count: Counter) -> Application:
    async def endpoint(request: Request) -> Response:
        request.scope["accelerator.cache_for"] = 60
        request.scope["accelerator.tags"] = ("data", "more")
        return PlainTextResponse(count.next())

    return Starlette(routes=[Route("/", endpoint)])


def response_headers(count: Counter) -> Application:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(count.next(), headers={"cache-control": "s-maxage=60", "cache-tag": "more, data"})

    return Starlette(routes=[Route("/", endpoint)])


SPEAKERS = [
    async_handler,
    sync_handler_in_the_thread_pool,
    code_below_in_tasks_and_threads,
    async_dependency,
    sync_dependency,
    dependency_with_yield,
    exception_handler,
    base_http_middleware_before_the_handler,
    base_http_middleware_after_the_handler,
    handler_inside_base_http_middleware,
    async_stream,
    sync_stream_in_the_thread_pool,
    stream_inside_base_http_middleware,
    scope_keys,
    scope_keys_replaced,
    response_headers,
]


@pytest.mark.parametrize("make", SPEAKERS)
async def test_what_is_said_is_heard(make: Callable[[Counter], Application]) -> None:
    count = Counter()
    app = ASGIAccelerator(make(count))
    first, second = await ask(app), await ask(app)
    assert (count.made, second.body, second.status) == (1, first.body, first.status)
    await app.invalidate_tag("other")
    await ask(app)
    assert count.made == 1
    await app.invalidate_tag("data")
    assert (await ask(app)).body == first.body.replace(b"1", b"2")


@pytest.mark.parametrize("make", SPEAKERS)
async def test_what_is_said_is_heard_inside_of_an_outer_middleware(make: Callable[[Counter], Application]) -> None:
    """BaseHTTPMiddleware runs what is inside it in a task of its own."""

    async def dispatch(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        return await call_next(request)

    count = Counter()
    app = ASGIAccelerator(make(count))
    outer = BaseHTTPMiddleware(app, dispatch)
    first, second = await ask(outer), await ask(outer)
    assert (count.made, second.body) == (1, first.body)
    await app.invalidate_tag("data")
    await ask(outer)
    assert count.made == 2


@pytest.mark.parametrize("is_async", [True, False])
async def test_what_a_background_task_says_comes_too_late_and_does_no_harm(is_async: bool) -> None:
    done: list[str] = []

    def late() -> None:
        no_store()
        cache_for(0)
        tag("late", "\x00")
        done.append("late")

    async def late_async() -> None:
        late()

    count = Counter()

    async def endpoint(request: Request) -> Response:
        cache_for(60)
        return PlainTextResponse(count.next(), background=BackgroundTask(late_async if is_async else late))

    app = ASGIAccelerator(Starlette(routes=[Route("/", endpoint)]))
    await ask(app)
    assert done == ["late"]
    await app.invalidate_tag("late")
    await ask(app)
    assert count.made == 1


async def test_the_answer_is_there_before_a_background_task_ends() -> None:
    gate = anyio.Event()

    async def endpoint(request: Request) -> Response:
        cache_for(60)
        return PlainTextResponse("hello", background=BackgroundTask(gate.wait))

    app, client = ASGIAccelerator(Starlette(routes=[Route("/", endpoint)])), Client()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.ask, app)
        await anyio.wait_all_tasks_blocked()
        assert client.answer.is_complete
        assert str((await ask(app)).get("cache-status")).startswith("accelerator; hit")
        gate.set()


def test_outside_a_request_nothing_happens_but_the_look_at_the_arguments() -> None:
    cache_for(60, stale_while_revalidate=1, stale_if_error=1, public=True)
    tag("user:42", ["posts"])
    no_store()
    with pytest.raises(TypeError, match="ttl"):
        cache_for("60")  # type: ignore[arg-type] # the mistake that is shown
    with pytest.raises(TypeError, match="a tag is a str"):
        tag(42)  # type: ignore[arg-type] # the mistake that is shown


async def test_what_was_said_of_one_response_is_not_said_of_the_next() -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        if app.calls == 1:
            say()
        return 200, [], b"answer %d" % app.calls

    app = App(handle)
    accelerated = ASGIAccelerator(app)
    assert [(await ask(accelerated, url)).body for url in ("/1", "/2", "/2")] == [b"answer 1", b"answer 2", b"answer 3"]


async def test_simultaneous_requests_speak_each_for_its_own() -> None:
    gate = anyio.Event()

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        await gate.wait()
        cache_for(60)
        tag(scope["path"])
        return 200, [], b"answer %d" % app.calls

    app = App(handle)
    accelerated = ASGIAccelerator(app)
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(ask, accelerated, f"/{number}")
        await anyio.wait_all_tasks_blocked()
        gate.set()
    await accelerated.invalidate_tag("/3")
    for number in range(10):
        await ask(accelerated, f"/{number}")
    assert app.calls == 11


# --- the time ---------------------------------------------------------------------------------------------------------

TIMES = ["function", "scope", "targeted", "s-maxage", "max-age", "Expires", "default_ttl"]


@pytest.mark.parametrize("first", TIMES)
async def test_of_all_times_that_are_said_the_first_of_the_order_counts(first: str) -> None:
    notes = TIMES[TIMES.index(first) :]
    control = [f"{name}={10 * (TIMES.index(name) + 1)}" for name in ("max-age", "s-maxage") if name in notes]
    lines = [("date", "Fri, 15 Jan 2027 08:00:00 GMT")]
    lines += [("cache-control", ", ".join(control))] if control else []
    lines += [("expires", "Fri, 15 Jan 2027 08:01:00 GMT")] if "Expires" in notes else []
    lines += [("cdn-cache-control", "max-age=30")] if "targeted" in notes else []

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        if "function" in notes:
            cache_for(10)
        if "scope" in notes:
            scope["accelerator.cache_for"] = 20
        return 200, lines, b""

    accelerated = ASGIAccelerator(App(handle), default_ttl=70, clock=ManualClock())
    await ask(accelerated)
    ttl = 10 * (TIMES.index(first) + 1)
    assert (await ask(accelerated)).get("cache-status") == f"accelerator; hit; ttl={ttl}"


async def test_the_last_cache_for_wins_as_a_whole() -> None:
    def twice() -> None:
        cache_for(1000, stale_while_revalidate=1000, public=True)
        cache_for(10)

    clock, app = ManualClock(), app_that_says(twice)
    accelerated = ASGIAccelerator(app, clock=clock)
    await ask(accelerated)
    assert (await ask(accelerated, headers=[("authorization", "x")])).body == b"answer 2"
    clock.advance(10)
    assert (await ask(accelerated)).body == b"answer 3"


def app_that_says(what: Callable[[], None], *lines: tuple[str, str]) -> App:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        what()
        return 200, lines, b"answer %d" % app.calls

    app = App(handle)
    return app


@pytest.mark.parametrize("ttl", [0, -1, 0.0])
async def test_no_time_stores_nothing_whatever_the_headers_say(ttl: float) -> None:
    app = app_that_says(lambda: cache_for(ttl), SHARED)
    accelerated = ASGIAccelerator(app, default_ttl=60)
    await ask(accelerated)
    await ask(accelerated)
    assert app.calls == 2


async def test_a_time_said_after_the_start_is_too_late() -> None:
    calls = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        await send(start())
        cache_for(60)
        scope["accelerator.cache_for"] = 60
        await send(chunk(b"all"))

    accelerated = ASGIAccelerator(app)
    await ask(accelerated)
    await ask(accelerated)
    assert calls == 2


async def test_a_fraction_of_a_second_counts() -> None:
    clock, app = ManualClock(), app_that_says(lambda: cache_for(0.5))
    accelerated = ASGIAccelerator(app, clock=clock)
    await ask(accelerated)
    clock.advance(0.25)
    await ask(accelerated)
    assert app.calls == 1
    clock.advance(0.25)
    await ask(accelerated)
    assert app.calls == 2


# --- tags in response headers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "tags"),
    [
        pytest.param([("cache-tag", "a,b , c")], ["a", "b", "c"], id="Cache-Tag"),
        pytest.param([("cache-tag", "a b, c")], ["a b", "c"], id="blanks in names of Cache-Tag"),
        pytest.param([("surrogate-key", "a b  c")], ["a", "b", "c"], id="Surrogate-Key"),
        pytest.param([("xkey", "a, b c")], ["a", "b", "c"], id="xkey"),
        pytest.param([("Cache-Tag", "a"), ("Cache-Tag", "b")], ["a", "b"], id="several lines"),
        pytest.param([("cache-tag", "a"), ("xkey", "b"), ("surrogate-key", "c")], ["a", "b", "c"], id="all of them"),
        pytest.param([("cache-tag", b"caf\xc3\xa9")], ["café"], id="UTF-8"),
    ],
)
async def test_tags_in_response_headers_count_and_are_taken_off(lines: list[tuple[str, str]], tags: list[str]) -> None:
    app = app_saying(SHARED, *lines)
    accelerated = ASGIAccelerator(app)
    for calls, name in enumerate(tags, start=1):
        for answer in (await ask(accelerated), await ask(accelerated)):
            assert not {b"cache-tag", b"surrogate-key", b"xkey"} & {line.lower() for line, _ in answer.headers}
        assert app.calls == calls
        await accelerated.invalidate_tag(name)


async def test_tag_headers_are_taken_off_what_is_not_stored() -> None:
    answer = await ask(ASGIAccelerator(app_saying(("cache-tag", "a"), ("x", "y"))))
    assert [name for name, _ in answer.headers] == [b"x", b"cache-status"]


async def test_tag_headers_may_be_called_otherwise() -> None:
    app = app_saying(SHARED, ("x-tags", "a b"), ("cache-tag", "c"))
    accelerated = ASGIAccelerator(app, tag_headers=("X-Tags",))
    answer = await ask(accelerated)
    assert (answer.get("x-tags"), answer.get("cache-tag")) == (None, "c")
    await accelerated.invalidate_tag("c")
    assert (await ask(accelerated)).body == b"answer 1"
    await accelerated.invalidate_tag("b")
    assert (await ask(accelerated)).body == b"answer 2"


async def test_a_tag_header_that_is_no_text_keeps_a_response_out(caplog: pytest.LogCaptureFixture) -> None:
    app = app_saying(SHARED, ("cache-tag", b"\xff"))  # type: ignore[arg-type] # bytes that are no UTF-8
    accelerated = ASGIAccelerator(app)
    with caplog.at_level(logging.WARNING, "accelerator"):
        assert [(await ask(accelerated)).status for _ in range(2)] == [200, 200]
    assert (app.calls, len(caplog.messages)) == (2, 2)


# --- @cached ----------------------------------------------------------------------------------------------------------


class Color(enum.Enum):
    """A type that only this module knows: FastAPI has to see the view's own annotations."""

    RED = "red"
    BLUE = "blue"


def cached_views(count: Counter) -> FastAPI:
    app = FastAPI()

    @app.get("/async/{user_id}", response_class=FastAPIText)
    @cached(60, tags=["user:{user_id}", "color:{color.value}"])
    async def async_view(user_id: int, color: Color = Color.RED, size: Annotated[int, Query(le=9)] = 1) -> str:
        return f"{count.next()} {user_id} {color.value} {size}"

    @app.get("/sync/{user_id}", response_class=FastAPIText)
    @cached(60, tags=["user:{user_id}", "color:{color.value}"])
    def sync_view(user_id: int, color: Color = Color.RED, size: Annotated[int, Query(le=9)] = 1) -> str:
        return f"{count.next()} {user_id} {color.value} {size}"

    return app


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_cached_view_is_stored_with_tags_from_its_arguments(kind: str) -> None:
    count = Counter()
    accelerated = ASGIAccelerator(cached_views(count))
    url, other = f"/{kind}/42?color=blue&size=2", f"/{kind}/43"
    assert (await ask(accelerated, url)).body == b"answer 1 42 blue 2"
    assert (await ask(accelerated, other)).body == b"answer 2 43 red 1"
    await accelerated.invalidate_tag("user:42")
    assert [(await ask(accelerated, each)).body for each in (url, other)] == [
        b"answer 3 42 blue 2",
        b"answer 2 43 red 1",
    ]
    await accelerated.invalidate_tag("color:red")
    assert [(await ask(accelerated, each)).body for each in (url, other)] == [
        b"answer 3 42 blue 2",
        b"answer 4 43 red 1",
    ]


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_fastapi_sees_the_signature_of_a_cached_view(kind: str) -> None:
    accelerated = ASGIAccelerator(cached_views(Counter()))
    for url in (f"/{kind}/nobody", f"/{kind}/42?color=green", f"/{kind}/42?size=10"):
        assert (await ask(accelerated, url)).status == 422


async def test_what_a_cached_view_says_itself_comes_later_and_wins() -> None:
    count, clock = Counter(), ManualClock()

    @cached(60)
    async def endpoint(request: Request) -> Response:
        cache_for(10)
        return PlainTextResponse(count.next())

    accelerated = ASGIAccelerator(Starlette(routes=[Route("/", endpoint)]), clock=clock)
    await ask(accelerated)
    clock.advance(10)
    await ask(accelerated)
    assert count.made == 2


# --- invalidating from inside -----------------------------------------------------------------------------------------


async def test_a_handler_finds_the_accelerator_in_its_scope() -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        if scope["method"] == "POST":
            await scope["accelerator"].invalidate_tag("data")
            return 204, [], b""
        say()
        return 200, [], b"answer %d" % app.calls

    app = App(handle)
    accelerated = ASGIAccelerator(app)
    await ask(accelerated, "/page")
    await ask(accelerated, "/change", method="POST")
    assert (await ask(accelerated, "/page")).body == b"answer 3"
    assert app.scope["accelerator"] is accelerated


async def test_a_sync_handler_invalidates_by_a_sync_store() -> None:
    store, count = MemoryStore(), Counter()

    def page(request: Request) -> Response:
        say()
        return PlainTextResponse(count.next())

    def change(request: Request) -> Response:
        SyncStore(store).invalidate_tag("data")
        return PlainTextResponse("")

    app = Starlette(routes=[Route("/page", page), Route("/change", change, methods=["POST"])])
    accelerated = ASGIAccelerator(app, store=store)
    await ask(accelerated, "/page")
    await ask(accelerated, "/change", method="POST")
    assert (await ask(accelerated, "/page")).body == b"answer 2"


async def test_all_of_a_url_and_all_of_a_store_are_taken_back_through_the_accelerator() -> None:
    accelerated = ASGIAccelerator(app_saying(SHARED, ("vary", "accept")))
    for headers in ([], [("accept", "a")]):
        await ask(accelerated, "/1", headers=headers)
    await ask(accelerated, "/2")
    await accelerated.invalidate_url("http://EXAMPLE.org:80/%31")
    for headers, body in (([], b"answer 4"), ([("accept", "a")], b"answer 5")):
        assert (await ask(accelerated, "/1", headers=headers)).body == body
    assert (await ask(accelerated, "/2")).body == b"answer 3"
    await accelerated.clear()
    assert (await ask(accelerated, "/2")).body == b"answer 6"


# --- unsafe methods ---------------------------------------------------------------------------------------------------


def changing(status: int, *lines: tuple[str, str]) -> App:
    """An application whose pages may be shared, and whose changes answer so."""

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        if scope["method"] == "GET":
            return 200, [SHARED], b"answer %d" % app.calls
        return status, lines, b""

    app = App(handle)
    return app


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE"])
async def test_an_unsafe_method_takes_back_its_target_before_the_first_byte(method: str) -> None:
    accelerated = ASGIAccelerator(changing(200))
    await ask(accelerated, "/page?a=1")
    seen: list[bytes] = []

    async def look(message: Message) -> None:
        if not seen:
            seen.append((await ask(accelerated, "/page?a=1")).body)

    await Client(on_send=look).ask(accelerated, "/page?a=1", method=method)
    assert seen == [b"answer 3"]


@pytest.mark.parametrize(
    ("status", "is_taken_back"),
    [(200, True), (201, True), (204, True), (303, True), (400, False), (404, False), (500, False), (503, False)],
)
async def test_only_success_takes_back(status: int, is_taken_back: bool) -> None:
    accelerated = ASGIAccelerator(changing(status))
    await ask(accelerated)
    await ask(accelerated, method="POST")
    assert (await ask(accelerated)).body == (b"answer 3" if is_taken_back else b"answer 1")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE"])
async def test_a_safe_method_takes_nothing_back(method: str) -> None:
    accelerated = ASGIAccelerator(changing(200))
    await ask(accelerated)
    await ask(accelerated, method=method)
    assert (await ask(accelerated)).body == b"answer 1"


@pytest.mark.parametrize(
    ("line", "is_taken_back"),
    [
        (("location", "/page"), True),
        (("Content-Location", "https://example.org/page"), True),
        (("location", "page"), True),
        (("location", "//example.org/page"), True),
        (("location", "https://example.org:443/./page"), True),
        (("location", "https://example.com/page"), False),
        (("location", "http://example.org/page"), False),
        (("location", "https://example.org:8443/page"), False),
        (("location", "http://[broken"), False),
        (("location", b"/caf\xff"), False),
        (("link", "/page"), False),
    ],
    ids=lambda value: repr(value) if isinstance(value, bool) else str(value[1]),
)
async def test_where_it_points_to_is_taken_back_on_the_same_origin(line: tuple[str, str], is_taken_back: bool) -> None:
    accelerated = ASGIAccelerator(changing(201, line))
    await ask(accelerated, "/page")
    assert (await ask(accelerated, "/new", method="POST")).status == 201
    assert (await ask(accelerated, "/page")).body == (b"answer 3" if is_taken_back else b"answer 1")


async def test_every_variant_and_partition_of_the_target_is_taken_back() -> None:
    app = app_saying(SHARED, ("vary", "accept"))
    accelerated = ASGIAccelerator(app, partition=lambda scope: dict(scope["headers"]).get(b"x-tenant", b"").decode())
    requests: list[Lines] = [[], [("accept", "a")], [("x-tenant", "1")]]
    for headers in requests:
        await ask(accelerated, headers=headers)
    await ask(accelerated, method="DELETE")
    for headers in requests:
        await ask(accelerated, headers=headers)
    assert app.calls == 7


# --- events -----------------------------------------------------------------------------------------------------------


async def test_each_request_and_invalidation_is_one_event() -> None:
    events: list[CacheEvent] = []
    clock = ManualClock()

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        if dict(scope["headers"]).get(b"if-none-match") == b'"v1"':
            return 304, [], b""
        tag("data")
        return 200, [("cache-control", "max-age=60, stale-while-revalidate=10"), ("etag", '"v1"')], b"hello"

    accelerated = ASGIAccelerator(App(handle), on_event=events.append, clock=clock)
    url, tags = "https://example.org/page?a=1", frozenset({"data"})

    async def event_of(work: Awaitable[object]) -> CacheEvent:
        await work
        assert len(events) == 1
        return events.pop()

    page = "/page?a=1"
    stored = CacheEvent("miss", "GET", url, detail="stored", tags=tags, ttl=60)
    assert await event_of(ask(accelerated, page)) == stored
    clock.advance(20)
    assert await event_of(ask(accelerated, page)) == CacheEvent("hit", "GET", url, tags=tags, age=20, ttl=40)
    assert await event_of(ask(accelerated, page, method="HEAD")) == CacheEvent(
        "hit", "HEAD", url, tags=tags, age=20, ttl=40
    )
    clock.advance(60)
    assert await event_of(ask(accelerated, page)) == CacheEvent(
        "validated", "GET", url, detail="stored", tags=tags, ttl=60
    )
    clock.advance(65)
    stale = CacheEvent("stale", "GET", url, tags=tags, age=65, ttl=-5)
    assert await event_of(ask(accelerated, page)) == stale
    await anyio.wait_all_tasks_blocked()
    events.clear()
    assert await event_of(accelerated.invalidate_tag("data", "more", soft=True)) == CacheEvent(
        "invalidate", detail="soft", tags=frozenset({"data", "more"})
    )
    assert await event_of(accelerated.invalidate_url(url)) == CacheEvent("invalidate", url=url, detail="hard")
    assert await event_of(accelerated.clear()) == CacheEvent("invalidate", detail="clear")
    assert await event_of(ask(accelerated, page, method="OPTIONS")) == CacheEvent("pass", "OPTIONS", url)


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (("cache-control", "private"), "private"),
        (("x", "y"), "no explicit time"),
        (("set-cookie", "a=1"), "Set-Cookie"),
    ],
)
async def test_an_event_says_why_nothing_was_stored(line: tuple[str, str], detail: str) -> None:
    events: list[CacheEvent] = []
    await ask(ASGIAccelerator(app_saying(line), on_event=events.append))
    assert events == [CacheEvent("miss", "GET", "https://example.org/", detail=detail)]


async def test_a_request_whose_application_raised_is_an_event_too() -> None:
    events: list[CacheEvent] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("broken")

    accelerated = ASGIAccelerator(app, on_event=events.append)
    for method in ("GET", "POST"):
        with pytest.raises(RuntimeError, match="broken"):
            await ask(accelerated, method=method)
    assert [(event.kind, event.method) for event in events] == [("miss", "GET"), ("pass", "POST")]


async def test_a_listener_that_raises_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def listen(event: CacheEvent) -> None:
        raise RuntimeError("broken listener")

    accelerated = ASGIAccelerator(app_saying(SHARED), on_event=listen)
    with caplog.at_level(logging.ERROR, "accelerator"):
        answers = [await ask(accelerated), await ask(accelerated), await ask(accelerated, method="POST")]
        await accelerated.invalidate_tag("x")
    assert [answer.body for answer in answers] == [b"answer 1", b"answer 1", b"answer 2"]
    assert len(caplog.records) == 5


# --- switched off -----------------------------------------------------------------------------------------------------


async def test_a_disabled_accelerator_passes_everything_by() -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        say()
        await scope["accelerator"].invalidate_tag("data")
        return 200, [SHARED], b"answer %d" % app.calls

    app = App(handle)
    accelerated = ASGIAccelerator(app, enabled=False)
    for body in (b"answer 1", b"answer 2"):
        answer = await ask(accelerated, headers=[("if-none-match", '"v1"')])
        assert (answer.headers, answer.body) == (raw([SHARED, ("cache-status", "accelerator; fwd=bypass")]), body)
    assert dict(app.scope["headers"])[b"if-none-match"] == b'"v1"'


# --- a store that fails -----------------------------------------------------------------------------------------------


class Failing(Store):
    """A memory store of which some methods can be made to fail."""

    def __init__(self, *failing: str) -> None:
        self.store = MemoryStore()
        self.failing = set(failing)

    def _fail(self, method: str) -> None:
        if method in self.failing:
            raise ConnectionError("the store is gone")

    async def lookup(self, request: CacheRequest) -> Lookup:
        self._fail("lookup")
        return await self.store.lookup(request)

    async def commit(self, entry: Entry) -> bool:
        self._fail("commit")
        return await self.store.commit(entry)

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        self._fail("invalidate")
        await self.store.invalidate(tags, soft=soft)


@pytest.mark.parametrize("failing", [("lookup",), ("commit",), ("lookup", "commit")], ids=" and ".join)
async def test_a_failing_store_fails_no_request_and_is_logged_once(
    failing: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    accelerated = ASGIAccelerator(app_saying(SHARED), store=Failing(*failing))
    with caplog.at_level(logging.ERROR, "accelerator"):
        answers = [await ask(accelerated) for _ in range(3)]
    assert [answer.body for answer in answers] == [b"answer 1", b"answer 2", b"answer 3"]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("method", ["lookup", "commit"])
async def test_each_outage_of_a_store_is_logged_and_so_is_its_end(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = Failing()
    accelerated = ASGIAccelerator(app_saying(SHARED), store=store)
    await ask(accelerated, "/before")
    with caplog.at_level(logging.INFO, "accelerator"):
        for outage in range(3):
            store.failing = {method}
            for number in range(3):
                await ask(accelerated, f"/{outage}/{number}")
            store.failing = set()
            for number in range(3):
                await ask(accelerated, f"/{outage}/{number} again")
    said = [(record.levelname, record.getMessage().partition(",")[0]) for record in caplog.records]
    assert said == [("ERROR", f"the store's {method} fails"), ("WARNING", f"the store's {method} works again")] * 3


async def test_a_store_that_is_back_is_used_again() -> None:
    store = Failing("lookup", "commit")
    accelerated = ASGIAccelerator(app_saying(SHARED), store=store)
    await ask(accelerated)
    store.failing = set()
    assert [(await ask(accelerated)).body for _ in range(2)] == [b"answer 2", b"answer 2"]


async def test_an_invalidation_that_fails_is_never_silent() -> None:
    accelerated = ASGIAccelerator(app_saying(), store=Failing("invalidate"))
    for work in (
        accelerated.invalidate_tag("x"),
        accelerated.invalidate_url("https://example.org/"),
        accelerated.clear(),
        ask(accelerated, method="POST"),
    ):
        with pytest.raises(ConnectionError):
            await work


@pytest.mark.parametrize("name", ["", "@all", "a\nb", "x" * 1025])
async def test_a_name_that_no_tag_has_cannot_be_invalidated(name: str) -> None:
    events: list[CacheEvent] = []
    accelerated = ASGIAccelerator(app_saying(), on_event=events.append)
    with pytest.raises(ValueError, match=r"a tag|names that begin"):
        await accelerated.invalidate_tag(name)
    assert events == []
