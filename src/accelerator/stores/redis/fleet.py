"""What an invalidation waits for: the near stores that follow a Redis server, in whatever process they are.

A near store answers only under a lease of its follower, which heartbeats renew. So an invalidation holds everywhere
once each follower has acknowledged it, or once its lease has run out for certain, by the clock of who waits: no clock
of another machine, and none of the server, decides.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import msgpack

from accelerator.stores.redis import server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LEASE_SECONDS: Final = 2.0
"""Seconds for which a near store may answer after a heartbeat. All processes agree on it: a change takes new keys."""

clock: Final = server.clock
"""Returns the time in seconds, see there.

It is asked each time: what an event loop says may be from before a pause of the process.
"""


def shown(follower: bytes) -> str:
    """Return the name of a follower as text for logs and events, whatever stands on the server in its place."""
    return repr(follower)[2:-1]


class Message(NamedTuple):
    """An invalidation, as followers are told of it.

    Attributes:
        incarnation: the name of the order of messages.
        sequence: its number in it; there is none between two that follow each other.
        soft: whether it was soft.
        tags: what was invalidated.
        origin: who acknowledgements are for.
    """

    incarnation: bytes
    sequence: int
    soft: bool
    tags: tuple[str, ...]
    origin: bytes


class Announced(NamedTuple):
    """An invalidation that the server has, and who follows.

    Attributes:
        incarnation: the name of the order of messages.
        sequence: its number in it.
        settled: whether no lease of an incarnation before can be good.
        followers: the followers, and the number of the last heartbeat of each.
        since: the value of `clock` when the answer was there.
    """

    incarnation: bytes
    sequence: int
    settled: bool
    followers: Mapping[bytes, bytes]
    since: float


class Acknowledgement(NamedTuple):
    """A follower has applied all messages of an incarnation up to a number."""

    follower: bytes
    incarnation: bytes
    applied: int


def read_message(payload: bytes) -> Message:
    """Return the message that a script has published."""
    incarnation, sequence, soft, tags, origin = msgpack.unpackb(payload, raw=True)
    return Message(incarnation, sequence, soft, tuple(tag.decode() for tag in tags), origin)


def read_announced(reply: list[bytes | int]) -> Announced:
    """Return what INVALIDATE or ANNOUNCE has answered just now."""
    since = clock()
    incarnation, sequence, settled, *listed = reply
    followers = dict(zip(listed[::2], listed[1::2], strict=True))
    return Announced(incarnation, sequence, bool(settled), followers, since)  # type: ignore[arg-type]  # as the script says


def pack_acknowledgement(said: Acknowledgement) -> bytes:
    """Return the bytes of an acknowledgement."""
    packed: bytes = msgpack.packb(tuple(said))
    return packed


class Heard:
    """The acknowledgements that came since a call began, and who waits for them on its event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._came = asyncio.Event()
        self._applied: dict[tuple[bytes, bytes], int] = {}
        self._announced: Announced | None = None  # what is waited for, and then who has said so when, and who has not
        self._said: dict[bytes, float | None] = {}
        self._lacking: set[bytes] = set()

    def note(self, said: Acknowledgement) -> None:
        """Note an acknowledgement, from any thread. They are cumulative: the highest one counts.

        Who waits is woken by the last one alone, and not once by each of a large fleet.
        """
        place = said.follower, said.incarnation
        self._applied[place] = max(said.applied, self._applied.get(place, 0))
        if self._announced is not None and self._is_last(said.follower, self._announced):
            with suppress(RuntimeError):  # the loop was closed meanwhile, so nobody waits
                self._loop.call_soon_threadsafe(self._came.set)

    async def wait(self, announced: Announced) -> dict[bytes, float | None]:
        """Return when an invalidation holds in all near stores.

        Returns:
            Each follower with the seconds until it had said so, or None if it has not in time.
        """
        self._said = dict.fromkeys(announced.followers)
        self._lacking = set(announced.followers)
        self._announced = announced  # from now on `note` sees to it as well, and each step of both may be done twice
        for follower in announced.followers:
            self._is_last(follower, announced)
        while (left := LEASE_SECONDS - (clock() - announced.since)) > 0 and (self._lacking or not announced.settled):
            if self._lacking:
                with suppress(TimeoutError):  # the clock of the loop may go before the other one, which decides
                    await asyncio.wait_for(self._came.wait(), left)
            else:
                await asyncio.sleep(left)
        return self._said

    def _is_last(self, follower: bytes, announced: Announced) -> bool:
        """Note when a follower has said what is waited for, if it has. Return whether all have."""
        if follower in self._lacking and self._applied.get((follower, announced.incarnation), 0) >= announced.sequence:
            self._said[follower] = clock() - announced.since
            self._lacking.discard(follower)
        return not self._lacking


class Acknowledgements:
    """Hands acknowledgements to all who wait in this process. Any thread may use it."""

    def __init__(self) -> None:
        self._waiting: set[Heard] = set()  # without a lock, which a fork may leave held: each use is one step of C

    @contextmanager
    def heard(self) -> Iterator[Heard]:
        """Collect what comes, from before an invalidation is announced."""
        heard = Heard()
        self._waiting.add(heard)
        try:
            yield heard
        finally:
            self._waiting.discard(heard)

    def take(self, said: Acknowledgement) -> None:
        """Take an acknowledgement from the server."""
        for heard in list(self._waiting):
            heard.note(said)
