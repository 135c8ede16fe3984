"""The store in this process: positions and cells for the invalidation rule, S3-FIFO for the bound in bytes.

Lookups take no lock, from whichever thread: they read one dictionary, then compare integers. Everything else holds the
lock, and publishes the new position last: who reads it sees the cells as they are at that position, or later.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from accelerator.stores.memory.eviction import Item, S3Fifo
from accelerator.stores.memory.workers import warn_once
from accelerator.stores.protocol import Lookup, Store
from accelerator.stores.sizes import entry_bytes
from accelerator.tags import ALL
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.http.request import Key, Request, Vary
    from accelerator.rules.entry import Entry

MAX_VARIANTS: Final = 64
LOG_LENGTH: Final = 8192
"""Invalidations during one fill beyond which the fill is not stored."""

SWEEP: Final = 2
"""Entries looked at by each commit for being past use: more than come, so what is dead goes."""


class _Cell:
    """The last positions at which a tag was invalidated, as long as an entry names it."""

    __slots__ = ("entries", "hard", "name", "soft")

    def __init__(self, name: str, hard: int, soft: int) -> None:
        self.name = name
        self.hard = hard
        self.soft = soft
        self.entries = 0


class _Record(Item):
    """An entry in its place: in the table of its URL and in a queue."""

    __slots__ = ("cells", "checked", "entry")

    def __init__(self, entry: Entry, cells: tuple[_Cell, ...], checked: int, size: int) -> None:
        super().__init__(hash((entry.key, entry.vary, entry.selected_by)), size)
        self.entry = entry
        self.cells = cells
        self.checked = checked  # a position up to which the entry is known to be fresh, -1 if it is not


class _Resource:
    """The variants of one URL, oldest first, and the lists of fields that choose among them, newest first."""

    __slots__ = ("key", "records", "varies")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.records: dict[tuple[Vary, tuple[bytes | None, ...]], _Record] = {}
        self.varies: tuple[Vary, ...] = ()


class MemoryStore(Uncopied, Store):
    """Entries in this process's memory. Several processes each have their own: they need a shared store.

    It is safe to use from any thread, and never waits.

    Args:
        max_bytes: bound of what entries take, in bytes, with their headers, keys, tags and overhead.

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
        # by the hashes of tags, so that long ones take no room: what takes back one of two with the same, does both
        self._log: OrderedDict[int, tuple[int, int]] = OrderedDict()  # last hard and soft
        self._log_floor = 0  # fills with a smaller mark cannot be judged any more
        self._reset()

    def _reset(self) -> None:
        self._resources: dict[Key, _Resource] = {}
        self._cells: dict[str, _Cell] = {}
        self._queues: S3Fifo[_Record] = S3Fifo(self._max_bytes)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._queues)

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self)} entries, {self.size:,} of {self._max_bytes:,} bytes>"

    @property
    def size(self) -> int:
        """What the entries take, in bytes."""
        return self._queues.size

    async def lookup(self, request: Request) -> Lookup:
        """Find the entry for a request, without the lock."""
        position = self._position  # before the cells are read: whatever is invalidated meanwhile is after it
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
        """Store an entry, unless it was taken back while it was made by an invalidation."""
        warn_once()
        size = entry_bytes(entry)
        with self._lock:
            self._sweep(entry.received)
            if size > self._max_bytes or entry.mark < self._log_floor or self._is_taken_back(entry):
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
        """Move the position of each tag, whatever number of entries has it."""
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

    def _is_taken_back(self, entry: Entry) -> bool:
        """Whether a tag was invalidated hard after the entry's mark. The log knows all that came after its floor."""
        return any(self._log.get(hash(tag), (0, 0))[0] > entry.mark for tag in entry.tags)

    def _insert(self, entry: Entry, size: int, old: _Record | None) -> None:
        cells = [self._cells.get(tag) or self._new_cell(tag) for tag in entry.tags]
        for cell in cells:
            cell.entries += 1
        resource = self._resources.get(entry.key)
        if resource is None:
            resource = _Resource(entry.key)
        elif len(resource.records) >= MAX_VARIANTS:
            self._remove(next(iter(resource.records.values())))
        # the same values with the tables' own texts: of those, none then outlives the entries that account for it
        entry = replace(entry, key=resource.key, tags=frozenset([cell.name for cell in cells]))
        record = _Record(entry, tuple(cells), -1, size)
        resource.records[entry.vary, entry.selected_by] = record
        resource.varies = (entry.vary, *(vary for vary in resource.varies if vary != entry.vary))
        self._resources[entry.key] = resource
        self._queues.add(record, old)

    def _new_cell(self, tag: str) -> _Cell:
        """Make a cell at the logged positions: what was dropped from the log is not after any mark still accepted."""
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
        """Drop what is past use, a little with each commit: expired, or taken back."""
        for _ in range(SWEEP):
            record = self._queues.walk()
            if record is None:
                return
            if now > record.entry.useful_until or not _is_usable(record):
                self._remove(record, leave_ghost=True)  # what is made again is not new


def _is_usable(record: _Record) -> bool:
    mark = record.entry.mark
    return all(cell.hard <= mark for cell in record.cells)
