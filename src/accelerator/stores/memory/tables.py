"""The tables of a store: the records by URL, and the tags with the positions at which they were invalidated.

Whoever changes them holds the lock of the store. Lookups read them without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from accelerator.stores.memory.eviction import S3Fifo
from accelerator.stores.memory.records import Record, Variants

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from accelerator.http.request import Key
    from accelerator.rules.entry import Entry
    from accelerator.stores.memory.records import ReadyEntries

PARTS: Final = 64
"""Number of parts of a table. A dictionary of a million names takes 50 ms to grow, one of these less than 1."""

MAX_VARIANTS: Final = 64
"""Number of variants of one URL."""

NEVER: Final = (0, 0)
"""The positions, hard and soft, of a tag that was not invalidated."""


class _Part:
    """A part of the tags.

    Attributes:
        names: each tag of an entry, by itself: the entries share its text.
        more: the number of entries beyond the first, of tags that several have.
        hard: the last position at which a tag of an entry was invalidated hard, if it was.
        soft: the same for soft invalidations.
    """

    __slots__ = ("hard", "more", "names", "soft")

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.more: dict[str, int] = {}
        self.hard: dict[str, int] = {}
        self.soft: dict[str, int] = {}

    def clear(self) -> None:
        """Give back the memory of dictionaries that are empty, and have grown."""
        for table in (self.names, self.more, self.hard, self.soft):
            table.clear()


class Tags:
    """The tags of all entries. A tag is there as long as an entry has it.

    They are texts and numbers in dictionaries, none of which the garbage collector visits.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts = tuple(_Part() for _ in range(PARTS))

    def __iter__(self) -> Iterator[str]:
        """Return an iterator over the tags."""
        return iter([tag for part in self._parts for tag in part.names])

    def add(self, tags: Collection[str], log: Mapping[int, tuple[int, int]]) -> tuple[str, ...]:
        """Add the tags of an entry, and return them as the texts that all entries share.

        A new tag takes its positions over from the log. What that has dropped is before every mark still accepted.

        Args:
            tags: the tags.
            log: the last positions, hard and soft, by the hash of a tag.
        """
        parts, shared = self._parts, []
        for tag in tags:
            part = parts[hash(tag) % PARTS]
            known = part.names.get(tag)
            if known is None:
                known = part.names[tag] = tag
                hard, soft = log.get(hash(tag), NEVER)
                if hard:
                    part.hard[tag] = hard
                if soft:
                    part.soft[tag] = soft
            else:
                part.more[known] = part.more.get(known, 0) + 1
            shared.append(known)
        return tuple(shared)

    def remove(self, tags: tuple[str, ...]) -> None:
        """Remove the tags of an entry that was added, and the positions of those that no other one has."""
        parts = self._parts
        for tag in tags:
            part = parts[hash(tag) % PARTS]
            more = part.more.get(tag, 0)
            if more > 1:
                part.more[tag] = more - 1
            elif more:
                del part.more[tag]
            else:
                del part.names[tag]
                part.hard.pop(tag, None)
                part.soft.pop(tag, None)
                if not part.names:
                    part.clear()

    def count(self, tag: str) -> int:
        """Return the number of entries that have a tag."""
        part = self._parts[hash(tag) % PARTS]
        return 1 + part.more.get(tag, 0) if tag in part.names else 0

    def invalidate(self, tag: str, position: int, *, soft: bool) -> None:
        """Set the position of a tag, if an entry has it."""
        part = self._parts[hash(tag) % PARTS]
        name = part.names.get(tag)
        if name is not None:
            (part.soft if soft else part.hard)[name] = position

    def last(self, tags: tuple[str, ...]) -> tuple[int, int]:
        """Return the last positions at which one of these tags was invalidated: hard, and soft."""
        parts = self._parts
        hard = soft = 0
        for tag in tags:
            part = parts[hash(tag) % PARTS]
            if part.hard and (position := part.hard.get(tag, 0)) > hard:
                hard = position
            if part.soft and (position := part.soft.get(tag, 0)) > soft:
                soft = position
        return hard, soft


class Tables:
    """All entries between two times that the store was cleared.

    Args:
        max_size: the size of all entries that there may be.
        ready: the unfolded ones among them.

    Attributes:
        resources: the records by URL. In each part they stand in the order of their numbers.
        tags: the tags.
        queues: the records in the order in which they may have to go.
        made: the number of records that were made.
    """

    __slots__ = ("_ready", "made", "queues", "resources", "tags")

    def __init__(self, max_size: int, ready: ReadyEntries) -> None:
        self.resources: tuple[dict[Key, Record | Variants], ...] = tuple({} for _ in range(PARTS))
        self.tags = Tags()
        self.made = 0
        self.queues: S3Fifo[Record] = S3Fifo(max_size)
        self._ready = ready

    def find(self, key: Key) -> Record | Variants | None:
        """Return what is stored of a URL: a record, or variants where there are several."""
        return self._part_of(key).get(key)

    def instead_of(self, entry: Entry) -> Record | None:
        """Return the record in whose place an entry would be stored."""
        found = self.find(entry.key)
        if isinstance(found, Variants):
            return found.get(entry.vary, entry.selected_by)
        is_same = found is not None and (found.vary, found.selected_by) == (entry.vary, entry.selected_by)
        return found if is_same else None

    def judge(self, record: Record, position: int) -> tuple[bool, bool]:
        """Return whether an entry is usable, and whether no soft invalidation after its mark concerns it.

        Args:
            record: its record.
            position: the last position, read before.
        """
        if record.checked == position:
            return True, True
        hard, soft = self.tags.last(record.tags)
        mark = record.mark  # read after the positions, which may have gone with the record
        if hard <= mark and soft <= mark:
            record.note_fresh(position)
            return True, True
        return hard <= mark, False

    def insert(self, entry: Entry, packed: bytes, size: int, log: Mapping[int, tuple[int, int]]) -> Record:
        """Make the record of an entry whose place is free, and return it. It is in no queue yet."""
        found = self.find(entry.key)
        if isinstance(found, Variants) and len(found) >= MAX_VARIANTS:
            self.remove(found.oldest())
        # the texts of the tables, instead of equal ones: so none outlives the entries whose size includes it
        key = entry.key if found is None else found.key
        tags = self.tags.add(entry.tags, log)
        facts = (key, entry.selected_by, tags, entry.mark, size, entry.useful_until, packed, entry.body)
        self.made += 1
        record = Record(entry.vary, facts, self.made)
        if found is None:
            self._part_of(key)[key] = record
            return record
        if isinstance(found, Record):
            found = self._part_of(key)[key] = Variants(key, found)
        found.add(record)
        return record

    def remove(self, record: Record, *, leave_ghost: bool = False) -> None:
        """Take a record out of all tables, and keep its name as a ghost if `leave_ghost` is set."""
        record.leave()  # before the positions of its tags go: a lookup that misses those sees it
        part = self._part_of(record.key)
        found = part[record.key]
        if isinstance(found, Variants):
            found.remove(record)
        if not isinstance(found, Variants) or not found.groups:
            del part[record.key]
            if not part:
                part.clear()  # gives back the memory that it has grown to, before all parts go together
        self.tags.remove(record.tags)
        self.queues.remove(record, leave_ghost=leave_ghost)
        self._ready.drop(record)

    def _part_of(self, key: Key) -> dict[Key, Record | Variants]:
        return self.resources[part_of(key)]


def part_of(key: Key) -> int:
    """Return the part of a URL: by its query, else by its path. The hash of a key takes twice as long (140 ns)."""
    return hash(key[4] or key[2]) % PARTS
