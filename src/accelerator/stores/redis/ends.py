"""The ends of leases that other processes tell this one, and who waits for them here."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_HEARD: Final = 1000
"""Number of ends that are remembered. One may be told before the answer that says whose end it is to be waited for."""


class Awaited:
    """The end of a lease, for which a task of the running event loop waits.

    Args:
        token: the lease.

    Attributes:
        token: the same.
    """

    def __init__(self, token: bytes) -> None:
        self.token = token
        self._loop = asyncio.get_running_loop()
        self._came = asyncio.Event()

    def note(self) -> None:
        """Note that it has come, from any thread."""
        with suppress(RuntimeError):  # the loop was closed meanwhile, so nobody waits
            self._loop.call_soon_threadsafe(self._came.set)

    async def comes_within(self, seconds: float) -> bool:
        """Wait for it, for so long at most. Return whether it has come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._came.wait()
        return self._came.is_set()


class Ends:
    """Hands the ends of leases to those who wait for them in this process. Any thread may use it."""

    def __init__(self) -> None:
        # without a lock, which a fork may leave held: each use is one step of C, and one thread alone is told of ends
        self._heard: dict[bytes, None] = {}
        self._awaited: set[Awaited] = set()

    @contextmanager
    def awaited(self, token: bytes) -> Iterator[Awaited]:
        """Wait for the end of a lease, which may have come already."""
        end = Awaited(token)
        self._awaited.add(end)
        try:
            if token in self._heard:
                end.note()
            yield end
        finally:
            self._awaited.discard(end)

    def take(self, token: bytes) -> None:
        """Take from the server that a lease has ended."""
        self._heard[token] = None
        if len(self._heard) > MAX_HEARD:
            del self._heard[next(iter(self._heard))]
        for end in list(self._awaited):
            if end.token == token:
                end.note()
