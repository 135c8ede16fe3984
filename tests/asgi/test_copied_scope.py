"""Middlewares may copy the scope, deeply at times: what the cache has put there stays what it is."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from hypercorn.middleware import ProxyFixMiddleware

from accelerator import ASGIAccelerator, MemoryStore, RedisStore, SyncStore, WSGIAccelerator, cache_for
from tests.support import App, app_saying, ask
from tests.wsgi.support import Environ, Site, site_saying
from tests.wsgi.support import ask as ask_wsgi

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse

    from accelerator.asgi_types import Scope

PROXIED = [("x-forwarded-host", "www.example.org"), ("x-forwarded-proto", "https")]


@pytest.mark.parametrize(
    "thing",
    [
        ASGIAccelerator(app_saying()),
        WSGIAccelerator(site_saying()),
        MemoryStore(),
        RedisStore("redis://127.0.0.1:1"),
        SyncStore(MemoryStore()),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_an_application_may_hold_is_its_own_deep_copy(thing: object) -> None:
    assert deepcopy({"held": [thing]})["held"] == [thing]


@pytest.mark.anyio
async def test_the_proxy_fix_of_hypercorn_stands_between_cache_and_application() -> None:
    async def handle(scope: Scope) -> tuple[int, Any, bytes]:
        cache_for(60)
        scope["accelerator.tags"].append("page")
        return 200, (), f"{scope['scheme']} {dict(scope['headers'])[b'host'].decode()} {app.calls}".encode()

    app = App(handle)
    behind: Any = app  # hypercorn has types of its own for the shapes of ASGI
    between: Any = ProxyFixMiddleware(behind)
    cache = ASGIAccelerator(between)
    bodies = [(await ask(cache, headers=PROXIED, state={"store": cache.store})).body for _ in range(2)]
    assert bodies == [b"https www.example.org 1"] * 2
    await cache.invalidate_tag("page")
    assert (await ask(cache, headers=PROXIED)).body == b"https www.example.org 2"


def test_an_application_copies_its_environ_and_invalidates_by_the_copy() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        del environ["wsgi.errors"]  # a stream cannot be copied
        copied = deepcopy(environ)
        cache_for(60)
        copied["accelerator.tags"].append("page")
        if environ["QUERY_STRING"]:
            copied["accelerator"].invalidate_tag("page")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d" % site.calls]

    site = Site(handle)
    app = WSGIAccelerator(site)
    assert [ask_wsgi(app, url).body for url in ("/", "/", "/?change", "/")] == [b"1", b"1", b"2", b"3"]
