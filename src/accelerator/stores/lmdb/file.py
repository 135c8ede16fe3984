"""The file of a store in this process: it is opened when it is first used, after a fork, and when it was replaced.

All stores of a process that have the same path share it, since LMDB must not open a file twice in one process.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

import lmdb

from accelerator.stores.lmdb import forks
from accelerator.stores.lmdb.lock import ClosedError, LockTimeoutError
from accelerator.stores.lmdb.opened import FULL, UNREADABLE, Opened
from accelerator.stores.lmdb.opening import open_files
from accelerator.stores.lmdb.place import Place
from accelerator.stores.lmdb.repeating import Repeater
from accelerator.stores.lmdb.writing import take_back
from accelerator.stores.observed import Invalidated
from accelerator.stores.pending import Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from lmdb import Transaction

    from accelerator.stores.lmdb.opened import View
    from accelerator.stores.lmdb.place import Identity
    from accelerator.stores.pending import Kept

T = TypeVar("T")

logger = logging.getLogger("accelerator")

OPEN_SECONDS: Final = 5.0
"""Seconds to wait for the lock when a store is made. Later a process waits as long as for a write."""

WRITE_SECONDS: Final = 0.2
"""Seconds for which a write waits for the lock."""

BREAK_SECONDS: Final = 1.0
"""Seconds for which, after a write has waited in vain or the file could not be opened, nobody waits again."""

MAX_ATTEMPTS: Final = 3
"""Number of files in which a write is tried, if one after the other is replaced or cannot be written."""


class File:
    """The file of the stores with one path, in this process.

    Args:
        path: its directory.
        max_bytes: its size, at most, if it is made here; None says nothing of it.

    Raises:
        OSError, RuntimeError: see `Place.prepare`.
        LockTimeoutError: another process did not release the lock in time.

    Attributes:
        place: the directory.
        pending: the invalidations that failed.
        repeater: what repeats them.
        invalidated: what was taken back in this process.
    """

    def __init__(self, path: Path, max_bytes: int | None) -> None:
        self.place = Place(path)
        self.invalidated = Invalidated()
        self._max_bytes = max_bytes
        self._opened: Opened | None = None
        self._forget({})
        # mistakes show at once, and a server that forks before the first use has nothing open
        try:
            self.place.refuse_others()
            self._open(OPEN_SECONDS).close()
        except lmdb.Error as error:
            raise OSError(f"the files of the cache cannot be made or opened: {error}") from error

    def _forget(self, pending: Kept) -> None:
        """Begin with nothing opened, and with locks of its own: what was there before a fork is not used after it."""
        self.pending = Pending(pending)
        self.repeater = Repeater(self.pending, self.invalidated)
        self._opening = threading.RLock()  # a signal handler may come here while what it has interrupted is here
        self._is_opening = False
        self._opened = None
        self._left_alone_until = 0.0  # it could not be opened
        self._unwaited_until = 0.0  # a write has waited in vain

    def before_fork(self) -> None:
        """Close it, and let no other thread open it before the fork: a child could do it harm by ending."""
        self._opening.acquire()
        self._close()

    def after_fork_in_parent(self) -> None:
        """Let it be opened again."""
        _give_back(self._opening)

    def after_fork_in_child(self) -> None:
        """Forget everything but the invalidations that failed."""
        if self._opened is not None:
            self._opened.abandon()
        self._forget(self.pending.kept)

    def close(self) -> None:
        """Close it; the next use opens it again."""
        if not forks.page[0]:
            _after_fork_in_child()
        with self._opening:
            self._close()

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    def present(self, *, anyway: bool = False) -> Opened:
        """Return the opened file, after a look whether the directory still names it.

        Args:
            anyway: try to open it even if that failed a moment ago.

        Raises:
            OSError, RuntimeError, lmdb.Error: it cannot be opened.
        """
        if not forks.page[0]:
            _after_fork_in_child()
        opened = self._opened
        if opened is not None and (monotonic() < opened.trusted_until or opened.is_present()):
            return opened
        return self._replace(opened, anyway=anyway)

    def read(self, work: Callable[[Opened, View], T]) -> T:
        """Do some work in a transaction that reads. A file that cannot be read is replaced by a new one.

        Raises:
            FAILURES: no file can be opened and read.
        """
        for _ in range(MAX_ATTEMPTS):
            opened = self.present()
            try:
                return opened.read(work)
            except ClosedError:
                self._replace(opened, anyway=True)
            except UNREADABLE as error:
                self._begin_anew(opened, error)
        raise self._gives_up()

    def write(self, work: Callable[[Opened, Transaction[bytes]], T]) -> T:
        """Do some work in a transaction that writes. A file that cannot be written is replaced by a new one.

        Raises:
            FULL: there is no room.
            FAILURES: the lock was not to be had in time, or no file can be opened and written.
        """
        for _ in range(MAX_ATTEMPTS):
            opened = self.present()
            try:
                return self._write(opened, work)
            except ClosedError:
                self._replace(opened, anyway=True)
            except FULL:
                raise
            except UNREADABLE as error:
                self._begin_anew(opened, error)
        raise self._gives_up()

    def take_back(self, tags: Collection[str], soft: bool) -> None:
        """Invalidate tags, and return when nobody answers from a file in which they are not.

        If there is no room for that in the file, a new one takes its place.

        Raises:
            FAILURES: the lock was not to be had in time, or no file can be opened and written.
        """

        def work(opened: Opened, txn: Transaction[bytes]) -> None:
            take_back(txn, opened.order_in(txn), opened.room, tags, soft=soft)

        for _ in range(MAX_ATTEMPTS):
            opened = self.present(anyway=True)
            try:
                self._write(opened, work)
            except ClosedError:
                self._replace(opened, anyway=True)
            except UNREADABLE as error:
                self._begin_anew(opened, error)
            else:
                if opened.is_named():
                    opened.wait_until_seen()
                    return
                self._replace(opened, anyway=True)
        raise self._gives_up()

    def take_back_again(self, tags: Collection[str], soft: bool) -> None:
        """Do what `take_back` does for an invalidation that has failed before, and tell caches downstream once more.

        Other processes have answered from it until now.

        Raises:
            FAILURES: as `take_back`.
        """
        self.take_back(tags, soft)
        self.invalidated.tell(tags, soft=soft)

    def _write(self, opened: Opened, work: Callable[[Opened, Transaction[bytes]], T]) -> T:
        seconds = 0 if monotonic() < self._unwaited_until else WRITE_SECONDS
        try:
            return opened.write(work, seconds)
        except LockTimeoutError:
            self._unwaited_until = monotonic() + BREAK_SECONDS
            raise

    def _gives_up(self) -> OSError:
        return OSError(f"the files in {self.place.path} are replaced, or cannot be used, again and again")

    # --- opening ------------------------------------------------------------------------------------------------------

    def _begin_anew(self, bad: Opened, error: Exception) -> None:
        """Put another file in the place of one that cannot be read or written."""
        logger.warning("the cache in %s begins anew: %s", self.place.path, error)
        self._replace(bad, anyway=True, bad=bad.identity)

    def _replace(self, stale: Opened | None, *, anyway: bool, bad: Identity | None = None) -> Opened:
        """Open the file that the directory names now, or a new one, unless another thread just has."""
        with self._opening:
            if self._opened is not None and self._opened is not stale:
                return self._opened
            if self._is_opening:
                raise LockTimeoutError(f"a signal handler has interrupted who opens the files in {self.place.path}")
            now = monotonic()
            if now < self._left_alone_until and not anyway:
                raise LockTimeoutError(f"the files in {self.place.path} could not be opened a moment ago")
            self._is_opening = True
            try:
                self._close()
                self._left_alone_until = now + BREAK_SECONDS  # unless it succeeds
                self._opened = self._open(WRITE_SECONDS, bad)
                self._left_alone_until = 0.0
            finally:
                self._is_opening = False
            return self._opened

    def _open(self, seconds: float, bad: Identity | None = None) -> Opened:
        """Open the files. Where no size was said it stays what it is, also if they have to be made anew."""
        name = os.path.realpath(self.place.path)
        other = _files.get(name, self)
        if other is not self:
            raise _two_paths(self.place.path, other)
        opened = open_files(self.place, self._max_bytes, seconds, bad)
        self._max_bytes = self._max_bytes or opened.max_bytes
        _files[name] = self
        return opened


_files: Final[WeakValueDictionary[str, File]] = WeakValueDictionary()
"""The files, by each real path that theirs has led to. They are opened by the path that was given, in which a link may
lead elsewhere later, as it then does for other processes."""

_finding = threading.RLock()
_children: Final[dict[int, threading.Lock]] = {}


def file_at(path: Path, max_bytes: int | None) -> File:
    """Return the file of the stores with this path, which has to be the same for all stores of the process.

    Raises:
        OSError: one of them led there by another path, and does not any more; or see `File`.
    """
    name = os.path.realpath(path)
    with _finding:
        file = _files.get(name)
        if file is None:
            file = File(path, max_bytes)
        elif os.path.realpath(file.place.path) != name:
            raise _two_paths(path, file)
        return file


def _two_paths(path: Path, other: File) -> OSError:
    return OSError(
        f"a link in {path} or {other.place.path} was changed, and a store of this process must not open the files of"
        " another one: restart it"
    )


def _all_files() -> set[File]:
    """Return each file once. Another thread may find a new path of one meanwhile, but none is made."""
    return {file for reference in _files.valuerefs() if (file := reference()) is not None}


def _give_back(lock: threading.RLock) -> None:
    """Release a lock if this thread has it: it does not if a signal handler raised in `_before_fork`."""
    with suppress(RuntimeError):
        lock.release()


def _before_fork() -> None:
    _finding.acquire()
    for file in _all_files():
        file.before_fork()


def _after_fork_in_parent() -> None:
    for file in _all_files():
        file.after_fork_in_parent()
    _give_back(_finding)


def _after_fork_in_child() -> None:
    global _finding
    with _children.setdefault(os.getpid(), threading.Lock()):  # one that no thread of the parent may hold
        if not forks.page[0]:
            _finding = threading.RLock()
            for file in _all_files():
                file.after_fork_in_child()
            forks.mark()


os.register_at_fork(after_in_parent=_after_fork_in_parent)  # twice: a signal handler may raise in the first call
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
