"""What one transaction writes: an entry, an invalidation, room for others, or all that a new file has to have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.stores.lmdb.entries import MAX_VARIANTS, Card, Entries, Stored
from accelerator.stores.lmdb.layout import ghost_name, place_of, tag_keys, url_key
from accelerator.stores.lmdb.order import ORDER_KEY, Order, invalidate, judge, read_order, refuses
from accelerator.stores.lmdb.queues import STATE_KEY, Queues, State
from accelerator.stores.lmdb.sweep import MAX_RECORDS, PROGRESS_KEY, Progress, sweep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from lmdb import Transaction

    from accelerator.rules.entry import Entry
    from accelerator.stores.lmdb.entries import Variants
    from accelerator.stores.lmdb.queues import Item

SWEEP: Final = 2
"""Entries that each write looks at. It is more than one commit adds, so all are reached."""

MAX_VICTIMS: Final = 16
"""Entries that one transaction evicts, at most: it writes copies of all pages that it changes."""

RECORD_BYTES: Final = 90
"""Bytes of the record of a tag, on pages that are not quite full."""

LARGEST: Final = 8
"""An entry is not stored if it takes more than the room of all entries divided by this number."""


class Room(NamedTuple):
    """The room in a file.

    Attributes:
        page_size: bytes of a page.
        size: the bytes that may be in use. The file has a third more, since a transaction writes copies of pages.
    """

    page_size: int
    size: int


class NoRoomError(Exception):
    """More entries have to go than one transaction should evict.

    Attributes:
        size: the bytes that may be in use for what is to be written.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


def write_first(txn: Transaction[bytes]) -> bytes:
    """Write what a new file has, and return its incarnation."""
    incarnation = os.urandom(8)
    txn.put(ORDER_KEY, Order(incarnation).packed())
    txn.put(STATE_KEY, State().packed())
    txn.put(PROGRESS_KEY, Progress().packed())
    return incarnation


def take_back(txn: Transaction[bytes], room: Room, tags: Collection[str], *, soft: bool) -> None:
    """Invalidate tags. If there are too many records, look at as many as it may have added."""
    order = invalidate(txn, tags, soft=soft)
    if order.records > MAX_RECORDS:
        queues = Queues(txn, room.size)
        sweep(txn, Entries(txn, room.page_size), queues, 0, SWEEP * len(tags))
        queues.save()


class Commit:
    """The storing of one entry.

    Args:
        txn: a transaction that writes.
        room: the room in the file.
    """

    def __init__(self, txn: Transaction[bytes], room: Room) -> None:
        self._txn = txn
        self._room = room
        self._entries = Entries(txn, room.page_size)
        self._queues = Queues(txn, room.size)
        self._order = read_order(txn.get(ORDER_KEY))

    def store(self, entry: Entry, value: bytes, used: Iterable[int]) -> bool:
        """Check the tags of an entry and store it, unless one was invalidated hard after its mark.

        Args:
            entry: the entry.
            value: its binary form.
            used: numbers of entries that this process used, and has not told yet.
        """
        self._queues.tell(used)
        self._order = sweep(self._txn, self._entries, self._queues, entry.received, SWEEP)
        records = tag_keys(entry.tags)
        is_stored = not refuses(self._txn.get, self._order, entry, records) and self._put(entry, value, records)
        self._queues.save()
        return is_stored

    def make_room(self, size: int | None) -> bool:
        """Evict entries until no more than these bytes are in use, a few less than now for None.

        Returns:
            Whether that was done. Otherwise it was begun.
        """
        in_use = self._in_use()
        is_done = self._evict(size if size is not None else in_use - in_use // LARGEST)
        self._queues.save()
        return is_done

    def _put(self, entry: Entry, value: bytes, records: Iterable[bytes]) -> bool:
        url, place = url_key(entry.key), place_of(entry.vary, entry.selected_by)
        card = Card(entry.useful_until, entry.mark[0].position, url, place, b"".join(records))
        packed = card.packed()
        size = self._entries.size_of(packed, value)
        variants = self._entries.variants(url)
        old = variants.get(entry.vary, {}).get(place)
        if size > self._room.size // LARGEST or (old is not None and self._stays(old.number, card)):
            return False
        replaced = None
        if old is not None:
            replaced = self._remove(old.number)
        else:
            self._make_way(url, variants)
        if not self._evict(self._room.size - size):
            raise NoRoomError(self._room.size - size)
        number = self._queues.add(size, ghost_name(url, place), replaced)
        self._entries.add(number, packed, value)
        variants = self._entries.variants(url)  # as eviction has left them
        places = variants.pop(entry.vary, {})
        self._entries.put_variants(url, {entry.vary: {**places, place: Stored(number)}, **variants})
        return True

    def _stays(self, number: int, card: Card) -> bool:
        """Tell whether an entry is usable, and has a larger mark than one that would replace it."""
        older = self._entries.card(number)
        return older.mark > card.mark and judge(self._txn.get, self._order, older.mark, older.records)[0]

    def _make_way(self, url: bytes, variants: Variants) -> None:
        """Remove the oldest variant of a URL that has as many as it may have."""
        stored = [one for places in variants.values() for one in places.values()]
        if len(stored) >= MAX_VARIANTS:
            number = min(stored).number
            self._remove(number)
            self._entries.unlink(number, url)

    def _evict(self, size: int) -> bool:
        """Evict entries until no more than these bytes are in use. Return whether a few were enough."""
        for _ in range(MAX_VICTIMS):
            victim = self._queues.next_victim() if self._in_use() > size else None
            if victim is None:
                return True
            number, is_small = victim
            card = self._entries.card(number)
            self._entries.unlink(number, card.url)
            self._remove(number, ghost=ghost_name(card.url, card.place) if is_small else b"")
        return False

    def _remove(self, number: int, *, ghost: bytes = b"") -> Item:
        self._entries.remove(number)
        return self._queues.remove(number, ghost=ghost)

    def _in_use(self) -> int:
        """Return the bytes in use, of entries and of records of tags."""
        return self._queues.size + RECORD_BYTES * self._order.records
