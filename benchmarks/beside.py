"""The cache beside others that Python applications use: what a hit costs, and what comes of a change.

Each framework has one view. It is asked in process: without a cache, with the cache that is usual there, and with this
one, all in memory. `µs` is CPU time of a request, taken in turns within one run. `calls` is how often the view runs
when 20 requests come at once and nothing is stored. The last column is what a visitor gets who comes after a change
that was made, and taken back, while the page was being made for another one.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import logging
import sys
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import django
from django.conf import settings
from django.core.cache import cache as django_cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_settings
from django.urls import path
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from fastapi_cache import FastAPICache
from fastapi_cache.backends.inmemory import InMemoryBackend
from fastapi_cache.decorator import cache as fastapi_cache2
from flask import Flask
from flask_caching import Cache as FlaskCaching

from accelerator import ASGIAccelerator, MemoryStore, SyncStore, WSGIAccelerator, cached

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication

    from accelerator.asgi_types import Application, Message

BATCH: Final = 100
WARM_UP: Final = 2
CROWD: Final = 20
SECONDS: Final = 0.2  # that the view takes where requests meet
FIELDS: Final = {
    "host": "www.example.org",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0 Safari/537.36",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-GB,en;q=0.9,de;q=0.8",
}


class Data:
    """What a view reads."""

    def __init__(self) -> None:
        self.text = "old"
        self.calls = 0
        self.seconds = 0.0
        self.was_read = threading.Event()

    def read(self) -> str:
        """Return the text as it is now."""
        self.calls += 1
        text = self.text
        self.was_read.set()
        return text


class Site(ABC):
    """An application of one view, and how what was made from its data is taken back.

    Args:
        data: what the view reads.
        take_back: takes the page back, and returns when that is done.
    """

    def __init__(self, data: Data, take_back: Callable[[], Any] = lambda: None) -> None:
        self.data = data
        self.take_back = take_back

    @abstractmethod
    def seconds_of_batch(self) -> float:
        """Return what a request takes, from a batch of them."""

    @abstractmethod
    def calls_of_a_crowd(self) -> int:
        """Return how often the view runs for requests that come at once."""

    @abstractmethod
    def after_a_change(self) -> str:
        """Return what is shown after a change that was taken back while the page was being made."""

    def empty(self, seconds: float) -> None:
        """Begin anew, with a view that takes its time."""
        self.take_back()
        self.data.text, self.data.calls, self.data.seconds = "old", 0, seconds
        self.data.was_read.clear()

    def timed(self, batch: Callable[[], Any]) -> float:
        """Return what a request takes, in seconds of CPU time."""
        gc.collect()
        gc.disable()
        start = time.process_time()
        batch()
        taken = time.process_time() - start
        gc.enable()
        return taken / BATCH


class ASGISite(Site):
    """A site that is asked on an event loop."""

    def __init__(
        self, app: Application, data: Data, loop: asyncio.AbstractEventLoop, take_back: Callable[[], Any] = lambda: None
    ) -> None:
        super().__init__(data, take_back)
        self._app = app
        self._loop = loop

    async def ask(self) -> str:
        """Return the body that a client gets."""
        body = b""

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal body
            body += message.get("body", b"")

        headers = [(name.encode(), value.encode()) for name, value in FIELDS.items()]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/hello", "raw_path": b"/hello", "query_string": b"", "root_path": "", "headers": headers,
            "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 40000),
        }  # fmt: skip
        await self._app(scope, receive, send)
        return body.decode()

    def seconds_of_batch(self) -> float:
        """Return what a request takes, from a batch of them."""

        async def batch() -> None:
            for _ in range(BATCH):
                await self.ask()

        return self.timed(lambda: self._loop.run_until_complete(batch()))

    def calls_of_a_crowd(self) -> int:
        """Return how often the view runs for requests that come at once."""

        async def crowd() -> None:
            await asyncio.gather(*(self.ask() for _ in range(CROWD)))

        self.empty(SECONDS)
        self._loop.run_until_complete(crowd())
        return self.data.calls

    def after_a_change(self) -> str:
        """Return what is shown after a change that was taken back while the page was being made."""

        async def meet() -> str:
            first = asyncio.create_task(self.ask())
            await asyncio.to_thread(self.data.was_read.wait)
            self.data.text = "new"
            self.take_back()
            await first
            return await self.ask()

        self.empty(SECONDS)
        return self._loop.run_until_complete(meet())


class WSGISite(Site):
    """A site that is asked from threads."""

    def __init__(self, app: WSGIApplication, data: Data, take_back: Callable[[], Any] = lambda: None) -> None:
        super().__init__(data, take_back)
        self._app = app

    def ask(self, _: object = None) -> str:
        """Return the body that a client gets."""
        fields = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in FIELDS.items()}
        environ = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/hello", "QUERY_STRING": "", "RAW_URI": "/hello",
            "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr, "wsgi.multithread": True,
            "wsgi.multiprocess": False, "wsgi.run_once": False, **fields,
        }  # fmt: skip
        chunks = self._app(environ, lambda *_: lambda _: None)
        body = b"".join(chunks)
        if close := getattr(chunks, "close", None):
            close()
        return body.decode()

    def seconds_of_batch(self) -> float:
        """Return what a request takes, from a batch of them."""
        return self.timed(lambda: [self.ask() for _ in range(BATCH)])

    def calls_of_a_crowd(self) -> int:
        """Return how often the view runs for requests that come at once."""
        self.empty(SECONDS)
        with ThreadPoolExecutor(CROWD) as threads:
            list(threads.map(self.ask, range(CROWD)))
        return self.data.calls

    def after_a_change(self) -> str:
        """Return what is shown after a change that was taken back while the page was being made."""
        self.empty(SECONDS)
        first = threading.Thread(target=self.ask)
        first.start()
        self.data.was_read.wait()
        self.data.text = "new"
        self.take_back()
        first.join()
        return self.ask()


def of_fastapi(loop: asyncio.AbstractEventLoop) -> dict[str, Site]:
    """Return the sites of FastAPI."""
    FastAPICache.init(InMemoryBackend(), prefix="beside")
    store = MemoryStore()

    def site(decorate: Callable[[Any], Any], wrap: Callable[[Any], Any], take_back: Callable[[], Any]) -> Site:
        app, data = FastAPI(), Data()

        @app.get("/hello", response_class=PlainTextResponse)
        @decorate
        async def hello() -> str:
            text = data.read()
            if data.seconds:
                await asyncio.sleep(data.seconds)
            return text

        return ASGISite(wrap(app), data, loop, take_back)

    def clear() -> None:
        with suppress(StopIteration):  # it empties a dictionary, and waits for nothing
            FastAPICache.clear().send(None)

    return {
        "FastAPI": site(lambda view: view, lambda app: app, lambda: None),
        "FastAPI, fastapi-cache2": site(fastapi_cache2(expire=3600), lambda app: app, clear),
        "FastAPI, accelerator": site(
            cached(3600, tags=["x"]),
            lambda app: ASGIAccelerator(app, store=store),
            lambda: SyncStore(store).invalidate_tag("x"),
        ),
    }


def of_flask() -> dict[str, Site]:
    """Return the sites of Flask."""

    def view_of(app: Flask, data: Data, decorate: Callable[[Any], Any]) -> Any:
        def hello() -> str:
            text = data.read()
            if data.seconds:
                time.sleep(data.seconds)
            return text

        view = decorate(hello)
        app.get("/hello")(view)
        return view

    def bare() -> Site:
        app, data = Flask("bare"), Data()
        view_of(app, data, lambda view: view)
        return WSGISite(app, data)

    def usual() -> Site:
        app, data = Flask("usual"), Data()
        cache = FlaskCaching(app, config={"CACHE_TYPE": "SimpleCache"})
        view = view_of(app, data, cache.cached(timeout=3600))

        def take_back() -> None:
            with app.app_context():
                cache.delete_cached(view, path="/hello")

        return WSGISite(app, data, take_back)

    def ours() -> Site:
        app, data = Flask("ours"), Data()
        accelerator = WSGIAccelerator(app.wsgi_app)
        view_of(app, data, cached(3600, tags=["x"]))
        return WSGISite(accelerator, data, lambda: accelerator.invalidate_tag("x"))

    return {"Flask": bare(), "Flask, Flask-Caching": usual(), "Flask, accelerator": ours()}


DATA: Final = Data()


def hello(_: HttpRequest) -> HttpResponse:
    """Be Django's view."""
    text = DATA.read()
    if DATA.seconds:
        time.sleep(DATA.seconds)
    return HttpResponse(text, content_type="text/plain")


urlpatterns = [path("hello", hello)]


def of_django() -> dict[str, Site]:
    """Return the sites of Django."""
    common = "django.middleware.common.CommonMiddleware"
    fetch, update = (f"django.middleware.cache.{name}CacheMiddleware" for name in ("FetchFrom", "Update"))
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=sys.modules[__name__],
        CACHE_MIDDLEWARE_SECONDS=3600,
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    )
    django.setup()

    def application(*middlewares: str) -> WSGIApplication:
        with override_settings(MIDDLEWARE=list(middlewares)):
            made: WSGIApplication = get_wsgi_application()
            return made

    accelerator = WSGIAccelerator(application(common), default_ttl=3600)
    return {
        "Django": WSGISite(application(common), DATA),
        "Django, its cache middleware": WSGISite(application(update, common, fetch), DATA, django_cache.clear),
        "Django, accelerator": WSGISite(accelerator, DATA, accelerator.clear),
    }


def main(rounds: int) -> None:
    """Measure every site in turn, round by round, and print the table."""
    logging.getLogger("django").setLevel(logging.ERROR)
    loop = asyncio.new_event_loop()
    sites = of_fastapi(loop) | of_flask() | of_django()
    times: dict[str, list[float]] = {name: [] for name in sites}
    for turn in range(WARM_UP + rounds):
        for name, site in sites.items():
            taken = site.seconds_of_batch()
            if turn >= WARM_UP:
                times[name].append(taken)
    print(f"Python {sys.version.split()[0]}; {rounds} rounds of {BATCH} requests a site; {CROWD} requests at once")
    print(f"{'':32}{'µs':>8}{'ratio':>8}{'calls':>8}   after a change")
    for name, site in sites.items():
        base = times[name.partition(",")[0]]
        ratio = median(taken / other for taken, other in zip(times[name], base, strict=True))
        meetings = f"{site.calls_of_a_crowd():8}   {site.after_a_change()}"
        print(f"{name:32}{1e6 * median(times[name]):8.1f}{ratio:8.2f}{meetings}")
    loop.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=30, help="rounds of each site (30)")
    main(parser.parse_args().rounds)
