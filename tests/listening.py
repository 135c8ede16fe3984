"""Servers that live in the loop of a test, and leave no connection open when they end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine
    from types import TracebackType
    from typing import Self


class Listener(ABC):
    """Listens on a port of its own on the loopback interface, from the beginning of the context to its end.

    It has `accepted` so many connections.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.accepted = 0
        self.port = 0
        self._context = context
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what is to be done with a connection, which is closed when this ends."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        await stop_listening(self._server)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()  # what nobody reads any more is not waited for

    def cut(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()

    def begin(self, writer: asyncio.StreamWriter, work: Coroutine[None, None, None]) -> None:
        """Begin to use a connection, which is closed when that is over."""
        self._writers.add(writer)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.close())

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.begin(writer, self.serve(reader, writer))


async def stop_listening(server: asyncio.Server) -> None:
    """Let a server take no more connections. Those which it has taken are connected when this returns.

    To close it at once would lose a connection that is taken, but has no transport yet.
    """
    for listening in server.sockets:
        asyncio.get_running_loop().remove_reader(listening.fileno())
    for _ in range(2):  # the transport is made in one round of the loop, and the protocol is told in the next one
        await asyncio.sleep(0)
    server.close()
