"""Judgement of what was read from Redis: whether an entry is usable, and whether it is fresh."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from accelerator.stores.binary import Component
from accelerator.stores.sizes import entry_bytes

if TYPE_CHECKING:
    from accelerator.http.request import Vary
    from accelerator.rules.entry import Entry

PARTITION: Final = 0
"""The number of the only partition of a single server."""

_META: Final = re.compile(rb"([0-9a-f]{16}) (\d+) (\d+) (\d+) (\S+)")
_RECORD: Final = re.compile(rb"([0-9a-f]{16}) (\d+) (\d+)")

_RECORD_BYTES: Final = 140
"""Bytes of a tag beyond the text of its key: two objects, and the record that was read last."""


class Meta(NamedTuple):
    """The meta of a partition: its order and the positions of `@all`.

    Attributes:
        mark: the mark of a fill that begins now.
        incarnation: the name of the order, in hexadecimal digits.
        hard: the position of the last hard invalidation of `@all`.
        soft: the position of the last soft one.
    """

    mark: tuple[Component]
    incarnation: bytes
    hard: int
    soft: int


class Seen(NamedTuple):
    """An entry that was read, and what the records read with it say.

    Attributes:
        entry: the entry, None if there is none.
        is_usable: no tag of it was invalidated hard after its mark.
        is_fresh: none was invalidated softly after its mark either.
        missing: the keys of its records if these were not read.
    """

    entry: Entry | None
    is_usable: bool = False
    is_fresh: bool = False
    missing: tuple[bytes, ...] = ()


class Stored:
    """A decoded entry, the keys of the records of its tags, and how it was judged last.

    Attributes:
        value: the bytes.
        entry: the entry.
        records: the keys of the records.
        judged: what was read of the meta and the records when it was last judged, and the result.
    """

    __slots__ = ("entry", "judged", "records", "value")

    def __init__(self, value: bytes, entry: Entry, records: tuple[bytes, ...]) -> None:
        self.value = value
        self.entry = entry
        self.records = records
        self.judged: tuple[object, Seen | None] = (None, None)

    def judge(self, read: list[bytes | None], meta: Meta) -> Seen:
        """Compare the entry's mark with the records that were read, unless they are the same as the last time."""
        basis = (meta.incarnation, meta.hard, meta.soft, read)
        last, seen = self.judged  # both in one step: another thread may judge meanwhile
        if seen is None or last != basis:
            seen = Seen(self.entry, *compare(self.entry, read, meta))
            self.judged = basis, seen
        return seen

    def size(self) -> int:
        """Return its size in bytes."""
        records = sum([_RECORD_BYTES + len(key) for key in self.records])
        return len(self.value) + entry_bytes(self.entry) + records


def new_mark(incarnation: bytes, position: int) -> tuple[Component]:
    """Return a mark in the one partition of a single server. `incarnation` is in hexadecimal digits."""
    return (Component(PARTITION, bytes.fromhex(incarnation.decode()), position),)


@lru_cache(16)  # only invalidations change it: reading it again would take 5 µs of each hit
def read_meta(value: bytes | None, identity: bytes) -> Meta | None:
    """Return the meta, None if there is none or a server of another identity wrote it."""
    found = _META.fullmatch(value or b"")
    if found is None or found[5] != identity:
        return None
    return Meta(new_mark(found[1], int(found[2])), found[1], int(found[3]), int(found[4]))


def read_varies(value: bytes | None) -> tuple[Vary, ...] | None:
    """Return the selecting header fields of a URL's responses, the newest first, None if there are none stored."""
    if value is None:
        return None
    return tuple(tuple(line.split(b",")) if line else () for line in value.split(b"\n"))


def compare(entry: Entry, records: list[bytes | None], meta: Meta) -> tuple[bool, bool]:
    """Return whether an entry is usable, and whether no soft invalidation after its mark concerns it."""
    _, incarnation, mark = cast("tuple[Component, ...]", entry.mark)[0]
    if incarnation != meta.mark[0].incarnation or meta.hard > mark:
        return False, False
    is_fresh = meta.soft <= mark
    for record in records:
        found = _RECORD.fullmatch(record or b"")
        if found is None or found[1] != meta.incarnation or int(found[2]) > mark:
            return False, False
        is_fresh = is_fresh and int(found[3]) <= mark
    return True, is_fresh
