"""What one transaction writes: an entry, an invalidation, room for others, or all that a new file has to have."""

from __future__ import annotations

import os
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.stores.lmdb.cards import Card, get_card, put_card
from accelerator.stores.lmdb.entries import MAX_VARIANTS, Entries, Stored
from accelerator.stores.lmdb.layout import ghost_name, place_of, tag_keys
from accelerator.stores.lmdb.order import Order, compare, invalidate, judge, write_order
from accelerator.stores.lmdb.queues import FIRST_STATE, STATE_KEY, Queues
from accelerator.stores.lmdb.sweep import MAX_RECORDS, PROGRESS_KEY, Progress, sweep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from lmdb import Transaction

    from accelerator.http.request import Vary
    from accelerator.rules.entry import Entry
    from accelerator.stores.lmdb.entries import Variants

SWEEP: Final = 8
"""Entries that are looked at with one commit in so many, and with one tag in so many if there are too many records."""

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
    write_order(txn, Order(incarnation))
    txn.put(STATE_KEY, FIRST_STATE)
    txn.put(PROGRESS_KEY, Progress().packed())
    return incarnation


def take_back(txn: Transaction[bytes], order: Order, room: Room, tags: Collection[str], *, soft: bool) -> None:
    """Invalidate tags. If there are too many records, look whether some can go, now and then."""
    sweeps = -(order.position // SWEEP)
    order = invalidate(txn, order, tags, soft=soft)
    sweeps += order.position // SWEEP
    if sweeps and order.records > MAX_RECORDS:
        queues = Queues(txn, room.size)
        sweep(txn, order, Entries(txn, room.page_size), queues, 0, SWEEP * sweeps)
        queues.save()


class Commit:
    """The storing of one entry.

    Args:
        txn: a transaction that writes.
        order: the order.
        room: the room in the file.

    Attributes:
        evicted: the number of entries that gave way to others.
    """

    def __init__(self, txn: Transaction[bytes], order: Order, room: Room) -> None:
        self.evicted = 0
        self._txn = txn
        self._room = room
        self._entries = Entries(txn, room.page_size)
        self._queues = Queues(txn, room.size)
        self._order = order

    def store(self, entry: Entry, url: bytes, value: bytes, used: Iterable[int]) -> bool:
        """Check the tags of an entry and store it, unless one was invalidated hard after its mark.

        Args:
            entry: the entry.
            url: the key of the variants of its URL.
            value: its binary form.
            used: numbers of entries that this process used, and has not told yet.
        """
        self._queues.tell(used)
        if self._queues.version % SWEEP == 0:
            self._order = sweep(self._txn, self._order, self._entries, self._queues, entry.received, SWEEP)
        records = tag_keys(entry.tags)
        may_be_stored, is_fresh = compare(self._txn.get, self._order, entry, records)
        is_stored = may_be_stored and self._put(entry, url, value, records, is_stale=not is_fresh)
        self._queues.save()
        return is_stored

    def less(self) -> int:
        """Return the bytes in use, less as many as the largest entry may take."""
        in_use = self._in_use()
        return in_use - in_use // LARGEST

    def make_room(self, size: int) -> bool:
        """Evict entries until no more than these bytes are in use.

        Returns:
            Whether that was done. Otherwise it was begun.
        """
        try:
            self._evict(size)
            is_done = True
        except NoRoomError:
            is_done = False
        self._queues.save()
        return is_done

    def _put(self, entry: Entry, url: bytes, value: bytes, records: Collection[bytes], *, is_stale: bool) -> bool:
        place = place_of(entry.vary, entry.selected_by)
        size, mark = self._entries.size_of(len(records), value), entry.mark[0].position
        variants = self._entries.variants(url)
        old, before = self._find(variants, entry.vary, place)
        if size > self._room.size // LARGEST or (before is not None and self._stays(before, mark)):
            return False
        has_made_way = before is None and self._make_way(variants)
        if self._evict(self._room.size - size + (before.size if before is not None else 0)) or has_made_way:
            variants = self._entries.variants(url)
            old, before = self._find(variants, entry.vary, place)
        if old is None or before is None:
            number, queue, turn = self._queues.add(size, ghost_name(url, place))
            parts_before, used = 0, False
        else:  # what replaces it takes its place, and counts as used
            number, queue, turn, parts_before, used = old.number, before.queue, before.turn, before.parts, True
            self._queues.resize(before, size)
        parts, tags = self._entries.put_value(number, value, parts_before), b"".join(records)
        put_card(self._txn, number, Card(entry.useful_until, mark, queue, turn, size, used, parts, url, place, tags))
        places = {**variants.pop(entry.vary, {}), place: Stored(number, self._queues.new_version(), is_stale)}
        self._entries.put_variants(url, {entry.vary: places, **variants})
        return True

    def _find(self, variants: Variants, vary: Vary, place: bytes) -> tuple[Stored, Card] | tuple[None, None]:
        """Return a variant and its card, if it is stored."""
        stored = variants.get(vary, {}).get(place)
        return (stored, get_card(self._txn, stored.number)) if stored is not None else (None, None)

    def _stays(self, before: Card, mark: int) -> bool:
        """Tell whether an entry is usable, and has a larger mark than one that would replace it."""
        return before.mark > mark and judge(self._txn.get, self._order, before.mark, before.records)[0]

    def _make_way(self, variants: Variants) -> bool:
        """Remove the oldest variant of a URL that has as many as it may have, and tell whether it has."""
        stored = [one for places in variants.values() for one in places.values()]
        if len(stored) < MAX_VARIANTS:
            return False
        number = min(stored, key=attrgetter("version")).number
        self._remove(number, get_card(self._txn, number))
        return True

    def _evict(self, size: int) -> bool:
        """Evict entries until no more than these bytes are in use, and tell whether there were any to evict.

        Raises:
            NoRoomError: they are too many.
        """
        for count in range(MAX_VICTIMS):
            victim = self._queues.next_victim() if self._in_use() > size else None
            if victim is None:
                return count > 0
            number, card, is_small = victim
            self.evicted += 1
            self._remove(number, card, ghost=ghost_name(card.url, card.place) if is_small else b"")
        raise NoRoomError(size)

    def _remove(self, number: int, card: Card, *, ghost: bytes = b"") -> None:
        self._entries.remove(number, card)
        self._entries.unlink(number, card.url)
        self._queues.remove(card, ghost=ghost)

    def _in_use(self) -> int:
        """Return the bytes in use, of entries and of records of tags."""
        return self._queues.size + RECORD_BYTES * self._order.records
