"""Where `send_tags` asks for it clients get the tags of a response, in whichever way they get the response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from accelerator import ASGIAccelerator, MemoryStore, WSGIAccelerator, cache_for, no_store, tag
from accelerator.engine.prepared import PreparedHit
from accelerator.engine.shortcut import MAX_KEPT_TAG_LINES
from accelerator.http.request import Request
from accelerator.testing import ManualClock
from tests.asgi.test_stale import Origin
from tests.support import BROWSER, Answer, Lines, Receive, Scope, Script, Send, ask, chunk, drive, http_scope, start
from tests.wsgi.support import ask as ask_wsgi

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.requests import Request as StarletteRequest
    from starlette.responses import Response

pytestmark = pytest.mark.anyio

KEYS = "@url:example.org/ menu user:42"
SHARED = ("cache-control", "s-maxage=60")


def saying(*steps: Any, ttl: float = 60, tags: tuple[str, ...] = ("user:42", "menu"), **options: Any) -> Any:
    """A cached application that names its tags, and then takes these steps."""

    async def say() -> None:
        cache_for(ttl)
        tag(*tags)

    options = {"send_tags": ("Surrogate-Key",)} | options
    return ASGIAccelerator(Script(say, *(steps or (start(), chunk(b"page")))), **options)


async def visit(app: Any, headers: Lines = ()) -> Answer:
    """Ask as a browser does, whose plain hits go the short way."""
    return await ask(app, headers=[*BROWSER, *headers])


def forms(answer: Any) -> tuple[int, str | None, bytes]:
    return answer.status, answer.get("surrogate-key"), answer.body


async def test_unless_asked_for_no_client_gets_a_tag() -> None:
    app = saying(send_tags=())
    for _ in range(2):
        answer = await ask(app)
        assert not {b"surrogate-key", b"cache-tag", b"xkey"}.intersection(name for name, _ in answer.headers)


@pytest.mark.parametrize("options", [{}, {"partition": lambda _scope: "all"}], ids=["short way", "engine"])
async def test_a_miss_and_a_hit_have_the_tags(options: dict[str, Any]) -> None:
    app = saying(**options)
    for fate in ("fwd", "hit", "hit"):
        answer = await visit(app)
        assert fate in (answer.get("cache-status") or "")
        assert forms(answer) == (200, KEYS, b"page")
    assert (app.answer_at_once(http_scope(headers=BROWSER)) is None) is bool(options)


@pytest.mark.parametrize("options", [{}, {"partition": lambda _scope: "all"}], ids=["short way", "engine"])
async def test_a_304_has_them_on_a_miss_and_on_a_hit(options: dict[str, Any]) -> None:
    app = saying(start(("etag", '"1"')), chunk(b"page"), **options)
    for _ in range(3):
        answer = await visit(app, [("if-none-match", '"1"')])
        assert forms(answer) == (304, KEYS, b"")


async def test_a_head_and_a_range_have_them() -> None:
    app = saying(start(("content-length", "4")), chunk(b"page"))
    await ask(app)
    assert forms(await ask(app, method="HEAD")) == (200, KEYS, b"")
    assert forms(await ask(app, headers=[("range", "bytes=0-1")])) == (206, KEYS, b"pa")


async def test_several_fields_are_sent_each_in_its_way() -> None:
    app = saying(send_tags=("Cache-Tag", "xkey"))
    for _ in range(2):
        answer = await ask(app)
        assert answer.get("cache-tag") == KEYS.replace(" ", ",")
        assert answer.get("xkey") == KEYS


async def test_the_applications_own_field_of_tags_is_sent_once_in_the_form_of_keys() -> None:
    app = saying(start(("surrogate-key", "a b"), ("cache-tag", "c d,e")), chunk(), tags=())
    for _ in range(2):
        assert (await ask(app)).get("surrogate-key") == "@url:example.org/ a b c%20d e"


async def test_an_entry_of_before_the_option_has_them_too() -> None:
    store = MemoryStore()
    await ask(saying(store=store, send_tags=()))
    app = saying(store=store)
    assert (await ask(app)).get("surrogate-key") == KEYS
    assert "hit" in ((await ask(app)).get("cache-status") or "")


async def test_tags_named_before_the_only_chunk_are_sent_although_the_start_came_first() -> None:
    async def late() -> None:
        tag("late")

    app = saying(start(), late, chunk(b"page"), tags=())
    for _ in range(2):
        assert (await ask(app)).get("surrogate-key") == "@url:example.org/ late"


async def test_a_response_in_parts_says_that_there_may_be_more_and_its_hits_have_all() -> None:
    async def late() -> None:
        tag("late")

    app = saying(start(), chunk(b"pa", more=True), late, chunk(b"ge"))
    assert (await ask(app)).get("surrogate-key") == KEYS + " @more"
    assert (await ask(app)).get("surrogate-key") == "@url:example.org/ late menu user:42"


async def test_tags_by_the_keys_of_the_scope_are_sent_if_they_are_there_by_the_first_chunk() -> None:
    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        scope["accelerator.cache_for"] = 60
        scope["accelerator.tags"] = ["early"]
        await send(start())
        scope["accelerator.tags"].append("first")
        await send(chunk(b"pa", more=True))
        scope["accelerator.tags"].append("late")
        await send(chunk(b"ge"))

    app = ASGIAccelerator(site, send_tags=("xkey",))
    assert (await ask(app)).get("xkey") == "@url:example.org/ early first @more"
    assert (await ask(app)).get("xkey") == "@url:example.org/ early first late"


@pytest.mark.parametrize(("length", "keys"), [("4", KEYS), ("6", KEYS + " @more")], ids=["all of it", "a part"])
async def test_where_all_promised_content_has_come_nothing_more_is_waited_for(length: str, keys: str) -> None:
    app = saying(start(("content-length", length)), chunk(b"page", more=True), chunk(b"ss" if length == "6" else b""))
    assert (await ask(app)).get("surrogate-key") == keys
    assert (await ask(app)).get("surrogate-key") == KEYS


async def test_a_page_behind_middlewares_of_starlette_has_its_tags_and_no_more() -> None:
    async def page(_request: StarletteRequest) -> PlainTextResponse:
        cache_for(60)
        tag("user:42", "menu")
        return PlainTextResponse("page")

    async def middleware(request: StarletteRequest, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    inner = Starlette(routes=[Route("/", page)])
    inner.add_middleware(BaseHTTPMiddleware, dispatch=middleware)
    app = ASGIAccelerator(inner, send_tags=("Surrogate-Key",))
    for _ in range(2):
        assert forms(await ask(app)) == (200, KEYS, b"page")


async def test_a_stale_response_and_one_in_place_of_an_error_have_them() -> None:
    clock = ManualClock(1000)
    origin = Origin((200, [("cache-control", "s-maxage=60, stale-if-error=600")]), (503, []), say=lambda: tag("x"))
    app = ASGIAccelerator(origin, clock=clock, send_tags=("Surrogate-Key",), stale_while_revalidate=10)
    await ask(app)
    clock.advance(65)
    stale = await ask(app)
    clock.advance(100)
    rescued = await ask(app)
    assert [answer.get("surrogate-key") for answer in (stale, rescued)] == ["@url:example.org/ x"] * 2
    assert rescued.status == 200


@pytest.mark.parametrize("is_storable", [True, False])
async def test_what_a_304_of_the_application_confirms_has_the_tags_of_both(is_storable: bool) -> None:
    clock = ManualClock(1000)
    names = iter(["x", "x"] if is_storable else ["x", "y"])

    def say() -> None:
        tag(next(names))
        if clock() > 1000 and not is_storable:
            no_store()

    origin = Origin((200, [SHARED, ("etag", '"1"')]), (304, [SHARED, ("etag", '"1"')]), say=say)
    app = ASGIAccelerator(origin, clock=clock, send_tags=("Surrogate-Key",))
    await ask(app)
    clock.advance(65)
    answer = await ask(app)
    assert answer.status == 200
    assert origin.calls == 2
    assert answer.get("surrogate-key") == "@url:example.org/ x" + ("" if is_storable else " y")


@pytest.mark.parametrize("start_lines", [(("cache-control", "no-store"),), (("content-length", "99999999"),)])
async def test_what_is_not_stored_has_those_that_are_known(start_lines: tuple[tuple[str, str], ...]) -> None:
    app = saying(start(*start_lines), chunk(b"page"))
    assert (await ask(app)).get("surrogate-key") == KEYS + " @more"


async def test_what_passes_the_cache_by_has_them_unless_it_is_no_read() -> None:
    app = saying(enabled=False)
    assert (await ask(app)).get("surrogate-key") == KEYS + " @more"
    assert (await ask(app, method="HEAD")).get("surrogate-key") == KEYS + " @more"
    assert (await ask(app, method="POST")).get("surrogate-key") is None


async def test_a_response_with_an_invalid_tag_is_taken_back_with_each_purge() -> None:
    app = saying(tags=("user:42", "@mine"))
    for _ in range(2):
        assert (await ask(app)).get("surrogate-key") == "@url:example.org/ @more"


async def test_a_malformed_start_goes_out_as_it_is() -> None:
    malformed = [(b"only",)]
    app = saying({"type": "http.response.start", "status": 200, "headers": malformed}, chunk())
    assert (await ask(app)).messages[0]["headers"] == malformed


@pytest.mark.parametrize(("length", "is_kept"), [(MAX_KEPT_TAG_LINES - 60, True), (MAX_KEPT_TAG_LINES + 60, False)])
def test_an_answer_with_many_tags_is_written_for_each_hit(length: int, is_kept: bool) -> None:
    tags = tuple("x" * 60 + str(number) for number in range(length // 61))
    app = saying(tags=tags)
    for _ in range(3):
        answer = drive(visit(app))
        assert sorted((answer.get("surrogate-key") or "").split()) == sorted(["@url:example.org/", *tags])
    request = Request(http_scope(headers=BROWSER))
    ready = app.store.ready_entry(request.key, request, Request.selecting_values)
    assert isinstance(ready.prepared, PreparedHit) is is_kept


def test_under_wsgi_a_miss_and_a_hit_have_them() -> None:
    def page(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        cache_for(60)
        tag("user:42", "menu")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"page"]

    app = WSGIAccelerator(page, send_tags=("Surrogate-Key",))
    for _ in range(2):
        reply = ask_wsgi(app)
        assert [value for name, value in reply.headers if name.lower() == "surrogate-key"] == [KEYS]
