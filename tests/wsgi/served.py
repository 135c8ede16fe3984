"""The site that the tests of real servers ask: each page with the cache, and without it where `X-Bare` is sent."""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import TYPE_CHECKING

from accelerator.wsgi import WSGIAccelerator
from tests.wsgi.stores import WaitingStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse

    from tests.wsgi.support import Environ

SHARED = ("Cache-Control", "s-maxage=600")
EVERY_BYTE = bytes(range(256))
PART = b"x" * 65536
PARTIAL_PAGE_FIELDS = 200

asked: Counter[str] = Counter()
closed: Counter[str] = Counter()


class BrokenSiteError(Exception):
    """What one of the pages raises."""


class Closing:
    """A body that counts how often it was closed."""

    def __init__(self, name: str, chunks: Iterable[bytes]) -> None:
        self._name = name
        self._chunks = iter(chunks)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        closed[self._name] += 1


def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Make the page that the path names."""
    page = environ["PATH_INFO"].split("/")[1]
    if page in {"report", "invalidate", "echo", "method"}:
        return speak(page, environ, start_response)
    asked[environ["PATH_INFO"]] += 1
    return make(page, environ, start_response)


def make(page: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    number = ("X-Number", str(asked[environ["PATH_INFO"]]))
    lines = [
        ("Content-Type", "application/octet-stream"),
        ("X-Name", "caf\xe9"),
        ("Link", "<a>"),
        ("Link", "<b>"),
        number,
    ]
    match page:
        case "whole":
            start_response("200 Quite Fine", [*lines, ("Content-Length", "256"), SHARED])
            return [EVERY_BYTE]
        case "stream":
            start_response("200 OK", [*lines, SHARED])
            return Closing("stream", (b"%04d" % part * 100 for part in range(50)))
        case "written":
            write = start_response("200 OK", [*lines, SHARED])
            write(b"one ")
            write(b"two ")
            return [b"three"]
        case "empty":
            start_response("204 No Content", [number, SHARED])
            return []
        case "moved":
            start_response("302 Found", [number, SHARED, ("Location", "/whole")])
            return [b""]
        case "question":
            start_response("200 OK", [number, SHARED])
            return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]
        case "long":
            start_response("200 OK", [number])
            return Closing("long", (PART for _ in range(PARTIAL_PAGE_FIELDS)))
        case "broken":
            raise BrokenSiteError(environ["PATH_INFO"])
        case _:
            environ["accelerator.cache_for"] = 600
            environ["accelerator.tags"] = ["tagged"]
            start_response("200 OK", [("Content-Type", "text/plain"), number])
            return [environ["PATH_INFO"].encode("latin-1")]


def speak(page: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tell what the site knows of itself, take back, or say what was sent."""
    body = b""
    match page:
        case "report":
            threads = [thread.name for thread in threading.enumerate() if thread.name == "accelerator loop"]
            body = f"{os.getpid()} {threading.active_count()} {len(threads)} {dict(closed)}".encode()
        case "invalidate":
            cached.invalidate_tag(["tagged"])
        case "echo":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])])
    return [body]


cached = WSGIAccelerator(handle, cacheable_posts=("/question/*",))


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """What the servers serve."""
    return (handle if "HTTP_X_BARE" in environ else cached)(environ, start_response)


waiting = WSGIAccelerator(handle, WaitingStore())
