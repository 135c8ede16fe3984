"""The lock of those who write: one process at a time, in it one thread, and nobody waits for ever.

LMDB's own lock waits without end for a process that was stopped while it had it. So this one is taken first. It is
the operating system's (`flock`), which takes it back from a process that dies. The file that is locked also says for
which files it is, see `place.py`.

A signal handler may raise, as Celery's soft time limit does: after any call, when a function of Python begins, and when
a loop begins again. So what is taken is undone by calls of C in a `finally` that begins before it is taken.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

FIRST_PAUSE: Final = 0.00005
LONGEST_PAUSE: Final = 0.0005
"""Seconds between two attempts, twice as many each time."""

CLOSE_SECONDS: Final = 5.0
"""Seconds to wait until no other thread has a lock that is to be closed."""

MAX_TEXT: Final = 200
"""Bytes of the text in the file that are read."""


class LockTimeoutError(TimeoutError):
    """Another process did not release the lock in time."""


class ClosedError(Exception):
    """The files were closed by another thread, or another process took their place. They have to be opened again."""


class WriteLock:
    """A lock between processes, and between the threads of this one.

    Args:
        path: the file to lock. It is made if it is missing.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.RLock()  # a thread may release it without knowing whether it has it
        self._is_had = False
        self._is_closed = False
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._close = weakref.finalize(self, os.close, self._file)

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """Do some work while nobody else has the lock.

        It takes a function, and is no `with`, since a signal handler that raises can do so when `__exit__` begins.

        Args:
            work: what to do.
            seconds: how long to wait for the lock, 0 to try once.

        Raises:
            LockTimeoutError: another process, or thread, did not release it in time; or this is a signal handler, and
                what it has interrupted has the lock.
            ClosedError: another thread has closed it.
        """
        end = time.monotonic() + seconds
        return self._alone(lambda: self._locked(work, end, seconds), seconds)

    def close(self) -> None:
        """Close it, once no thread has it.

        Raises:
            LockTimeoutError: see `run`.
        """
        self._alone(self._close_file, CLOSE_SECONDS)

    def _alone(self, work: Callable[[], T], seconds: float) -> T:
        """Do some work while no other thread of this process does any."""
        try:
            if not self._threads.acquire(timeout=seconds):
                raise LockTimeoutError(self._words(seconds))
            if self._is_had:
                raise LockTimeoutError(f"a signal handler has interrupted who has the lock {self._path}")
            return work()
        finally:
            try:  # noqa: SIM105 - `suppress` is a call, after which a signal handler may raise
                self._threads.release()
            except RuntimeError:
                pass  # it was not taken; only the lock itself knows, if a signal handler raised while it was

    def _locked(self, work: Callable[[], T], end: float, seconds: float) -> T:
        if self._is_closed:
            raise ClosedError
        self._is_had = True
        try:
            self._lock_file(end, seconds)
            return work()
        finally:
            self._is_had = False
            fcntl.flock(self._file, fcntl.LOCK_UN)  # whether or not it was locked

    def _lock_file(self, end: float, seconds: float) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise LockTimeoutError(self._words(seconds)) from None
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                return

    def _close_file(self) -> None:
        self._is_closed = True
        self._close()

    def status(self) -> os.stat_result:
        """Return the status of the locked file, which its path may name no longer."""
        return os.fstat(self._file)

    def read(self) -> str:
        """Return the text in the file."""
        return os.pread(self._file, MAX_TEXT, 0).decode("ascii", "replace")

    def write(self, text: str) -> None:
        """Replace the text in the file."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode("ascii"), 0)

    def _words(self, seconds: float) -> str:
        return f"another process has had the lock {self._path} for {seconds:g} s, it may have been stopped"
