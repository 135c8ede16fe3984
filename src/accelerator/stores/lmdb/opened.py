"""One opened file: transactions, and how it is known that it is still the file that all processes use.

A file may be removed or replaced while it is open. Whoever opens another one then would not be seen here. So a process
looks, before it answers, at the file that the directory names, unless it did so less than `TRUST_SECONDS` ago. Who
opens a file lets no invalidation return before it has been open that long. By then everybody has looked, and nobody
answers from files that the directory did not name any more when this one was opened. No two clocks are compared.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import lmdb

from accelerator.stores.lmdb.layout import DamagedError
from accelerator.stores.lmdb.lock import ClosedError
from accelerator.stores.lmdb.order import ORDER_KEY, read_order
from accelerator.stores.lmdb.writing import Commit, NoRoomError
from accelerator.stores.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmdb import Transaction

    from accelerator.http.request import Key
    from accelerator.rules.entry import Mark
    from accelerator.stores.lmdb.known import Decoded, Known
    from accelerator.stores.lmdb.lock import WriteLock
    from accelerator.stores.lmdb.order import Order
    from accelerator.stores.lmdb.place import Identity, Place
    from accelerator.stores.lmdb.writing import Room

T = TypeVar("T")

TRUST_SECONDS: Final = 0.02
"""Seconds for which the files that were found at their paths are taken to be there still."""

MAX_KNOWN: Final = 16_384
MAX_KNOWN_BYTES: Final = 64 * 1024 * 1024
"""These limit the number of URLs that a process has decoded entries of, and their bytes."""

LARGEST_KNOWN: Final = MAX_KNOWN_BYTES // 8
"""Bytes of what is known of one URL, at most: `Recent` keeps nothing larger."""

MAX_UNTOLD: Final = 1024
"""Number of used entries that a process keeps in mind. Others count as used when they are used again later."""

TOLD_AT_ONCE: Final = 32
"""Number of them that one write tells."""

FULL: Final = (lmdb.MapFullError, lmdb.DiskError)
"""What is raised where there is no room."""

UNREADABLE: Final = (lmdb.Error, DamagedError)
"""What is raised where a file cannot be read or written: another one takes its place."""


class ReadersFullError(OSError):
    """Too many processes have the file open."""


class View(NamedTuple):
    """What a transaction that reads sees.

    Attributes:
        txn: the transaction.
        number: its number, the same as that of the last write.
        order: the order of invalidations.
    """

    txn: Transaction[bytes]
    number: int
    order: Order


class Opened:
    """The opened file of a store.

    Args:
        env: the environment.
        place: its directory.
        identity: that of the data.
        lock: the lock of those who write.
        room: the room in it.
        max_bytes: the size that it may have.

    Attributes:
        identity: that of the data.
        known: what was decoded of it.
        trusted_until: when to look again whether it is the file that the directory names, by the monotonic clock.
        room: the room in it.
        max_bytes: the size that it may have.
        identity: that of the data when it was opened.
    """

    def __init__(
        self, env: lmdb.Environment, place: Place, identity: Identity, lock: WriteLock, room: Room, max_bytes: int
    ) -> None:
        self.known: Recent[Key, Known] = Recent(MAX_KNOWN, MAX_KNOWN_BYTES)
        self.room = room
        self.max_bytes = max_bytes
        self._env = env
        self._place = place
        self.identity = identity
        self._lock = lock
        self._is_closed = False
        self._reading = threading.RLock()  # one at a time, so a process takes one place among the readers
        self._untold: dict[int, None] = {}  # numbers of entries, not the entries: those may be large
        self._since = time.monotonic()
        self.trusted_until = self._since  # nothing was looked at yet

    def close(self) -> None:
        """Close it, once no other thread uses it.

        Raises:
            LockTimeoutError: another thread writes all the time; or this is a signal handler, and what it has
                interrupted writes.
        """
        self._lock.close()
        with self._reading:
            self._is_closed = True
            self._env.close()

    def abandon(self) -> None:
        """Close it in a child process, where a thread that used it in the parent is lost, with the locks it had."""
        self._is_closed = True
        self._env.close()  # else the frame of that thread would keep it open, and it could not be opened again

    # --- is it still the same file? -----------------------------------------------------------------------------------

    def is_present(self) -> bool:
        """Look whether the directory names these files. If so they may be trusted for `TRUST_SECONDS`."""
        now = time.monotonic()  # before the look: what happens after it is found by the next one
        with self._reading:
            if self._is_closed or not (self.is_named() and self._is_whole()):
                return False
        self.trusted_until = now + TRUST_SECONDS
        return True

    def is_named(self) -> bool:
        """Tell whether the directory names this file."""
        try:
            return self._place.identity() == self.identity
        except FileNotFoundError:
            return False

    def _is_whole(self) -> bool:
        """Tell whether the data was not cut short."""
        return self._place.size() // self.room.page_size > self._env.info()["last_pgno"]

    def wait_until_seen(self) -> None:
        """Wait until nobody trusts in files from before this one was opened."""
        left = self._since + TRUST_SECONDS - time.monotonic()
        if left > 0:
            time.sleep(left)

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, work: Callable[[Opened, View], T]) -> T:
        """Do some work in a transaction that reads.

        Raises:
            ClosedError, lmdb.Error, DamagedError, ReadersFullError: the file cannot be read.
        """
        with self._reading:
            txn = self.begin()
            try:
                return work(self, View(txn, txn.id(), self.order_in(txn)))
            finally:
                txn.abort()

    def mark_for(self, known: Known, one: Decoded) -> Mark | None:
        """Return the mark of a fill that begins now, if a lookup would find this decoded entry, usable and fresh.

        None says that the file has other variants of its URL than are known, or that a tag of it was invalidated.

        Raises:
            ClosedError, lmdb.Error, DamagedError: whatever it is has to be seen to by a lookup.
        """
        number, mark = known.seen
        with self._reading:
            if self._is_closed:
                raise ClosedError
            txn = self._env.begin()
            try:
                now = txn.id()
                if now != number:  # something was written since
                    if txn.get(known.url) != known.value:
                        return None
                    mark = self.order_in(txn).mark
                    known.see(now, mark)
                if one.is_checked_at(mark) or one.judge(txn.get, self.order_in(txn), mark) == (True, True):
                    return mark
                return None
            finally:
                txn.abort()

    def keep(self, key: Key, known: Known) -> None:
        """Keep in mind what is known of a URL."""
        self.known.keep(key, known, known.size)

    def begin(self) -> Transaction[bytes]:
        """Begin a transaction that reads.

        Raises:
            ClosedError: another thread has closed the file, or a child of this process did so, that was forked from C.
            ReadersFullError: too many processes have it open.
        """
        if self._is_closed:
            raise ClosedError
        try:
            return begin(self._env)
        except lmdb.BadRslotError:
            raise ClosedError from None

    def order_in(self, txn: Transaction[bytes]) -> Order:
        """Return the order in a transaction."""
        return read_order(txn.get(ORDER_KEY))

    # --- writing ------------------------------------------------------------------------------------------------------

    def write(self, work: Callable[[Opened, Transaction[bytes]], T], seconds: float) -> T:
        """Do some work in a transaction that writes. If the file or the disk is full, make room and do it again.

        Raises:
            LockTimeoutError: the lock was not to be had in time.
            FULL: there is no room.
            ClosedError: another thread has closed the file.
            lmdb.Error, DamagedError: the file cannot be read or written.
        """
        return self._lock.run(lambda: self._write(work), seconds)

    def _write(self, work: Callable[[Opened, Transaction[bytes]], T]) -> T:
        with suppress(*FULL):
            return self._attempt(work)
        if self._env.reader_check():  # a process that was killed while it read has kept old pages alive
            with suppress(*FULL):
                return self._attempt(work)
        self._make_room(self._transact(lambda opened, txn: opened.commit_in(txn).less()))
        return self._transact(work)

    def _attempt(self, work: Callable[[Opened, Transaction[bytes]], T]) -> T:
        try:
            return self._transact(work)
        except NoRoomError as error:
            self._make_room(error.size)
        return self._transact(work)

    def _make_room(self, size: int) -> None:
        """Evict entries, a few in each transaction: LMDB uses pages again that were freed two transactions before."""
        for _ in range(2):
            while not self._transact(lambda opened, txn: opened.commit_in(txn).make_room(size)):
                pass

    def commit_in(self, txn: Transaction[bytes]) -> Commit:
        """Return what stores an entry in a transaction."""
        return Commit(txn, self.order_in(txn), self.room)

    def _transact(self, work: Callable[[Opened, Transaction[bytes]], T]) -> T:
        with self._env.begin(write=True) as txn:
            return work(self, txn)

    # --- what was used ------------------------------------------------------------------------------------------------

    def use(self, one: Decoded) -> None:
        """Keep in mind that an entry was used."""
        number = one.stored.number
        if number not in self._untold and len(self._untold) < MAX_UNTOLD:
            self._untold[number] = None
            self.known.get(one.ready.entry.key)  # stays longer; each time would take 2 µs

    def tell(self) -> list[int]:
        """Return the numbers of entries that were used, to be told by a write, which has the lock."""
        told = list(self._untold)[:TOLD_AT_ONCE]
        for number in told:
            self._untold.pop(number, None)
        return told


def begin(env: lmdb.Environment) -> Transaction[bytes]:
    """Begin a transaction that reads.

    Raises:
        ReadersFullError: too many processes have the file open.
    """
    try:
        return env.begin()
    except lmdb.ReadersFullError:
        env.reader_check()  # killed processes leave their places taken
    try:
        return env.begin()
    except lmdb.ReadersFullError:
        raise ReadersFullError(f"too many processes use the cache in {env.path()}") from None
