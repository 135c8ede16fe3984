"""Leases in the file: who fills which place, and until when nobody else does.

The names are spread over a number of records, each of which has room for a few. What has run out is dropped when its
record is written next. So leases take bounded room and no sweep, whatever names there are and whoever has died. Times
are of the monotonic clock, which all processes of one boot share, and which nobody can set.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.stores.lmdb.layout import with_sum, without_sum
from accelerator.stores.lmdb.system import start_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lmdb import Transaction

PER_RECORD: Final = 8
"""Number of leases in one record, at most."""

MAX_RECORDS: Final = 1024
"""Number of records, at most."""

BYTES_PER_RECORD: Final = 16 * 1024
"""Bytes of the file for each record, so that a small file has fewer: they take a fortieth of it at most."""

_LEASE: Final = struct.Struct(">16s3Qd")
_SET: Final = struct.Struct(">H")


class Owner(NamedTuple):
    """Who has a lease.

    Attributes:
        pid: the number of the process, 0 for nobody.
        start: when it started, so that another process with the same number is told apart.
        number: the number of this lease in the process: two fills of one process are two owners.
    """

    pid: int
    start: int
    number: int


UNSTORABLE: Final = Owner(0, 0, 0)
"""The owner of a lease that nobody has, and nobody gets: such responses are not storable."""


class Held(NamedTuple):
    """A lease as it stands in the file.

    Attributes:
        name: 16 bytes, which tell the place of the fill.
        owner: who has it.
        until: when it runs out unless it is renewed, by the monotonic clock.
    """

    name: bytes
    owner: Owner
    until: float

    def holds(self, now: float) -> bool:
        """Tell whether it has not run out, and its owner lives."""
        return now < self.until and (self.owner == UNSTORABLE or start_of(self.owner.pid) == self.owner.start)


class Leases:
    """The leases in a file.

    Args:
        size: the bytes that may be in use in the file.
    """

    def __init__(self, size: int) -> None:
        self._records = max(1, min(MAX_RECORDS, size // BYTES_PER_RECORD))

    def find(self, get: Callable[[bytes], bytes | None], name: bytes, now: float) -> Held | None:
        """Return the lease of a name, None if nobody has it.

        Args:
            get: returns the value of a key, in a transaction.
            name: the name.
            now: the time.
        """
        held = self.written(get, name)
        return held if held is not None and held.holds(now) else None

    def written(self, get: Callable[[bytes], bytes | None], name: bytes) -> Held | None:
        """Return the lease that stands under a name, even if it has run out or its owner has died."""
        for held in _unpacked(get(self._key(name))):
            if held.name == name:
                return held
        return None

    def take(self, txn: Transaction[bytes], wanted: Held, now: float) -> Held | None:
        """Write a lease, unless another owner has it; return the lease that its name has then.

        None says that there is no room for it: all others in its record are had by fills that run.
        """
        key = self._key(wanted.name)
        others = [held for held in _unpacked(txn.get(key)) if now < held.until]
        for held in others:
            if held.name == wanted.name and held.holds(now):
                return held
        others = [held for held in others if held.name != wanted.name]
        if len(others) == PER_RECORD:
            spare = [held for held in others if held.owner == UNSTORABLE or not held.holds(now)]
            if not spare:
                return None
            others.remove(min(spare, key=_end))
        _write(txn, key, [*others, wanted])
        return wanted

    def change(self, txn: Transaction[bytes], held: Held, changed: Held | None) -> bool:
        """Put another lease, or none, in the place of one; return False if its owner does not have it any more."""
        key = self._key(held.name)
        found = _unpacked(txn.get(key))
        others = [one for one in found if (one.name, one.owner) != (held.name, held.owner)]
        if len(others) == len(found):
            return False
        _write(txn, key, others if changed is None else [*others, changed])
        return True

    def _key(self, name: bytes) -> bytes:
        return b"l" + _SET.pack(int.from_bytes(name) % self._records)


def _end(held: Held) -> float:
    return held.until


def _unpacked(value: bytes | None) -> list[Held]:
    """Return the leases in a record; one that is damaged has none."""
    found = without_sum(value) or b""
    return [Held(name, Owner(*owner), until) for name, *owner, until in _LEASE.iter_unpack(found)]


def _write(txn: Transaction[bytes], key: bytes, leases: Iterable[Held]) -> None:
    packed = b"".join([_LEASE.pack(held.name, *held.owner, held.until) for held in leases])
    if packed:
        txn.put(key, with_sum(packed))
    else:
        txn.delete(key)
