"""Filling a store and looking into it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from accelerator.testing import make_entry, make_request
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator import LMDBStore
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry

URL = "https://example.org/"


def fill(store: LMDBStore, url: str, *tags: str, **more: Any) -> bool:
    """Store an entry as a fill does, and tell whether it was stored."""
    request = make_request(url)
    stored: bool = drive(store.commit(make_entry(request, drive(store.lookup(request)).mark, tags, **more)))
    return stored


def begun(store: LMDBStore, url: str, *tags: str, **more: Any) -> Entry:
    """Return the entry of a fill that has begun, to be committed later."""
    request = make_request(url)
    return make_entry(request, drive(store.lookup(request)).mark, tags, **more)


def state(store: LMDBStore, request: Request) -> str:
    """Tell what a lookup finds: a body, `stale` before it if it is, or nothing."""
    found = drive(store.lookup(request))
    if found.entry is None:
        return ""
    body: str = found.entry.body[:50].decode()
    return f"stale {body}" if found.invalidated else body


def body_at(store: LMDBStore, url: str = URL) -> str:
    """Tell what a lookup of a URL finds."""
    return state(store, make_request(url))


@contextmanager
def locked(store: LMDBStore) -> Iterator[None]:
    """Let another thread hold the lock of those who write."""
    lock = store._file.present()._lock
    is_had, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        is_had.set()
        is_over.wait()

    with ThreadPoolExecutor() as pool:
        done = pool.submit(lock.run, hold, 5)
        try:
            is_had.wait()
            yield
        finally:
            is_over.set()
            done.result()
