"""The entries in the file: the variants of each URL, and the entries themselves in parts of one page.

A part fits on one page of the file, so that room never has to be contiguous: no file becomes too fragmented to store
what it has room for.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

import msgpack

from accelerator.stores.binary import outline
from accelerator.stores.lmdb.cards import RECORD_KEY_BYTES, Card, read_card
from accelerator.stores.lmdb.layout import number_in, numbered, with_sum, without_sum

if TYPE_CHECKING:
    from lmdb import Transaction

    from accelerator.http.request import Vary
    from accelerator.stores.binary import Outline

MAX_VARIANTS: Final = 64
"""Number of variants of one URL."""

ENTRY_BYTES: Final = 600
"""Bytes of an entry beyond its value: its records, with the one of its ghost, on pages that are not quite full."""

SPREAD: Final = 1.5
"""What small values take on pages that are two thirds full."""

PART_HEADER: Final = 16
"""Bytes of a page of the file that are not for values."""

_PART: Final = struct.Struct(">I")


class Stored(NamedTuple):
    """A stored variant.

    Attributes:
        number: the number of its entry.
        version: what tells it from those that it replaced, or that replace it; never given twice.
        is_stale: whether it was softly invalidated by a record since dropped.
    """

    number: int
    version: int
    is_stale: bool = False


Variants: TypeAlias = "dict[Vary, dict[bytes, Stored]]"
"""The stored variants of one URL by their selecting header fields, the newest of these first, and by their names."""


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
    card, parts = numbered(b"e", number), []
    with txn.cursor() as cursor:
        found = cursor.set_range(_part(card, 0))
        while found and cursor.key().startswith(card):
            parts.append(cursor.value())
            found = cursor.next()
    return b"".join(parts)


def read_outline(txn: Transaction[bytes], number: int) -> Outline | None:
    """Return what an entry is, without its body; None if it is not there, or cannot be read."""
    card, part, start = numbered(b"e", number), 0, b""
    while isinstance(found := outline(start), int):
        value = txn.get(_part(card, part))
        if value is None:
            return None
        start, part = start + value, part + 1
    return found


class Entries:
    """The entries, in a transaction: one that writes if something is to be changed.

    Args:
        txn: the transaction.
        page_size: bytes of a page of the file.
    """

    def __init__(self, txn: Transaction[bytes], page_size: int) -> None:
        self._txn = txn
        self._part_size = page_size - PART_HEADER

    def from_number(self, number: int, count: int) -> list[tuple[int, Card]]:
        """Return so many entries whose numbers are not below this one, with their cards, or less if there are less."""
        found: list[tuple[int, Card]] = []
        with self._txn.cursor() as cursor:
            there = cursor.set_range(numbered(b"e", number))
            while there and len(found) < count and cursor.key()[:1] == b"e":
                number = number_in(cursor.key())
                found.append((number, read_card(cursor.value())))
                there = cursor.set_range(numbered(b"e", number + 1))
        return found

    def variants(self, url: bytes) -> Variants:
        """Return the variants of a URL."""
        return read_variants(self._txn.get(url))

    def size_of(self, tags: int, value: bytes) -> int:
        """Return the bytes that an entry takes in the file: what is larger than half a page has pages of its own."""
        pages, rest = divmod(len(value), self._part_size)
        rest = self._part_size if rest > self._part_size // 2 else int(rest * SPREAD)
        return pages * self._part_size + rest + ENTRY_BYTES + int(SPREAD * RECORD_KEY_BYTES * tags)

    def put_value(self, number: int, value: bytes, before: int) -> int:
        """Write an entry in its binary form, and return the number of its parts.

        Args:
            number: its number.
            value: its binary form.
            before: the number of parts that this number had until now.
        """
        put, key, size = self._txn.put, numbered(b"e", number), self._part_size
        parts = -(-len(value) // size)
        for part in range(parts):
            put(_part(key, part), value[part * size : (part + 1) * size])
        for part in range(parts, before):
            self._txn.delete(_part(key, part))
        return parts

    def remove(self, number: int, card: Card) -> None:
        """Remove an entry, but not from the variants of its URL."""
        key = numbered(b"e", number)
        self._txn.delete(key)
        for part in range(card.parts):
            self._txn.delete(_part(key, part))

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
            stored = places.get(card.place)
            if stored is not None and stored.number == number and not stored.is_stale:
                places[card.place] = stored._replace(is_stale=True)
                self.put_variants(card.url, variants)

    def put_variants(self, url: bytes, variants: Variants) -> None:
        """Write the variants of a URL."""
        if variants:
            self._txn.put(url, with_sum(cast("bytes", msgpack.packb(list(variants.items())))))
        else:
            self._txn.delete(url)


def _part(card: bytes, part: int) -> bytes:
    """Return the key of a part: it stands behind the card."""
    return card + _PART.pack(part)
