"""Threads share one accelerator."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import tag
from accelerator.engine.refresh import REFRESH_SECONDS
from accelerator.testing import ManualClock
from accelerator.wsgi import WSGIAccelerator
from accelerator.wsgi.threads import MAX_THREADS, Driven, ThreadRuntime, outside
from tests.wsgi.support import (
    PATIENCE,
    TEXT,
    Body,
    Environ,
    Exchange,
    Reply,
    Site,
    ask,
    environ_of,
    refreshes,
    site_saying,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse

STALE = ("Cache-Control", "s-maxage=5, stale-while-revalidate=60")


def in_threads(number: int, *work: Any) -> list[Any]:
    """Run `work` in as many threads, all at once; return what each returned."""
    barrier = threading.Barrier(number)

    def run(task: Any) -> Any:
        barrier.wait(PATIENCE)
        return task()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, itertools.islice(itertools.cycle(work), number)))


def test_200_threads_on_one_cold_key_make_one_call() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["accelerator.cache_for"] = 60
        start_response("200 OK", TEXT)
        assert has_come.wait(PATIENCE)
        return [b"page"]

    has_come = threading.Event()
    arrivals = itertools.count(1)

    def arrive() -> Reply:
        environ = environ_of()
        if next(arrivals) == 200:
            has_come.set()
        return Exchange(app, environ).finish()

    site = Site(handle)
    app = WSGIAccelerator(site)
    replies = in_threads(200, arrive)
    assert ({reply.body for reply in replies}, site.calls) == ({b"page"}, 1)


def test_a_fill_that_an_invalidation_overtakes_is_not_stored() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["accelerator.cache_for"] = 60
        read = data[0]
        if site.calls == 1:
            has_read.set()
            assert is_invalidated.wait(PATIENCE)
        tag("data")
        start_response("200 OK", TEXT)
        return [read]

    data, has_read, is_invalidated = [b"old"], threading.Event(), threading.Event()
    site = Site(handle)
    app = WSGIAccelerator(site)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, app)
        assert has_read.wait(PATIENCE)
        data[0] = b"new"
        app.invalidate_tag("data")
        is_invalidated.set()
        assert first.result(PATIENCE).body == b"old"
    assert [ask(app).body, ask(app).body, site.calls] == [b"new", b"new", 2]


def test_no_answer_is_older_than_the_last_invalidation_under_16_threads() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        url = environ["PATH_INFO"]
        environ["accelerator.cache_for"] = 60
        version = versions[url]
        start_response("200 OK", TEXT)
        yield b""
        tag(url)
        yield b"%d" % version

    def write() -> int:
        for turn in range(150):
            url = urls[turn % len(urls)]
            with locks[url]:
                versions[url] += 1
                app.invalidate_tag(url)
                published[url] = versions[url]
        return 0

    def read() -> int:
        hits = 0
        for turn in range(150):
            url = urls[turn % len(urls)]
            at_least = published[url]
            reply = ask(app, url)
            assert int(reply.body) >= at_least
            hits += reply.is_hit
        return hits

    urls = [f"/{number}" for number in range(4)]
    versions, published = dict.fromkeys(urls, 0), dict.fromkeys(urls, 0)
    locks = {url: threading.Lock() for url in urls}
    app = WSGIAccelerator(handle)
    in_threads(16, write, read, read, read)
    assert [int(ask(app, url).body) for url in urls] == [versions[url] for url in urls]


@pytest.mark.parametrize("ttl", [None, 60], ids=["unstorable", "storable"])
def test_1000_clients_that_leave_half_way_leave_no_thread_behind_and_the_site_answering(ttl: int | None) -> None:
    bodies: list[Body] = []

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if ttl:
            environ["accelerator.cache_for"] = ttl
        start_response("200 OK", TEXT)
        body = Body(*[b"chunk"] * 20)
        bodies.append(body)
        return body

    def leave() -> None:
        for _ in range(125):
            exchange = Exchange(app, environ_of(f"/{next(numbers)}"))
            exchange.step()
            exchange.close()

    numbers = itertools.count()
    app = WSGIAccelerator(handle)
    before = set(threading.enumerate())
    in_threads(8, leave)
    assert set(threading.enumerate()) <= before
    assert [body.closed for body in bodies] == [1] * 1000
    assert {body.taken for body in bodies} == ({20} if ttl else {1})
    assert ask(app, "/0").is_hit == bool(ttl)
    assert app._engine._flights._running == {}


# --- refreshing beside the requests -----------------------------------------------------------------------------------


def test_a_stale_page_is_served_and_made_anew_beside_the_request() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if site.calls == 2:
            assert may_refresh.wait(PATIENCE)
        start_response("200 OK", [STALE])
        return [b"answer %d" % site.calls]

    may_refresh = threading.Event()
    clock, site = ManualClock(), Site(handle)
    app = WSGIAccelerator(site, clock=clock)
    ask(app)
    clock.advance(6)
    with refreshes():
        assert [ask(app).body, ask(app).body] == [b"answer 1", b"answer 1"]
        may_refresh.set()
    assert (ask(app).body, site.calls) == (b"answer 2", 2)


def test_a_refresh_has_an_environ_of_its_own_on_nobodys_behalf() -> None:
    clock, site = ManualClock(), site_saying(STALE)
    app = WSGIAccelerator(site, clock=clock)
    ask(app)
    clock.advance(6)
    environ = environ_of(
        method="HEAD",
        headers=[("If-None-Match", '"x"'), ("Range", "bytes=0-1"), ("Accept", "text/html")],
        wsgi__file_wrapper=object(),
        REMOTE_USER="ada",
    )
    before = dict(environ)
    with refreshes():
        Exchange(app, environ).finish()
    assert site.environ["REQUEST_METHOD"] == "GET"
    assert (site.environ["REMOTE_USER"], site.environ["HTTP_ACCEPT"]) == ("ada", "text/html")
    assert site.environ.keys().isdisjoint({"HTTP_IF_NONE_MATCH", "HTTP_RANGE", "wsgi.file_wrapper"})
    assert site.environ["wsgi.input"].read() == b""
    assert environ == before


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_session_that_a_refresh_gives_content_keeps_its_page_out_of_the_store(is_replaced: bool) -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if site.calls > 1 and is_replaced:
            environ["beaker.session"] = {"token": site.calls}
        elif site.calls > 1:
            environ["beaker.session"]["token"] = site.calls
        start_response("200 OK", [("Cache-Control", "max-age=5, stale-while-revalidate=60")])
        return [b"token %r" % environ["beaker.session"].get("token")]

    clock, site = ManualClock(), Site(handle)
    app = WSGIAccelerator(site, clock=clock)
    bodies = []
    for _ in range(3):
        with refreshes():
            bodies.append(ask(app, beaker__session={}).body)
        clock.advance(6)
    assert (bodies, site.calls) == ([b"token None"] * 3, 3)


def test_a_refresh_may_write() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [STALE])(b"answer %d" % site.calls)
        return []

    clock, site = ManualClock(), Site(handle)
    app = WSGIAccelerator(site, clock=clock)
    ask(app)
    clock.advance(6)
    with refreshes():
        ask(app)
    assert ask(app).body == b"answer 2"


def test_a_refresh_that_takes_too_long_is_ended_at_its_next_step(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, site = ManualClock(), site_saying(STALE)
    app = WSGIAccelerator(site, clock=clock)
    ask(app)
    clock.advance(6)
    body = Body(b"answer 2")
    now = itertools.count(0, REFRESH_SECONDS / 1.5)  # the first step is in time, the second is not
    monkeypatch.setattr("accelerator.wsgi.threads.monotonic", lambda: next(now))

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [STALE])
        return body

    site.handle = handle
    with refreshes():
        ask(app)
    assert "TimeoutError('it took too long')" in caplog.text
    assert (body.taken, body.closed) == (0, 1)


@pytest.mark.parametrize("cause", ["many threads are at work", "the system gives no more"])
def test_without_a_thread_for_it_a_request_refreshes_by_itself(cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    clock, site = ManualClock(), site_saying(STALE)
    app = WSGIAccelerator(site, clock=clock)
    ask(app)
    clock.advance(6)
    if cause == "the system gives no more":
        monkeypatch.setattr(threading.Thread, "start", refuse)
    else:
        free = app._engine._refreshes._runtime._free  # type: ignore[attr-defined]  # of the ThreadRuntime
        while free.acquire(blocking=False):
            """Each is a thread at work."""
    ask(app)
    assert (ask(app).body, site.calls) == (b"answer 2", 2)


def test_threads_for_refreshes_are_given_back() -> None:
    runtime = ThreadRuntime()
    done: list[str] = []

    async def work(name: str) -> None:
        await outside(lambda: done.append(name))

    for number in range(MAX_THREADS * 2):
        with refreshes():
            runtime.spawn("work", 60, work, str(number))
    assert len(done) == MAX_THREADS * 2
    assert all(runtime._free.acquire(blocking=False) for _ in range(MAX_THREADS))


# --- coroutines driven by hand ----------------------------------------------------------------------------------------


def test_what_a_call_outside_raises_is_raised_in_the_coroutine() -> None:
    async def work() -> None:
        with pytest.raises(ZeroDivisionError):
            await outside(lambda: 1 // 0)
        done.append(await outside(lambda: 2))

    done: list[int] = []
    assert not Driven(work()).resume()
    assert done == [2]
