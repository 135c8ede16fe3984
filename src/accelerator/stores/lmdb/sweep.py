"""The sweep: what is of no use any more goes, a few entries with each write, and so do records of tags.

A pass looks at each entry that is there when it begins. Those that are expired or invalidated hard are removed, and
those invalidated softly are noted as stale. So after a pass no entry needs the records that were there when it began:
later entries were compared with them, and noted as stale, when they were stored; and that no running fill needs them
is what the floor is for. If there are too many records, the floor is raised, but not above the position where the last
whole pass began, and records up to it go.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.stores.lmdb.layout import ghost_name, sound, with_sum
from accelerator.stores.lmdb.order import drop_records, judge

if TYPE_CHECKING:
    from lmdb import Transaction

    from accelerator.stores.lmdb.cards import Card
    from accelerator.stores.lmdb.entries import Entries
    from accelerator.stores.lmdb.order import Order
    from accelerator.stores.lmdb.queues import Queues

MAX_RECORDS: Final = 8192
"""Number of records of tags beyond which some go. A fill during which more tags are invalidated may be refused."""

RECORDS_PER_ENTRY: Final = 2
"""Records that are looked at for each entry: more than a write adds, so all are reached."""

PROGRESS_KEY: Final = b"ms"
_PROGRESS: Final = struct.Struct(">4Q17s")
_FIRST: Final = b"t".ljust(17, b"\0")


class Progress(NamedTuple):
    """How far the sweep is.

    Attributes:
        number: the number of the next entry to look at.
        last: that of the last one which this pass has to look at.
        began: the position when this pass began.
        floor: the position when the last whole pass began.
        record: the key of the record that was looked at last.
    """

    number: int = 0
    last: int = 0
    began: int = 0
    floor: int = 0
    record: bytes = _FIRST

    def packed(self) -> bytes:
        """Return the binary form."""
        return with_sum(_PROGRESS.pack(*self))


def sweep(txn: Transaction[bytes], order: Order, entries: Entries, queues: Queues, now: float, count: int) -> Order:
    """Look at a number of entries, and at records if there are too many. Return the order as it is then.

    Args:
        txn: a transaction that writes.
        order: the order.
        entries: the entries.
        queues: the queues; whoever made them saves them.
        now: the time in seconds since the epoch, 0 to let nothing expire.
        count: the number of entries to look at.

    Raises:
        DamagedError: a record that everything depends on cannot be read.
    """
    progress = Progress(*_PROGRESS.unpack(sound(txn.get(PROGRESS_KEY), "the progress of the sweep")))
    found = entries.from_number(progress.number, count)
    for number, card in found:
        is_usable, is_fresh = _judge(txn, order, card) if now <= card.useful_until else (False, False)
        if not is_usable:
            entries.remove(number, card)
            entries.unlink(number, card.url)
            queues.remove(card, ghost=ghost_name(card.url, card.place))
        elif not is_fresh:
            entries.make_stale(number, card)
    if len(found) == count and found[-1][0] < progress.last:
        progress = progress._replace(number=found[-1][0] + 1)
    else:
        progress = progress._replace(number=0, last=queues.number, began=order.position, floor=progress.began)
    if order.records > MAX_RECORDS:
        floor = min(progress.floor, order.position - MAX_RECORDS)
        record, order = drop_records(txn, order, progress.record, floor, RECORDS_PER_ENTRY * count)
        progress = progress._replace(record=record)
    txn.put(PROGRESS_KEY, progress.packed())
    return order


def _judge(txn: Transaction[bytes], order: Order, card: Card) -> tuple[bool, bool]:
    """Judge an entry; nothing was invalidated after a mark that is the last position."""
    return judge(txn.get, order, card.mark, card.records) if card.mark < order.position else (True, True)
