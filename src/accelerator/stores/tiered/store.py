"""A store of this process or machine in front of one that machines share.

A hit in the near store costs no I/O, and is as good as one in the far store: it is served under a lease only, see
`following.py`. What the near store has not is looked up in the far one, and kept near if no invalidation came between.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple
from weakref import finalize

from accelerator.figures.snapshot import InvalidationFigures, StoreFigures
from accelerator.stores.finish import finish_now
from accelerator.stores.listing import ListsEntries
from accelerator.stores.memory import MemoryStore
from accelerator.stores.protocol import (
    GrantsLeases,
    KnowsFigures,
    KnowsReadyEntries,
    LooksUpInThreads,
    Lookup,
    SharesFigures,
    Store,
)
from accelerator.stores.redis import RedisStore
from accelerator.stores.redis.invalidations import Front
from accelerator.stores.tiered.follower import Follower
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from accelerator.events import NearEvent
    from accelerator.figures.board import Board
    from accelerator.http.request import Key, Request, Vary
    from accelerator.rules.entry import Entry, Mark
    from accelerator.stores.listing import Listed
    from accelerator.stores.protocol import Lease, ReadyEntry, RequestT, TakenLease
    from accelerator.stores.tiered.report import NearFigures


logger = logging.getLogger("accelerator")


class TieredMark(NamedTuple):
    """The marks of a fill in both stores. That in the near one was taken before the far one was asked.

    Attributes:
        near: the mark in the near store, None if that could not be read.
        far: the mark in the far store.
    """

    near: Mark | None
    far: Mark


class TieredStore(
    Uncopied, KnowsReadyEntries, LooksUpInThreads, GrantsLeases, KnowsFigures, SharesFigures, ListsEntries, Store
):
    """Keeps what was used near by, and follows what others invalidate. It needs asyncio.

    Args:
        near: a store that never waits: a `MemoryStore`, which nobody else uses, or an `LMDBStore`, which is one for all
            processes of a machine that have these two stores.
        far: the store that all share.
        consistency: `"strict"`: an invalidation returns when it holds in all near stores, of whatever process.
            `"eventual"`: it returns when the far store has it, and holds everywhere within two seconds.
        on_event: a plain function that is called with each `NearEvent`, in whatever thread; it must not block.
        clock: the time in seconds since the epoch, by which a stale entry is looked up in the far store again.

    Raises:
        TypeError: `near` is no store that never waits, `far` no `RedisStore`, or `on_event` no function.
        ValueError: `consistency` is neither, or `near` is an `LMDBStore` whose directory stands in front of another
            server, database or prefix.
        OSError: the directory of an `LMDBStore` cannot be written.

    Attributes:
        invalidated: what was taken back in this process: what the far store has counted, each once.
    """

    def __init__(
        self,
        near: Store,
        far: RedisStore,
        *,
        consistency: Literal["strict", "eventual"] = "strict",
        on_event: Callable[[NearEvent], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not isinstance(near, Store) or near.suspends:
            raise TypeError(f"near is a store that never waits, such as MemoryStore(), not a {type(near).__name__}")
        if not isinstance(far, RedisStore):
            raise TypeError(f"far is a RedisStore, not a {type(far).__name__}")
        if consistency not in {"strict", "eventual"}:
            raise ValueError(f"consistency is 'strict' or 'eventual', not {consistency!r}")
        if not (on_event is None or callable(on_event)):
            raise TypeError(f"on_event is a function, not a {type(on_event).__name__}")
        if isinstance(near, MemoryStore):
            near.stand_in_front()
        self.invalidated = far.invalidated
        self._near = near
        self._ready = near if isinstance(near, KnowsReadyEntries) else None
        self._far = far
        self._clock = clock
        self._follower = Follower(near, far.keys, far.links, on_event)
        finalize(self, self._follower.forget)
        self._page = self._follower.page
        self._has_failed = False  # the near store, when it was used last
        far.invalidations.stand_behind(Front(near, consistency == "strict", self._follower.report.waited))

    def __repr__(self) -> str:
        return f"<TieredStore: {self._near!r} in front of {self._far!r}>"

    def ready_entry(
        self, key: Key, request: RequestT, selecting_values: Callable[[RequestT, Vary], tuple[bytes | None, ...]]
    ) -> ReadyEntry | None:
        """Return the entry for a request if the near store has it at hand, and may be believed."""
        if self._ready is None or not self._may_answer():
            return None
        return self._ready.ready_entry(key, request, selecting_values)

    async def lookup(self, request: Request) -> Lookup:
        """Find the entry for a request, in the near store if that may be believed, or else in the far one.

        Raises:
            RedisError, OSError: see `RedisStore.lookup`.
        """
        near = self._look_near(request)
        if near is not None and self._is_fresh(near):
            return near
        return self._joined(near, await self._far.lookup(request))

    def lookup_here(self, request: Request) -> Lookup | None:
        """Do what `lookup` does in a thread without an event loop; see `RedisStore.lookup_here`."""
        near = self._look_near(request)
        if near is not None and self._is_fresh(near):
            return near
        far = self._far.lookup_here(request)
        return None if far is None else self._joined(near, far)

    async def commit(self, entry: Entry) -> bool:
        """Store an entry in both stores, unless a tag of it was invalidated hard after its mark there.

        Raises:
            RedisError, OSError: the far store is unreachable, slow or full. The near one may have the entry by then.
        """
        mark = entry.mark
        if not isinstance(mark, TieredMark):  # of an entry or a lookup for which the far store was not asked
            return self._commit_near(entry, mark)
        is_near = self._commit_near(entry, mark.near)
        return await self._far.commit(replace(entry, mark=mark.far)) or is_near

    async def list_entries(
        self, *, url: str | None = None, tag: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Listed:
        """List the entries of the far store. Those that it did not take, and only a near one has, are none of them.

        Raises:
            RedisError, OSError: see `RedisStore.list_entries`.
        """
        return await self._far.list_entries(url=url, tag=tag, cursor=cursor, limit=limit)

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        """Take the lease of a name in the far store, so that of all processes and machines one fills.

        Raises:
            RedisError, OSError: see `RedisStore.lease`.
        """
        return await self._far.lease(name)

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Invalidate in this process at once, in the far store, and then in the near stores of all processes.

        Raises:
            InvalidationError: see `RedisStore.invalidate`.
        """
        await self._far.invalidate(tags, soft=soft)

    def store_figures(self) -> StoreFigures:
        """Return where both stores stand."""
        near = self._near.store_figures() if isinstance(self._near, KnowsFigures) else StoreFigures()
        kept: dict[str, float | str | None] = {
            name: near[name] for name in ("entries", "bytes", "max_bytes", "evictions") if name in near
        }
        far = self._far.store_figures()
        return {**far, "kind": type(self).__name__, "near": {**self.figures()._asdict(), **kept}}

    def invalidation_figures(self) -> InvalidationFigures:
        """Return what this process has invalidated."""
        return self.invalidated.as_figures()

    def figures_board(self) -> Board:
        """Return the place of the figures of all processes that share the far store."""
        return self._far.figures_board()

    def figures(self) -> NearFigures:
        """Return where the near store stands, and what this process has counted since it began."""
        return self._follower.report.figures()

    async def aclose(self) -> None:
        """Close the far store on this event loop, and follow no longer. A later use begins anew."""
        await self._far.aclose()  # first: what it waits for may be acknowledged by the follower
        await self._follower.aclose()
        await self._near.aclose()

    def _may_answer(self) -> bool:
        """Tell whether the near store has all that was invalidated before now."""
        return self._page.is_good and not self._far.invalidations.pending.kept

    def _look_near(self, request: Request) -> Lookup | None:
        """Return what the near store has found, without the entry if it may not answer; None if it cannot be read."""
        self._follower.start()
        try:
            near = finish_now(self._near.lookup(request))
        except Exception as error:  # noqa: BLE001 - whatever it is, the far store answers
            self._note_failure(error)
            return None
        self._has_failed = False
        return near if near.entry is None or self._may_answer() else near._replace(entry=None)

    def _commit_near(self, entry: Entry, mark: Mark | None) -> bool:
        """Store an entry in the near store, if that may answer, and return whether it was stored."""
        if mark is None or not self._may_answer():
            return False
        try:
            return finish_now(self._near.commit(replace(entry, mark=mark)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the far store has the entry
            self._note_failure(error)
            return False

    def _note_failure(self, error: Exception) -> None:
        if not self._has_failed:
            logger.warning("the near store failed, and the far one is asked until it works again: %s", error)
        self._has_failed = True

    def _is_fresh(self, found: Lookup) -> bool:
        """Tell whether there is nothing better to be had: a stale entry may have been refreshed in the far store."""
        entry = found.entry
        if entry is None or found.invalidated:
            return False
        return entry.received - entry.initial_age + entry.lifetime > self._clock()

    def _joined(self, near: Lookup | None, far: Lookup) -> Lookup:
        """Return what was found in both stores, the far one first, and keep near what is fresh there.

        The near store refuses it if it was invalidated there since before the far one was asked.
        """
        near_mark = near.mark if near is not None else None
        mark = TieredMark(near_mark, far.mark)
        if far.entry is None:
            found = near if near is not None and near.entry is not None else far
            return found._replace(mark=mark)
        if self._is_fresh(far):
            self._commit_near(far.entry, near_mark)
        return far._replace(mark=mark, entry=replace(far.entry, mark=TieredMark(near_mark, far.entry.mark)))
