"""A relay between clients and a server, which tests stop, turn to another server, or let encrypt."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.listening import Listener

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


class Relay(Listener):
    """Passes bytes on to a unix socket and back.

    While `silent`, it takes what comes and passes on nothing: what a client sees of a server that has vanished from the
    network. `delay` is the number of seconds for which it holds what comes.
    """

    def __init__(self, target: Path, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context)
        self.target = target
        self.silent = False
        self.delay = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self.target)
        except OSError:
            return
        self.begin(far_writer, self._pass_on(reader, far_writer))
        await self._pass_on(far_reader, writer)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if not self.silent:
                    sink.write(self.passed_on(chunk))
                    await sink.drain()

    def passed_on(self, chunk: bytes) -> bytes:
        """What is passed on of what came."""
        return chunk
