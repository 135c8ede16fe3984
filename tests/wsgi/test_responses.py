"""What an application says by PEP 3333 reaches the server as it would without the cache."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import pytest

from accelerator import no_store, tag
from accelerator.testing import ManualClock
from accelerator.wsgi import WSGIAccelerator
from tests.wsgi.support import TEXT, Body, Environ, Exchange, Reply, Site, ask, environ_of, site_saying, site_with

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse

TTL = [None, 60.0]
"""Whether the response is to be stored: what the server sees must not depend on it."""
either_way = pytest.mark.parametrize("ttl", TTL, ids=["unstorable", "storable"])


class BrokenError(Exception):
    """What these applications raise."""


def caught(error: Exception) -> Any:
    """What `sys.exc_info` says of an error where it is caught."""
    try:
        raise error
    except BrokenError:
        return sys.exc_info()


# --- the start --------------------------------------------------------------------------------------------------------


@either_way
@pytest.mark.parametrize(
    ("notes", "sent"),
    [
        ("200 OK", "200 OK"),
        ("200 Tout va bien", "200 Tout va bien"),
        ("250 ", "250 "),
        ("250", "250 "),
        ("404 no", "404 no"),
    ],
)
def test_the_status_line_is_the_applications_own(notes: str, sent: str, ttl: float | None) -> None:
    assert ask(WSGIAccelerator(site_saying(status=notes, ttl=ttl))).status == sent


def test_from_the_store_a_status_has_its_usual_phrase_or_none() -> None:
    for notes, sent in [("200 Fine", "200 OK"), ("250 Fine", "250 ")]:
        app = WSGIAccelerator(site_saying(status=notes, ttl=60))
        ask(app)
        assert ask(app).status == sent


def test_header_lines_come_back_from_the_store_as_they_were_sent() -> None:
    lines = [("X-Late", "caf\xe9"), ("Link", "<a>, <b>"), ("link", "<c>"), ("X-Empty", ""), ("X-Blank", " x ")]
    app = WSGIAccelerator(site_saying(*lines, ttl=60))
    first, second = ask(app), ask(app)
    assert second.is_hit
    assert first.headers[: len(lines) + 1] == [*TEXT, *lines] == second.headers[: len(lines) + 1]


@either_way
@pytest.mark.parametrize("chunks_before", [0, 1])
def test_the_start_may_be_replaced_as_long_as_nothing_is_out(ttl: float | None, chunks_before: int) -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        if ttl:
            environ["accelerator.cache_for"] = ttl
        start_response("200 OK", TEXT)
        yield from [b""] * chunks_before
        start_response("500 Broken", [("X-Replaced", "yes")], caught(BrokenError()))
        yield b"sorry"

    reply = ask(WSGIAccelerator(handle))
    assert (reply.status, reply.get("x-replaced"), reply.get("content-type"), reply.body, reply.starts) == (
        "500 Broken",
        "yes",
        None,
        b"sorry",
        1,
    )


@either_way
def test_once_a_chunk_is_out_a_replacement_raises_what_it_was_given(ttl: float | None) -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        if ttl:
            environ["accelerator.cache_for"] = ttl
        start_response("200 OK", TEXT)
        yield b"begun"
        start_response("500 Broken", [], caught(BrokenError("half way")))

    app = WSGIAccelerator(handle)
    exchange = Exchange(app, environ_of())
    assert exchange.step()
    with pytest.raises(BrokenError, match="half way"):
        exchange.step()
    exchange.close()
    assert (exchange.reply.status, exchange.reply.body) == ("200 OK", b"begun")


@either_way
def test_a_second_start_without_a_reason_is_an_error(ttl: float | None) -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if ttl:
            environ["accelerator.cache_for"] = ttl
        start_response("200 OK", [])
        start_response("200 OK", [])
        return []

    with pytest.raises(AssertionError, match="a second call needs exc_info"):
        ask(WSGIAccelerator(handle))


@pytest.mark.parametrize("body", [[b"x"], [], [b""]], ids=["a chunk", "no chunk", "an empty chunk"])
def test_a_body_without_a_start_is_an_error(body: list[bytes]) -> None:
    with pytest.raises(AssertionError, match="has to call start_response"):
        ask(WSGIAccelerator(lambda _environ, _start: body))


def test_a_start_that_the_server_refuses_closes_the_application() -> None:
    def refuse(*_: object) -> None:
        raise BrokenError("a bad header")

    body = Body(b"one", b"two")
    app = WSGIAccelerator(site_with(body, ttl=60))
    with pytest.raises(BrokenError, match="a bad header"):
        app(environ_of(), refuse)  # type: ignore[arg-type]  # it never returns
    assert body.closed == 1
    assert ask(WSGIAccelerator(site_saying())).code == 200


# --- the body ---------------------------------------------------------------------------------------------------------


@either_way
def test_each_chunk_goes_out_before_the_next_one_is_made(ttl: float | None) -> None:
    body = Body(b"one", b"", b"two", b"three")
    exchange = Exchange(WSGIAccelerator(site_with(body, ttl=ttl)), environ_of())
    assert (exchange.reply.starts, body.taken) == (1, 1)
    assert [exchange.step() and body.taken for _ in range(4)] == [1, 2, 3, 4]
    assert not exchange.step()
    assert body.closed == 0
    exchange.close()
    assert (exchange.reply.body, body.closed) == (b"onetwothree", 1)


@either_way
@pytest.mark.parametrize("chunks", [[], [b""], [b"one"], [b"one", b"two"], [b"", b"one"]], ids=repr)
@pytest.mark.parametrize(
    "kind", [list, tuple, iter, lambda chunks: Body(*chunks)], ids=["list", "tuple", "iter", "body"]
)
def test_every_kind_of_iterable_gives_the_same_body(
    ttl: float | None, chunks: list[bytes], kind: type[list[bytes]]
) -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if ttl:
            environ["accelerator.cache_for"] = ttl
        start_response("200 OK", TEXT)
        return kind(chunks)

    app = WSGIAccelerator(handle)
    first, second = ask(app), ask(app)
    assert (first.body, second.body, second.is_hit) == (b"".join(chunks), b"".join(chunks), ttl is not None)


def test_a_body_in_one_piece_tells_the_server_that_it_is_one() -> None:
    """From that wsgiref, waitress and others know the Content-Length."""
    app = WSGIAccelerator(site_saying(ttl=60))
    first = app(environ_of(), lambda *_: lambda _: None)
    assert len(first) == 1  # type: ignore[arg-type]  # that is the point
    assert list(first) == [b"answer 1"]
    first.close()  # type: ignore[attr-defined]  # it is the cache's own
    assert app(environ_of(), lambda *_: lambda _: None) == [b"answer 1"]


@pytest.mark.parametrize("chunks", [[b"12345"], [b"12", b"345"]], ids=["one chunk", "two chunks"])
def test_a_response_is_stored_before_its_last_chunk_goes_out(chunks: list[bytes]) -> None:
    app = WSGIAccelerator(site_with(iter(chunks), ("Content-Length", "5"), ttl=60))
    body = app(environ_of(), lambda *_: lambda _: None)
    assert [chunk for chunk in body if chunk != chunks[-1] or ask(app).body == b"12345"] == chunks
    body.close()  # type: ignore[attr-defined]  # it is the cache's own


def test_a_page_in_one_piece_has_an_etag_already_on_the_miss() -> None:
    for body in ([b"page"], Body(b"", b"page")):
        app = WSGIAccelerator(site_with(body, ("Content-Length", "4"), ttl=60))
        assert ask(app).get("etag") == ask(app).get("etag") is not None


@pytest.mark.parametrize("length", ["4", "6", "x"], ids=["too short", "too long", "no number"])
def test_a_response_that_breaks_its_content_length_is_passed_on_and_not_stored(length: str) -> None:
    app = WSGIAccelerator(site_with([b"12345"], ("Content-Length", length), ttl=60))
    assert (ask(app).body, ask(app).is_hit) == (b"12345", False)


def test_what_comes_after_the_content_length_is_dropped() -> None:
    body = Body(b"12345", b"more", b"")
    app = WSGIAccelerator(site_with(body, ("Content-Length", "5"), ttl=60))
    assert (ask(app).body, ask(app).body, body.closed) == (b"12345", b"12345", 1)


def test_what_is_said_while_the_body_is_made_counts() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Cache-Control", "s-maxage=60")])
        yield b"one"
        environ["accelerator.tags"] = "a"
        yield b"two"
        tag("b")
        if environ["PATH_INFO"] == "/vetoed":
            no_store()

    app = WSGIAccelerator(handle)
    for name in "ab":
        ask(app, "/")
        assert ask(app, "/").is_hit
        app.invalidate_tag(name)
        assert not ask(app, "/").is_hit
    ask(app, "/vetoed")
    assert not ask(app, "/vetoed").is_hit


def test_the_time_may_be_said_until_the_first_chunk() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b""
        environ["accelerator.cache_for"] = 60
        yield b"page"

    app = WSGIAccelerator(handle)
    ask(app)
    assert ask(app).is_hit


# --- write() ----------------------------------------------------------------------------------------------------------


def writer(*chunks: bytes, then: Iterable[bytes] = (), ttl: float | None = None, watch: Reply | None = None) -> Site:
    """An application that writes; it asserts that what it wrote is with the server when `write` returns."""

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if ttl:
            environ["accelerator.cache_for"] = ttl
        write = start_response("200 OK", TEXT)
        for number, chunk in enumerate(chunks, 1):
            write(chunk)
            assert watch is None or len(watch.chunks) >= number
        return then

    return Site(handle)


@either_way
@pytest.mark.parametrize("then", [[], [b"three"]], ids=["nothing more", "more to iterate"])
def test_what_is_written_is_with_the_server_when_write_returns(ttl: float | None, then: list[bytes]) -> None:
    watch = Reply()

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> object:
        watch.status, watch.headers = status, headers
        return watch.chunks.append

    app = WSGIAccelerator(writer(b"one", b"two", then=then, ttl=ttl, watch=watch))
    body = app(environ_of(), start_response)  # type: ignore[arg-type]  # a list's append is a write
    rest = list(body)
    body.close()  # type: ignore[attr-defined]  # it is the cache's own
    assert (watch.status, watch.chunks, rest) == ("200 OK", [b"one", b"two"], then)
    second = ask(app)
    assert (second.body, second.is_hit) == (b"onetwo" + b"".join(then), ttl is not None)


@either_way
def test_a_client_that_leaves_stops_a_writer_unless_its_response_is_to_be_stored(ttl: float | None) -> None:
    app = WSGIAccelerator(writer(b"one", b"two", ttl=ttl, then=[b"three"]))
    with pytest.raises(BrokenPipeError, match="the server's own"):
        Exchange(app, environ_of(), breaks_after=1)
    second = ask(app)
    assert (second.body, second.is_hit) == (b"onetwothree", ttl is not None)


def test_what_is_written_beyond_the_content_length_is_dropped() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["accelerator.cache_for"] = 60
        write = start_response("200 OK", [("Content-Length", "3")])
        write(b"one")
        write(b"two")
        return [b"three"]

    app = WSGIAccelerator(handle)
    assert [ask(app).body, ask(app).body] == [b"one", b"one"]


# --- close() ----------------------------------------------------------------------------------------------------------


@either_way
def test_close_is_called_once(ttl: float | None) -> None:
    body = Body(b"one", b"two")
    exchange = Exchange(WSGIAccelerator(site_with(body, ttl=ttl)), environ_of())
    exchange.finish()
    exchange.close()
    assert body.closed == 1


@either_way
def test_a_server_that_asks_on_after_the_end_gets_the_end(ttl: float | None) -> None:
    exchange = Exchange(WSGIAccelerator(site_with(Body(b"one"), ttl=ttl)), environ_of())
    assert [exchange.step(), exchange.step(), exchange.step()] == [True, False, False]
    exchange.close()


def test_a_client_that_leaves_ends_a_response_that_is_not_to_be_stored() -> None:
    body = Body(b"one", b"two", b"three")
    exchange = Exchange(WSGIAccelerator(site_with(body)), environ_of())
    exchange.step()
    exchange.close()
    assert (body.taken, body.closed) == (1, 1)


def test_a_client_that_leaves_does_not_stop_a_response_that_is_to_be_stored() -> None:
    body = Body(b"one", b"two", b"three")
    app = WSGIAccelerator(site_with(body, ttl=60))
    exchange = Exchange(app, environ_of())
    exchange.step()
    exchange.close()
    assert (body.taken, body.closed) == (3, 1)
    assert ask(app).body == b"onetwothree"


def test_a_response_that_grows_too_big_ends_when_its_client_has_left() -> None:
    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
        finally:
            closed.append(True)

    closed: list[bool] = []
    exchange = Exchange(WSGIAccelerator(site_with(endless(), ttl=60), max_body_bytes=5000), environ_of())
    exchange.step()
    exchange.close()
    assert closed == [True]


def test_a_generator_is_left_by_its_finally_when_the_client_leaves() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            yield b"one"
            yield b"two"
        finally:
            left.append(True)

    left: list[bool] = []
    exchange = Exchange(WSGIAccelerator(handle), environ_of())
    exchange.step()
    exchange.close()
    assert left == [True]


@either_way
def test_what_close_raises_reaches_the_server(ttl: float | None) -> None:
    class Unclosable(Body):
        def close(self) -> None:
            raise BrokenError("close")

    exchange = Exchange(WSGIAccelerator(site_with(Unclosable(b"one"), ttl=ttl)), environ_of())
    with pytest.raises(BrokenError, match="close"):
        exchange.finish()


def test_a_response_that_a_server_drops_unclosed_ends_at_once() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        environ["accelerator.cache_for"] = 60
        start_response("200 OK", [])
        try:
            yield b"one"
            yield b"two"
        finally:
            left.append(True)

    left: list[bool] = []
    app = WSGIAccelerator(handle)
    environ = environ_of()
    body = app(environ, lambda *_: lambda _: None)
    del body
    assert (left, "accelerator" in environ, app._engine._flights._running) == ([True], False, {})


# --- exceptions -------------------------------------------------------------------------------------------------------


def failing_in_view(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    raise BrokenError("in the view")


def failing_after_the_start(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    raise BrokenError("after the start")


def failing_in_the_body(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b""
    raise BrokenError("in the body")


@pytest.mark.parametrize("app", [failing_in_view, failing_after_the_start, failing_in_the_body])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_exception_reaches_the_server_with_its_traceback(app: Site, method: str) -> None:
    with pytest.raises(BrokenError) as raised:
        ask(WSGIAccelerator(app), method=method)
    assert app.__name__ in [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]  # type: ignore[attr-defined]  # a function


@either_way
def test_an_exception_half_way_reaches_the_server_after_what_came_before(ttl: float | None) -> None:
    body = Body(b"one", BrokenError("half way"))
    app = WSGIAccelerator(site_with(body, ttl=ttl))
    exchange = Exchange(app, environ_of())
    exchange.step()
    with pytest.raises(BrokenError):
        exchange.step()
    exchange.close()
    assert (exchange.reply.body, body.closed) == (b"one", 1)
    assert not ask(WSGIAccelerator(site_saying())).is_hit


def test_an_exit_ends_the_application_too() -> None:
    body = Body(b"one", SystemExit(1))
    exchange = Exchange(WSGIAccelerator(site_with(body, ttl=60)), environ_of())
    exchange.step()
    with pytest.raises(SystemExit):
        exchange.step()
    assert body.closed == 1


def test_a_stale_page_is_served_in_place_of_an_exception_where_that_is_allowed() -> None:
    clock = ManualClock()
    site = site_saying(("Cache-Control", "s-maxage=5, stale-if-error=60"))
    app = WSGIAccelerator(site, clock=clock)
    ask(app)
    clock.advance(6)
    site.handle = failing_in_view
    reply = ask(app)
    assert (reply.status, reply.body) == ("200 OK", b"answer 1")
    clock.advance(60)
    with pytest.raises(BrokenError):
        ask(app)


def test_a_stale_page_is_served_in_place_of_an_error_that_is_closed_all_the_same() -> None:
    clock = ManualClock()
    site = site_saying(("Cache-Control", "s-maxage=5, stale-if-error=60"))
    app = WSGIAccelerator(site, clock=clock)
    ask(app)
    clock.advance(6)
    body = Body(b"sorry, ", b"we are down")
    site.handle = site_with(body, status="503 Down").handle
    assert (ask(app).body, body.closed) == (b"answer 1", 1)


# --- the specification's own checker ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@either_way
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_both_ends_keep_to_the_specification(ttl: float | None, method: str) -> None:
    """The names without a dot and that are no text, `accelerator`, are older than this library."""

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*TEXT, ("Cache-Control", f"s-maxage={ttl or 0:.0f}")])
        return [] if method == "HEAD" else Body(b"page")

    checked = validator(handle)

    def app_without_the_key(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        del environ["accelerator"]
        return checked(environ, start_response)

    app = validator(WSGIAccelerator(app_without_the_key))
    for _ in range(2):
        environ = environ_of(method=method)
        body = app(environ, lambda *_: lambda _: None)
        list(body)
        body.close()  # type: ignore[attr-defined]  # the checker's own has one
