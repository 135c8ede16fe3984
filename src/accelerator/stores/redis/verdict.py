"""Judgement of what was read from Redis: whether an entry is usable, and whether it is fresh."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from accelerator.stores.binary import Component
from accelerator.stores.redis.keys import PARTITIONS
from accelerator.stores.sizes import entry_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelerator.http.request import Vary
    from accelerator.rules.entry import Entry
    from accelerator.stores.redis.keys import Needed

_META: Final = re.compile(rb"([0-9a-f]{16}) (\d+) (\d+) (\d+) (\S+)")
_RECORD: Final = re.compile(rb"([0-9a-f]{16}) (\d+) (\d+)")

_RECORD_BYTES: Final = 140
"""Bytes of a tag beyond the text of its key: two objects, and the record that was read last."""


class Meta(NamedTuple):
    """The meta of a partition: its order and the positions of `@all`.

    Attributes:
        last: the last position.
        incarnation: the name of the order, in hexadecimal digits.
        hard: the position of the last hard invalidation of `@all`.
        soft: the position of the last soft one.
    """

    last: Component
    incarnation: bytes
    hard: int
    soft: int


class Seen(NamedTuple):
    """An entry that was read, and what the records read with it say.

    Attributes:
        entry: the entry, None if there is none.
        is_usable: no tag of it was invalidated hard after its mark.
        is_fresh: none was invalidated softly after its mark either.
        missing: the keys of what else has to be read to tell.
    """

    entry: Entry | None
    is_usable: bool = False
    is_fresh: bool = False
    missing: tuple[bytes, ...] = ()


class Stored:
    """A decoded entry, what tells whether it may be used, and how it was judged last.

    Attributes:
        value: the bytes.
        entry: the entry.
        needed: the keys of what tells whether it may be used.
        judged: what was read of the metas and the records when it was last judged, and the result.
    """

    __slots__ = ("entry", "judged", "needed", "value")

    def __init__(self, value: bytes, entry: Entry, needed: Needed) -> None:
        self.value = value
        self.entry = entry
        self.needed = needed
        self.judged: tuple[object, Seen | None] = (None, None)

    def judge(self, read: list[bytes | None], metas: Mapping[int, Meta]) -> Seen:
        """Compare the entry's mark with what was read, unless that is the same as the last time.

        Args:
            read: the values of its records.
            metas: the metas of the partitions, by number.
        """
        basis = ([meta[1:] for meta in metas.values()], read)
        last, seen = self.judged  # both in one step: another thread may judge meanwhile
        if seen is None or last != basis:
            records = list(zip(self.needed.partitions, read, strict=True))
            seen = Seen(self.entry, *compare(self.entry, records, metas))
            self.judged = basis, seen
        return seen

    def size(self) -> int:
        """Return its size in bytes."""
        records = sum([_RECORD_BYTES + len(key) for key in self.needed.keys])
        return len(self.value) + entry_bytes(self.entry) + records


def components_of(entry: Entry) -> tuple[Component, ...]:
    """Return the mark of an entry that was read: its position in each partition that has tags of it."""
    return cast("tuple[Component, ...]", entry.mark)


def position_in(partition: int, incarnation: bytes, position: int) -> Component:
    """Return a position that a script has answered. `incarnation` is in hexadecimal digits."""
    return Component(partition, bytes.fromhex(incarnation.decode()), position)


@lru_cache(2 * PARTITIONS)  # only invalidations change it: reading it again would take 5 µs of each hit
def read_meta(partition: int, value: bytes | None, identity: bytes) -> Meta | None:
    """Return the meta of a partition, None if there is none or a server of another identity wrote it."""
    found = _META.fullmatch(value or b"")
    if found is None or found[5] != identity:
        return None
    return Meta(position_in(partition, found[1], int(found[2])), found[1], int(found[3]), int(found[4]))


def read_varies(value: bytes | None) -> tuple[Vary, ...] | None:
    """Return the selecting header fields of a URL's responses, the newest first, None if there are none stored."""
    if value is None:
        return None
    return tuple(tuple(line.split(b",")) if line else () for line in value.split(b"\n"))


def compare(entry: Entry, records: list[tuple[int, bytes | None]], metas: Mapping[int, Meta]) -> tuple[bool, bool]:
    """Return whether an entry is usable, and whether no soft invalidation after its mark concerns it.

    Args:
        entry: the entry.
        records: the record of each of its tags, with the number of its partition.
        metas: the metas of these partitions, by number.
    """
    mark = {component.partition: component for component in components_of(entry)}
    is_fresh = True
    for partition in {*mark, *[partition for partition, _ in records]}:
        meta, since = metas.get(partition), mark.get(partition)
        if meta is None or since is None or since.incarnation != meta.last.incarnation or meta.hard > since.position:
            return False, False
        is_fresh = is_fresh and meta.soft <= since.position
    for partition, record in records:
        found, position = _RECORD.fullmatch(record or b""), mark[partition].position
        if found is None or found[1] != metas[partition].incarnation or int(found[2]) > position:
            return False, False
        is_fresh = is_fresh and int(found[3]) <= position
    return bool(mark), is_fresh
