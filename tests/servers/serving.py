"""uvicorn's protocols on real sockets, in the test's own loop; and a client that keeps every byte."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from accelerator import ASGIAccelerator
from accelerator.testing import ManualClock
from tests.listening import stop_listening
from tests.support import chunk, start

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.support import Lines, Receive, Scope, Send

DOOR = "accelerator.servers.uvicorn:AcceleratedProtocol"
PLAIN = "httptools"
SECONDS = 20.0  # in which an answer has to be there
BIG = b"0123456789abcdef" * 65536  # a megabyte
SHARED = ("cache-control", "public, s-maxage=600")
SINCE = ("last-modified", "Wed, 01 Jan 2020 00:00:00 GMT")

PAGES: dict[str, tuple[int, Lines, list[bytes]]] = {
    "/page": (
        200,
        [
            ("content-type", "application/octet-stream"),
            ("Link", "</a>; rel=preload"),
            ("x-name", b"caf\xe9\t\xff"),
            ("x-empty", ""),
            ("Content-Length", "256"),
            ("link", "</b>; rel=preload"),
            ("vary", "x-variant"),
            SINCE,
        ],
        [bytes(range(256))],
    ),
    "/stream": (200, [("content-type", "text/plain")], [b"first", b"second" * 1000]),
    "/nothing": (200, [], [b""]),
    "/no-content": (204, [], [b""]),
    "/moved": (301, [("location", "/page")], [b""]),
    "/unheard-of": (250, [("content-length", "2")], [b"ok"]),
    "/missing": (404, [], [b"missing"]),
    "/of-its-connection": (200, [("connection", "close"), ("content-length", "2")], [b"ok"]),
    "/café": (200, [("content-length", "4")], [b"here"]),
    "/big": (200, [("content-length", str(len(BIG)))], [BIG]),
    "/refused": (200, [("x-split", "one\r\ntwo: 2")], [b"ok"]),
}


class Site:
    """An application of these pages, and of one that ends once its gate is opened."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.is_waited_for = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
            return
        self.calls.append(f"{scope['method']} {scope['path']}")
        if scope["path"] == "/slow":
            self.is_waited_for.set()
            await self.gate.wait()
            await send(start())
            await send(chunk(b"slow"))
            return
        await receive()
        status, lines, parts = PAGES.get(scope["path"].removeprefix("/mount"), PAGES["/missing"])
        await send(start(SHARED, *lines, status=status))
        for part in [] if scope["method"] == "HEAD" else parts[:-1]:
            await send(chunk(part, more=True))
        await send(chunk(b"" if scope["method"] == "HEAD" else parts[-1]))


class Served:
    """A server that listens, with the accelerator that it serves and the site behind it."""

    def __init__(self, site: Any, cached: Any, config: uvicorn.Config) -> None:
        config.load()
        self.site, self.cached, self.config = site, cached, config
        self.port = 0
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"Sun, 29 Nov 2026 18:17:55 GMT"), *config.encoded_headers]
        self.protocols: list[Any] = []

    def protocol(self) -> Any:
        made: Any = self.config.http_protocol_class
        self.protocols.append(made(config=self.config, server_state=self.state, app_state={}))
        return self.protocols[-1]


@asynccontextmanager
async def serving(http: Any = DOOR, *, app: Any = None, **options: Any) -> AsyncIterator[Served]:
    """Serve a site of its own, or an application, by the protocol of that name."""
    site = Site()
    cached = ASGIAccelerator(site, clock=ManualClock(1_000_000_000)) if app is None else app
    config = uvicorn.Config(cached, http=http, log_config=None, ws="wsproto", **options)
    served = Served(site, cached, config)
    listening = await asyncio.get_running_loop().create_server(served.protocol, "127.0.0.1", 0, ssl=config.ssl)
    served.port = listening.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        site.gate.set()
        await stop_listening(listening)
        for protocol in served.protocols:
            if protocol.transport is not None:
                with suppress(AttributeError):  # of one that is closed, which it does not look at up to Python 3.11
                    protocol.transport.abort()
        while served.state.tasks:
            await asyncio.wait(served.state.tasks)
        await listening.wait_closed()


def request(target: str, *lines: str, method: str = "GET", version: str = "1.1", body: bytes = b"") -> bytes:
    """A request as it is written."""
    head = "\r\n".join(
        [f"{method} {target} HTTP/{version}", "Host: example.org", "Accept-Encoding: gzip", *lines, "", ""]
    )
    return head.encode("latin-1") + body


class Peer:
    """A client on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.transport: Any = writer.transport

    def stop_reading(self) -> None:
        self.transport.pause_reading()

    def go_on_reading(self) -> None:
        self.transport.resume_reading()

    def send(self, written: bytes) -> None:
        self.writer.write(written)

    async def answer(self, method: str = "GET") -> bytes:
        """The bytes of one answer, and of nothing after it."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        parser.send(h11.EndOfMessage())
        received = b""
        while not isinstance(event := parser.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            if event is h11.NEED_DATA:
                data = await asyncio.wait_for(self.reader.read(65536), SECONDS)
                received += data
                parser.receive_data(data)
        assert parser.trailing_data[0] == b""
        return received

    async def ask(self, target: str, *lines: str, method: str = "GET") -> bytes:
        self.send(request(target, *lines, method=method))
        return await self.answer(method)

    async def until(self, end: bytes) -> bytes:
        """All that comes until this has come."""
        return await asyncio.wait_for(self.reader.readuntil(end), SECONDS)

    async def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        return await asyncio.wait_for(self.reader.read(-1), SECONDS)


@asynccontextmanager
async def connected(port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


async def become(is_so: Callable[[], object]) -> None:
    """Return when this is so; what it is about tells nobody."""
    async with asyncio.timeout(SECONDS):
        while not is_so():  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0)


async def make_ready(served: Served, *targets: str, lines: tuple[str, ...] = ()) -> None:
    """Store pages, and look each up, so that a request for it is a plain hit."""
    for target in [*targets, *targets]:
        async with connected(served.port) as peer:
            await peer.ask(target, *lines)


@contextmanager
def cycles_begun() -> Iterator[list[object]]:
    """The tasks in which uvicorn calls the application, as they begin."""
    loop = asyncio.get_running_loop()
    begun: list[object] = []

    def make_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
        if coroutine.__qualname__ == RequestResponseCycle.run_asgi.__qualname__:
            begun.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **more)

    before = loop.get_task_factory()
    loop.set_task_factory(make_task)
    try:
        yield begun
    finally:
        loop.set_task_factory(before)
