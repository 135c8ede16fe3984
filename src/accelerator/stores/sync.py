"""Any store, for code that cannot await: sync handlers, threads and scripts."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread

from accelerator.stores.finish import finish_now
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.protocol import GrantsLeases, Lease, LooksUpInThreads, Store, TakenLease
from accelerator.stores.urls import shared
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable

    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry
    from accelerator.stores.protocol import Lookup


class SyncStore(Uncopied):
    """The invalidations of a store as sync methods, which return when they are done.

    In a worker thread of an event loop they run on that loop, elsewhere on a loop that this process keeps in a thread
    for such calls. A store that never waits (its `suspends` is False, as that of `MemoryStore`) can be called from
    everywhere, even in the thread of an event loop.

    Args:
        store: the store, or the URL of one that other processes share, as `open_store` takes it.

    Raises:
        ValueError: the URL is none of a store, or of one that nobody else has.
        ImportError, OSError, RuntimeError: the store that the URL names cannot be opened.
    """

    def __init__(self, store: Store | str) -> None:
        self._store = shared(store).open() if isinstance(store, str) else store

    def invalidate_tag(self, *tags: str | Iterable[str], soft: bool = False) -> None:
        """Do what `Store.invalidate_tag` does."""
        self._run(functools.partial(self._store.invalidate_tag, *tags, soft=soft))

    def invalidate_url(self, url: str, *, soft: bool = False) -> None:
        """Do what `Store.invalidate_url` does."""
        self._run(functools.partial(self._store.invalidate_url, url, soft=soft))

    def clear(self) -> None:
        """Do what `Store.clear` does."""
        self._run(self._store.clear)

    def _run(self, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if not self._store.suspends:
            finish_now(call())
        elif _is_in_loop_thread():
            raise RuntimeError(
                "this thread runs an event loop, which a plain call would block: await the store's method"
            )
        else:
            try:
                anyio.from_thread.run(call)
            except anyio.NoEventLoopError:
                loop_thread.run(call())


class BlockingStore(Store):
    """A store that waits for I/O, wrapped so that each call blocks its thread instead of suspending.

    The store runs on the one event loop that this process keeps in a thread, whichever thread calls. Only a lookup runs
    in the thread that calls it, if the store can do that.

    Args:
        store: the store.
    """

    suspends = False

    def __init__(self, store: Store) -> None:
        self._store = store
        # by its type: a proxy may have an attribute of that name, and a lookup of its own
        self._lookup_here: Callable[[Request], Lookup | None] = _nowhere
        if isinstance(store, LooksUpInThreads) and LooksUpInThreads in type(store).__mro__:
            self._lookup_here = store.lookup_here

    async def lookup(self, request: Request) -> Lookup:
        """Do what `Store.lookup` does."""
        found = self._lookup_here(request)
        return loop_thread.run(self._store.lookup(request)) if found is None else found

    async def commit(self, entry: Entry) -> bool:
        """Do what `Store.commit` does."""
        return loop_thread.run(self._store.commit(entry))

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Do what `Store.invalidate` does."""
        loop_thread.run(self._store.invalidate(tags, soft=soft))


class BlockingLeases(BlockingStore, GrantsLeases):
    """A store that waits for I/O and grants leases, wrapped in the same way.

    Args:
        store: the store.
        leases: the same.
    """

    def __init__(self, store: Store, leases: GrantsLeases) -> None:
        super().__init__(store)
        self._leases = leases

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        """Do what `GrantsLeases.lease` does."""
        turn = loop_thread.run(self._leases.lease(name))
        if isinstance(turn, TakenLease):
            return _BlockingTakenLease(turn)
        return turn and _BlockingLease(turn)


class _BlockingLease(Lease):
    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def end(self, unstorable_seconds: float = 0.0) -> None:
        """Do what `Lease.end` does, in the thread of the loop."""

        async def end() -> None:
            self._lease.end(unstorable_seconds)

        loop_thread.run(end())


class _BlockingTakenLease(TakenLease):
    def __init__(self, taken: TakenLease) -> None:
        self._taken = taken

    async def wait(self, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> float:  # noqa: ARG002 - the loop waits
        """Do what `TakenLease.wait` does."""
        return loop_thread.run(self._taken.wait(seconds, anyio.sleep))


def blocking(store: Store) -> Store:
    """Return a store that never suspends: the store itself, or one that wraps it."""
    if not store.suspends:
        return store
    return BlockingLeases(store, store) if isinstance(store, GrantsLeases) else BlockingStore(store)


def _nowhere(_: Request) -> None:
    """Be the `lookup_here` of a store that has none."""


def _is_in_loop_thread() -> bool:
    """Tell whether this thread runs an event loop: asyncio shows it even outside of a task, trio only within one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        try:
            anyio.get_current_task()
        except RuntimeError:  # NoEventLoopError, or one of the loop if a thread runs in the context of a task
            return False
    return True
