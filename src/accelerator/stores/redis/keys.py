"""The keys in Redis that do not depend on a URL: see `scripts.py` for the layout."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from accelerator.tags import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable

PARTITIONS: Final = 64
"""Number of the partitions of a cluster. All processes agree on it: a change takes another prefix."""


class Partition(NamedTuple):
    """A part of the tags, whose keys are in one hash slot of a cluster. On a single server there is one.

    Attributes:
        number: its number.
        prefix: what its keys begin with.
        meta: the key of its order of positions.
        log: the key of its tags that were invalidated last.
    """

    number: int
    prefix: bytes
    meta: bytes
    log: bytes

    def records(self, tags: Iterable[str]) -> list[bytes]:
        """Return the keys of the records of tags, which are all of this partition."""
        return [b"%st:%s" % (self.prefix, tag) for tag in named(tags)]


class Needed(NamedTuple):
    """What tells whether an entry may be used.

    Attributes:
        metas: the keys of the metas of the partitions of its tags; none on a single server, where it is always read.
        records: the keys of the records of its tags.
        partitions: the number of the partition of each record.
        keys: the keys of all.
    """

    metas: tuple[bytes, ...]
    records: tuple[bytes, ...]
    partitions: tuple[int, ...]
    keys: tuple[bytes, ...]


class Keys:
    """The keys of a store.

    Args:
        prefix: the prefix of all keys.
        partitions: the number of partitions.

    Attributes:
        partitions: the partitions, by their numbers.
        near: the key of the near stores, which is also the channel of their messages.
        figures: the key of the figures of processes.
    """

    def __init__(self, prefix: bytes, partitions: int = 1) -> None:
        self._prefix = prefix
        self.partitions = tuple(_partition(prefix, number) for number in range(partitions))
        self.near = self.partitions[0].prefix + b"near1"
        self.figures = prefix + b"figures1"

    def by_partition(self, tags: Iterable[str]) -> dict[Partition, list[str]]:
        """Return the tags by their partitions. `@all` is of each partition."""
        found: dict[Partition, list[str]] = {}
        for tag in tags:
            for partition in self.partitions if tag == ALL else (self._of(tag),):
                found.setdefault(partition, []).append(tag)
        return found

    def needed(self, tags: Iterable[str]) -> Needed:
        """Return what tells whether an entry with these tags may be used."""
        if len(self.partitions) == 1:
            records = tuple(self.partitions[0].records(tags))
            return Needed((), records, (0,) * len(records), records)
        divided = self.by_partition(tag for tag in tags if tag != ALL)
        metas = tuple(partition.meta for partition in divided)
        records = tuple(key for partition, some in divided.items() for key in partition.records(some))
        partitions = tuple(partition.number for partition, some in divided.items() for _ in some)
        return Needed(metas, records, partitions, metas + records)

    def lease(self, name: bytes) -> bytes:
        """Return the key of the lease of a name."""
        return b"%sl:{%s}" % (self._prefix, name.hex().encode())

    def _of(self, tag: str) -> Partition:
        return self.partitions[crc32(tag.encode()) % len(self.partitions)]


@lru_cache(2 * PARTITIONS)
def _partition(prefix: bytes, number: int) -> Partition:
    own = prefix + b"{%d}:" % number
    return Partition(number, own, own + b"meta", own + b"log")


def named(tags: Iterable[str]) -> list[bytes]:
    """Return the tags that have records, sorted as bytes. `@all` has none: its positions are in the meta."""
    return sorted(tag.encode() for tag in tags if tag != ALL)
