"""The entries in the file: the variants of each URL, a card for each entry, and the entry itself in parts of one page.

A part fits on one page of the file, so that room never has to be contiguous: no file becomes too fragmented to store
what it has room for.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

import msgpack

from accelerator.stores.lmdb.layout import HASH_BYTES, DamagedError, number_in, numbered, with_sum, without_sum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmdb import Transaction

    from accelerator.http.request import Vary

MAX_VARIANTS: Final = 64
"""Number of variants of one URL."""

ENTRY_BYTES: Final = 600
"""Bytes of an entry beyond its value: its records, with the one of its ghost, on pages that are not quite full."""

SPREAD: Final = 1.5
"""What small values take on pages that are two thirds full."""

PART_HEADER: Final = 16
"""Bytes of a page of the file that are not for values."""

_CARD: Final = struct.Struct(f">dQ{HASH_BYTES + 1}sB")
_PART: Final = struct.Struct(">I")


class Stored(NamedTuple):
    """A stored variant: the number of its entry, and whether it was softly invalidated by a record since dropped."""

    number: int
    is_stale: bool = False


Variants: TypeAlias = "dict[Vary, dict[bytes, Stored]]"
"""The stored variants of one URL by their selecting header fields, the newest of these first, and by their names."""


class Card:
    """What has to be known of an entry to drop it, without reading it.

    Args:
        useful_until: when it becomes useless, in seconds since the epoch.
        mark: the position of its mark.
        url: the key of the variants of its URL.
        place: the name of the variant.
        records: the keys of the records of its tags, one after the other.
    """

    __slots__ = ("_records", "mark", "place", "url", "useful_until")

    def __init__(self, useful_until: float, mark: int, url: bytes, place: bytes, records: bytes) -> None:
        self.useful_until = useful_until
        self.mark = mark
        self.url = url
        self.place = place
        self._records = records

    @property
    def records(self) -> Iterator[bytes]:
        """The keys of the records of its tags."""
        size = HASH_BYTES + 1
        return (self._records[start : start + size] for start in range(0, len(self._records), size))

    def packed(self) -> bytes:
        """Return the binary form."""
        head = _CARD.pack(self.useful_until, self.mark, self.url, len(self.place))
        return with_sum(b"".join((head, self.place, self._records)))


def read_card(value: bytes | None) -> Card:
    """Return the card of these bytes.

    Raises:
        DamagedError: there are none, or they are damaged.
    """
    found = without_sum(value)
    if found is None:
        raise DamagedError("what has to be known of an entry cannot be read")
    useful_until, mark, url, length = _CARD.unpack_from(found)
    records = _CARD.size + length
    return Card(useful_until, mark, url, found[_CARD.size : records], found[records:])


def read_variants(value: bytes | None) -> Variants:
    """Return the variants in these bytes, none if there are no bytes or they are damaged."""
    found = without_sum(value)
    if found is None:
        return {}
    return {
        tuple(vary): {place: Stored(*stored) for place, stored in places.items()}
        for vary, places in msgpack.unpackb(found)
    }


def read_entry(txn: Transaction[bytes], number: int) -> bytes:
    """Return the binary form of an entry, empty if it is not there."""
    prefix, parts = numbered(b"b", number), []
    with txn.cursor() as cursor:
        found = cursor.set_range(prefix)
        while found and cursor.key().startswith(prefix):
            parts.append(cursor.value())
            found = cursor.next()
    return b"".join(parts)


class Entries:
    """The entries, in a transaction that writes.

    Args:
        txn: the transaction.
        page_size: bytes of a page of the file.
    """

    def __init__(self, txn: Transaction[bytes], page_size: int) -> None:
        self._txn = txn
        self._part_size = page_size - PART_HEADER

    def card(self, number: int) -> Card:
        """Return the card of an entry.

        Raises:
            DamagedError: it cannot be read.
        """
        return read_card(self._txn.get(numbered(b"e", number)))

    def from_number(self, number: int, count: int) -> list[tuple[int, Card]]:
        """Return so many entries whose numbers are not below this one, with their cards, or less if there are less."""
        found: list[tuple[int, Card]] = []
        with self._txn.cursor() as cursor:
            there = cursor.set_range(numbered(b"e", number))
            while there and len(found) < count and cursor.key()[:1] == b"e":
                found.append((number_in(cursor.key()), read_card(cursor.value())))
                there = cursor.next()
        return found

    def variants(self, url: bytes) -> Variants:
        """Return the variants of a URL."""
        return read_variants(self._txn.get(url))

    def size_of(self, card: bytes, value: bytes) -> int:
        """Return the bytes that an entry takes in the file: what is larger than half a page has pages of its own."""
        pages, rest = divmod(len(value), self._part_size)
        rest = self._part_size if rest > self._part_size // 2 else int(rest * SPREAD)
        return pages * self._part_size + rest + ENTRY_BYTES + int(SPREAD * len(card))

    def add(self, number: int, card: bytes, value: bytes) -> None:
        """Add an entry, which is among no variants yet.

        Args:
            number: its number.
            card: its card, packed.
            value: its binary form.
        """
        put, size = self._txn.put, self._part_size
        for part, start in enumerate(range(0, len(value), size)):
            put(numbered(b"b", number) + _PART.pack(part), value[start : start + size])
        put(numbered(b"e", number), card)

    def remove(self, number: int) -> None:
        """Remove an entry, but not from the variants of its URL."""
        self._txn.delete(numbered(b"e", number))
        prefix = numbered(b"b", number)
        with self._txn.cursor() as cursor:
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                found = cursor.delete()

    def unlink(self, number: int, url: bytes) -> None:
        """Remove an entry from the variants of its URL."""
        self.put_variants(
            url,
            {
                vary: left
                for vary, places in self.variants(url).items()
                if (left := {place: stored for place, stored in places.items() if stored.number != number})
            },
        )

    def make_stale(self, number: int, card: Card) -> None:
        """Note that an entry was invalidated softly, so that the record which told it can be dropped."""
        variants = self.variants(card.url)
        for places in variants.values():
            if places.get(card.place) == Stored(number):
                places[card.place] = Stored(number, is_stale=True)
                self.put_variants(card.url, variants)

    def put_variants(self, url: bytes, variants: Variants) -> None:
        """Write the variants of a URL."""
        if variants:
            self._txn.put(url, with_sum(cast("bytes", msgpack.packb(list(variants.items())))))
        else:
            self._txn.delete(url)
