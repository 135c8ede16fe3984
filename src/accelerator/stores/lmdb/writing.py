"""What one transaction writes: an entry, an invalidation, room for others, or all that a new file has to have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.stores.lmdb.entries import MAX_VARIANTS, Card, Entries
from accelerator.stores.lmdb.layout import ghost_name, place_of, tag_keys, url_key
from accelerator.stores.lmdb.order import ORDER_KEY, Order, invalidate, judge, read_order, refuses
from accelerator.stores.lmdb.queues import STATE_KEY, Queues, State
from accelerator.stores.lmdb.sweep import MAX_RECORDS, PROGRESS_KEY, Progress, sweep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from lmdb import Transaction

    from accelerator.rules.entry import Entry
    from accelerator.stores.lmdb.entries import Stored, Variants
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

    def store(self, entry: Entry, value: bytes, used: Iterable[int]) -> bool:
        """Check the tags of an entry and store it, unless one was invalidated hard after its mark.

        Args:
            entry: the entry.
            value: its binary form.
            used: numbers of entries that this process used, and has not told yet.
        """
        self._queues.tell(used)
        sweep(self._txn, self._entries, self._queues, entry.received, SWEEP)
        order, records = read_order(self._txn.get(ORDER_KEY)), tag_keys(entry.tags)
        is_stored = False
        if not refuses(self._txn.get, order, entry, records):
            place = place_of(entry.vary, entry.selected_by)
            card = Card(entry.useful_until, entry.mark[0].position, url_key(entry.key), place, records)
            is_stored = self._put(order, entry, card, value)
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

    def _put(self, order: Order, entry: Entry, card: Card, value: bytes) -> bool:
        variants = self._entries.variants(card.url)
        old, replaced = variants.get(entry.vary, {}).get(card.place), None
        if old is not None:
            older = self._entries.card(old.number)
            if older is not None and older.mark > card.mark and self._is_usable(order, older):
                return False
            replaced = self._remove(old.number)
        else:
            self._make_way(variants)
        size = self._entries.size_of(card, value)
        if size > self._room.size // LARGEST:
            return False
        if not self._evict(self._room.size - size):
            raise NoRoomError(self._room.size - size)
        number = self._queues.add(size, ghost_name(card.url, card.place), replaced)
        self._entries.add(number, card, entry.vary, value)
        return True

    def _make_way(self, variants: Variants) -> None:
        """Remove the oldest variant of a URL that has as many as it may have."""
        stored: list[Stored] = [one for places in variants.values() for one in places.values()]
        if len(stored) >= MAX_VARIANTS:
            self._remove(min(stored).number)

    def _evict(self, size: int) -> bool:
        """Evict entries until no more than these bytes are in use. Return whether a few were enough."""
        for _ in range(MAX_VICTIMS):
            victim = self._queues.next_victim() if self._in_use() > size else None
            if victim is None:
                return True
            number, is_small = victim
            self._remove(number, leave_ghost=is_small)
        return False

    def _remove(self, number: int, *, leave_ghost: bool = False) -> Item | None:
        card = self._entries.card(number)
        ghost = b""
        if card is not None:
            self._entries.remove(number, card)
            ghost = ghost_name(card.url, card.place) if leave_ghost else b""
        return self._queues.remove(number, ghost=ghost)

    def _is_usable(self, order: Order, card: Card) -> bool:
        return judge(self._txn.get, order, card.mark, card.records)[0]

    def _in_use(self) -> int:
        """Return the bytes in use, of entries and of records of tags."""
        return self._queues.size + RECORD_BYTES * read_order(self._txn.get(ORDER_KEY)).records
