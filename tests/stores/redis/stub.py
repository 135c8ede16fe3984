"""A server that refuses everything in the same words."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class Stub:
    """Answers each command with `answer`, but lets clients in: HELLO, CLIENT and INFO work. `commands` counts."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.commands: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}?protocol=2"

    async def __aenter__(self) -> Stub:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        greetings = {b"CLIENT": b"+OK", b"INFO": b"$45\r\nrole:master\nrun_id:of a stub\nmaster_replid:none\n"}
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                parts = []
                for _ in range(int((await reader.readuntil(b"\r\n"))[1:])):
                    size = int((await reader.readuntil(b"\r\n"))[1:])
                    parts.append((await reader.readexactly(size + 2))[:-2])
                self.commands.append(parts[0])
                writer.write(greetings.get(parts[0], self.answer) + b"\r\n")
        writer.close()
