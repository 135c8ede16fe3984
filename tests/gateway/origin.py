"""An origin on the loopback interface that shows every byte it gets, and sends exactly the bytes it is told to."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSListener

from accelerator.gateway import Gateway

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.abc import ByteStream

    from accelerator.asgi_types import Message

HEAD_LIMIT = 65536


class Asked:
    """One request: its bytes as they came, and the ends of its connection.

    Attributes:
        head: the request line and the header lines, without the empty line.
        connection: the number of its connection, from 1.
    """

    def __init__(self, head: bytes, connection: int, reader: BufferedByteReceiveStream, stream: ByteStream) -> None:
        self.head = head
        self.connection = connection
        self.reader = reader
        self.send = stream.send

    @property
    def lines(self) -> list[bytes]:
        return self.head.split(b"\r\n")[1:]

    async def read_until_closed(self) -> bytes:
        parts = []
        try:
            while True:
                parts.append(await self.reader.receive())
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return b"".join(parts)


class Origin:
    """Answers each request as `handle` does; an exchange that `handle` ends with False closes the connection."""

    def __init__(self, handle: Callable[[Asked], Awaitable[object]], url: str) -> None:
        self.handle = handle
        self.url = url
        self.asked: list[Asked] = []
        self._connections = 0

    async def serve(self, stream: ByteStream) -> None:
        self._connections += 1
        connection = self._connections
        reader = BufferedByteReceiveStream(stream)
        async with stream:
            while True:
                try:
                    head = await reader.receive_until(b"\r\n\r\n", HEAD_LIMIT)
                except (anyio.IncompleteRead, anyio.BrokenResourceError):
                    return
                self.asked.append(Asked(head, connection, reader, stream))
                if await self.handle(self.asked[-1]) is False:
                    return


def saying(answer: bytes, *, closing: bool = False) -> Callable[[Asked], Awaitable[object]]:
    """Answer every request with these bytes."""

    async def handle(asked: Asked) -> bool:
        await asked.send(answer)
        return not closing

    return handle


@asynccontextmanager
async def serving(
    handle: Callable[[Asked], Awaitable[object]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Origin]:
    """An origin that lives in this loop."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - it is anyio's, not Django's
        if tls is None:
            origin = Origin(handle, f"http://127.0.0.1:{port}")
            tasks.start_soon(listener.serve, origin.serve)
        else:
            origin = Origin(handle, f"https://127.0.0.1:{port}")
            tasks.start_soon(TLSListener(listener, tls, standard_compatible=False).serve, origin.serve)
        yield origin
        await anyio.wait_all_tasks_blocked()  # a connection that is cancelled while it is accepted would stay open
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def gateway_to(origin: str, **options: Any) -> AsyncIterator[Gateway]:
    """A gateway from its start to its end."""
    gateway = Gateway(origin, **options)
    events: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    said: list[str] = []
    started, ended = anyio.Event(), anyio.Event()

    async def receive() -> Message:
        if said:
            await ended.wait()
        return events.pop(0)

    async def send(message: Message) -> None:
        said.append(message["type"])
        started.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gateway, {"type": "lifespan"}, receive, send)
        await started.wait()
        yield gateway
        ended.set()
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
