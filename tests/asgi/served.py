"""The site that the tests of real servers ask: each page with the cache, and without it where `x-bare` is sent."""

from __future__ import annotations

from collections import Counter, defaultdict

import anyio
from starlette.responses import FileResponse

from accelerator import ASGIAccelerator
from tests.support import Receive, Scope, Send, chunk, start

SHARED = ("cache-control", "s-maxage=600")
EVERY_BYTE = bytes(range(256))
PARTIAL_PAGE_FIELDS = 64
PART = b"x" * 65536

made: Counter[tuple[str, bytes]] = Counter()
gates: defaultdict[bytes, anyio.Event] = defaultdict(anyio.Event)


async def page(send: Send, number: int, query: bytes) -> None:
    """Bytes and header lines of every kind, in one piece."""
    lines: list[tuple[str | bytes, str | bytes]] = [
        ("content-type", "application/octet-stream"),
        ("link", "</a>; rel=preload"),
        ("x-number", str(number)),
        ("link", "</b>; rel=preload"),
        ("x-name", b"caf\xe9"),
        ("x-empty", ""),
        ("content-length", "256"),
        ("vary", "x-variant"),
        SHARED,
    ]
    await send(start(*lines))
    await send(chunk(EVERY_BYTE))


async def stream(send: Send, number: int, query: bytes) -> None:
    """Many chunks of no announced length."""
    await send(start(SHARED, ("x-number", str(number))))
    for part in range(100):
        await send(chunk(b"%04d" % part * 100, more=True))
    await send(chunk())


async def empty(send: Send, number: int, query: bytes) -> None:
    """A response without a body."""
    await send(start(SHARED, ("x-number", str(number)), status=204))
    await send(chunk())


async def moved(send: Send, number: int, query: bytes) -> None:
    """A redirect, with a status that not every server has words for."""
    await send(start(SHARED, ("location", "/page"), ("x-number", str(number)), status=int(query)))
    await send(chunk())


async def slow(send: Send, number: int, query: bytes) -> None:
    """A stream that goes on once its gate is opened."""
    await send(start(SHARED, ("x-number", str(number))))
    await send(chunk(b"first", more=True))
    await gates[query].wait()
    for _ in range(PARTIAL_PAGE_FIELDS):
        await send(chunk(PART, more=True))
    await send(chunk(b"last"))


async def asked(receive: Receive, send: Send, number: int, query: bytes) -> None:
    """A page of an application that reads its request, as many do, whatever the method."""
    message = await receive()
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
    await send(start(SHARED, ("x-number", str(number))))
    await send(chunk(b"asked"))


async def file(scope: Scope, receive: Receive, send: Send) -> None:
    """This very file, sent by the server itself where it can (http.response.pathsend)."""
    await FileResponse(__file__, headers={"etag": '"v1"'})(scope, receive, send)


async def opened(send: Send, number: int, query: bytes) -> None:
    """Opens the gate of a slow stream."""
    gates[query].set()
    await send(start(status=204))
    await send(chunk())


PAGES = {"/page": page, "/stream": stream, "/empty": empty, "/moved": moved, "/slow": slow, "/open": opened}


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    """The application behind the cache."""
    made[scope["path"], scope["query_string"]] += 1
    number = made[scope["path"], scope["query_string"]]
    if scope["path"] == "/asked":
        await asked(receive, send, number, scope["query_string"])
    elif scope["path"] == "/file":
        await file(scope, receive, send)
    else:
        await PAGES[scope["path"]](send, number, scope["query_string"])


cached = ASGIAccelerator(site)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """What the servers serve."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await (site if b"x-bare" in dict(scope["headers"]) else cached)(scope, receive, send)


async def lifespan(receive: Receive, send: Send) -> None:
    """Say yes to what a server asks at its start and at its end."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
