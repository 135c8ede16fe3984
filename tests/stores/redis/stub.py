"""A server that refuses everything in the same words."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.listening import Listener


class Stub(Listener):
    """Answers each command with `answer`, but lets clients in: HELLO, CLIENT and INFO work. `commands` counts."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer
        self.commands: list[bytes] = []

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}?protocol=2"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greetings = {b"CLIENT": b"+OK", b"INFO": b"$45\r\nrole:master\nrun_id:of a stub\nmaster_replid:none\n"}
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                parts = []
                for _ in range(int((await reader.readuntil(b"\r\n"))[1:])):
                    size = int((await reader.readuntil(b"\r\n"))[1:])
                    parts.append((await reader.readexactly(size + 2))[:-2])
                self.commands.append(parts[0])
                writer.write(greetings.get(parts[0], self.answer) + b"\r\n")
