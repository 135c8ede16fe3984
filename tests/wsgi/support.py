"""What the WSGI tests share: a server that can be watched step by step, and small applications."""

from __future__ import annotations

import io
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication

Environ: TypeAlias = dict[str, Any]
Headers: TypeAlias = list[tuple[str, str]]
ExcInfo: TypeAlias = Any

PATIENCE = 30
"""Seconds after which a test that hangs gives up."""

TEXT: Headers = [("Content-Type", "text/plain")]


def environ_of(
    url: str = "/", *, method: str = "GET", headers: Iterable[tuple[str, str]] = (), body: bytes = b"", **more: Any
) -> Environ:
    """The environ of a request as gunicorn would make it; `more` are keys, a dot of a key stands as two underscores."""
    path, _, query = url.partition("?")
    environ: Environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": url,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "4711",
        "HTTP_HOST": "example.org",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in headers:
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ | {key.replace("__", "."): value for key, value in more.items()}


@dataclass
class Reply:
    """What a server got of an application, and when: `chunks` holds what was written or iterated."""

    status: str = ""
    headers: Headers = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    starts: int = 0

    @property
    def code(self) -> int:
        return int(self.status[:3])

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def get(self, name: str) -> str | None:
        """The lines of a field, joined; None if there is none."""
        found = [value for line, value in self.headers if line.lower() == name]
        return ", ".join(found) if found else None

    @property
    def is_hit(self) -> bool:
        return "hit" in (self.get("cache-status") or "")


class Exchange:
    """One request at a server that does each step when it is told to."""

    def __init__(self, app: WSGIApplication, environ: Environ, *, breaks_after: int | None = None) -> None:
        self.reply = Reply()
        self.environ = environ
        self._breaks_after = breaks_after
        self.iterable = app(environ, self._start_response)
        self._chunks: Iterator[bytes] = iter(self.iterable)

    def _start_response(self, status: str, headers: Headers, exc_info: ExcInfo = None, /) -> Callable[[bytes], object]:
        if exc_info is None:
            assert not self.reply.status, "start_response was called twice"
        elif self.reply.chunks:
            raise exc_info[1].with_traceback(exc_info[2])
        self.reply.status, self.reply.headers = status, headers
        self.reply.starts += 1
        return self._take

    def _take(self, chunk: bytes) -> None:
        assert self.reply.status, "a body came before start_response"
        assert isinstance(chunk, bytes)
        if self._breaks_after is not None and len(self.reply.chunks) >= self._breaks_after:
            raise BrokenPipeError("the server's own")
        self.reply.chunks.append(chunk)

    def step(self) -> bool:
        """Ask for the next chunk; return whether there was one."""
        for chunk in self._chunks:
            self._take(chunk)
            return True
        return False

    def close(self) -> None:
        if hasattr(self.iterable, "close"):
            self.iterable.close()

    def finish(self) -> Reply:
        try:
            while self.step():
                """Each chunk goes out."""
        finally:
            self.close()
        return self.reply


def ask(app: WSGIApplication, url: str = "/", **request: Any) -> Reply:
    """Send a request as `environ_of` makes it, and return the whole answer."""
    return Exchange(app, environ_of(url, **request)).finish()


class Site:
    """A WSGI application that counts its calls; `handle` makes the response, the last environ stays in `environ`."""

    def __init__(self, handle: Callable[[Environ, StartResponse], Iterable[bytes]]) -> None:
        self.handle = handle
        self.calls = 0
        self.environ: Environ = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.calls += 1
        self.environ = dict(environ)
        return self.handle(environ, start_response)


def site_saying(
    *headers: tuple[str, str], status: str = "200 OK", ttl: float | None = None, tags: object = None
) -> Site:
    """An application that says the same of each response by headers and keys; each body is another one."""

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if ttl is not None:
            environ["accelerator.cache_for"] = ttl
        if tags is not None:
            environ["accelerator.tags"] = tags
        start_response(status, [*TEXT, *headers])
        return [b"answer %d" % site.calls]

    site = Site(handle)
    return site


class Body:
    """A response body that counts how often it was closed, and may fail half way."""

    def __init__(self, *chunks: bytes | BaseException) -> None:
        self._chunks = iter(chunks)
        self.taken = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        assert not self.closed, "it goes on after close()"
        chunk = next(self._chunks)
        if isinstance(chunk, BaseException):
            raise chunk
        self.taken += 1
        return chunk

    def close(self) -> None:
        self.closed += 1


def site_with(
    body: Iterable[bytes], *headers: tuple[str, str], status: str = "200 OK", ttl: float | None = None
) -> Site:
    """An application that answers with this very iterable."""

    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if ttl is not None:
            environ["accelerator.cache_for"] = ttl
        start_response(status, [*TEXT, *headers])
        return body

    return Site(handle)


@contextmanager
def refreshes() -> Iterator[None]:
    """Wait in the end for the threads that were started meanwhile."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()
