"""The lock of those who write: one process at a time, in it one thread, and nobody waits for ever.

LMDB's own lock waits without end for a process that was stopped while it had it. So this one is taken first. It is
the operating system's (`flock`), which takes it back from a process that dies. The file that is locked also says for
which files it is, see `place.py`.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

FIRST_PAUSE: Final = 0.00005
LONGEST_PAUSE: Final = 0.0005
"""Seconds between two attempts, twice as many each time."""

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
        self._threads = threading.Lock()
        self._is_closed = False
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._close = weakref.finalize(self, os.close, self._file)

    def acquire(self, seconds: float) -> None:
        """Take the lock.

        Args:
            seconds: how long to wait for it, 0 to try once.

        Raises:
            LockTimeoutError: another process, or thread, did not release it in time.
            ClosedError: another thread has closed it.
        """
        end = time.monotonic() + seconds
        if not self._threads.acquire(timeout=seconds):
            raise LockTimeoutError(self._words(seconds))
        try:
            self._lock_file(end, seconds)
        except BaseException:
            self._threads.release()
            raise

    def _lock_file(self, end: float, seconds: float) -> None:
        if self._is_closed:
            raise ClosedError
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

    def release(self) -> None:
        """Release the lock."""
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._threads.release()

    def close(self) -> None:
        """Close it, once no thread has it."""
        with self._threads:
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
