"""What must never reach somebody else: each test is named after a leak, and shows that it is closed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from accelerator import ASGIAccelerator, MemoryStore, cache_for, no_store, tag
from accelerator.stores.memory.tables import MAX_VARIANTS
from accelerator.tags import MAX_TAG_BYTES, MAX_TAGS, MAX_TAGS_BYTES
from tests.support import (
    App,
    Client,
    Lines,
    Message,
    Receive,
    Scope,
    Send,
    app_saying,
    ask,
    chunk,
    raw,
    start,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

SHARED = ("cache-control", "s-maxage=60")
BROWSERS = ("cache-control", "max-age=60")
COOKIE = ("cookie", "session=1")
LOGIN = ("authorization", "Basic x")


async def bodies(cached: ASGIAccelerator, *requests: Lines, url: str = "/") -> list[bytes]:
    """Return the body that each request in turn gets; requests are given by their header lines."""
    return [(await ask(cached, url, headers=headers)).body for headers in requests]


def app_telling(tell: Callable[[], None]) -> App:
    """An application that says something of each response, all of which may be shared for a minute otherwise."""

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        tell()
        return 200, [SHARED], b"answer %d" % app.calls

    app = App(handle)
    return app


# --- what a response says of itself -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_asked_for", [True, False], ids=["in spite of cache_for", "by itself"])
@pytest.mark.parametrize(
    "line",
    [
        pytest.param(("set-cookie", "session=1"), id="Set-Cookie"),
        pytest.param(("Set-Cookie", ""), id="an empty Set-Cookie"),
        pytest.param(("cache-control", "private"), id="private"),
        pytest.param(("cache-control", 'private="x-name"'), id="private of one field"),
        pytest.param(("Cache-Control", "PRIVATE"), id="private in upper case"),
        pytest.param(("cache-control", "no-store"), id="no-store"),
        pytest.param(("cache-control", "s-maxage=60, no-store"), id="no-store after a time"),
        pytest.param(("cdn-cache-control", "private"), id="private for shared caches"),
        pytest.param(("vary", "*"), id="Vary of everything"),
        pytest.param(("vary", "accept, *"), id="Vary of everything in a list"),
    ],
)
async def test_what_forbids_sharing_is_not_shared(line: tuple[str, str], is_asked_for: bool) -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        if is_asked_for:
            cache_for(60, public=True)
        return 200, [SHARED, line], b"answer %d" % app.calls

    app = App(handle)
    cached = ASGIAccelerator(app, default_ttl=60)
    assert await bodies(cached, [], []) == [b"answer 1", b"answer 2"]


async def test_set_cookie_of_one_client_never_reaches_another() -> None:
    cached = ASGIAccelerator(app_saying(SHARED, ("set-cookie", "a=1"), ("set-cookie", "b=2")))
    first = await ask(cached)
    assert first.get("set-cookie") == "a=1, b=2"
    assert str((await ask(cached)).get("cache-status")).endswith('; detail="Set-Cookie"')


async def test_vary_of_everything_on_a_line_of_its_own_is_seen() -> None:
    cached = ASGIAccelerator(app_saying(SHARED, ("vary", "accept"), ("vary", "*")))
    assert await bodies(cached, [], []) == [b"answer 1", b"answer 2"]


async def test_what_says_nothing_is_not_stored() -> None:
    cached = ASGIAccelerator(app_saying(("etag", '"v1"'), ("last-modified", "Thu, 14 Jan 2027 08:00:00 GMT")))
    assert await bodies(cached, [], []) == [b"answer 1", b"answer 2"]


@pytest.mark.parametrize("status", [400, 401, 403, 405, 429, 500, 502, 503, 504, 206])
async def test_errors_and_parts_are_not_shared(status: int) -> None:
    cached = ASGIAccelerator(app_saying(SHARED, status=status))
    assert await bodies(cached, [], []) == [b"answer 1", b"answer 2"]


# --- no_store ---------------------------------------------------------------------------------------------------------


def veto_first() -> None:
    no_store()
    cache_for(60, public=True)


def veto_last() -> None:
    cache_for(60, public=True)
    no_store()


@pytest.mark.parametrize("tell", [veto_first, veto_last])
async def test_nothing_lifts_no_store(tell: Callable[[], None]) -> None:
    assert await bodies(ASGIAccelerator(app_telling(tell)), [], []) == [b"answer 1", b"answer 2"]


@pytest.mark.parametrize("after", ["start", "a chunk"])
async def test_no_store_counts_until_the_last_chunk(after: str) -> None:
    calls = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        await send(start(SHARED))
        if after == "a chunk":
            await send(chunk(b"answer ", more=True))
        no_store()
        await send(chunk(b"%d" % calls))

    cached = ASGIAccelerator(app)
    first, second = await bodies(cached, [], [])
    assert (first[-1:], second[-1:]) == (b"1", b"2")


# --- Authorization ----------------------------------------------------------------------------------------------------


async def test_what_an_authorized_request_got_is_not_shared() -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        cache_for(60)
        return 200, [BROWSERS], b"answer %d" % app.calls

    app = App(handle)
    assert await bodies(ASGIAccelerator(app), [LOGIN], [LOGIN], []) == [b"answer 1", b"answer 2", b"answer 3"]


async def test_an_authorized_request_does_not_get_what_was_made_for_anybody() -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        cache_for(60)
        return 200, [], b"answer %d" % app.calls

    app = App(handle)
    assert await bodies(ASGIAccelerator(app), [], [LOGIN], []) == [b"answer 1", b"answer 2", b"answer 1"]


@pytest.mark.parametrize("word", ["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60"])
@pytest.mark.parametrize("requests", [([LOGIN], []), ([], [LOGIN])], ids=["made for a user", "given to a user"])
async def test_authorization_needs_one_of_three_words(word: str, requests: tuple[Lines, Lines]) -> None:
    """RFC 9111 §3.5."""
    cached = ASGIAccelerator(app_saying(("cache-control", word)))
    assert await bodies(cached, *requests) == [b"answer 1", b"answer 1"]


async def test_public_of_cache_for_lifts_authorization() -> None:
    cached = ASGIAccelerator(app_telling(lambda: cache_for(60, public=True)))
    assert await bodies(cached, [LOGIN], [], [LOGIN]) == [b"answer 1"] * 3


# --- Cookie -----------------------------------------------------------------------------------------------------------

EXPIRES = ("expires", "Fri, 31 Dec 9999 23:59:59 GMT")


@pytest.mark.parametrize("line", [BROWSERS, EXPIRES], ids=["max-age", "Expires"])
async def test_what_a_request_with_cookies_got_is_not_shared_on_a_word_for_browsers(line: tuple[str, str]) -> None:
    cached = ASGIAccelerator(app_saying(line))
    assert await bodies(cached, [COOKIE], [COOKIE], []) == [b"answer 1", b"answer 2", b"answer 3"]


@pytest.mark.parametrize("line", [BROWSERS, EXPIRES], ids=["max-age", "Expires"])
async def test_a_request_with_cookies_does_not_get_what_was_made_without_them(line: tuple[str, str]) -> None:
    cached = ASGIAccelerator(app_saying(line))
    assert await bodies(cached, [], [COOKIE], []) == [b"answer 1", b"answer 2", b"answer 1"]


async def test_a_default_time_is_no_word_for_cookies() -> None:
    cached = ASGIAccelerator(app_saying(), default_ttl=60)
    assert await bodies(cached, [COOKIE], [], [COOKIE]) == [b"answer 1", b"answer 2", b"answer 3"]


@pytest.mark.parametrize(
    "line",
    [
        SHARED,
        ("cache-control", "public, max-age=60"),
        ("cdn-cache-control", "max-age=60"),
    ],
    ids=["s-maxage", "public", "CDN-Cache-Control"],
)
async def test_an_explicit_word_for_shared_caches_lifts_cookies(line: tuple[str, str]) -> None:
    assert await bodies(ASGIAccelerator(app_saying(line)), [COOKIE], [], [COOKIE]) == [b"answer 1"] * 3


async def test_cache_for_lifts_cookies() -> None:
    cached = ASGIAccelerator(app_telling(lambda: cache_for(60)))
    assert await bodies(cached, [COOKIE], [], [COOKIE]) == [b"answer 1"] * 3


async def test_cookies_and_authorization_together_need_both_words() -> None:
    cached = ASGIAccelerator(app_saying(("cache-control", "must-revalidate, max-age=60")))
    assert await bodies(cached, [COOKIE, LOGIN], [], [COOKIE, LOGIN], [LOGIN]) == [
        b"answer 1",
        b"answer 2",
        b"answer 3",
        b"answer 2",
    ]


# --- requests that are the origin's business --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(("content-length", "5"), id="a body"),
        pytest.param(("transfer-encoding", "chunked"), id="a body of unknown length"),
        pytest.param(("upgrade", "h2c"), id="Upgrade"),
        pytest.param(("if-match", '"v1"'), id="If-Match"),
        pytest.param(("if-unmodified-since", "Thu, 14 Jan 2027 08:00:00 GMT"), id="If-Unmodified-Since"),
    ],
)
async def test_a_get_that_is_more_than_a_get_passes_by_in_both_directions(line: tuple[str, str]) -> None:
    app = app_saying(SHARED)
    cached = ASGIAccelerator(app)
    passed = await ask(cached, headers=[line])
    assert passed.headers == raw([SHARED, ("cache-status", "accelerator; fwd=bypass")])
    assert dict(app.scope["headers"])[raw([line])[0][0]] == raw([line])[0][1]
    assert await bodies(cached, [], [line], []) == [b"answer 2", b"answer 3", b"answer 2"]


async def test_a_get_whose_body_shows_only_as_it_comes_does_not_fill() -> None:
    """HTTP/2 needs neither Content-Length nor Transfer-Encoding for a body that an application may answer to."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked = (await receive())["body"]
        await send(start(SHARED))
        await send(chunk(b"you said " + asked))

    cached = ASGIAccelerator(app)
    await Client(body=[b"evil"]).ask(cached, http_version="2")
    assert (await Client().ask(cached, http_version="2")).body == b"you said "


async def test_a_head_first_leaves_no_empty_get() -> None:
    cached = ASGIAccelerator(app_saying(SHARED))
    await ask(cached, method="HEAD")
    assert (await ask(cached)).body == b"answer 2"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get"])
async def test_another_method_neither_fills_nor_is_answered(method: str) -> None:
    cached = ASGIAccelerator(app_saying(SHARED, status=404))
    assert (await ask(cached, method=method)).body == b"answer 1"
    assert (await ask(cached)).body == b"answer 2"
    assert (await ask(cached, method=method)).body == b"answer 3"


# --- the key ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"scheme": "http"}, id="scheme"),
        pytest.param({"headers": [("host", "example.com")]}, id="host"),
        pytest.param({"url": "/page?a=2"}, id="query"),
        pytest.param({"url": "/page"}, id="no query"),
        pytest.param({"url": "/Page?a=1"}, id="path"),
        pytest.param({"raw_path": b"/p%61ge"}, id="path as received"),
        pytest.param({"path": "/tenant/page"}, id="a path that an outer middleware rewrote"),
        pytest.param({"root_path": "/sub"}, id="where the application is mounted"),
        pytest.param({"headers": [("origin", "https://example.com")]}, id="an Origin, which CORS answers otherwise"),
    ],
)
async def test_what_is_another_thing_has_another_key(other: dict[str, object]) -> None:
    app = app_saying(SHARED)
    cached = ASGIAccelerator(app)
    for request in ({}, other, {}, other):
        await ask(cached, **{"url": "/page?a=1", **request})  # type: ignore[arg-type] # what the table says, by name
    assert app.calls == 2


async def test_partitions_never_see_each_others_responses() -> None:
    def tenant(scope: Scope) -> str | None:
        return dict(scope["headers"]).get(b"x-tenant", b"").decode() or None

    cached = ASGIAccelerator(app_saying(SHARED), partition=tenant)
    one, two = [("x-tenant", "1")], [("x-tenant", "2")]
    assert await bodies(cached, one, two, one, two) == [b"answer 1", b"answer 2", b"answer 1", b"answer 2"]


async def test_a_request_of_no_partition_passes_by_in_both_directions() -> None:
    def signed_off(scope: Scope) -> str | None:
        return None if b"x-user" in dict(scope["headers"]) else ""

    cached = ASGIAccelerator(app_saying(SHARED), partition=signed_off)
    user = [("x-user", "1")]
    assert await bodies(cached, user, [], user, []) == [b"answer 1", b"answer 2", b"answer 3", b"answer 2"]


# --- Vary -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vary", "one", "other", "are_the_same"),
    [
        pytest.param("accept", [], [("accept", "")], False, id="absent is not empty"),
        pytest.param("accept", [("accept", "")], [("accept", "")], True, id="empty is empty"),
        pytest.param("accept", [], [], True, id="absent is absent"),
        pytest.param("accept", [("accept", "a")], [("accept", "b")], False, id="another value"),
        pytest.param("Accept", [("accept", "a")], [("accept", "b")], False, id="a name in upper case"),
        pytest.param("x, accept", [("accept", "a")], [("accept", "b")], False, id="a list"),
        pytest.param("accept", [("accept", "a, b")], [("accept", "a,b")], True, id="blanks in a list"),
        pytest.param("accept", [("accept", " a ")], [("accept", "a")], True, id="blanks around"),
        pytest.param("accept", [("accept", "a"), ("accept", "b")], [("accept", "a, b")], True, id="split lines"),
        pytest.param("accept", [("accept", "a"), ("accept", "b")], [("accept", "b, a")], False, id="another order"),
        pytest.param("accept", [("accept", '"a, b"')], [("accept", '"a,b"')], False, id="blanks inside quotes"),
        pytest.param("x-a", [("x-a", "a, b")], [("x-a", "a,b")], True, id="blanks in a list"),
        pytest.param("x-a", [("x-a", "a"), ("X-A", "b")], [("x-a", " a, b ")], True, id="split lines of any field"),
        pytest.param(
            "accept-encoding",
            [("accept-encoding", "gzip, deflate, br")],
            [("accept-encoding", "br;q=1.0,gzip,deflate")],
            True,
            id="the same codings",
        ),
        pytest.param(
            "accept-encoding",
            [("accept-encoding", "gzip, deflate, br, zstd")],
            [("accept-encoding", "gzip, deflate, br")],
            False,
            id="one coding more",
        ),
        pytest.param(
            "accept-language",
            [("accept-language", "en-GB, de;q=0.5")],
            [("accept-language", "DE;q=0.50,en-gb")],
            True,
            id="the same languages",
        ),
        pytest.param(
            "accept-language",
            [("accept-language", "en, de")],
            [("accept-language", "de, en")],
            True,
            id="equal languages",
        ),
        pytest.param("x-a, x-b", [("x-a", "1")], [("x-b", "1")], False, id="another field"),
        pytest.param("cookie", [("cookie", "a=1")], [("cookie", "a=2")], False, id="another cookie"),
        pytest.param("cookie", [("cookie", "a=1, 2")], [("cookie", "a=1,2")], False, id="blanks in a cookie"),
        pytest.param("cookie", [("cookie", "a=1")], [], False, id="no cookie"),
        pytest.param("cookie", [("cookie", "a=1"), ("cookie", "b=2")], [("cookie", "a=1; b=2")], True, id="crumbs"),
        pytest.param("authorization", [LOGIN], [("authorization", "Basic y")], False, id="another user"),
    ],
)
async def test_a_variant_answers_only_what_it_was_chosen_by(
    vary: str, one: Lines, other: Lines, are_the_same: bool
) -> None:
    app = app_saying(SHARED, ("vary", vary))
    cached = ASGIAccelerator(app)
    await bodies(cached, one, other, one, other)
    assert app.calls == (1 if are_the_same else 2)


async def test_vary_on_several_lines_counts_whole() -> None:
    cached = ASGIAccelerator(app_saying(SHARED, ("vary", "x-a"), ("vary", "x-b")))
    assert await bodies(cached, [("x-b", "1")], [("x-b", "2")]) == [b"answer 1", b"answer 2"]


async def test_a_response_without_vary_does_not_answer_for_its_variants() -> None:
    """Both stand under one URL; each request gets what one like it got."""

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        lines = [SHARED, ("vary", "x-user")] if b"x-user" in dict(scope["headers"]) else [SHARED, ("vary", "x-other")]
        return 200, lines, b"answer %d" % app.calls

    app = App(handle)
    cached = ASGIAccelerator(app)
    one, two = [("x-user", "1")], [("x-user", "2"), ("x-other", "1")]
    assert await bodies(cached, one, two, one, two) == [b"answer 1", b"answer 2", b"answer 1", b"answer 2"]


async def test_variants_of_a_url_are_capped_and_the_oldest_goes() -> None:
    app = app_saying(SHARED, ("vary", "x-any"))
    store = MemoryStore()
    cached = ASGIAccelerator(app, store=store)
    for number in range(MAX_VARIANTS + 1):
        await ask(cached, headers=[("x-any", str(number))])
    assert len(store) == MAX_VARIANTS
    newest = b"answer %d" % (MAX_VARIANTS + 1)
    assert await bodies(cached, [("x-any", str(MAX_VARIANTS))], [("x-any", "1")]) == [newest, b"answer 2"]
    assert await bodies(cached, [("x-any", "0")]) == [b"answer %d" % (MAX_VARIANTS + 2)]


# --- tags that cannot be kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([str(number) for number in range(MAX_TAGS + 1)], id="too many"),
        pytest.param([f"{number:0>1000}" for number in range(MAX_TAGS_BYTES // 1000 + 1)], id="too long in all"),
        pytest.param(["x" * (MAX_TAG_BYTES + 1)], id="too long"),
        pytest.param([""], id="empty"),
        pytest.param(["@all"], id="one of the library's own"),
        pytest.param(["user:\n42"], id="with a control character"),
        pytest.param(["user:\ud800"], id="not to be encoded"),
        pytest.param(["user:42", "a\x00b"], id="one of several"),
    ],
)
async def test_a_response_that_would_lose_a_tag_is_served_but_not_stored(
    names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    cached = ASGIAccelerator(app_telling(lambda: tag(names)))
    with caplog.at_level(logging.WARNING, "accelerator"):
        answer = await ask(cached)
    assert (answer.status, answer.body) == (200, b"answer 1")
    assert len(caplog.messages) == 1
    assert (await ask(cached)).body == b"answer 2"


async def test_as_many_tags_as_may_be_are_stored() -> None:
    cached = ASGIAccelerator(app_telling(lambda: tag(str(number) for number in range(MAX_TAGS))))
    assert await bodies(cached, [], []) == [b"answer 1", b"answer 1"]
    await cached.invalidate_tag(str(MAX_TAGS - 1))
    assert await bodies(cached, []) == [b"answer 2"]


@pytest.mark.parametrize("where", ["tag", "url", "header", "scope"])
async def test_a_strangers_name_writes_no_line_of_its_own_into_the_log(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    forged = "x\r\n2027-01-15 ERROR all is lost\x1b[31m"

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        tag(forged if where == "tag" else "\x00")
        if where == "scope":
            scope["accelerator.tags"] = [forged]
        return 200, [SHARED, *([("cache-tag", forged)] if where == "header" else [])], b""

    path = f"/{forged}" if where == "url" else "/"
    with caplog.at_level(logging.WARNING, "accelerator"):
        await ask(ASGIAccelerator(App(handle)), raw_path=path.encode())
    assert len(caplog.messages) == 1
    assert caplog.messages[0].isprintable()


async def test_a_name_that_is_no_text_raises_at_once_and_never_in_the_middle_of_a_response() -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        with pytest.raises(TypeError):
            tag(42)  # type: ignore[arg-type] # the mistake that is shown
        return 200, [SHARED], b"hello"

    assert (await ask(ASGIAccelerator(App(handle)))).body == b"hello"


@pytest.mark.parametrize("tags", [[42], 42, None, [None], b"bytes", [["a"]]], ids=repr)
async def test_nonsense_in_the_scope_keeps_a_response_out_and_serves_it(
    tags: object, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        scope["accelerator.tags"] = tags
        return 200, [SHARED], b"answer %d" % app.calls

    app = App(handle)
    with caplog.at_level(logging.WARNING, "accelerator"):
        assert await bodies(ASGIAccelerator(app), [], []) == [b"answer 1", b"answer 2"]
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("ttl", ["60", True, float("nan"), float("inf"), b"60"], ids=repr)
async def test_a_nonsensical_time_in_the_scope_keeps_a_response_out(
    ttl: object, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        scope["accelerator.cache_for"] = ttl
        return 200, [SHARED], b"answer %d" % app.calls

    app = App(handle)
    with caplog.at_level(logging.WARNING, "accelerator"):
        assert await bodies(ASGIAccelerator(app), [], []) == [b"answer 1", b"answer 2"]
    assert len(caplog.messages) == 2


# --- what was said of something else ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["HEAD", "Range", "POST"])
async def test_what_a_request_inside_a_request_says_is_not_said_of_the_outer_response(how: str) -> None:
    """An application may ask itself, in process; what passes the cache by must not speak for who asked."""

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        if scope["path"] == "/part":
            cache_for(60)
            return 200, [], b"part"
        headers = [("range", "bytes=0-1")] if how == "Range" else []
        await ask(cached, "/part", method="GET" if how == "Range" else how, headers=headers)
        return 200, [], b"page"

    app = App(handle)
    cached = ASGIAccelerator(app)
    await bodies(cached, [], [], url="/page")
    assert app.calls == 4


async def test_a_body_sent_from_a_buffer_that_is_used_again_is_kept_as_it_was_sent() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        buffer = bytearray(b"one")
        await send(start(SHARED))
        message: Message = {"type": "http.response.body", "body": memoryview(buffer), "more_body": True}
        await send(message)
        buffer[:] = b"two"
        await send({**message, "more_body": False})

    cached = ASGIAccelerator(app)
    await ask(cached)
    assert (await ask(cached)).body == b"onetwo"
