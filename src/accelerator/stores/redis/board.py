"""The figures of processes in Redis: a hash with a note of each, which is some seconds old."""

from __future__ import annotations

import secrets
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from accelerator.figures.board import MAX_BYTES, Board, Note
from accelerator.stores.redis.server import FAILURES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from accelerator.stores.redis.keys import Keys
    from accelerator.stores.redis.link import Connections
    from accelerator.stores.redis.links import Links

KEPT_SECONDS: Final = 24 * 3600
"""Seconds for which the figures are kept after the last process has written its own."""

SILENT_SECONDS: Final = 900.0
"""A process that has written nothing for so long has ended. One that is alive writes every minute."""

CLAIM_SECONDS: Final = 60
"""Seconds that a process has to add the figures of one that has ended to its own."""

_WRITTEN: Final = struct.Struct(">d")


class RedisBoard(Board):
    """Notes in a hash, each with the time of the server at which it was written.

    A method raises RedisError or OSError where the server is unreachable or slow, or answers with an error. The message
    has the server's words and no password.

    Each use has connections of its own: those of requests belong to their loops, and may be a client's.

    Args:
        keys: the keys of the store.
        links: its connections.
    """

    suspends = True
    seconds = 5.0

    def __init__(self, keys: Keys, links: Links) -> None:
        self._key = keys.figures
        self._links = links
        self.begin()

    def begin(self) -> None:
        """Take a name for this process."""
        self.name = secrets.token_hex(8)

    async def publish(self, text: str) -> None:
        """Write the note, and let the hash live for a day."""
        async with self._connections() as connections:
            note = _WRITTEN.pack(await self._time(connections)) + text.encode()
            await connections.send(self._key, b"HSET", self._key, self.name.encode(), note)
            await connections.send(self._key, b"EXPIRE", self._key, b"%d" % KEPT_SECONDS)

    async def read(self) -> dict[str, Note]:
        """Return the notes of all processes."""
        async with self._connections() as connections:
            now = await self._time(connections)
            found = await connections.send(self._key, b"HGETALL", self._key)
        pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
        return {name.decode(errors="replace"): _note_in(value, now) for name, value in pairs}

    async def claim(self, name: str) -> bool:
        """Take the note of a process that has ended, if no other process has a moment ago."""
        claim = self._claim(name)
        async with self._connections() as connections:
            command = (b"SET", claim, self.name.encode(), b"NX", b"EX", b"%d" % CLAIM_SECONDS)
            return await connections.send(claim, *command) is not None

    async def release(self, name: str) -> None:
        """Leave the note to others."""
        claim = self._claim(name)
        async with self._connections() as connections:
            await connections.send(claim, b"DEL", claim)

    async def remove(self, name: str) -> None:
        """Remove the note."""
        async with self._connections() as connections:
            await connections.send(self._key, b"HDEL", self._key, name.encode())

    def _claim(self, name: str) -> bytes:
        return b"%s:%s" % (self._key, name.encode())

    async def _time(self, connections: Connections) -> float:
        """Return the time of the server: that of machines may differ."""
        seconds, microseconds = await connections.send(self._key, b"TIME")
        return int(seconds) + int(microseconds) / 1e6

    @asynccontextmanager
    async def _connections(self) -> AsyncIterator[Connections]:
        connections = self._links.own()
        try:
            yield connections
        except FAILURES as error:
            raise self._links.address.without_secrets(error, self._links.deadline) from None
        finally:
            await connections.close()


def _note_in(value: bytes, now: float) -> Note:
    if not _WRITTEN.size <= len(value) <= MAX_BYTES:
        return Note("", is_alive=False)
    (written,) = _WRITTEN.unpack_from(value)
    return Note(value[_WRITTEN.size :].decode(errors="replace"), now - written < SILENT_SECONDS)
