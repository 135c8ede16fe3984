"""Who hears what is said, while a server goes from one response to another, and from one thread to another."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING

import pytest

from accelerator import cache_for, cached, no_store, tag
from accelerator.notes import Notes, _current
from accelerator.wsgi import WSGIAccelerator
from tests.wsgi.support import TEXT, Environ, Exchange, Site, ask, environ_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse

seen: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="")


def talkative(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """Names its URL as a tag, half of it with each chunk."""
    cache_for(60)
    start_response("200 OK", TEXT)
    name = environ["PATH_INFO"]
    yield f"{name} one ".encode()
    tag(f"{name}:early")
    yield b"two"
    tag(f"{name}:late")


def test_what_is_said_at_any_depth_is_heard() -> None:
    @cached(60, tags=["user:{user_id}"])
    def view(user_id: int) -> bytes:
        return b"user %d, call %d" % (user_id, site.calls)

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        page = view(int(environ["PATH_INFO"][1:]))
        start_response("200 OK", TEXT)
        return [page]

    site = Site(handle)
    app = WSGIAccelerator(site)
    ask(app, "/1")
    ask(app, "/2")
    app.invalidate_tag("user:1")
    assert [ask(app, "/1").body, ask(app, "/2").body] == [b"user 1, call 3", b"user 2, call 2"]


def test_a_veto_is_heard_from_any_depth() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        cache_for(60)
        start_response("200 OK", TEXT)
        yield b"secret"
        no_store()

    app = WSGIAccelerator(handle)
    ask(app)
    assert not ask(app).is_hit


def test_responses_that_take_turns_in_one_thread_are_kept_apart() -> None:
    app = WSGIAccelerator(talkative)
    exchanges = [Exchange(app, environ_of(url)) for url in ("/a", "/b")]
    for _ in range(3):
        for exchange in exchanges:
            exchange.step()
    for exchange in exchanges:
        exchange.close()
    for url, name in [("/a", "/a:early"), ("/b", "/b:late"), ("/a", "/a:late"), ("/b", "/b:early")]:
        assert ask(app, url).is_hit
        app.invalidate_tag(name)
        assert not ask(app, url).is_hit


def run_in_a_copied_context(step: Callable[[], object]) -> None:
    contextvars.copy_context().run(step)


def run_in_a_thread(step: Callable[[], object]) -> None:
    thread = threading.Thread(target=step)
    thread.start()
    thread.join()


@pytest.mark.parametrize("run", [run_in_a_copied_context, run_in_a_thread])
def test_a_response_may_go_on_in_another_context(run: Callable[[Callable[[], object]], None]) -> None:
    app = WSGIAccelerator(talkative)
    exchange = Exchange(app, environ_of("/a"))
    for _ in range(3):
        run(exchange.step)
    run(exchange.close)
    assert exchange.reply.body == b"/a one two"
    assert ask(app, "/a").is_hit
    app.invalidate_tag("/a:late")
    assert not ask(app, "/a").is_hit


def test_between_the_steps_of_a_response_nobody_listens() -> None:
    app = WSGIAccelerator(talkative)
    exchange = Exchange(app, environ_of("/a"))
    while exchange.step():
        assert _current.get() is None
        no_store()  # the server's own code says it, or another application in this thread
    exchange.close()
    assert ask(app, "/a").is_hit


def test_what_is_said_by_a_request_that_passes_is_heard_by_nobody() -> None:
    """Not even by who listens around the cache."""
    heard: list[Notes | None] = []

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        heard.append(_current.get())
        start_response("200 OK", [])
        return []

    around = Notes()
    token = _current.set(around)
    try:
        ask(WSGIAccelerator(handle), method="POST")
    finally:
        _current.reset(token)
    assert len(heard) == 1
    assert heard[0] is not around


def test_the_application_runs_in_the_context_of_the_servers_thread() -> None:
    """Django keeps its connections to caches there: another context for each request would open them anew."""

    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        found.append(seen.get())
        seen.set(environ["PATH_INFO"])
        start_response("200 OK", TEXT)
        yield b"one"
        found.append(seen.get())
        seen.set("later")

    def in_a_context_of_its_own() -> None:
        seen.set("outer")
        ask(app, "/a")
        found.append(seen.get())
        ask(app, "/b")

    found: list[str] = []
    app = WSGIAccelerator(handle)
    contextvars.copy_context().run(in_a_context_of_its_own)
    assert found == ["outer", "/a", "later", "later", "/b"]
