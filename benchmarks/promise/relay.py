"""A relay to Redis that is a bad network: what it passes on is late, and messages come twice or not at all."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from pathlib import Path

MESSAGES: Final = tuple(kind + b"3\r\n$7\r\nmessage\r\n" for kind in (b"*", b">"))
"""How a message that was published begins, in either version of the protocol."""

SCRIPT: Final = b"\r\nEVALSHA\r\n"
"""How a command that changes something is known."""

LATE: Final = 0.05
"""Chance that something is held for up to MOMENT seconds."""

LATE_SCRIPT: Final = 0.5
"""The same for a script: what is read from Redis just before it is what a near store may wrongly keep."""

MOMENT: Final = 0.3

VERY_LATE: Final = 0.01
"""Chance that a message, and all behind it, is held for longer than a lease."""

LONG: Final = 2.5
"""Seconds for which that is held."""

TWICE: Final = 0.2
"""Chance that a message is passed on twice at once, and that it comes again after the next one."""

LOST: Final = 0.003
"""Chance that a message is not passed on, as of a connection that is half open."""


class Relay:
    """Listens on a unix socket, and connects to another one for each connection.

    Args:
        socket: where it listens.
        target: the other one.
        chance: what decides.

    Attributes:
        counts: how often something was `late`, and a message was `very late`, `repeated` or `lost`.
    """

    def __init__(self, socket: Path, target: Path, chance: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._socket = socket
        self._target = target
        self._chance = chance
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen from now on."""
        self._server = await asyncio.start_unix_server(self._accept, self._socket)

    async def stop(self) -> None:
        """Listen no more, and let go of all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes what was aborted in its next round

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_unix_connection(self._target)
            try:
                async with asyncio.TaskGroup() as ways:  # the end of one is that of both
                    ways.create_task(self._ask(reader, to_server))
                    ways.create_task(self._answer(from_server, writer))
            finally:
                to_server.transport.abort()
        except* (OSError, EOFError):  # IncompleteReadError is one as well
            pass
        finally:
            writer.transport.abort()

    async def _ask(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65536):
            await self._hold(LATE_SCRIPT if SCRIPT in chunk else LATE)
            sink.write(chunk)
            await sink.drain()
        raise EOFError

    async def _answer(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        again: list[bytes] = []
        while True:
            reply = await _reply(source)
            is_message = reply.startswith(MESSAGES)
            await self._hold(LATE, is_message)
            copies = self._copies(reply) if is_message else [reply]
            sink.write(b"".join([*copies, *again]))
            again = [reply] if is_message and copies and self._happens(TWICE, "repeated") else []
            await sink.drain()

    def _copies(self, message: bytes) -> list[bytes]:
        if self._happens(LOST, "lost"):
            return []
        return [message] * (2 if self._happens(TWICE, "repeated") else 1)

    async def _hold(self, late: float, is_message: bool = False) -> None:
        if is_message and self._happens(VERY_LATE, "very late"):
            await asyncio.sleep(LONG)
        elif self._happens(late, "late"):
            await asyncio.sleep(self._chance.random() ** 2 * MOMENT)

    def _happens(self, probability: float, what: str) -> bool:
        happens = self._chance.random() < probability
        self.counts[what] += happens
        return happens


async def _reply(source: asyncio.StreamReader) -> bytes:
    """Read one reply of the server, whole: see the protocol specification of Redis, RESP."""
    head = await source.readuntil(b"\r\n")
    kind, said = head[:1], head[1:-2]
    if kind in b"$=!" and said != b"-1":
        return head + await source.readexactly(int(said) + 2)
    if kind in b"*>~%|":
        parts = int(said) * (2 if kind in b"%|" else 1)
        return head + b"".join([await _reply(source) for _ in range(parts)])
    return head
