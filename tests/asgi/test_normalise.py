"""What does not count is neither in the key nor shown to the application; what compares as equal is shown as equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator import ASGIAccelerator, CacheEvent, MemoryStore
from accelerator.testing import ManualClock
from tests.support import App, Lines, Scope, app_saying, ask, drive

if TYPE_CHECKING:
    from accelerator.http.request import Request
    from accelerator.stores.protocol import Lookup

pytestmark = pytest.mark.anyio

SHARED = ("cache-control", "s-maxage=60")
TRACKED: dict[str, Any] = {"ignore_query": ("utm_*", "fbclid"), "ignore_cookies": ("_ga*",)}


def fields(app: App) -> dict[bytes, bytes]:
    """The fields that the application saw last."""
    return dict(app.scope["headers"])


# --- what does not count ----------------------------------------------------------------------------------------------


async def test_tracking_parameters_do_not_spoil_the_hit_ratio() -> None:
    app = app_saying(SHARED)
    cached = ASGIAccelerator(app, **TRACKED)
    urls = ["/p?a=1&utm_source=mail", "/p?a=1", "/p?fbclid=x&a=1&utm_id=2", "/p?utm_source=web&a=1"]
    assert [(await ask(cached, url)).body for url in urls] == [b"answer 1"] * 4
    assert app.scope["query_string"] == b"a=1"


async def test_the_order_of_what_counts_still_counts() -> None:
    app = app_saying(SHARED)
    cached = ASGIAccelerator(app, **TRACKED)
    for url in ("/p?a=1&b=2", "/p?b=2&a=1", "/p?a=1&b=2&utm_id=1", "/p?a=1&b=2&a=1"):
        await ask(cached, url)
    assert app.calls == 3


async def test_a_request_with_none_but_analytics_cookies_is_one_without_cookies() -> None:
    app = app_saying(("cache-control", "max-age=60"))
    cached = ASGIAccelerator(app, **TRACKED)
    for cookie in ("_ga=1", "_ga=2; _gat_x=3"):
        assert (await ask(cached, headers=[("cookie", cookie)])).body == b"answer 1"
    assert b"cookie" not in fields(app)
    assert (await ask(cached)).body == b"answer 1"
    assert (await ask(cached, headers=[("cookie", "_ga=1; session=2")])).body == b"answer 2"
    assert fields(app)[b"cookie"] == b"session=2"


async def test_a_page_that_varies_on_cookie_is_the_same_for_other_analytics_cookies() -> None:
    app = app_saying(SHARED, ("vary", "cookie"))
    cached = ASGIAccelerator(app, **TRACKED)
    for cookie in ("theme=dark; _ga=1", "_ga=2; theme=dark", "theme=dark"):
        assert (await ask(cached, headers=[("cookie", cookie)])).body == b"answer 1"
    assert (await ask(cached, headers=[("cookie", "theme=light")])).body == b"answer 2"


async def test_without_the_options_everything_counts() -> None:
    app = app_saying(SHARED, ("vary", "cookie"))
    cached = ASGIAccelerator(app)
    await ask(cached, "/p")
    await ask(cached, "/p?utm_id=1")
    assert app.scope["query_string"] == b"utm_id=1"
    await ask(cached, "/p", headers=[("cookie", "_ga=1")])
    assert fields(app)[b"cookie"] == b"_ga=1"
    assert app.calls == 3


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_what_stands_around_the_cache_finds_its_scope_as_it_was(method: str) -> None:
    scopes: list[tuple[Scope, Scope]] = []
    app = app_saying(SHARED)
    cached = ASGIAccelerator(app, **TRACKED)

    async def outer(scope: Scope, receive: Any, send: Any) -> None:
        before = {**scope, "headers": [*scope["headers"]]}
        await cached(scope, receive, send)
        scopes.append((before, scope))

    headers = [("cookie", "_ga=1"), ("accept-encoding", "br,gzip"), ("x-any", "a"), ("x-any", "b")]
    await ask(outer, "/p?utm_id=1", method=method, headers=headers)
    await ask(outer, "/p?utm_id=1", method=method, headers=headers)
    assert [after == before for before, after in scopes] == [True, True]


@pytest.mark.parametrize(
    "request_",
    [{"method": "HEAD"}, {"headers": [("range", "bytes=0-1")]}],
    ids=["HEAD", "a part"],
)
async def test_a_request_that_nothing_stored_answers_is_shown_as_one_that_fills(request_: dict[str, Any]) -> None:
    app = app_saying(SHARED)
    await ask(ASGIAccelerator(app, **TRACKED), "/p?a=1&utm_id=2", **request_)
    assert app.scope["query_string"] == b"a=1"


async def test_a_store_that_fails_does_not_change_what_the_application_sees() -> None:
    class Broken(MemoryStore):
        async def lookup(self, request: Request) -> Lookup:
            raise OSError

    app = app_saying(SHARED)
    cached = ASGIAccelerator(app, store=Broken(), **TRACKED)
    await ask(cached, "/p?a=1&utm_id=2", headers=[("cookie", "_ga=1"), ("accept-encoding", "br,gzip")])
    assert app.scope["query_string"] == b"a=1"
    assert fields(app) == {b"host": b"example.org", b"accept-encoding": b"gzip, br"}


@pytest.mark.parametrize(
    ("options", "method", "headers"),
    [
        ({}, "POST", []),
        ({}, "GET", [("if-match", '"a"')]),
        ({"partition": lambda scope: None}, "GET", []),
        ({"enabled": False}, "GET", []),
    ],
    ids=["another method", "a condition of the origin's", "of no partition", "switched off"],
)
async def test_what_passes_by_is_shown_as_it_came(options: dict[str, Any], method: str, headers: Lines) -> None:
    app = app_saying(SHARED)
    lines = [(b"cookie", b"_ga=1"), (b"Accept-Encoding", b"br,gzip"), (b"x", b"1"), (b"x", b"2")]
    cached = ASGIAccelerator(app, **TRACKED, **options)
    await ask(cached, "/p?a=1&utm_id=2", method=method, headers=[*headers, *lines])
    assert app.scope["query_string"] == b"a=1&utm_id=2"
    assert app.scope["headers"][-4:] == lines


async def test_a_partition_reads_the_request_as_it_came() -> None:
    queries: list[bytes] = []

    def partition(scope: Scope) -> str:
        queries.append(scope["query_string"])
        return "mail" if b"utm_medium=mail" in scope["query_string"] else ""

    app = app_saying(SHARED)
    cached = ASGIAccelerator(app, partition=partition, **TRACKED)
    urls = ["/p?utm_medium=mail", "/p", "/p?utm_medium=mail&utm_id=1", "/p?utm_id=1"]
    assert [(await ask(cached, url)).body for url in urls] == [b"answer 1", b"answer 2"] * 2
    assert queries == [b"utm_medium=mail", b"", b"utm_medium=mail&utm_id=1", b"utm_id=1"]


async def test_a_refresh_in_the_background_shows_what_counts() -> None:
    clock = ManualClock()
    app = app_saying(("cache-control", "s-maxage=5, stale-while-revalidate=60"), ("vary", "cookie"))
    cached = ASGIAccelerator(app, clock=clock, **TRACKED)
    theme, codings = ("cookie", "_ga=1; theme=dark"), ("accept-encoding", "br,gzip")
    await ask(cached, "/p?a=1", headers=[theme, codings])
    clock.advance(10)
    stale = await ask(cached, "/p?utm_id=1&a=1", headers=[theme, codings, ("range", "bytes=0-1")])
    await anyio.wait_all_tasks_blocked()
    assert (stale.body, app.calls) == (b"an", 2)
    assert app.scope["query_string"] == b"a=1"
    assert fields(app) == {b"host": b"example.org", b"cookie": b"theme=dark", b"accept-encoding": b"gzip, br"}
    assert (await ask(cached, "/p?a=1", headers=[theme])).body == b"answer 2"


# --- taking back ------------------------------------------------------------------------------------------------------


async def test_an_unsafe_request_takes_back_the_url_without_what_does_not_count() -> None:
    app = app_saying(SHARED)
    cached = ASGIAccelerator(app, **TRACKED)
    await ask(cached, "/p?a=1&utm_id=2")
    await ask(cached, "/p?utm_source=x&a=1", method="POST")
    assert (await ask(cached, "/p?a=1")).body == b"answer 3"


@pytest.mark.parametrize("field", ["location", "content-location"])
@pytest.mark.parametrize("reference", ["/p?utm_id=3", "https://example.org/p?fbclid=x#top"])
async def test_references_of_an_unsafe_request_are_read_without_what_does_not_count(field: str, reference: str) -> None:
    app = app_saying(SHARED, (field, reference))
    cached = ASGIAccelerator(app, **TRACKED)
    await ask(cached, "/p?utm_id=2")
    await ask(cached, "/other", method="POST")
    assert (await ask(cached, "/p")).body == b"answer 3"


async def test_the_accelerator_takes_a_url_back_as_the_cache_sees_it() -> None:
    events: list[CacheEvent] = []
    cached = ASGIAccelerator(app_saying(SHARED), on_event=events.append, **TRACKED)
    await ask(cached, "/p?a=1")
    await cached.invalidate_url("https://example.org/p?a=1&utm_id=2")
    assert events[-1] == CacheEvent("invalidate", url="https://example.org/p?a=1", detail="hard")
    assert (await ask(cached, "/p?a=1")).body == b"answer 2"
    await cached.store.invalidate_url("https://example.org/p?a=1&utm_id=2")
    assert (await ask(cached, "/p?a=1")).body == b"answer 2", "a store does not know the options"


@pytest.mark.parametrize("options", [{}, TRACKED], ids=["no options", "options"])
@pytest.mark.parametrize("url", [5, b"https://example.org/p?a=1"])
async def test_a_url_that_is_no_text_is_a_type_error(options: dict[str, Any], url: Any) -> None:
    with pytest.raises(TypeError):
        await ASGIAccelerator(app_saying(), **options).invalidate_url(url)


# --- what is compared as equal is shown as equal ----------------------------------------------------------------------


async def test_the_application_sees_the_form_in_which_a_field_is_compared() -> None:
    app = app_saying(SHARED)
    lines = [("accept-language", "DE;q=0.50"), ("Accept-Encoding", "br,gzip"), ("accept-language", "en-gb")]
    await ask(
        ASGIAccelerator(app), headers=[*lines, ("x-any", "a"), ("user-agent", " B (KHTML, like C)"), ("x-any", "b")]
    )
    assert app.scope["headers"] == [
        (b"host", b"example.org"),
        (b"accept-language", b"en-GB,de;q=0.5"),
        (b"accept-encoding", b"gzip, br"),
        (b"x-any", b"a, b"),
        (b"user-agent", b"B (KHTML, like C)"),
    ]


async def test_a_browsers_request_is_shown_as_it_came() -> None:
    app = app_saying(SHARED)
    lines = [
        (b"host", b"example.org"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0"),
        (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
        (b"accept-encoding", b"gzip, deflate, br, zstd"),
        (b"accept-language", b"en-GB,en;q=0.9,zh-Hans-CN;q=0.8"),
    ]
    await ask(ASGIAccelerator(app), headers=lines)
    assert app.scope["headers"] == lines


async def test_validation_shows_the_same_form_with_the_caches_own_condition() -> None:
    clock = ManualClock()
    app = app_saying(SHARED, ("etag", '"v1"'))
    cached = ASGIAccelerator(app, clock=clock, **TRACKED)
    await ask(cached, "/p", headers=[("accept-encoding", "gzip")])
    clock.advance(61)
    await ask(cached, "/p?utm_id=1", headers=[("if-none-match", '"v0"'), ("accept-encoding", "br,gzip")])
    assert app.scope["query_string"] == b""
    assert app.scope["headers"][1:] == [(b"accept-encoding", b"gzip, br"), (b"if-none-match", b'"v1"')]


NAMES = st.sampled_from(["accept", "Accept-Encoding", "accept-language", "cookie", "x-any"])
LISTS = ["a, b", "a,b", "a", "b", "", '"a , b"', "de-at, en;q=0.5", "en;q=0.50,de-AT"]
CODINGS = ["gzip, br", "BR,gzip;q=1", "br;q=0, gzip", "gzip", "identity;q=0, *"]
COOKIES = ["_ga=1", "a=1; _ga=2", "_ga=3; a=1", "a=1", "a=1;"]
VALUES = st.sampled_from(LISTS + CODINGS + COOKIES)
PAIRS = st.sampled_from(["a=1", "b", "utm_id=1", "utm_id=2", "fbclid", "", "utm%5fid=3", "+utm_id=4"])
REQUESTS = st.tuples(
    st.lists(PAIRS, max_size=3).map(lambda pairs: "/p?" + "&".join(pairs)),
    st.lists(st.tuples(NAMES, VALUES), max_size=3),
)


@given(
    st.lists(REQUESTS, min_size=2, max_size=8),
    st.sets(st.sampled_from(["accept", "accept-encoding", "accept-language", "cookie", "x-any"])),
)
def test_every_answer_is_the_one_that_the_application_would_give_to_this_very_request(
    requests: list[tuple[str, list[tuple[str, str]]]], vary: set[str]
) -> None:
    """It answers with all that it sees of what its response varies on, to the byte."""

    async def tell(scope: Scope) -> tuple[int, Lines, bytes]:
        varied = [line for line in scope["headers"] if line[0].decode() in vary]
        return 200, [SHARED, ("vary", ", ".join(vary))], repr((scope["query_string"], sorted(varied))).encode()

    shared = ASGIAccelerator(App(tell), **TRACKED)
    for url, headers in requests:
        alone = ASGIAccelerator(App(tell), **TRACKED)
        assert drive(ask(shared, url, headers=headers)).body == drive(ask(alone, url, headers=headers)).body
