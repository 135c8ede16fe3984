"""What a child process does not inherit: memory that says what was opened before a fork, and locks that are held.

A server in C, as uWSGI is, forks without a word to Python. So a page of memory tells it, which is empty in a child. A
fork by Python waits for locks: a child has no thread that could release what another thread of its parent held.
"""

from __future__ import annotations

import mmap
import os
import threading
from typing import Final
from weakref import WeakSet

_WIPE_ON_FORK: Final = 18
"""MADV_WIPEONFORK, see madvise(2), which the module `mmap` has no name for."""

_locks: WeakSet[threading.Lock] = WeakSet()
_held: list[threading.Lock] = []


def wiped_by_forks() -> mmap.mmap:
    """Return a page of zeros, which is one of zeros again in each child process."""
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    page.madvise(_WIPE_ON_FORK)
    return page


def lock_over_forks() -> threading.Lock:
    """Return a lock that nobody holds in a child process, and under which nothing is half done there."""
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def _hold() -> None:
    _held.extend(_locks)
    for lock in _held:
        lock.acquire()


def _release() -> None:
    for lock in _held:
        lock.release()
    _held.clear()


os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)
