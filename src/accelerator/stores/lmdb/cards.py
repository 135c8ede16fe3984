"""The card of an entry: all that has to be known of it but what it says, in one record.

With it stands the entry's place in a queue, so that storing an entry writes few records.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.stores.lmdb.layout import HASH_BYTES, numbered, sound, with_sum

if TYPE_CHECKING:
    from lmdb import Transaction

RECORD_KEY_BYTES: Final = HASH_BYTES + 1
"""Bytes of the key of the record of a tag, or of the variants of a URL."""

_HEAD: Final = struct.Struct(f">dQBQQ?I{RECORD_KEY_BYTES}sB")

_KEY: Final = struct.Struct(f"{RECORD_KEY_BYTES}s")


class Card(NamedTuple):
    """What has to be known of an entry to evict it, replace it or drop it, without reading it.

    Attributes:
        useful_until: when it becomes useless, in seconds since the epoch.
        mark: the position of its mark.
        queue: the queue that it is in.
        turn: its place there.
        size: the bytes that it takes in the file.
        used: whether it was used.
        parts: the number of its parts.
        url: the key of the variants of its URL.
        place: the name of the variant.
        tags: the keys of the records of its tags, one after the other.
    """

    useful_until: float
    mark: int
    queue: int
    turn: int
    size: int
    used: bool
    parts: int
    url: bytes
    place: bytes
    tags: bytes

    @property
    def records(self) -> list[bytes]:
        """The keys of the records of its tags."""
        return [key for (key,) in _KEY.iter_unpack(self.tags)]

    def packed(self) -> bytes:
        """Return the binary form."""
        return with_sum(_HEAD.pack(*self[:8], len(self.place)) + self.place + self.tags)


def read_card(value: bytes | None) -> Card:
    """Return the card of these bytes.

    Raises:
        DamagedError: there are none, or they are damaged.
    """
    found = sound(value, "what has to be known of an entry")
    until, mark, queue, turn, size, used, parts, url, length = _HEAD.unpack_from(found)
    tags = _HEAD.size + length
    return Card(until, mark, queue, turn, size, used, parts, url, found[_HEAD.size : tags], found[tags:])


def get_card(txn: Transaction[bytes], number: int) -> Card:
    """Return the card of an entry.

    Raises:
        DamagedError: it cannot be read.
    """
    return read_card(txn.get(numbered(b"e", number)))


def put_card(txn: Transaction[bytes], number: int, card: Card) -> None:
    """Write the card of an entry."""
    txn.put(numbered(b"e", number), card.packed())
