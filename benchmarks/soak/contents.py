"""What is in the file of an `LMDBStore`, counted by a process that has no store there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import lmdb

from accelerator.stores.lmdb.cards import read_card
from accelerator.stores.lmdb.layout import NUMBER
from accelerator.stores.lmdb.order import ORDER_KEY, read_order
from accelerator.stores.lmdb.place import DATA
from accelerator.stores.lmdb.queues import Queues

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lmdb import Transaction


MAPPED: Final = 1 << 40
"""Bytes of the file that can be seen: more than it has, even while it grows."""


class Contents(NamedTuple):
    """What was found.

    Attributes:
        file_bytes: the size of the file.
        entries: the number of entries.
        entry_bytes: the bytes that they take, by their cards.
        said_bytes: the same, by the state of the queues.
        places: the number of places in the queues.
        ghosts: the number of ghosts.
        records: the number of records of tags.
        said_records: the same, by the order of invalidations.
        leases: the number of records of leases.
        readers: the places that are taken in the table of readers, or were at some time.
    """

    file_bytes: int
    entries: int
    entry_bytes: int
    said_bytes: int
    places: int
    ghosts: int
    records: int
    said_records: int
    leases: int
    readers: int


def contents(path: Path) -> Contents:
    """Count what is in the file that this directory has now.

    Args:
        path: the directory of the store.

    Raises:
        lmdb.Error, DamagedError: it cannot be read.
    """
    with lmdb.open(str(path), readonly=True, map_size=MAPPED) as env, env.begin() as txn:
        sizes = [read_card(value).size for key, value in _records(txn, b"e") if len(key) == 1 + NUMBER.size]
        count = {kind: sum(1 for _ in _records(txn, kind)) for kind in (b"q", b"h", b"t", b"l")}
        return Contents(
            file_bytes=(path / DATA).stat().st_size,
            entries=len(sizes),
            entry_bytes=sum(sizes),
            said_bytes=Queues(txn, 0).size,
            places=count[b"q"],
            ghosts=count[b"h"],
            records=count[b"t"],
            said_records=read_order(txn.get(ORDER_KEY)).records,
            leases=count[b"l"],
            readers=int(env.info()["num_readers"]),
        )


def _records(txn: Transaction[bytes], kind: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records of a kind, with their keys."""
    with txn.cursor() as cursor:
        found = cursor.set_range(kind)
        while found and cursor.key()[:1] == kind:
            yield cursor.key(), cursor.value()
            found = cursor.next()
