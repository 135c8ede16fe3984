"""A refresh runs after its request: where it fails for that, the next request makes the page itself."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from flask import Flask, request

from accelerator import cache_for
from accelerator.testing import ManualClock
from accelerator.wsgi import WSGIAccelerator
from tests.wsgi.support import PATIENCE, Environ, ask, refreshes, site_saying

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication

    import pytest

STALE = ("Cache-Control", "s-maxage=5, stale-while-revalidate=600")


class Session:
    """A session of a database, which raises once it is closed. Another thread than the request's comes after that."""

    def __init__(self) -> None:
        self._thread = threading.current_thread()
        self._is_closed = threading.Event()

    def read(self) -> str:
        if threading.current_thread() is not self._thread:
            assert self._is_closed.wait(PATIENCE)
        if self._is_closed.is_set():
            raise RuntimeError("the session is closed")
        return "data"

    def close(self) -> None:
        self._is_closed.set()


FAILED = (
    "refresh of 'https://example.org/' failed (it runs after its request, when outer middlewares have closed theirs):"
    " RuntimeError('the session is closed')"
)


def session_outside(app: WSGIApplication) -> WSGIApplication:
    """Give each request a session, and close it after the answer."""

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["session of the database"] = session = Session()
        body = app(environ, start_response)
        try:
            yield from body
        finally:
            if hasattr(body, "close"):
                body.close()
            session.close()

    return handle


def test_where_each_refresh_lacks_its_session_each_time_is_followed_by_a_fresh_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, clock, site = 0, ManualClock(), Flask(__name__)
    site.config["PROPAGATE_EXCEPTIONS"] = True

    @site.get("/")
    def page() -> str:
        nonlocal made
        cache_for(60, stale_while_revalidate=600)
        data: str = request.environ["session of the database"].read()
        made += 1
        return f"{data} {made}"

    app = session_outside(WSGIAccelerator(site, clock=clock))
    bodies = []
    for _ in range(3):
        for _ in range(4):
            with refreshes():
                bodies.append(ask(app).body)
        clock.advance(61)
    one, two, three = b"data 1", b"data 2", b"data 3"
    assert bodies == [one, one, one, one, one, two, two, two, two, three, three, three]
    assert [(record.message, record.exc_info) for record in caplog.records] == [(FAILED, None)] * 2


def test_if_the_fill_after_it_fails_too_what_is_stale_is_served_within_its_window() -> None:
    def fail(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        raise ArithmeticError("no more pages")

    clock, site = ManualClock(), site_saying(STALE)
    app = WSGIAccelerator(site, clock=clock)
    ask(app)
    clock.advance(6)
    site.handle = fail
    for calls in (2, 3, 4):
        with refreshes():
            assert ask(app).body == b"answer 1"
        assert site.calls == calls
