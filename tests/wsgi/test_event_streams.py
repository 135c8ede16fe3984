"""An event stream under WSGI: nothing of it is kept, waited for or made for nobody."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from flask import Flask, Response

from accelerator import cache_for
from accelerator.engine import flight
from accelerator.wsgi import WSGIAccelerator
from tests.wsgi.support import Body, Environ, Exchange, Reply, Site, ask, environ_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse

PATIENCE = 30
"""Seconds after which a test that hangs gives up."""

SAYING = pytest.mark.parametrize("ttl", [None, 60], ids=["by default_ttl", "by its own word"])


def streaming(body: Iterable[bytes], kind: str = "text/event-stream", ttl: float | None = None) -> Site:
    """An application that answers with this very iterable, as an event stream."""

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if ttl is not None:
            environ["accelerator.cache_for"] = ttl
        start_response("200 OK", [("Content-Type", kind)])
        return body

    return Site(handle)


def cached_forever(app: object) -> WSGIAccelerator:
    """The cache with every option that gives a time to what has none."""
    return WSGIAccelerator(app, default_ttl=60, heuristic=True)  # type: ignore[arg-type]  # Flask has types of its own


@pytest.mark.parametrize("kind", ["text/event-stream; charset=utf-8", "multipart/x-mixed-replace; boundary=frame"])
def test_an_event_stream_is_not_kept_without_a_time_of_its_own(kind: str) -> None:
    site = streaming([b"data: 1\n\n"], kind)
    app = cached_forever(site)
    details = [ask(app).get("cache-status") for _ in range(2)]
    assert details == ['accelerator; fwd=uri-miss; detail="an event stream needs an explicit time"'] * 2
    assert site.calls == 2


def test_one_that_ends_is_kept_for_the_time_that_it_says_itself() -> None:
    app = cached_forever(streaming([b"data: 1\n\n", b"data: 2\n\n"], ttl=60))
    replies = [ask(app) for _ in range(2)]
    assert [(reply.body, reply.is_hit) for reply in replies] == [
        (b"data: 1\n\ndata: 2\n\n", False),
        (b"data: 1\n\ndata: 2\n\n", True),
    ]


@SAYING
def test_with_flask_nobody_waits_for_the_first_event_of_another(
    ttl: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flight, "PATIENCE", 2 * PATIENCE)
    first_listens, second_listens = threading.Event(), threading.Event()
    site = Flask(__name__)

    @site.get("/")
    def page() -> Response:
        if ttl is not None:
            cache_for(ttl)
        return Response(events(), content_type="text/event-stream")

    def events() -> Iterator[str]:
        if not first_listens.is_set():
            first_listens.set()
            assert second_listens.wait(PATIENCE), "the second subscriber waits for the first"
        second_listens.set()
        yield "data: news\n\n"

    app = cached_forever(site)

    def ask_second() -> Reply:
        assert first_listens.wait(PATIENCE)
        return ask(app)

    with ThreadPoolExecutor(2) as pool:
        replies = [pool.submit(ask, app), pool.submit(ask_second)]
        assert [reply.result(PATIENCE).body for reply in replies] == [b"data: news\n\n"] * 2


@SAYING
def test_its_iterable_is_closed_when_its_client_leaves(ttl: float | None) -> None:
    body = Body(*[b"data: news\n\n"] * 20)
    exchange = Exchange(cached_forever(streaming(body, ttl=ttl)), environ_of())
    exchange.step()
    exchange.close()
    assert (body.taken, body.closed) == (1, 1)


@SAYING
def test_until_its_first_event_its_start_may_be_replaced(ttl: float | None) -> None:
    """PEP 3333: nothing has gone out before the first chunk that is not empty."""

    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        if ttl is not None:
            environ["accelerator.cache_for"] = ttl
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return events(start_response)

    def events(start_response: StartResponse) -> Iterator[bytes]:
        yield b""
        try:
            next(iter(()))
        except StopIteration:
            start_response("503 Service Unavailable", [("Content-Type", "text/plain")], sys.exc_info())
        yield b"no news"

    app = cached_forever(handle)
    for _ in range(2):
        reply = ask(app)
        assert (reply.status, reply.body, reply.get("content-type")) == (
            "503 Service Unavailable",
            b"no news",
            "text/plain",
        )
