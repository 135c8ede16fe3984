"""The store in this process: positions for the invalidation rule, S3-FIFO for the limit in bytes.

Lookups take no lock, in whichever thread: they read one dictionary and compare integers. All other methods hold the
lock. An invalidation sets the new position last: a lookup that reads it sees the positions of tags as they were then,
or later ones.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from accelerator.stores.memory.eviction import Item, S3Fifo
from accelerator.stores.memory.workers import warn_once
from accelerator.stores.protocol import KnowsReadyEntries, Lookup, ReadyEntry, Store
from accelerator.stores.sizes import entry_bytes
from accelerator.tags import ALL
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from accelerator.http.request import Key, Request, Vary
    from accelerator.rules.entry import Entry
    from accelerator.stores.protocol import RequestT

MAX_VARIANTS: Final = 64
"""Number of variants of one URL."""

LOG_LENGTH: Final = 8192
"""Number of tags in the log. A fill during which more are invalidated is not stored."""

SWEEP: Final = 2
"""Entries that each commit checks for being of no use any more. It is more than one commit adds, so all are reached."""


class _Cell:
    """The last positions at which a tag was invalidated. It exists as long as an entry has the tag."""

    __slots__ = ("entries", "hard", "name", "soft")

    def __init__(self, name: str, hard: int, soft: int) -> None:
        self.name = name
        self.hard = hard
        self.soft = soft
        self.entries = 0


class _Record(Item):
    """An entry with its place in the table of its URL and in a queue."""

    __slots__ = ("cells", "checked", "entry", "ready")

    def __init__(self, entry: Entry, cells: tuple[_Cell, ...], checked: int, size: int) -> None:
        super().__init__(hash((entry.key, entry.vary, entry.selected_by)), size)
        self.entry = entry
        self.ready = ReadyEntry(entry)
        self.cells = cells
        self.checked = checked  # the position up to which no invalidation concerns it, -1 for none


class _Variants:
    """The stored variants of one URL, oldest first, and the lists of their selecting header fields, newest first."""

    __slots__ = ("key", "records", "varies")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.records: dict[tuple[Vary, tuple[bytes | None, ...]], _Record] = {}
        self.varies: tuple[Vary, ...] = ()


class MemoryStore(Uncopied, KnowsReadyEntries, Store):
    """Keeps entries in the memory of this process. Each process has its own: several processes need a shared store.

    Any thread may use it, and it never waits.

    Args:
        max_bytes: the bytes that entries may take, with their headers, keys, tags and overhead.

    Raises:
        TypeError: `max_bytes` is not an int.
        ValueError: it is not positive.
    """

    suspends = False

    def __init__(self, max_bytes: int = 128 * 1024 * 1024) -> None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int):
            raise TypeError(f"max_bytes is an int, not {type(max_bytes).__name__}")
        if max_bytes <= 0:
            raise ValueError(f"max_bytes is positive, not {max_bytes}")
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._position = 0
        # by the hashes of tags, so that long ones take no memory: two with the same hash are invalidated together
        self._log: OrderedDict[int, tuple[int, int]] = OrderedDict()  # positions: last hard, last soft
        self._log_floor = 0  # a fill with a smaller mark is refused: the log is too short for it
        self._reset()

    def _reset(self) -> None:
        self._resources: dict[Key, _Variants] = {}
        self._cells: dict[str, _Cell] = {}
        self._queues: S3Fifo[_Record] = S3Fifo(self._max_bytes)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._queues)

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self)} entries, {self.size:,} of {self._max_bytes:,} bytes>"

    @property
    def size(self) -> int:
        """The bytes that the entries take."""
        return self._queues.size

    def ready_entry(
        self, key: Key, request: RequestT, selecting_values: Callable[[RequestT, Vary], tuple[bytes | None, ...]]
    ) -> ReadyEntry | None:
        """Return the entry that a lookup has checked at the present position, without the lock.

        Where somebody has put another `lookup` in place of this class's own, that one is to be asked.
        """
        position = self._position  # before the entry is read: whatever is invalidated meanwhile is after it
        resource = self._resources.get(key)
        if resource is None or getattr(self.lookup, "__func__", None) is not _LOOKUP:
            return None
        for vary in resource.varies:
            record = resource.records.get((vary, selecting_values(request, vary) if vary else ()))
            if record is not None:
                if record.checked != position:
                    return None
                record.used = True
                return record.ready
        return None

    async def lookup(self, request: Request) -> Lookup:
        """Find the entry for a request, without the lock."""
        position = self._position  # read before the cells: later invalidations have larger positions
        resource = self._resources.get(request.key)
        if resource is None:
            return Lookup(None, position, False, None)
        varies = resource.varies
        for vary in varies:
            record = resource.records.get((vary, request.selecting_values(vary)))
            if record is None:
                continue
            if record.checked == position:
                record.used = True
                return Lookup(record.entry, position, False, varies[0])
            mark = record.entry.mark
            if all(cell.hard <= mark for cell in record.cells):
                invalidated = any(cell.soft > mark for cell in record.cells)
                if not invalidated:
                    record.checked = position
                record.used = True
                return Lookup(record.entry, position, invalidated, varies[0])
        return Lookup(None, position, False, varies[0] if varies else None)

    async def commit(self, entry: Entry) -> bool:
        """Store an entry, unless a tag of it was invalidated hard while it was made."""
        warn_once()
        size = entry_bytes(entry)
        with self._lock:
            self._sweep(entry.received)
            if size > self._max_bytes or entry.mark < self._log_floor or self._was_invalidated(entry):
                return False
            place = (entry.vary, entry.selected_by)
            resource = self._resources.get(entry.key)
            old = resource.records.get(place) if resource is not None else None
            if old is not None:
                if old.entry.mark > entry.mark and _is_usable(old):
                    return False
                self._remove(old)
            while self.size + size > self._max_bytes:
                self._evict()
            self._insert(entry, size, old)
            return True

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Set the position of each tag. The time that takes does not depend on how many entries have it."""
        with self._lock:
            position = self._position + 1
            for tag in tags:
                self._write_log(tag, position, soft)
                cell = self._cells.get(tag)
                if cell is not None and soft:
                    cell.soft = position
                elif cell is not None:
                    cell.hard = position
            self._position = position
            if ALL in tags and not soft:
                queues = self._queues
                self._reset()
        if ALL in tags and not soft:
            queues.dissolve()

    # --- under the lock -----------------------------------------------------------------------------------------------

    def _write_log(self, tag: str, position: int, soft: bool) -> None:
        hard_before, soft_before = self._log.pop(hash(tag), (0, 0))
        self._log[hash(tag)] = (hard_before, position) if soft else (position, soft_before)
        if len(self._log) > LOG_LENGTH:
            _, dropped = self._log.popitem(last=False)
            self._log_floor = max(self._log_floor, *dropped)

    def _was_invalidated(self, entry: Entry) -> bool:
        """Tell whether a tag was invalidated hard after the entry's mark. The log has all that came after its floor."""
        return any(self._log.get(hash(tag), (0, 0))[0] > entry.mark for tag in entry.tags)

    def _insert(self, entry: Entry, size: int, old: _Record | None) -> None:
        cells = [self._cells.get(tag) or self._new_cell(tag) for tag in entry.tags]
        for cell in cells:
            cell.entries += 1
        resource = self._resources.get(entry.key)
        if resource is None:
            resource = _Variants(entry.key)
        elif len(resource.records) >= MAX_VARIANTS:
            self._remove(next(iter(resource.records.values())))
        # equal values that share the texts of the tables: so no text outlives the entries whose size includes it
        entry = replace(entry, key=resource.key, tags=frozenset([cell.name for cell in cells]))
        record = _Record(entry, tuple(cells), -1, size)
        resource.records[entry.vary, entry.selected_by] = record
        resource.varies = (entry.vary, *(vary for vary in resource.varies if vary != entry.vary))
        self._resources[entry.key] = resource
        self._queues.add(record, old)

    def _new_cell(self, tag: str) -> _Cell:
        """Make a cell with the logged positions. What the log has dropped is before every mark still accepted."""
        cell = self._cells[tag] = _Cell(tag, *self._log.get(hash(tag), (0, 0)))
        return cell

    def _remove(self, record: _Record, *, leave_ghost: bool = False) -> None:
        entry = record.entry
        resource = self._resources[entry.key]
        del resource.records[entry.vary, entry.selected_by]
        if not resource.records:
            del self._resources[entry.key]
        elif not any(vary == entry.vary for vary, _ in resource.records):
            resource.varies = tuple(vary for vary in resource.varies if vary != entry.vary)
        for cell in record.cells:
            cell.entries -= 1
            if not cell.entries:
                del self._cells[cell.name]
        self._queues.remove(record, leave_ghost=leave_ghost)

    def _evict(self) -> None:
        record = self._queues.next_victim()
        self._remove(record, leave_ghost=not record.in_main)

    def _sweep(self, now: float) -> None:
        """Remove entries that are expired or invalidated, a few with each commit."""
        for _ in range(SWEEP):
            record = self._queues.walk()
            if record is None:
                return
            if now > record.entry.useful_until or not _is_usable(record):
                self._remove(record, leave_ghost=True)  # if it is filled again, it is no new item


def _is_usable(record: _Record) -> bool:
    mark = record.entry.mark
    return all(cell.hard <= mark for cell in record.cells)


_LOOKUP: Final = MemoryStore.lookup
