"""The order of invalidations in the file: its position, and the records of tags that were invalidated.

A record has a tag's last hard and last soft position. A tag without one was not invalidated after the floor: where
`drop_records` removes records it raises the floor above them, and fills with a mark below the floor are refused.
Stored entries do not depend on the floor: see `sweep.py`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.stores.binary import Component
from accelerator.stores.lmdb.layout import sound, tag_keys, with_sum, without_sum
from accelerator.tags import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from lmdb import Transaction

    from accelerator.rules.entry import Entry

PARTITION: Final = 0
"""The number of the only partition: a file has one order."""

ORDER_KEY: Final = b"m"
MAX_KNOWN_ORDERS: Final = 16
"""Number of orders that a process keeps in mind. To read one takes 2.5 µs, to find it 0.1."""

_known: Final[dict[bytes | None, Order]] = {}

_ORDER: Final = struct.Struct(">8s5Q")
_POSITIONS: Final = struct.Struct(">QQ")
_DAMAGED: Final = (2**64 - 1, 2**64 - 1)


class Order(NamedTuple):
    """The order of invalidations.

    Attributes:
        incarnation: 8 random bytes; positions of another incarnation cannot be compared.
        position: the last position.
        floor: a fill with a smaller mark is refused, since records up to there may have been dropped.
        hard: the position of the last hard invalidation of `@all`.
        soft: the position of the last soft one.
        records: the number of records of tags.
    """

    incarnation: bytes
    position: int = 0
    floor: int = 0
    hard: int = 0
    soft: int = 0
    records: int = 0

    @property
    def mark(self) -> tuple[Component]:
        """The mark of a fill that begins now."""
        return (Component(PARTITION, self.incarnation, self.position),)

    def packed(self) -> bytes:
        """Return the binary form."""
        return with_sum(_ORDER.pack(*self))


def read_order(value: bytes | None) -> Order:
    """Return the order of these bytes.

    Raises:
        DamagedError: there are none, or they are damaged.
    """
    order = _known.get(value)
    if order is None:
        order = Order(*_ORDER.unpack(sound(value, "the order of invalidations")))
        _keep_in_mind(value, order)
    return order


def write_order(txn: Transaction[bytes], order: Order) -> None:
    """Write the order."""
    value = order.packed()
    txn.put(ORDER_KEY, value)
    _keep_in_mind(value, order)


def _keep_in_mind(value: bytes | None, order: Order) -> None:
    """Keep in mind what these bytes say: mostly the next order to be read is the last one that was read or written."""
    if len(_known) >= MAX_KNOWN_ORDERS:
        _known.clear()
    _known[value] = order


def judge(get: Callable[[bytes], bytes | None], order: Order, mark: int, records: Iterable[bytes]) -> tuple[bool, bool]:
    """Return whether an entry is usable, and whether no soft invalidation after its mark concerns it.

    Args:
        get: returns the value of a key, in the same transaction in which the order was read.
        order: the order.
        mark: the position of the entry's mark.
        records: the keys of the records of its tags.
    """
    if order.hard > mark:
        return False, False
    is_fresh = order.soft <= mark
    for key in records:
        value = get(key)
        if value is not None:
            hard, soft = read_positions(value)
            if hard > mark:
                return False, False
            is_fresh = is_fresh and soft <= mark
    return True, is_fresh


def read_positions(value: bytes) -> tuple[int, int]:
    """Return the hard and the soft position in a record; what is damaged counts as later than everything."""
    found = without_sum(value)
    return _POSITIONS.unpack(found) if found is not None else _DAMAGED


def compare(
    get: Callable[[bytes], bytes | None], order: Order, entry: Entry, records: Iterable[bytes]
) -> tuple[bool, bool]:
    """Return whether a fill can be stored, and whether what it has made is fresh.

    It cannot if a tag was invalidated hard after its mark, or may have been.
    """
    _, incarnation, mark = entry.mark[0]
    if incarnation != order.incarnation or mark < order.floor:
        return False, False
    return judge(get, order, mark, records) if mark < order.position else (True, True)


def invalidate(txn: Transaction[bytes], order: Order, tags: Collection[str], *, soft: bool) -> Order:
    """Set the position of each tag, and return the order as it is then. Positions count the tags that they are of."""
    position, records = order.position + max(1, len(tags)), order.records
    for key in tag_keys(tags):
        before = txn.get(key)
        records += before is None
        hard_before, soft_before = read_positions(before) if before is not None else (0, 0)
        if (hard_before, soft_before) == _DAMAGED:
            hard_before = soft_before = position
        positions = (hard_before, position) if soft else (position, soft_before)
        txn.put(key, with_sum(_POSITIONS.pack(*positions)))
    hard_all, soft_all = order.hard, order.soft
    if ALL in tags:
        hard_all, soft_all = (hard_all, position) if soft else (position, soft_all)
    order = Order(order.incarnation, position, order.floor, hard_all, soft_all, records)
    write_order(txn, order)
    return order


def drop_records(txn: Transaction[bytes], order: Order, after: bytes, floor: int, count: int) -> tuple[bytes, Order]:
    """Raise the floor, and look at a number of records, to drop those whose positions are not above it.

    Args:
        txn: a transaction that writes.
        order: the order.
        after: the key of the record that was looked at last.
        floor: the new floor, unless the present one is higher.
        count: the number of records to look at.

    Returns:
        The key of the record that was looked at last, after the last one it begins again; and the order as it is then.
    """
    floor, dropped = max(floor, order.floor), []
    with txn.cursor() as cursor:
        found = cursor.set_range(max(after, b"t") + b"\0")
        while found and count and cursor.key()[:1] == b"t":
            after, count = cursor.key(), count - 1
            if max(read_positions(cursor.value())) <= floor:
                dropped.append(after)
            found = cursor.next()
    for key in dropped:
        txn.delete(key)
    order = order._replace(floor=floor, records=order.records - len(dropped))
    write_order(txn, order)
    return (after if not count else b"t"), order
