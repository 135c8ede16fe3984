"""The leases of one process: how it takes them, keeps them alive while its fills run, and waits for those of others."""

from __future__ import annotations

import itertools
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from accelerator.stores.lmdb.leases import UNSTORABLE, Held, Leases, Owner
from accelerator.stores.lmdb.repeating import FAILURES
from accelerator.stores.lmdb.system import start_of
from accelerator.stores.protocol import Lease, TakenLease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lmdb import Transaction

    from accelerator.stores.lmdb.file import File
    from accelerator.stores.lmdb.opened import Opened, View

LEASE_SECONDS: Final = 3.0
"""Seconds after which a lease runs out that was not renewed: so long others wait for a process that was stopped."""

RENEWAL_SECONDS: Final = 0.75
"""Seconds between two renewals of the leases of a process."""

RENEWED_SECONDS: Final = 60.0
"""Seconds for which a lease is renewed. A fill that takes longer may hang, and nobody waits so long."""

FIRST_PAUSE: Final = 0.001
LONGEST_PAUSE: Final = 0.05
GROWTH: Final = 1.5
"""Who waits looks again after so many seconds, each pause so many times as long as the last."""

LIFE_SECONDS: Final = 0.05
"""Seconds for which an owner that was seen to live is taken to: a look at `/proc` takes 12 µs, the rest of a look 4."""


class Leasing:
    """The leases of a store in this process. Any thread may use it.

    Args:
        file: the file of the store.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._begin()

    def _begin(self) -> None:
        """Begin with no leases."""
        self._pid = os.getpid()
        self._start = start_of(self._pid) or 0
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._held: dict[Owner, Held] = {}
        self._ended: list[tuple[Held, Held | None]] = []  # whose end could not be written, and what is to be left
        self._is_renewing = False

    def _see_to_fork(self) -> None:
        """Begin anew in a child after a fork: what it has here are the leases of its parent."""
        if self._pid != os.getpid():
            self._begin()

    def forget(self) -> None:
        """Keep no lease alive any more."""
        self._see_to_fork()
        with self._lock:
            self._held.clear()
            self._ended.clear()

    def lease(self, name: bytes) -> Lease | TakenLease | None:
        """Do what `GrantsLeases.lease` does.

        Raises:
            FAILURES: the file cannot be read or written.
        """
        self._see_to_fork()
        held = self._file.read(partial(_find, name))
        if held is None:
            wanted = Held(name, Owner(self._pid, self._start, next(self._numbers)), time.monotonic() + LEASE_SECONDS)
            held = self._file.write(partial(_take, wanted))
            if held is None or held.owner == wanted.owner:
                self._hold(wanted)
                return OwnLease(self, wanted)
        return None if held.owner == UNSTORABLE else OthersLease(self._file, held)

    def end(self, held: Held, unstorable_seconds: float) -> None:
        """End a lease, unless that was done. If it cannot be written, that is repeated until the lease has run out."""
        self._see_to_fork()
        with self._lock:
            if self._held.pop(held.owner, None) is None:
                return
        left = Held(held.name, UNSTORABLE, time.monotonic() + unstorable_seconds) if unstorable_seconds else None
        try:
            self._file.write(partial(_end, [(held, left)]))
        except FAILURES:
            with self._lock:
                self._ended.append((held._replace(until=time.monotonic() + LEASE_SECONDS), left))
                self._see_to_thread()
            raise

    # --- renewal ------------------------------------------------------------------------------------------------------

    def _hold(self, held: Held) -> None:
        with self._lock:
            self._held[held.owner] = held
            self._see_to_thread()

    def _see_to_thread(self) -> None:
        if not self._is_renewing:
            threading.Thread(target=self._renew_while_held, name="accelerator leases", daemon=True).start()
            self._is_renewing = True

    def _renew_while_held(self) -> None:
        while True:
            time.sleep(RENEWAL_SECONDS)
            now = time.monotonic()
            with self._lock:
                held = [one for one in self._held.values() if now < one.until + RENEWED_SECONDS]
                self._ended = [(one, left) for one, left in self._ended if now < one.until]
                if not held and not self._ended:
                    self._is_renewing = False
                    return
            self.renew(held)

    def renew(self, leases: list[Held]) -> None:
        """Renew leases of this process, and end those whose end failed.

        If that fails they run out, and others may fill meanwhile.
        """
        ended = [*self._ended]
        try:
            lost = self._file.write(partial(_renew, leases, ended))
        except FAILURES:
            return
        with self._lock:
            self._ended = [one for one in self._ended if one not in ended]
            for held in lost:
                self._held.pop(held.owner, None)


class OwnLease(Lease):
    """A lease of this process."""

    def __init__(self, leasing: Leasing, held: Held) -> None:
        self._leasing = leasing
        self._held = held

    def end(self, unstorable_seconds: float = 0.0) -> None:
        """Do what `Lease.end` does.

        Raises:
            FAILURES: the file cannot be written. The lease then ends a little later, or runs out.
        """
        self._leasing.end(self._held, unstorable_seconds)


class OthersLease(TakenLease):
    """A lease of another process, or of another fill of this one."""

    def __init__(self, file: File, held: Held) -> None:
        self._file = file
        self._held = held
        self._seen = (b"", -1)  # the incarnation, and the number of the transaction, that it was found in
        self._lives_until = time.monotonic() + LIFE_SECONDS

    async def wait(self, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> float:
        """Look again and again whether it has ended, run out, or its owner has died.

        Raises:
            FAILURES: the file cannot be read.
        """
        end, pause = time.monotonic() + seconds, FIRST_PAUSE
        while (left := end - time.monotonic()) > 0:
            await sleep(min(pause, left))
            if self._file.read(self._is_over):
                return max(0.0, end - time.monotonic())
            pause = min(GROWTH * pause, LONGEST_PAUSE)
        return 0.0

    def _is_over(self, opened: Opened, view: View) -> bool:
        now, seen = time.monotonic(), (view.order.incarnation, view.number)
        if seen != self._seen:  # something was written since
            held = Leases(opened.room.size).written(view.txn.get, self._held.name)
            if held is None or held.owner != self._held.owner:
                return True
            self._held, self._seen = held, seen
        if now < self._lives_until:
            return now >= self._held.until
        self._lives_until = now + LIFE_SECONDS
        return not self._held.holds(now)


# --- in a transaction -------------------------------------------------------------------------------------------------


def _find(name: bytes, opened: Opened, view: View) -> Held | None:
    return Leases(opened.room.size).find(view.txn.get, name, time.monotonic())


def _take(wanted: Held, opened: Opened, txn: Transaction[bytes]) -> Held | None:
    return Leases(opened.room.size).take(txn, wanted, time.monotonic())


def _end(ended: list[tuple[Held, Held | None]], opened: Opened, txn: Transaction[bytes]) -> None:
    for held, left in ended:
        Leases(opened.room.size).change(txn, held, left)


def _renew(
    leases: list[Held], ended: list[tuple[Held, Held | None]], opened: Opened, txn: Transaction[bytes]
) -> list[Held]:
    """Renew leases and end others, and return those that were lost."""
    _end(ended, opened, txn)
    table, until = Leases(opened.room.size), time.monotonic() + LEASE_SECONDS
    return [held for held in leases if not table.change(txn, held, held._replace(until=until))]
