"""Entries at rest. Each is folded: one object that the garbage collector visits, a tuple of texts, and bytes.

An entry that was hit is unfolded, and kept so as long as there is room for it. It never changes, so to fold it again is
to drop it.
"""

from __future__ import annotations

import marshal
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeAlias

from accelerator.rules.entry import Entry
from accelerator.stores.memory.eviction import Item
from accelerator.stores.protocol import ReadyEntry
from accelerator.stores.sizes import unfolded_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.http.request import Key, Vary

MAX_READY: Final = 16_384
"""Number of unfolded entries. Each has some ten objects that the garbage collector visits."""

_FORMAT: Final = 2
"""Later formats of `marshal` look for equal parts: that takes twice as long (2.4 µs against 1.2), and saves little."""

SelectedBy: TypeAlias = "tuple[bytes | None, ...]"
Facts: TypeAlias = "tuple[Key, SelectedBy, tuple[str, ...], int, int, float, bytes, bytes]"
"""Key, values of the selecting fields, tags, mark, size, when it becomes useless, the packed rest, and the body."""

_GONE: Final = -1


def pack(entry: Entry) -> bytes:
    """Return the bytes of what a lookup does not need. They never leave the process."""
    rest = (
        entry.status,
        entry.headers,
        entry.added,
        float(entry.received),  # of a subclass of float, `marshal` would keep the bytes
        float(entry.initial_age),
        float(entry.lifetime),
        float(entry.stale_while_revalidate),
        float(entry.stale_if_error),
        entry.never_stale,
        entry.for_cookies,
        entry.for_credentials,
        entry.for_codings,
        entry.etag,
        entry.validator,
        entry.last_modified,
        float(entry.made_in),
        entry.route,
    )
    return marshal.dumps(rest, _FORMAT)


class Record(Item):
    """An entry with its place in the tables.

    What the lookup of a plain hit does not need is in one tuple of texts and numbers, which the garbage collector does
    not visit: that makes a full collection half as long.

    Attributes:
        vary: the selecting header fields of the entry.
        facts: see `Facts`.
        mark: the mark of the entry, a position before all others once the record was taken out of the tables: what
            these say of its tags need not concern it any more.
        checked: the position up to which no invalidation concerns it.
        number: that of the record in the order in which they were made.
        ready: the entry if it is unfolded.
    """

    __slots__ = ("checked", "facts", "mark", "number", "ready", "vary")

    def __init__(self, vary: Vary, facts: Facts, number: int) -> None:
        super().__init__()
        self.number = number
        self.vary = vary
        self.facts = facts
        self.mark = self.checked = facts[3]
        self.ready: ReadyEntry | None = None

    @property
    def name(self) -> int:
        """A hash of what selects the entry."""
        return hash((self.vary, self.facts[:2]))

    @property
    def key(self) -> Key:
        """The key of the entry."""
        return self.facts[0]

    @property
    def selected_by(self) -> SelectedBy:
        """The values of its selecting header fields."""
        return self.facts[1]

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the entry."""
        return self.facts[2]

    @property
    def size(self) -> int:
        """The bytes that the record takes."""
        return self.facts[4]

    @property
    def useful_until(self) -> float:
        """When the entry becomes useless."""
        return self.facts[5]

    @property
    def packed(self) -> bytes:
        """What `pack` made of the entry."""
        return self.facts[6]

    def all(self) -> tuple[Record, ...]:
        """Return the record."""
        return (self,)

    def matching(self, selecting_values: Callable[[Vary], SelectedBy]) -> tuple[Record, ...]:
        """Return the record if it answers a request with these values of selecting header fields."""
        return (self,) if not self.vary or selecting_values(self.vary) == self.facts[1] else ()

    def unfolded(self) -> ReadyEntry:
        """Return the entry."""
        if (ready := self.ready) is not None:
            return ready
        key, selected_by, tags, mark, _, _, packed, body = self.facts
        status, headers, added, *others = marshal.loads(packed)  # noqa: S302 - `pack` has made it in this process
        return ReadyEntry(
            Entry(key, self.vary, selected_by, status, headers, added, body, frozenset(tags), mark, *others)
        )

    def note_fresh(self, position: int) -> None:
        """Note that up to a position no invalidation concerns the entry."""
        self.checked = position

    def leave(self) -> None:
        """Note that the record is taken out of the tables."""
        self.mark = _GONE

    @property
    def is_gone(self) -> bool:
        """Whether the record was taken out of the tables."""
        return self.mark == _GONE


class Variants:
    """The records of a URL that has had several.

    Attributes:
        key: the key of all of them.
        number: that of the record which was the first to have this key.
        groups: the records by the values of their selecting header fields, after the names of these; the group with the
            newest record first, and in each the oldest record.
    """

    __slots__ = ("groups", "key", "number")

    def __init__(self, key: Key, first: Record) -> None:
        self.key = key
        self.number = first.number
        self.groups: tuple[tuple[Vary, dict[SelectedBy, Record]], ...] = ()
        self.add(first)

    def __len__(self) -> int:
        """Return the number of records."""
        return sum([len(records) for _, records in self.groups])

    def all(self) -> tuple[Record, ...]:
        """Return all records. Another thread may change them meanwhile."""
        return tuple([record for _, records in self.groups for record in list(records.values())])

    def get(self, vary: Vary, selected_by: SelectedBy) -> Record | None:
        """Return the record with these values of selecting header fields."""
        return next((records.get(selected_by) for names, records in self.groups if names == vary), None)

    @property
    def vary(self) -> Vary | None:
        """The selecting header fields of the newest record; None if another thread takes the last one out."""
        groups = self.groups
        return groups[0][0] if groups else None

    def matching(self, selecting_values: Callable[[Vary], SelectedBy]) -> tuple[Record, ...]:
        """Return the records that answer a request with these values of selecting header fields, the newest first."""
        found = [records.get(selecting_values(vary) if vary else ()) for vary, records in self.groups]
        return tuple([record for record in found if record is not None])

    def oldest(self) -> Record:
        """Return the oldest record of the group whose newest record is the oldest."""
        _, records = self.groups[-1]
        return next(iter(records.values()))

    def add(self, record: Record) -> None:
        """Add a record as the newest. Its place is free."""
        vary, selected_by = record.vary, record.selected_by
        same = next((records for names, records in self.groups if names == vary), {})
        same[selected_by] = record
        self.groups = ((vary, same), *self._without(vary))

    def remove(self, record: Record) -> None:
        """Remove a record."""
        (same,) = (records for names, records in self.groups if names == record.vary)
        del same[record.selected_by]
        if not same:
            self.groups = self._without(record.vary)

    def _without(self, vary: Vary) -> tuple[tuple[Vary, dict[SelectedBy, Record]], ...]:
        return tuple(group for group in self.groups if group[0] != vary)


class ReadyEntries:
    """The records whose entries are unfolded. What was unfolded first is folded first.

    Args:
        max_bytes: the bytes that these entries may take beside their records.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Record, int] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        """Return the number of unfolded entries."""
        return len(self._kept)

    def keep(self, record: Record, ready: ReadyEntry) -> None:
        """Keep an entry unfolded, unless it is so large that it would displace too many others."""
        size = unfolded_bytes(ready.entry, record.packed)
        if record.ready is not None or size > self._max_bytes // 8:
            return
        record.ready = ready
        self._kept[record] = size
        self.size += size
        while self.size > self._max_bytes or len(self._kept) > MAX_READY:
            oldest, size = self._kept.popitem(last=False)
            oldest.ready = None
            self.size -= size

    def drop(self, record: Record) -> None:
        """Fold the entry of a record, if it is unfolded."""
        if record.ready is not None:
            record.ready = None
            self.size -= self._kept.pop(record)
