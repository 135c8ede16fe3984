"""A hit is the fill once more: the same bytes, and nothing besides but what HTTP asks a cache to say."""

from __future__ import annotations

import pytest

from accelerator import ASGIAccelerator, cache_for
from accelerator.testing import ManualClock
from tests.support import (
    Answer,
    App,
    Lines,
    Message,
    Receive,
    Scope,
    Script,
    Send,
    app_saying,
    ask,
    chunk,
    drive,
    raw,
    start,
)

pytestmark = pytest.mark.anyio

SHARED = ("cache-control", "s-maxage=60")
NOW = "Fri, 15 Jan 2027 08:00:00 GMT"  # where a ManualClock starts
A_MINUTE_AGO = "Fri, 15 Jan 2027 07:59:00 GMT"
JUST_NOW = "Fri, 15 Jan 2027 07:59:01 GMT"
YESTERDAY = "Thu, 14 Jan 2027 08:00:00 GMT"


def added(answer: Answer, own: Lines) -> dict[bytes, bytes]:
    """Return the lines that the cache added; the application's own come first, exactly as they were."""
    lines = raw(own)
    assert answer.headers[: len(lines)] == lines
    rest = answer.headers[len(lines) :]
    assert len(dict(rest)) == len(rest), "each is added once"
    return dict(rest)


# --- without a loop ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        pytest.param("GET", [], 200, id="GET"),
        pytest.param("HEAD", [], 200, id="HEAD"),
        pytest.param("GET", [("if-none-match", "*")], 304, id="conditional"),
        pytest.param("GET", [("accept-language", "en")], 200, id="of a variant"),
    ],
)
def test_a_hit_never_suspends(method: str, headers: Lines, status: int) -> None:
    app = app_saying(SHARED, ("vary", "accept-language"))
    cached = ASGIAccelerator(app)
    drive(ask(cached))
    drive(ask(cached, headers=[("accept-language", "en")]))
    answer = drive(ask(cached, method=method, headers=headers))
    assert (answer.status, app.calls) == (status, 2)


# --- what the application sent ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "status", "body"),
    [
        pytest.param([SHARED], 200, b"hello", id="plain"),
        pytest.param([SHARED], 200, b"", id="empty"),
        pytest.param([SHARED, ("content-length", "256")], 200, bytes(range(256)), id="every byte"),
        pytest.param([("b", "2"), ("a", "1"), SHARED, ("c", "3")], 200, b"x", id="order"),
        pytest.param(
            [("link", "</a>"), SHARED, ("x", "y"), ("link", "</b>"), ("link", "</a>")], 200, b"x", id="repeats"
        ),
        pytest.param([("x-name", b"caf\xc3\xa9"), ("x-byte", b"\xff\x80"), SHARED], 200, b"x", id="not ASCII"),
        pytest.param([("X-Upper", "Yes"), ("Cache-Control", "S-MaxAge=60")], 200, b"x", id="upper case"),
        pytest.param([("x-blanks", "  a \t"), ("x-empty", ""), SHARED], 200, b"x", id="blanks"),
        pytest.param([("cache-control", "s-maxage=5"), ("cache-control", "max-age=1")], 200, b"x", id="split lines"),
        pytest.param([SHARED, ("cache-status", "origin; hit"), ("via", "1.1 a")], 200, b"x", id="of a cache behind"),
        pytest.param([SHARED], 203, b"x", id="203"),
        pytest.param([SHARED], 204, b"", id="204"),
        pytest.param([SHARED], 250, b"custom", id="250"),
        pytest.param([SHARED, ("location", "/other")], 301, b"", id="301"),
        pytest.param([SHARED, ("location", "/other")], 302, b"moved", id="302"),
        pytest.param([SHARED, ("location", "https://example.com/")], 307, b"", id="307"),
        pytest.param([SHARED, ("location", "/other")], 308, b"", id="308"),
        pytest.param([SHARED], 404, b"no such page", id="404"),
        pytest.param([SHARED], 410, b"gone", id="410"),
    ],
)
async def test_a_hit_sends_what_the_application_sent(own: list[tuple[str, str]], status: int, body: bytes) -> None:
    app = app_saying(*own, status=status, body=body)
    cached = ASGIAccelerator(app)
    miss, hit = await ask(cached), await ask(cached)
    assert app.calls == 1
    for answer in (miss, hit):
        assert (answer.status, answer.body, answer.is_complete) == (status, body, True)
    etag = {b"etag"} if status == 200 else set()
    assert set(added(miss, own)) == etag | {b"cache-status"}
    assert set(added(hit, own)) == etag | {b"age", b"cache-status"}
    assert added(miss, own).get(b"etag") == added(hit, own).get(b"etag")


async def test_a_body_in_many_chunks_comes_back_whole() -> None:
    parts = [b"one, ", b"", bytes(range(256)), b"two"]
    app = Script(start(SHARED), *(chunk(part, more=True) for part in parts), chunk(b"."))
    cached = ASGIAccelerator(app)
    miss, hit = await ask(cached), await ask(cached)
    assert (miss.body, hit.body, app.calls) == (b"".join(parts) + b".", miss.body, 1)


async def test_an_etag_of_the_applications_own_stays_the_only_one() -> None:
    own = [SHARED, ("etag", '"v1"')]
    cached = ASGIAccelerator(app_saying(*own))
    miss, hit = await ask(cached), await ask(cached)
    assert set(added(miss, own)) == {b"cache-status"}
    assert set(added(hit, own)) == {b"age", b"cache-status"}


async def test_the_added_etag_is_weak_and_changes_with_the_body() -> None:
    cached = ASGIAccelerator(app_saying(SHARED))
    one, other = await ask(cached, "/1"), await ask(cached, "/2")
    assert str(one.get("etag")).startswith('W/"')
    assert one.get("etag") != other.get("etag")


async def test_what_is_not_stored_gets_no_etag() -> None:
    answer = await ask(ASGIAccelerator(app_saying()))
    assert answer.headers == [(b"cache-status", b'accelerator; fwd=uri-miss; detail="no explicit time"')]


async def test_a_browser_that_was_told_nothing_is_told_to_ask_each_time() -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        cache_for(60)
        return 200, [("x", "y")], b"hello"

    cached = ASGIAccelerator(App(handle))
    for answer in (await ask(cached), await ask(cached)):
        assert added(answer, [("x", "y")])[b"cache-control"] == b"no-cache"


async def test_age_counts_from_the_fill_and_from_what_was_forwarded() -> None:
    clock = ManualClock()
    cached = ASGIAccelerator(app_saying(SHARED, ("age", "7"), ("x", "y")), clock=clock)
    assert (await ask(cached)).get("age") == "7"
    clock.advance(5)
    hit = await ask(cached)
    assert (hit.get("age"), hit.get("cache-status")) == ("12", "accelerator; hit; ttl=48")
    assert hit.headers[:2] == raw([SHARED, ("x", "y")])


async def test_cache_status_has_the_name_it_is_given() -> None:
    cached = ASGIAccelerator(app_saying(SHARED), cache_status="edge", clock=ManualClock())
    answers = [await ask(cached), await ask(cached)]
    assert [answer.get("cache-status") for answer in answers] == ["edge; fwd=uri-miss; stored", "edge; hit; ttl=60"]


async def test_without_a_name_no_cache_status_is_sent() -> None:
    cached = ASGIAccelerator(app_saying(SHARED), cache_status=None)
    for answer in (await ask(cached), await ask(cached), await ask(cached, method="HEAD")):
        assert answer.get("cache-status") is None


async def test_what_stands_around_the_cache_cannot_change_what_is_stored() -> None:
    """As GZipMiddleware does, which changes the very list of header lines it is given."""
    cached = ASGIAccelerator(app_saying(SHARED))

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        async def change_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"][:] = [(b"x-outer", b"1")]
            message["body"] = b"changed"
            await send(message)

        await cached(scope, receive, change_and_send)

    await ask(outer)
    await ask(outer)
    hit = await ask(cached)
    assert (hit.body, hit.get("x-outer"), hit.get("cache-control")) == (b"answer 1", None, "s-maxage=60")


# --- the client's conditions ------------------------------------------------------------------------------------------

OLD = [("last-modified", A_MINUTE_AGO), ("date", NOW)]
YOUNG = [("last-modified", JUST_NOW), ("date", NOW)]


@pytest.mark.parametrize("first", ["on a hit", "on a miss"])
@pytest.mark.parametrize(
    ("own", "asked", "status"),
    [
        pytest.param([("etag", '"v1"')], [("if-none-match", '"v1"')], 304, id="the same ETag"),
        pytest.param([("etag", '"v1"')], [("if-none-match", '"v2"')], 200, id="another ETag"),
        pytest.param([("etag", '"v1"')], [("if-none-match", 'W/"v1"')], 304, id="weakly the same"),
        pytest.param([("etag", 'W/"v1"')], [("if-none-match", '"v1"')], 304, id="weakly the same, the other way"),
        pytest.param([("etag", '"v1"')], [("if-none-match", '"a", "v1"')], 304, id="one of a list"),
        pytest.param([("etag", '"v1"')], [("if-none-match", '"a"'), ("if-none-match", '"v1"')], 304, id="of two lines"),
        pytest.param([("etag", '"a,b"')], [("if-none-match", '"a,b"')], 304, id="with a comma"),
        pytest.param([("etag", '"v1"')], [("if-none-match", "*")], 304, id="any"),
        pytest.param([], [("if-none-match", "*")], 304, id="any, where the cache added it"),
        pytest.param([("etag", '"v1"')], [("if-none-match", "v1")], 200, id="malformed"),
        pytest.param(OLD, [("if-modified-since", A_MINUTE_AGO)], 304, id="not modified since"),
        pytest.param(OLD, [("if-modified-since", NOW)], 304, id="not modified since later"),
        pytest.param(OLD, [("if-modified-since", YESTERDAY)], 200, id="modified since"),
        pytest.param(OLD, [("if-modified-since", "yesterday")], 200, id="since a malformed date"),
        pytest.param(YOUNG, [("if-modified-since", JUST_NOW)], 200, id="modified too lately to be sure"),
        pytest.param([], [("if-modified-since", NOW)], 200, id="no Last-Modified"),
        pytest.param(
            [("etag", '"v1"'), *OLD],
            [("if-none-match", '"v2"'), ("if-modified-since", NOW)],
            200,
            id="an ETag counts before a date",
        ),
    ],
)
async def test_the_clients_conditions_are_answered_last(
    first: str, own: list[tuple[str, str]], asked: Lines, status: int
) -> None:
    app = app_saying(SHARED, *own, body=b"hello")
    cached = ASGIAccelerator(app, clock=ManualClock())
    if first == "on a hit":
        await ask(cached)
    answer = await ask(cached, headers=asked)
    assert (answer.status, answer.body) == (status, b"hello" if status == 200 else b"")
    assert app.calls == 1
    assert not {b"if-none-match", b"if-modified-since"} & dict(app.scope["headers"]).keys()


@pytest.mark.parametrize("first", ["on a hit", "on a miss"])
async def test_a_304_carries_what_a_200_would_but_for_its_content(first: str) -> None:
    kept = [("etag", '"v1"'), ("vary", "accept"), SHARED, ("content-location", "/p"), ("x-own", "1"), ("date", NOW)]
    described = [
        ("content-type", "text/plain"),
        ("content-length", "5"),
        ("content-encoding", "identity"),
        ("content-language", "en"),
    ]
    cached = ASGIAccelerator(app_saying(*kept, *described, body=b"hello"), clock=ManualClock())
    if first == "on a hit":
        await ask(cached)
    answer = await ask(cached, headers=[("if-none-match", '"v1"')])
    assert (answer.status, answer.body) == (304, b"")
    assert set(added(answer, kept)) == {b"cache-status"} | ({b"age"} if first == "on a hit" else set())


async def test_the_added_etag_brings_a_304() -> None:
    cached = ASGIAccelerator(app_saying(SHARED))
    etag = str((await ask(cached)).get("etag"))
    assert (await ask(cached, headers=[("if-none-match", etag)])).status == 304


@pytest.mark.parametrize("first", ["on a hit", "on a miss"])
async def test_only_a_200_becomes_a_304(first: str) -> None:
    cached = ASGIAccelerator(app_saying(SHARED, ("etag", '"v1"'), status=404))
    if first == "on a hit":
        await ask(cached)
    assert (await ask(cached, headers=[("if-none-match", '"v1"')])).status == 404


async def test_a_miss_in_several_pieces_is_a_304_for_who_has_it_already() -> None:
    cached = ASGIAccelerator(Script(start(SHARED, ("etag", '"v1"')), chunk(b"a", more=True), chunk(b"b")))
    asked = [("if-none-match", '"v1"')]
    answers = [await ask(cached, headers=asked), await ask(cached, headers=asked)]
    assert [(answer.status, answer.body) for answer in answers] == [(304, b""), (304, b"")]


async def test_the_client_gets_the_304_that_it_would_get_without_the_cache_where_nothing_is_stored() -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        if dict(scope["headers"]).get(b"if-none-match") == b'"v1"':
            return 304, [("etag", '"v1"')], b""
        return 200, [("etag", '"v1"')], b"hello"

    asked = [("if-none-match", '"v1"')]
    cached = ASGIAccelerator(App(handle))
    assert [(await ask(cached, headers=asked)).status for _ in range(2)] == [304, 304]


# --- HEAD and Range ---------------------------------------------------------------------------------------------------


async def test_head_is_answered_from_a_stored_get() -> None:
    own = [SHARED, ("content-length", "5")]
    app = app_saying(*own, body=b"hello")
    cached = ASGIAccelerator(app)
    await ask(cached)
    get, head = await ask(cached), await ask(cached, method="HEAD")
    assert (head.status, head.headers, head.body, head.is_complete) == (get.status, get.headers, b"", True)
    assert app.calls == 1


async def test_head_gets_a_304_from_a_stored_get() -> None:
    cached = ASGIAccelerator(app_saying(SHARED, ("etag", '"v1"')))
    await ask(cached)
    assert (await ask(cached, method="HEAD", headers=[("if-none-match", '"v1"')])).status == 304


async def test_a_head_that_nothing_answers_passes_through_and_fills_nothing() -> None:
    app = app_saying(SHARED)
    cached = ASGIAccelerator(app)
    head = await ask(cached, method="HEAD", headers=[("if-none-match", '"v1"')])
    assert (head.headers, head.body) == (raw([SHARED, ("cache-status", "accelerator; fwd=uri-miss")]), b"answer 1")
    assert (app.scope["method"], dict(app.scope["headers"])[b"if-none-match"]) == ("HEAD", b'"v1"')
    assert (await ask(cached)).body == b"answer 2"


@pytest.mark.parametrize(
    ("key", "value"),
    [("accelerator.tags", ["y"]), ("accelerator.cache_for", 0), ("accelerator.cache_for", "nonsense")],
)
async def test_a_head_updates_nothing_if_keys_of_the_scope_say_more_than_was_known(key: str, value: object) -> None:
    """What it says by a tag that the entry has not could not be taken back."""

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        if scope["method"] == "HEAD":
            scope[key] = value
        return 200, [SHARED, ("etag", '"v1"'), ("x-call", str(app.calls))], b"hello"

    app, clock = App(handle), ManualClock()
    cached = ASGIAccelerator(app, clock=clock)
    await ask(cached)
    clock.advance(60)
    await ask(cached, method="HEAD")
    assert (await ask(cached)).get("x-call") == "3"


async def test_a_range_that_nothing_answers_passes_through_and_fills_nothing() -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        if b"range" in dict(scope["headers"]):
            return 206, [SHARED, ("content-range", "bytes 0-1/5")], b"he"
        return 200, [SHARED], b"hello"

    app = App(handle)
    cached = ASGIAccelerator(app)
    asked = [("range", "bytes=0-1"), ("if-range", '"v1"')]
    part = await ask(cached, headers=asked)
    assert (part.status, part.body) == (206, b"he")
    assert dict(app.scope["headers"]).items() >= dict(raw(asked)).items()
    assert ((await ask(cached)).body, app.calls) == (b"hello", 2)
