"""The store in this process: positions for the invalidation rule, S3-FIFO for the limit in bytes.

Lookups take no lock, in whichever thread: they read the tables and compare integers. All other methods hold the lock.
An invalidation sets the new position last: a lookup that reads it sees the positions of tags as they were then, or
later ones.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import partial
from typing import TYPE_CHECKING, Final

from accelerator.forks import lock_over_forks
from accelerator.stores.listing import ListsEntries
from accelerator.stores.memory.listing import list_entries
from accelerator.stores.memory.records import ReadyEntries, Variants, pack
from accelerator.stores.memory.tables import NEVER, PARTS, Tables
from accelerator.stores.memory.workers import warn_once
from accelerator.stores.observed import Invalidated, observed
from accelerator.stores.protocol import KnowsFigures, KnowsReadyEntries, Lookup, ReadyEntry, Store
from accelerator.stores.sizes import record_bytes
from accelerator.tags import ALL
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from accelerator.figures.snapshot import InvalidationFigures, StoreFigures
    from accelerator.http.request import Key, Request, Vary
    from accelerator.rules.entry import Entry
    from accelerator.stores.listing import Listed
    from accelerator.stores.memory.records import Record
    from accelerator.stores.protocol import RequestT

LOG_LENGTH: Final = 8192
"""Number of tags in the log. A fill during which more are invalidated is not stored."""

SWEEP: Final = 2
"""Entries that each commit checks for being of no use any more. It is more than one commit adds, so all are reached."""

CLEARED_AT_ONCE: Final = 400
"""Entries that `clear` frees before it returns, which takes up to 3 ms. Each commit after it frees two."""

MAX_EVICTED: Final = 500
"""Entries that give way to one, at most, which takes up to 4 ms. One that needs more room is not stored this time."""

READY_PART: Final = 8
"""The part of `max_bytes` that unfolded entries may take: it divided by this number."""


class MemoryStore(Uncopied, KnowsReadyEntries, KnowsFigures, ListsEntries, Store):
    """Keeps entries in the memory of this process. Each process has its own: several processes need a shared store.

    Any thread may use it, and it never waits. A call takes no longer because there are many entries: `clear` takes
    effect at once, and gives the memory of many entries back a part at a time, with the commits that follow. Where none
    follow, give up the store itself.

    Args:
        max_bytes: the bytes that entries may take, with their headers, keys, tags and overhead. An eighth of it is for
            entries in use, which are kept ready to be sent.

    Raises:
        TypeError: `max_bytes` is not an int.
        ValueError: it is not positive.

    Attributes:
        invalidated: what was taken back.
    """

    suspends = False

    def __init__(self, max_bytes: int = 128 * 1024 * 1024) -> None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int):
            raise TypeError(f"max_bytes is an int, not {type(max_bytes).__name__}")
        if max_bytes <= 0:
            raise ValueError(f"max_bytes is positive, not {max_bytes}")
        self._max_bytes = max_bytes
        self._room = max_bytes - max_bytes // READY_PART
        self.invalidated = Invalidated()
        self._lock = lock_over_forks()
        self._is_in_front = False
        self._evictions = 0
        self._position = 0
        # by the hashes of tags, so that long ones take no memory: two with the same hash are invalidated together
        self._log: OrderedDict[int, tuple[int, int]] = OrderedDict()  # positions: last hard, last soft
        self._log_floor = 0  # a fill with a smaller mark is refused: the log is too short for it
        self._ready = ReadyEntries(max_bytes // READY_PART)
        self._begin()
        self._cleared: deque[Tables] = deque()  # what was cleared and still takes memory

    def _begin(self) -> None:
        self._tables = Tables(self._room, self._ready)
        self._resources = self._tables.resources

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._tables.queues)

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self)} entries, {self.size:,} of {self._max_bytes:,} bytes>"

    @property
    def size(self) -> int:
        """The bytes that the entries take, with those that were cleared and are not freed yet."""
        return self._taken() + self._ready.size

    def store_figures(self) -> StoreFigures:
        """Return where the store stands."""
        return {
            "kind": type(self).__name__,
            "shared": False,
            "entries": len(self),
            "bytes": self.size,
            "max_bytes": self._max_bytes,
            "evictions": self._evictions,
            **self.invalidated.downstream_figures(),
        }

    def invalidation_figures(self) -> InvalidationFigures:
        """Return what this process has invalidated."""
        return self.invalidated.as_figures()

    def stand_in_front(self) -> None:
        """Note that this store is in front of one that all workers share: nobody is to be warned of other workers."""
        self._is_in_front = True

    def ready_entry(
        self, key: Key, request: RequestT, selecting_values: Callable[[RequestT, Vary], tuple[bytes | None, ...]]
    ) -> ReadyEntry | None:
        """Return the entry that a lookup has checked at the present position, without the lock.

        Where somebody has put another `lookup` in place of this class's own, that one is to be asked.
        """
        position = self._position  # before the entry is read: whatever is invalidated meanwhile is after it
        record = self._resources[hash(key[4] or key[2]) % PARTS].get(key)  # `Tables.find`, without its calls (0.15 µs)
        if record is None or getattr(self.lookup, "__func__", None) is not _LOOKUP:
            return None
        if isinstance(record, Variants):
            record = next(iter(record.matching(partial(selecting_values, request))), None)
        elif record.vary and selecting_values(request, record.vary) != record.facts[1]:
            return None
        if record is None or record.checked != position:
            return None
        record.used = True
        return record.ready or self._unfold(record)

    async def lookup(self, request: Request) -> Lookup:
        """Find the entry for a request, without the lock."""
        position = self._position  # read before the tables: later invalidations have larger positions
        tables, key = self._tables, request.key
        found = tables.resources[hash(key[4] or key[2]) % PARTS].get(key)
        if found is None:
            return Lookup(None, position, False, None)
        for record in found.matching(request.selecting_values):
            is_usable = is_fresh = record.checked == position
            if not is_fresh:
                is_usable, is_fresh = tables.judge(record, position)
            if is_usable:
                record.used = True
                ready = record.ready or self._unfold(record)
                return Lookup(ready.entry, position, not is_fresh, found.vary)
        return Lookup(None, position, False, found.vary)

    async def commit(self, entry: Entry) -> bool:
        """Store an entry, unless a tag of it was invalidated hard while it was made."""
        if not self._is_in_front:
            warn_once()
        packed = pack(entry)
        size = record_bytes(entry, packed)
        with self._lock:
            self._sweep(entry.received)
            if size > self._room or entry.mark < self._log_floor or self._was_invalidated(entry):
                return False
            tables = self._tables
            old = tables.instead_of(entry)
            if old is not None:
                if old.mark > entry.mark and tables.judge(old, self._position)[0]:
                    return False
                tables.remove(old)
            if not self._make_room(size):
                return False
            tables.queues.add(tables.insert(entry, packed, size, self._log), old)
            return True

    @observed
    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Set the position of each tag. The time that takes does not depend on how many entries have it."""
        with self._lock:
            position = self._position + 1
            for tag in tags:
                self._write_log(tag, position, soft)
                self._tables.tags.invalidate(tag, position, soft=soft)
            self._position = position
            if ALL in tags and not soft:
                self._cleared.append(self._tables)
                self._begin()
                self._free(CLEARED_AT_ONCE)

    async def aclose(self) -> None:
        """Wait until caches downstream that follow this store were told all, but only for some seconds."""
        await self.invalidated.aclose()

    async def list_entries(
        self, *, url: str | None = None, tag: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Listed:
        """List entries, see `ListsEntries.list_entries`. It takes no lock, and a few milliseconds at most."""
        position = self._position  # before the tables, as in a lookup
        return list_entries(self._tables, position, url, tag, cursor, limit)

    def _unfold(self, record: Record) -> ReadyEntry:
        """Return the entry of a record, and keep it if no other thread is at work here: a lookup does not wait."""
        ready = record.unfolded()
        if self._lock.acquire(blocking=False):
            try:
                if not record.is_gone:
                    self._ready.keep(record, ready)
            finally:
                self._lock.release()
        return ready

    # --- under the lock -----------------------------------------------------------------------------------------------

    def _write_log(self, tag: str, position: int, soft: bool) -> None:
        hard_before, soft_before = self._log.pop(hash(tag), NEVER)
        self._log[hash(tag)] = (hard_before, position) if soft else (position, soft_before)
        if len(self._log) > LOG_LENGTH:
            _, dropped = self._log.popitem(last=False)
            self._log_floor = max(self._log_floor, *dropped)

    def _was_invalidated(self, entry: Entry) -> bool:
        """Tell whether a tag was invalidated hard after the entry's mark. The log has all that came after its floor."""
        return entry.mark < self._position and any(
            self._log.get(hash(tag), NEVER)[0] > entry.mark for tag in entry.tags
        )

    def _sweep(self, now: float) -> None:
        """Remove entries that are expired or invalidated, a few with each commit."""
        tables = self._tables
        for _ in range(SWEEP):
            record = tables.queues.walk()
            if record is None:
                return
            if now > record.useful_until or not tables.judge(record, self._position)[0]:
                tables.remove(record, leave_ghost=True)  # if it is filled again, it is no new item

    def _make_room(self, size: int) -> bool:
        """Free what was cleared, a few with each commit, and as much as is needed, and evict entries after that.

        Returns:
            Whether there is room now.
        """
        self._free(SWEEP)
        for _ in range(MAX_EVICTED):
            if self._taken() + size <= self._room:
                return True
            if self._cleared:
                self._free(1)
            else:
                self._evict()
        return self._taken() + size <= self._room

    def _taken(self) -> int:
        """Return the bytes of all records."""
        taken = self._tables.queues.size
        return taken + sum([tables.queues.size for tables in self._cleared]) if self._cleared else taken

    def _evict(self) -> None:
        record = self._tables.queues.next_victim()
        self._evictions += 1
        self._tables.remove(record, leave_ghost=not record.in_main)

    def _free(self, entries: int) -> None:
        """Free so many of the entries that were cleared."""
        while self._cleared and entries:
            tables = self._cleared[0]
            record = tables.queues.oldest()
            if record is None:
                self._cleared.popleft()
            else:
                tables.remove(record)
                entries -= 1


_LOOKUP: Final = MemoryStore.lookup
