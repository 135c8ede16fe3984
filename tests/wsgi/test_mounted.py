"""A WSGI application mounted inside an ASGI one by a2wsgi speaks to the cache around both."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from a2wsgi import WSGIMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from accelerator import ASGIAccelerator, MemoryStore, cache_for, cached, no_store, tag
from accelerator.wsgi import WSGIAccelerator
from tests.support import Client
from tests.support import ask as ask_asgi
from tests.wsgi.stores import WaitingStore
from tests.wsgi.support import TEXT, Environ, Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication

    from accelerator import Store

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """a2wsgi works on asyncio only."""
    return "asyncio"


@pytest.fixture(params=[MemoryStore, WaitingStore])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.param()
    return made


def mounted(app: WSGIApplication, store: Store) -> Starlette:
    routes = [Mount("/old", WSGIMiddleware(WSGIAccelerator(app)))]  # type: ignore[arg-type]  # a2wsgi's environ is no dict
    return Starlette(routes=routes, middleware=[Middleware(ASGIAccelerator, store=store)])


@cached(60, tags=["decorated"])
def decorated() -> None:
    """Say something from a view."""


@pytest.mark.parametrize("way", ["functions", "decorator", "keys", "a list to add to", "headers"])
async def test_each_way_to_speak_reaches_the_cache_outside(way: str, store: Store) -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        headers = [*TEXT]
        match way:
            case "functions":
                cache_for(60)
                tag("it")
            case "decorator":
                decorated()
                tag("it")
            case "keys":
                environ["accelerator.cache_for"] = 60
                environ["accelerator.tags"] = ["it"]
            case "a list to add to":
                environ["accelerator.cache_for"] = 60
                environ["accelerator.tags"].append("it")
            case "headers":
                headers += [("Cache-Control", "s-maxage=60"), ("Cache-Tag", "it")]
        start_response("200 OK", headers)
        return [b"answer %d" % site.calls]

    site = Site(handle)
    app = mounted(site, store)
    assert [(await ask_asgi(app, "/old/x")).body for _ in range(2)] == [b"answer 1"] * 2
    await store.invalidate_tag("it")
    assert (await ask_asgi(app, "/old/x")).body == b"answer 2"


async def test_what_is_said_while_the_body_is_made_counts(store: Store) -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        cache_for(60)
        start_response("200 OK", TEXT)
        yield b"one"
        tag("late")
        environ["accelerator.tags"].append("later")
        yield b"two"
        if environ["PATH_INFO"] == "/vetoed":
            no_store()

    site = Site(handle)
    app = mounted(site, store)
    for name in ("late", "later"):
        await ask_asgi(app, "/old/x")
        assert "hit" in str((await ask_asgi(app, "/old/x")).get("cache-status"))
        await store.invalidate_tag(name)
        assert "hit" not in str((await ask_asgi(app, "/old/x")).get("cache-status"))
    assert (await ask_asgi(app, "/old/vetoed")).body == b"onetwo"
    assert "hit" not in str((await ask_asgi(app, "/old/vetoed")).get("cache-status"))


async def test_a_handler_takes_back_through_its_environ(store: Store) -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            environ["accelerator"].invalidate_tag("it")
        else:
            cache_for(60)
            tag("it")
        start_response("200 OK", TEXT)
        return [b"answer %d" % site.calls]

    site = Site(handle)
    app = mounted(site, store)
    await ask_asgi(app, "/old/x")
    await Client(body=[b"form"]).ask(app, "/old/save", method="POST")
    assert (await ask_asgi(app, "/old/x")).body == b"answer 3"


async def test_a_start_may_be_replaced_and_a_phrase_may_be_missing(store: Store) -> None:
    """Both are lost by a2wsgi alone."""

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        try:
            return [b"%d" % (1 // int(environ["PATH_INFO"][-1]))]
        except ZeroDivisionError:
            start_response("500", TEXT, sys.exc_info())
            return [b"sorry"]

    app = mounted(handle, store)
    good, bad = await ask_asgi(app, "/old/1"), await ask_asgi(app, "/old/0")
    assert [(good.status, good.body), (bad.status, bad.body)] == [(200, b"1"), (500, b"sorry")]


async def test_with_a_queue_without_a_bound_a_cancelled_request_blocks_no_worker() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        for _ in range(50):
            yield b"chunk"
        ended.set()

    async def hang(message: Any) -> None:
        scope.cancel()
        await anyio.sleep_forever()

    ended = threading.Event()
    app = ASGIAccelerator(
        WSGIMiddleware(WSGIAccelerator(handle), workers=1, send_queue_size=0)  # type: ignore[arg-type]  # see `mounted`
    )
    with anyio.CancelScope() as scope:
        await Client(on_send=hang).ask(app)
    assert await anyio.to_thread.run_sync(ended.wait, 30)
    assert (await ask_asgi(app)).body == b"chunk" * 50


async def test_a_user_of_a_middleware_around_the_bridge_gets_a_page_of_his_own() -> None:
    """Without a cache around it the inner one works, and knows whom the scope names."""

    def greet(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        cache_for(60)
        start_response("200 OK", TEXT)
        return [b"hello %s" % environ["asgi.scope"].get("user", "nobody").encode()]

    app = WSGIMiddleware(WSGIAccelerator(greet))  # type: ignore[arg-type]  # a2wsgi's environ is no dict
    users: list[dict[str, Any]] = [{"user": "ada"}, {"user": "bob"}, {}, {}]
    answers = [await ask_asgi(app, **user) for user in users]
    assert [answer.body for answer in answers] == [b"hello ada", b"hello bob", b"hello nobody", b"hello nobody"]
    assert str(answers[0].get("cache-status")).endswith('; detail="a request with a user needs public"')
    assert "hit" in str(answers[3].get("cache-status"))
