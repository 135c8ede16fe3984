"""What happens to each request is counted once, by outcome and reason."""

from __future__ import annotations

import gc
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from accelerator import ASGIAccelerator, Lookup, MemoryStore, Store, WSGIAccelerator, cache_for, no_store, tag
from accelerator.figures.counts import MAX_LATEST, MAX_REASONS, MAX_TEXT, MIN_TALLIES, OTHER, SLOTS, Answered, Counts
from accelerator.figures.tally import Served
from accelerator.forks import lock_over_forks
from accelerator.testing import ManualClock
from tests import support
from tests.support import BROWSER, Answer, Client, app_saying, chunk, drive, start
from tests.wsgi.support import Exchange, environ_of
from tests.wsgi.support import ask as ask_wsgi

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from accelerator.asgi_types import Message, Receive, Scope, Send
    from accelerator.stores import Entry, Request
    from tests.support import Lines
    from tests.wsgi.support import Environ

BODY = b"0123456789"
MADE_IN = 2.0


async def ask(app: Any, url: str = "/", *, method: str = "GET", headers: Lines = ()) -> Answer:
    """Ask as a browser does: hits of such requests are plain ones."""
    return await support.ask(app, url, method=method, headers=[*BROWSER, *headers])


class Site:
    """An application that takes two seconds for each response, behind a cache with a clock wound by hand."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.cache = ASGIAccelerator(self.app, clock=self.clock, **options)
        self.is_failing = False

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the path says."""
        path = scope["path"]
        self.clock.advance(MADE_IN)
        if path.startswith("/page"):
            cache_for(
                60, stale_while_revalidate=600 if "stale" in path else 0, stale_if_error=600 if "error" in path else 0
            )
            tag("user:42", "posts")
        if path == "/secret":
            no_store()
        await send(start(("content-type", "text/plain"), status=503 if self.is_failing else 200))
        await send(chunk(BODY))

    def get(self, url: str, method: str = "GET", **fields: str) -> Answer:
        """Ask for a page."""
        lines = [(name.replace("_", "-"), value) for name, value in fields.items()]
        return drive(ask(self.cache, url, method=method, headers=lines))

    @property
    def requests(self) -> dict[str, dict[str, int]]:
        """The requests, by outcome and reason."""
        return self.cache.figures()["requests"]


@pytest.mark.parametrize(
    ("requests", "counted"),
    [
        (["GET /page"], {"miss": {"stored": 1}}),
        (["GET /page"] * 4, {"miss": {"stored": 1}, "hit": {"": 3}}),
        (["GET /page", "HEAD /page", "GET /page"], {"miss": {"stored": 1}, "hit": {"": 2}}),
        (["GET /page", "GET /page", "HEAD /page"], {"miss": {"stored": 1}, "hit": {"": 2}}),
        (["GET /plain"] * 2, {"miss": {"no explicit time": 2}}),
        (["GET /secret"], {"miss": {"no_store()": 1}}),
        (["POST /plain", "DELETE /plain"], {"pass": {"method": 2}}),
        (["HEAD /page"], {"pass": {"uri-miss": 1}}),
    ],
)
def test_each_request_is_counted_once(requests: list[str], counted: dict[str, dict[str, int]]) -> None:
    site = Site()
    for line in requests:
        method, _, url = line.partition(" ")
        site.get(url, method)
    assert site.requests == counted
    figures = site.cache.figures()
    assert sum(first + second for _, first, second in figures["traffic"]) == len(requests)
    assert sum(line["number"] for line in figures["latest"]) == len(requests)


def test_only_what_is_asked_for_with_a_body_counts_as_bytes_served() -> None:
    site = Site()
    etag = site.get("/page").get("etag")
    assert etag is not None
    site.get("/page")
    site.get("/page", if_none_match=etag)
    site.get("/page", "HEAD")
    site.get("/page", range="bytes=0-3")
    figures = site.cache.figures()
    assert figures["requests"]["hit"] == {"": 4}
    assert figures["bytes_served"] == len(BODY) + 4


def test_each_hit_saves_what_the_application_took_to_make_the_response() -> None:
    site = Site()
    for _ in range(4):
        site.get("/page")
    figures = site.cache.figures()
    assert figures["seconds_saved"] == 3 * MADE_IN
    assert figures["fills"]["sum"] == MADE_IN
    assert sum(figures["fills"]["counts"]) == 1


@pytest.mark.anyio
async def test_the_time_for_which_a_client_lets_the_application_wait_is_not_that_of_the_application() -> None:
    clock = ManualClock()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(("cache-control", "max-age=6000")))
        for _ in range(10):
            clock.advance(MADE_IN)
            await send(chunk(BODY, more=True))
        await send(chunk())

    async def read_slowly(message: Message) -> None:
        clock.advance(30)

    cache = ASGIAccelerator(app, clock=clock)
    await Client(on_send=read_slowly).ask(cache)
    await support.ask(cache)
    figures = cache.figures()
    assert figures["fills"]["sum"] == figures["seconds_saved"] == 10 * MADE_IN


def test_under_wsgi_too_a_client_may_read_slowly() -> None:
    clock = ManualClock()

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        environ["accelerator.cache_for"] = 6000
        start_response("200 OK", [])
        for _ in range(10):
            clock.advance(MADE_IN)
            yield BODY

    cache = WSGIAccelerator(app, clock=clock)
    exchange = Exchange(cache, environ_of())
    while exchange.step():
        clock.advance(30)
    exchange.close()
    ask_wsgi(cache)
    figures = cache.figures()
    assert figures["fills"]["sum"] == figures["seconds_saved"] == 10 * MADE_IN


def test_the_age_of_each_hit_is_in_the_histogram_by_powers_of_two() -> None:
    site = Site()
    site.get("/page")
    for seconds in (0.5, 4, 8):
        site.clock.advance(seconds)
        site.get("/page")
    assert site.cache.figures()["ages"]["counts"][:5] == [1, 0, 0, 1, 1]


def test_a_stale_answer_is_one_from_the_store_and_its_refresh_is_no_request() -> None:
    site = Site(coalesce=True)

    async def play() -> None:
        await ask(site.cache, "/page-stale")
        site.clock.advance(70)
        await ask(site.cache, "/page-stale")
        for _ in range(20):
            await anyio.lowlevel.checkpoint()

    anyio.run(play)
    figures = site.cache.figures()
    assert figures["requests"] == {"miss": {"stored": 1}, "stale": {"": 1}}
    assert figures["refreshes"] == {"stored": 1}


def test_an_error_that_a_stale_response_stands_in_for_has_that_as_its_reason() -> None:
    site = Site()
    site.get("/page-error")
    site.clock.advance(70)
    site.is_failing = True
    site.get("/page-error")
    assert site.requests == {"miss": {"stored": 1}, "stale": {"stale-if-error": 1}}
    assert site.cache.figures()["seconds_saved"] == 0.0


def test_a_validation_is_an_outcome_of_its_own() -> None:
    clock = ManualClock()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        known = (b"if-none-match", b'"1"') in scope["headers"]
        await send(start(("etag", '"1"'), ("cache-control", "max-age=5"), status=304 if known else 200))
        await send(chunk(b"" if known else BODY))

    cache = ASGIAccelerator(app, clock=clock)
    for _ in range(2):
        drive(ask(cache))
        clock.advance(10)
    assert cache.figures()["requests"] == {"miss": {"stored": 1}, "validated": {"stored": 1}}


def test_the_hottest_urls_and_tags_and_what_is_not_stored_are_named_with_their_numbers() -> None:
    site = Site()
    for url, number in (("/page?1", 3), ("/page?2", 5), ("/plain", 2), ("/secret", 1)):
        for _ in range(number):
            site.get(url)
    figures = site.cache.figures()
    assert figures["urls"] == [("https://example.org/page?2", 4), ("https://example.org/page?1", 2)]
    assert sorted(figures["tags"]) == [("posts", 6), ("user:42", 6)]
    assert figures["unstored"] == [
        ("no explicit time", "https://example.org/plain", 2),
        ("no_store()", "https://example.org/secret", 1),
    ]


def test_the_latest_requests_are_there_with_the_newest_first_and_hits_of_a_second_in_one_line() -> None:
    site = Site()
    for url in ("/page", "/page", "/page", "/plain"):
        site.get(url)
    lines = [(line["outcome"], line["reason"], line["url"], line["number"]) for line in site.cache.figures()["latest"]]
    assert lines == [
        ("miss", "no explicit time", "https://example.org/plain", 1),
        ("hit", "", "https://example.org/page", 2),
        ("miss", "stored", "https://example.org/page", 1),
    ]


def test_what_has_waited_for_another_fill_is_counted_as_a_hit_that_was_collapsed() -> None:
    async def play() -> dict[str, Any]:
        release = anyio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            cache_for(60)
            await release.wait()
            await send(start())
            await send(chunk(BODY))

        cache = ASGIAccelerator(app)
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask, cache)
            while cache.figures()["filling"] != 1:
                await anyio.lowlevel.checkpoint()
            release.set()
        return dict(cache.figures())

    figures = anyio.run(play)
    assert figures["requests"] == {"miss": {"stored": 1}, "hit": {"": 4}}
    assert figures["collapsed"] == 4
    assert figures["filling"] == 0


def test_hits_of_two_accelerators_with_one_store_are_counted_by_the_one_that_gave_them() -> None:
    store, clock = MemoryStore(), ManualClock()
    caches = [ASGIAccelerator(app_saying(("cache-control", "max-age=60")), store=store, clock=clock) for _ in range(2)]
    for cache in (0, 0, 1, 0, 1, 1):
        drive(ask(caches[cache]))
    assert [cache.figures()["requests"] for cache in caches] == [
        {"miss": {"stored": 1}, "hit": {"": 2}},
        {"hit": {"": 3}},
    ]


def test_answers_that_are_over_are_given_up_and_no_hit_is_lost_by_it_even_if_the_clock_is_set_back() -> None:
    clock = ManualClock()
    cache = ASGIAccelerator(app_saying(("cache-control", "max-age=600")), clock=clock)
    began = clock()
    hits = 0
    for number in range(3 * MIN_TALLIES):
        drive(ask(cache, f"/{number}"))
        drive(ask(cache, f"/{number}"))
        hits += 1
        clock.advance(0.5)
    clock.advance(began - clock())  # answers that were given up are within their time again
    for number in range(3 * MIN_TALLIES):
        drive(ask(cache, f"/{number}"))
        hits += 1
    assert cache.figures()["requests"]["hit"] == {"": hits}


def test_what_counts_plain_hits_keeps_no_body_of_an_entry_that_is_gone() -> None:
    store, body = MemoryStore(), bytes(1_000_000)
    cache = ASGIAccelerator(app_saying(("cache-control", "max-age=600"), body=body), store=store, clock=ManualClock())
    before = sys.getrefcount(body)
    for _ in range(2):
        drive(ask(cache))
    drive(store.clear())
    gc.collect()
    assert sys.getrefcount(body) == before
    assert cache.figures()["bytes_served"] == len(body)


class Plain(Store):
    """A store that is nothing but that, as a user may write one."""

    suspends = False

    async def lookup(self, request: Request) -> Lookup:
        return Lookup(None, 0, False, None)

    async def commit(self, entry: Entry) -> bool:
        return False

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Nothing is stored."""


def counts(clock: ManualClock | None = None) -> Counts:
    return Counts(clock or ManualClock(), lock_over_forks())


def read(made: Counts) -> Any:
    return made.figures({}, {"invalidations": {}, "invalidating": {}, "invalidations_failed": 0})  # type: ignore[typeddict-item]


def test_a_million_urls_reasons_and_tags_leave_figures_of_the_same_size() -> None:
    clock = ManualClock()
    made = counts(clock)
    for number in range(100_000):
        clock.advance(1)
        made.answered(Answered("miss", f"reason {number}", "GET"), Served(f"https://example.org/{number}"))
        made.served(
            ("hit", "GET", False, 1, number), 1.0, 10, number, lambda n: lambda: Served(f"u{n}", (f"tag:{n}",), 1.0)
        )
    figures = read(made)
    assert len(figures["requests"]["miss"]) == MAX_REASONS + 1
    assert figures["requests"]["miss"][OTHER] == 100_000 - MAX_REASONS
    assert figures["requests"]["hit"] == {"": 100_000}
    assert (len(figures["latest"]), len(figures["traffic"])) == (MAX_LATEST, SLOTS)
    assert all(len(figures[name]) == 50 for name in ("urls", "tags", "unstored"))


def test_hostile_text_is_cut_and_what_is_no_utf_8_is_escaped() -> None:
    made = counts()
    hostile = "https://example.org/\udcff<script>\x1b[31m\n" + "x" * 1000
    made.answered(Answered("miss", hostile, hostile), Served(hostile))
    line = read(made)["latest"][0]
    for text in (line["url"], line["reason"], line["method"], *read(made)["requests"]["miss"]):
        assert text.startswith("https://example.org/\\udcff<script>")
        assert len(text) < MAX_TEXT + 10
        text.encode()


def test_no_count_is_lost_among_threads() -> None:
    made = counts()

    def work() -> None:
        for number in range(2000):
            made.answered(Answered("miss", "stored", "GET"), Served("u"))
            made.served(("hit", "GET", False, 0, number % 7), 0.0, 1, None, lambda _: lambda: Served("u"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        read(made)
    for thread in threads:
        thread.join()
    assert read(made)["requests"] == {"miss": {"stored": 8000}, "hit": {"": 8000}}
    assert read(made)["bytes_served"] == 8000


def test_failures_of_the_store_are_counted_by_method_and_the_requests_say_why() -> None:
    class Broken(MemoryStore):
        async def lookup(self, request: Any) -> Any:
            raise OSError("away")

    cache = ASGIAccelerator(app_saying(("cache-control", "max-age=60")), store=Broken())
    for _ in range(3):
        drive(ask(cache))
    figures = cache.figures()
    assert figures["requests"] == {"pass": {"the store's lookup failed": 3}}
    assert figures["store"]["errors"] == {"lookup": 3}


def test_a_memory_store_says_how_full_it_is_and_what_has_given_way() -> None:
    store = MemoryStore(max_bytes=200_000)
    cache = ASGIAccelerator(app_saying(("cache-control", "max-age=60"), body=bytes(20_000)), store=store)
    for number in range(20):
        drive(ask(cache, f"/{number}"))
    known = cache.figures()["store"]
    assert known["kind"] == "MemoryStore"
    assert not known["shared"]
    assert known["entries"] == len(store) > 0
    assert known["bytes"] == store.size <= known["max_bytes"] == 200_000
    assert known["evictions"] == 20 - len(store)


def test_invalidations_are_counted_by_kind_whoever_asks() -> None:
    site = Site()
    site.get("/page")
    drive(site.cache.invalidate_tag("user:42", "posts"))
    drive(site.cache.store.invalidate_tag("posts", soft=True))
    drive(site.cache.invalidate_url("https://example.org/page"))
    drive(site.cache.store.clear())
    site.get("/page", "POST")
    figures = site.cache.figures()
    assert figures["invalidations"] == {
        "tag": {"hard": 2, "soft": 1},
        "url": {"hard": 2, "soft": 0},
        "all": {"hard": 1, "soft": 0},
    }
    assert sum(figures["invalidating"]["counts"]) == 5


def test_a_store_of_ones_own_that_knows_no_figures_is_named() -> None:
    cache = ASGIAccelerator(app_saying(), store=Plain())
    drive(ask(cache))
    figures = cache.figures()
    assert figures["store"] == {"kind": "Plain", "shared": False, "errors": {}}
    assert sum(figures["invalidating"]["counts"]) == 0


def test_an_answer_that_another_thread_begins_to_count_meanwhile_is_counted_with_it() -> None:
    made = counts()
    alike = ("hit", "GET", False, 0, "key")
    came: list[int] = []

    def serve() -> None:
        made.served(alike, 0.5, 10, None, lambda _: lambda: Served("u"))

    def meanwhile() -> None:
        if not came:
            came.append(1)
            serve()

    made.tell(meanwhile)
    serve()
    assert read(made)["requests"] == {"hit": {"": 2}}
    assert read(made)["bytes_served"] == 20
