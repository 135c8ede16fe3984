"""What is in the file of an `LMDBStore`, counted by a process that has no store there."""

from __future__ import annotations

import sys
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

import lmdb

from accelerator.stores.lmdb.entries import Entries
from accelerator.stores.lmdb.order import ORDER_KEY, read_order
from accelerator.stores.lmdb.place import DATA
from accelerator.stores.lmdb.queues import Queues

if TYPE_CHECKING:
    from pathlib import Path

    from lmdb import Transaction


MAPPED: Final = 1 << 40
"""Bytes of the file that can be seen: more than it has, even while it grows."""


class Contents(NamedTuple):
    """What was found.

    Attributes:
        file: the number of its inode.
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

    file: int
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
    """Count what is in the file that this directory has now. It is quick, since it keeps old pages alive meanwhile.

    Args:
        path: the directory of the store.

    Raises:
        FileNotFoundError: it has none.
        lmdb.Error, DamagedError: it cannot be read.
    """
    file = (path / DATA).stat()
    with lmdb.open(str(path), readonly=True, map_size=MAPPED) as env, env.begin() as txn:
        sizes = [card.size for _, card in Entries(txn, env.stat()["psize"]).from_number(0, sys.maxsize)]
        return Contents(
            file=file.st_ino,
            file_bytes=file.st_size,
            entries=len(sizes),
            entry_bytes=sum(sizes),
            said_bytes=Queues(txn, 0).size,
            places=_count(txn, b"q"),
            ghosts=_count(txn, b"h"),
            records=_count(txn, b"t"),
            said_records=read_order(txn.get(ORDER_KEY)).records,
            leases=_count(txn, b"l"),
            readers=int(env.info()["num_readers"]),
        )


def _count(txn: Transaction[bytes], kind: bytes) -> int:
    """Return the number of records of a kind."""
    with txn.cursor() as cursor:
        if not cursor.set_range(kind):
            return 0
        return sum(1 for _ in takewhile(lambda key: key[:1] == kind, cursor.iternext(keys=True, values=False)))
