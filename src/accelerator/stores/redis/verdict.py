"""What was read of Redis, judged: whether an entry is usable, and whether it is fresh."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from accelerator.stores.binary import Component
from accelerator.stores.sizes import entry_bytes

if TYPE_CHECKING:
    from accelerator.http.request import Vary
    from accelerator.rules.entry import Entry

PARTITION: Final = 0
_META: Final = re.compile(rb"([0-9a-f]{16}) (\d+) (\d+) (\d+) (\S+)")
_RECORD: Final = re.compile(rb"([0-9a-f]{16}) (\d+) (\d+)")

_RECORD_BYTES: Final = 140
"""What a tag takes beyond the text of its key: two objects, and the last record that was read."""


class Meta(NamedTuple):
    """What the server keeps of the partition: its order, `mark` for who reads it now, and the positions of `@all`."""

    mark: tuple[Component]
    incarnation: bytes
    hard: int
    soft: int


class Seen(NamedTuple):
    """An entry as it was read, and what the records read with it say; `missing` has their keys if they were not."""

    entry: Entry | None
    is_usable: bool = False
    is_fresh: bool = False
    missing: tuple[bytes, ...] = ()


class Stored:
    """An entry as its bytes say, the keys of its tags' records, and what those said last.

    Attributes:
        value: the bytes.
        entry: the entry.
        records: the keys.
        judged: what was read of meta and records when it was last judged, and the verdict.
    """

    __slots__ = ("entry", "judged", "records", "value")

    def __init__(self, value: bytes, entry: Entry, records: tuple[bytes, ...]) -> None:
        self.value = value
        self.entry = entry
        self.records = records
        self.judged: tuple[object, Seen | None] = (None, None)

    def judge(self, read: list[bytes | None], meta: Meta) -> Seen:
        """Compare the mark with the records read, unless they are what they were the last time."""
        basis = (meta.incarnation, meta.hard, meta.soft, read)
        last, seen = self.judged  # at once: another thread may judge meanwhile
        if seen is None or last != basis:
            seen = Seen(self.entry, *compare(self.entry, read, meta))
            self.judged = basis, seen
        return seen

    def size(self) -> int:
        """Return what it takes, in bytes."""
        records = sum([_RECORD_BYTES + len(key) for key in self.records])
        return len(self.value) + entry_bytes(self.entry) + records


def new_mark(incarnation: bytes, position: int) -> tuple[Component]:
    """Return a mark in the one partition of a single server."""
    return (Component(PARTITION, bytes.fromhex(incarnation.decode()), position),)


def read_meta(value: bytes | None, identity: bytes) -> Meta | None:
    """Read the meta, None if there is none or another server wrote it."""
    found = _META.fullmatch(value or b"")
    if found is None or found[5] != identity:
        return None
    return Meta(new_mark(found[1], int(found[2])), found[1], int(found[3]), int(found[4]))


def read_varies(value: bytes | None) -> tuple[Vary, ...] | None:
    """Read what a URL's responses vary on, the newest first."""
    if value is None:
        return None
    return tuple(tuple(line.split(b",")) if line else () for line in value.split(b"\n"))


def compare(entry: Entry, records: list[bytes | None], meta: Meta) -> tuple[bool, bool]:
    """Tell whether an entry is usable, and whether no soft invalidation took it back."""
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
