"""The live list of several workers: each shows what all of them did, which they tell each other through sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import anyio

from accelerator.demo.activity import REMEMBERED, Activity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PAUSE_SECONDS: Final = 0.01
"""Seconds between two attempts to tell a worker that has not yet read what it was told before."""

ATTEMPTS: Final = 10
"""Number of attempts to tell a worker something: one that has stopped misses it."""


class SharedActivity(Activity):
    """Collects what the cache did in every worker.

    Args:
        folder: where each worker has a socket, and nothing else is.
        worker: the number of this one.
    """

    def __init__(self, folder: Path, worker: int) -> None:
        super().__init__(worker)
        self._folder = folder
        self._unsent: asyncio.Queue[dict[str, Any]] = asyncio.Queue(REMEMBERED)

    def add(self, line: dict[str, Any]) -> None:
        """Send a line to all workers, this one included."""
        with suppress(asyncio.QueueFull):
            self._unsent.put_nowait(line)

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Send and receive lines while the context lasts."""
        own = await anyio.create_unix_datagram_socket(local_path=self._folder / str(self.worker))
        async with own, anyio.create_task_group() as tasks:
            tasks.start_soon(self._receive, own)
            tasks.start_soon(self._send)
            yield
            tasks.cancel_scope.cancel()

    async def _receive(self, own: anyio.abc.UNIXDatagramSocket) -> None:
        async for line, _sender in own:
            super().add(json.loads(line))

    async def _send(self) -> None:
        while True:
            line = json.dumps(await self._unsent.get()).encode()
            for worker in self._folder.iterdir():
                await _tell(str(worker), line)


async def _tell(worker: str, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:  # a new one: what is unread counts for its sender
        sender.setblocking(False)
        for _ in range(ATTEMPTS):
            try:
                sender.sendto(line, worker)
            except BlockingIOError:
                await anyio.sleep(PAUSE_SECONDS)
            except OSError:  # it has ended
                return
            else:
                return
