"""Locks that a fork waits for: a child has no thread that could release what another thread of its parent held."""

from __future__ import annotations

import os
import threading
from weakref import WeakSet

_locks: WeakSet[threading.Lock] = WeakSet()
_held: list[threading.Lock] = []


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
