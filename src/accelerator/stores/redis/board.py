"""The figures of processes in Redis: a hash with a note of each, which is some seconds old."""

from __future__ import annotations

import secrets
import struct
import time
from typing import TYPE_CHECKING, Any, Final

from accelerator.figures.board import Board, Note
from accelerator.stores.redis.server import FAILURES

if TYPE_CHECKING:
    from accelerator.stores.redis.keys import Keys
    from accelerator.stores.redis.links import Links

KEPT_SECONDS: Final = 24 * 3600
"""Seconds for which the figures are kept after the last process has written its own."""

SILENT_SECONDS: Final = 900.0
"""A process that has written nothing for so long has ended: one that was merely stopped would be counted twice."""

CLAIM_SECONDS: Final = 60
"""Seconds that a process has to add the figures of one that has ended to its own."""

_WRITTEN: Final = struct.Struct(">d")


class RedisBoard(Board):
    """Notes in a hash, each with the time of this machine's clock at which it was written.

    Args:
        keys: the keys of the store.
        links: its connections.
    """

    suspends = True
    seconds = 5.0

    def __init__(self, keys: Keys, links: Links) -> None:
        self._key = keys.figures
        self._links = links
        self.name = secrets.token_hex(8)

    async def publish(self, text: str) -> None:
        """Write the note, and let the hash live for a day.

        Raises:
            RedisError, OSError: the server is unreachable or slow, or answers with an error. The message has the
                server's words and no password.
        """
        note = _WRITTEN.pack(time.time()) + text.encode()
        await self._send(self._key, b"HSET", self._key, self.name.encode(), note)
        await self._send(self._key, b"EXPIRE", self._key, b"%d" % KEPT_SECONDS)

    async def read(self) -> dict[str, Note]:
        """Return the notes of all processes.

        Raises:
            RedisError, OSError: see `publish`.
        """
        found = await self._send(self._key, b"HGETALL", self._key)
        pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
        now = time.time()
        return {
            name.decode(errors="replace"): Note(
                note[_WRITTEN.size :].decode(errors="replace"), now - _WRITTEN.unpack_from(note)[0] < SILENT_SECONDS
            )
            for name, note in pairs
            if len(note) > _WRITTEN.size
        }

    async def claim(self, name: str) -> bool:
        """Take the note of a process that has ended, if no other process has a moment ago."""
        claim = b"%s:%s" % (self._key, name.encode())
        answer = await self._send(claim, b"SET", claim, b"", b"NX", b"EX", b"%d" % CLAIM_SECONDS)
        return answer is not None

    def forget(self) -> None:
        """Take another name."""
        self.name = secrets.token_hex(8)

    async def remove(self, name: str) -> None:
        """Remove the note."""
        await self._send(self._key, b"HDEL", self._key, name.encode())

    async def _send(self, key: bytes, *command: bytes) -> Any:
        try:
            return await self._links.here().send(key, *command)
        except FAILURES as error:
            raise self._links.address.without_secrets(error, self._links.deadline) from None
