"""Asks applications in process, without a server; it runs in the environments of the peers."""

from __future__ import annotations

import asyncio
import inspect
import io
import sys
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.peers.site import Served

HOST: Final = "www.example.org"
FIELDS: Final = {
    "host": HOST,
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0 Safari/537.36",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-GB,en;q=0.9,de;q=0.8",
}
"""The fields of each request, in process and over HTTP."""

PATIENCE: Final = 10.0
"""Seconds in which a view has to be called."""


def asgi_scope(path: str, method: str = "GET") -> dict[str, Any]:
    """Return the scope of a request."""
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in FIELDS.items()], "state": {},
        "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 40000),
    }  # fmt: skip


async def receive() -> dict[str, Any]:
    """Give the one message of a request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: dict[str, Any]) -> None:
    """Take what a server would write out."""


class Driver(ABC):
    """Asks a site, one request after the other."""

    def __init__(self, served: Served) -> None:
        self._app = served.app
        self._take_back = served.take_back

    @abstractmethod
    def ask_all(self, paths: Iterable[str]) -> None:
        """Ask for each of these pages, and throw the answers away."""

    @abstractmethod
    def ask(self, path: str) -> bytes:
        """Return the body of a page."""

    @abstractmethod
    def take_back(self, paths: Sequence[str]) -> float:
        """Take pages back, and return the seconds that it took."""

    @abstractmethod
    def take_back_meanwhile(self, path: str, began: threading.Event, change: Callable[[], None]) -> None:
        """Ask for a page; while it is being made, change its data and take it back."""


class ASGIDriver(Driver):
    """Asks on an event loop of its own."""

    def __init__(self, served: Served) -> None:
        super().__init__(served)
        self._loop = asyncio.new_event_loop()

    def ask_all(self, paths: Iterable[str]) -> None:
        """Ask for each of these pages, and throw the answers away."""

        async def each() -> None:
            for path in paths:
                await self._app(asgi_scope(path), receive, send)

        self._loop.run_until_complete(each())

    def ask(self, path: str) -> bytes:
        """Return the body of a page."""
        return self._loop.run_until_complete(self._body(path))

    def take_back(self, paths: Sequence[str]) -> float:
        """Take pages back, and return the seconds that it took."""
        return self._loop.run_until_complete(self._taken_back(paths))

    def take_back_meanwhile(self, path: str, began: threading.Event, change: Callable[[], None]) -> None:
        """Ask for a page; while it is being made, change its data and take it back."""

        async def meet() -> None:
            first = asyncio.ensure_future(self._body(path))
            await asyncio.to_thread(began.wait, PATIENCE)
            change()
            await self._taken_back([path])
            await first

        self._loop.run_until_complete(meet())

    async def _taken_back(self, paths: Sequence[str]) -> float:
        start = time.perf_counter()
        done = self._take_back(paths)
        if inspect.isawaitable(done):
            await done
        return time.perf_counter() - start

    async def _body(self, path: str) -> bytes:
        messages: list[dict[str, Any]] = []

        async def keep(message: dict[str, Any]) -> None:
            messages.append(message)

        await self._app(asgi_scope(path), receive, keep)
        return b"".join(message.get("body", b"") for message in messages)


class WSGIDriver(Driver):
    """Asks in this thread."""

    def ask_all(self, paths: Iterable[str]) -> None:
        """Ask for each of these pages, and throw the answers away."""
        for path in paths:
            self.ask(path)

    def ask(self, path: str) -> bytes:
        """Return the body of a page."""
        chunks = self._app(_environ(path), lambda *_: lambda _: None)
        body = b"".join(chunks)
        if close := getattr(chunks, "close", None):
            close()
        return body

    def take_back(self, paths: Sequence[str]) -> float:
        """Take pages back, and return the seconds that it took."""
        start = time.perf_counter()
        self._take_back(paths)
        return time.perf_counter() - start

    def take_back_meanwhile(self, path: str, began: threading.Event, change: Callable[[], None]) -> None:
        """Ask for a page; while it is being made, change its data and take it back."""
        first = threading.Thread(target=self.ask, args=[path])
        first.start()
        began.wait(PATIENCE)
        change()
        self.take_back([path])
        first.join()


def driver(served: Served) -> Driver:
    """Return what asks this site."""
    return ASGIDriver(served) if served.is_asgi else WSGIDriver(served)


def _environ(path: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "RAW_URI": path,
        "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr, "wsgi.multithread": True,
        "wsgi.multiprocess": False, "wsgi.run_once": False,
        **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in FIELDS.items()},
    }  # fmt: skip
