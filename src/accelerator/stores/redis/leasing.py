"""The leases of one process on a Redis server: how it takes them, keeps them alive, and waits for those of others.

The server's expiry of keys is the deadline of a lease, and nobody's clock is compared with another one's. What follows
after a lease was taken is done on the loop that this process keeps in a thread, by connections of its own: an event
loop that an application blocks keeps its leases, and one that is closed gives them back.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.forks import lock_over_forks
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.protocol import Lease, TakenLease
from accelerator.stores.redis.link import random_incarnation
from accelerator.stores.redis.scripts import END_LEASE, RENEW_LEASE, TAKE_LEASE, WATCH_LEASE
from accelerator.stores.redis.server import FAILURES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future

    from accelerator.stores.redis.keys import Keys
    from accelerator.stores.redis.link import Connections
    from accelerator.stores.redis.links import Links
    from accelerator.stores.redis.mailbox import Mailbox
    from accelerator.stores.redis.scripts import Script

LEASE_SECONDS: Final = 3.0
"""Seconds after which a lease runs out that was not renewed: so long others wait for a process that died."""

RENEWAL_SECONDS: Final = 0.75
"""Seconds between two renewals of the leases of a process."""

RENEWED_SECONDS: Final = 60.0
"""Seconds for which a lease is renewed. A fill that takes longer may hang, and nobody waits so long."""

MAX_UNSTORABLE_SECONDS: Final = 24 * 3600.0
"""Seconds for which nobody is to wait for what was not storable, at most."""

MAX_WATCHERS: Final = 64
"""Number of processes that are told of the end of a lease. Those past that look for it more often."""

LOOK_SECONDS: Final = 1.0
"""Seconds after which who is told of the end of a lease looks for it all the same: a message may be lost."""

FIRST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 0.25
"""Who is not told looks after so many seconds, each pause twice as long as the last."""


class Held(NamedTuple):
    """A lease of this process.

    Attributes:
        key: its key.
        token: what tells it from all others, at any time.
        loop: the event loop that it was taken on.
        since: the value of `time.monotonic` before it was taken.
    """

    key: bytes
    token: bytes
    loop: asyncio.AbstractEventLoop
    since: float


class Seen(NamedTuple):
    """What the server said of a lease.

    Attributes:
        owner: the token of the one that is there, empty if there is none, or nobody is to wait.
        seconds: the seconds after which it runs out, unless it is renewed.
        is_told: its end is told to this process.
    """

    owner: bytes
    seconds: float
    is_told: bool


class Leasing:
    """The leases of a store in this process. Any thread may use it.

    Args:
        keys: the keys of the store.
        links: its connections.
        mailbox: where the ends of leases are told.
    """

    def __init__(self, keys: Keys, links: Links, mailbox: Mailbox) -> None:
        self._keys = keys
        self._links = links
        self._mailbox = mailbox
        self._lock = lock_over_forks()
        self._own: dict[asyncio.AbstractEventLoop, Connections] = {}  # a child must not even drop what its parent uses
        self._begin()

    def _begin(self) -> None:
        """Begin with no leases."""
        self._pid = os.getpid()
        self._held: dict[bytes, Held] = {}
        self._is_renewing = False
        self._ending: set[Future[None]] = set()

    def _see_to_fork(self) -> None:
        """Begin anew in a child after a fork: what it has here are the leases of its parent."""
        if self._pid != os.getpid():
            self._begin()

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        """Do what `GrantsLeases.lease` does.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error.
        """
        held = Held(self._keys.lease(name), random_incarnation().encode(), asyncio.get_running_loop(), monotonic())
        try:
            seen = await self.look(TAKE_LEASE, held.key, held.token, _milliseconds(LEASE_SECONDS))
        except (asyncio.CancelledError, TimeoutError):
            self._begin_to_end(held, 0.0)  # it may have been taken
            raise
        if seen.owner == held.token:
            self._hold(held)
            return OwnLease(self, held)
        return OthersLease(self, self._mailbox, held.key, seen) if seen.owner else None

    async def look(self, script: Script, key: bytes, *arguments: object) -> Seen:
        """Run a script that says what is at a key, and has the end of that lease told to this process.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error.
        """
        is_listening = self._mailbox.subscription.is_confirmed  # before the script: what is told after it comes here
        try:
            owner, milliseconds, is_watched = await self._links.here().run(
                script, [key], [self._mailbox.origin, MAX_WATCHERS, *arguments]
            )
        except FAILURES as error:
            raise self._links.address.without_secrets(error, self._links.deadline) from None
        return Seen(owner, milliseconds / 1000, is_listening and bool(is_watched))

    def end(self, held: Held, unstorable_seconds: float) -> None:
        """End a lease, unless that was done or it is another process's."""
        with self._lock:
            self._see_to_fork()
            if self._held.pop(held.token, None) is None:
                return
        self._begin_to_end(held, unstorable_seconds)

    async def aclose(self) -> None:
        """Give back the leases of this event loop, and wait until all is told, as long as one call may take."""
        with self._lock:
            self._see_to_fork()
            ours = [held for held in self._held.values() if held.loop is asyncio.get_running_loop()]
        for held in ours:
            self.end(held, 0.0)
        if ending := [asyncio.wrap_future(work) for work in list(self._ending)]:
            _, late = await asyncio.wait(ending, timeout=self._links.deadline)
            for work in late:
                work.cancel()  # the lease runs out
        if self._own:
            await asyncio.wrap_future(loop_thread.begin(self._close()))

    def _hold(self, held: Held) -> None:
        with self._lock:
            self._see_to_fork()
            self._held[held.token] = held
            if self._is_renewing:
                return
            self._is_renewing = True
        loop_thread.begin(self._renew_while_held())

    def _begin_to_end(self, held: Held, unstorable_seconds: float) -> None:
        work = loop_thread.begin(self._end(held, unstorable_seconds))
        self._ending.add(work)
        work.add_done_callback(self._ending.discard)

    # --- on the loop of the thread ------------------------------------------------------------------------------------

    async def _renew_while_held(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            with self._lock:
                held = [one for one in self._held.values() if monotonic() < one.since + RENEWED_SECONDS]
                if not held:
                    self._is_renewing = False
                    return
            for one in held:
                await self._renew(one)

    async def _renew(self, held: Held) -> None:
        """Renew a lease. If that fails it runs out, and others may fill meanwhile."""
        with suppress(*FAILURES):
            if not await self._link().run(RENEW_LEASE, [held.key], [held.token, _milliseconds(LEASE_SECONDS)]):
                self._held.pop(held.token, None)

    async def _end(self, held: Held, unstorable_seconds: float) -> None:
        """End a lease, and have that told to those who wait. It is repeated until the lease has run out."""
        until = monotonic() + LEASE_SECONDS
        arguments = [held.token, _milliseconds(min(unstorable_seconds, MAX_UNSTORABLE_SECONDS)), self._keys.near]
        while True:
            with suppress(*FAILURES):
                await self._link().run(END_LEASE, [held.key], arguments)
                return
            if monotonic() + RENEWAL_SECONDS >= until:
                return
            await asyncio.sleep(RENEWAL_SECONDS)

    def _link(self) -> Connections:
        """Return the connections of this loop for leases: they do not wait for those of requests."""
        loop = asyncio.get_running_loop()
        if loop not in self._own:
            self._own[loop] = self._links.own()
        return self._own[loop]

    async def _close(self) -> None:
        link = self._link()
        del self._own[asyncio.get_running_loop()]
        await link.close()


class OwnLease(Lease):
    """A lease of this process."""

    def __init__(self, leasing: Leasing, held: Held) -> None:
        self._leasing = leasing
        self._held = held

    def end(self, unstorable_seconds: float = 0.0) -> None:
        """Do what `Lease.end` does."""
        self._leasing.end(self._held, unstorable_seconds)


class OthersLease(TakenLease):
    """A lease of another process, or of another fill of this one."""

    def __init__(self, leasing: Leasing, mailbox: Mailbox, key: bytes, seen: Seen) -> None:
        self._leasing = leasing
        self._mailbox = mailbox
        self._key = key
        self._token = seen.owner
        self._seen = seen
        mailbox.subscription.start()

    async def wait(self, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> float:  # noqa: ARG002 - it is told
        """Wait until its end is told, and look now and then whether it has run out.

        Raises:
            FAILURES: the server is unreachable or slow, or answers with an error.
        """
        until, pause, is_over = monotonic() + seconds, FIRST_PAUSE, False
        with self._mailbox.ends.awaited(self._token) as end:
            while not is_over and (left := until - monotonic()) > 0:
                longest = LOOK_SECONDS if self._seen.is_told else pause
                is_told = await end.comes_within(min(left, longest, max(FIRST_PAUSE, self._seen.seconds)))
                is_over = is_told or (monotonic() < until and await self._is_over())
                pause = min(2 * pause, LONGEST_PAUSE)
        return max(0.0, until - monotonic())

    async def _is_over(self) -> bool:
        """Look whether another one has it by now, or nobody. If not, see to it that its end is told."""
        self._seen = await self._leasing.look(WATCH_LEASE, self._key)
        return self._seen.owner != self._token


def _milliseconds(seconds: float) -> int:
    return int(1000 * seconds)
