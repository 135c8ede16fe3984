"""S3-FIFO (SOSP 2023) with one bit per item, in the file: which entries go when it is full.

A new item is on probation in a small queue. When it is the oldest there, it moves to the main queue if it was used;
otherwise it goes, and its name is kept as a ghost. An item whose ghost is kept goes to the main queue at once. The
oldest item of the main queue begins there again if it was used; otherwise it goes.

What replaces an item takes its place, and counts as used. Hits write nothing: each process keeps in mind what it used,
and tells it with its next write (`tell`).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from accelerator.stores.lmdb.cards import get_card, put_card, read_card
from accelerator.stores.lmdb.layout import NUMBER, DamagedError, numbered, sound, with_sum

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmdb import Transaction

    from accelerator.stores.lmdb.cards import Card

SMALL_QUEUE: Final = 10
"""The small queue has room for the bytes of all entries divided by this number."""

MAX_STEPS: Final = 16
"""Number of used items that one search for a victim passes by, so that no commit takes long. The next one goes."""

STATE_KEY: Final = b"mq"
_STATE: Final = struct.Struct(">7Q")
"""The last number, version and turn that were given; the bytes in the small queue and in the main one; the number of
entries, and that of ghosts, which are never more."""

FIRST_STATE: Final = with_sum(_STATE.pack(0, 0, 0, 0, 0, 0, 0))
"""The state of queues that have nothing."""

_SMALL: Final = 0
_MAIN: Final = 1


def read_size(txn: Transaction[bytes]) -> tuple[int, int]:
    """Return the number of entries, and the bytes that they take.

    Raises:
        DamagedError: the state cannot be read.
    """
    *_, small, main, items, _ = _STATE.unpack(sound(txn.get(STATE_KEY), "the state of the queues"))
    return items, small + main


class Queues:
    """The queues, in a transaction that writes. `save` has to be called at its end.

    Args:
        txn: the transaction.
        size: the bytes that all entries may take.

    Raises:
        DamagedError: the state cannot be read.

    Attributes:
        number: the last number that was given to an entry.
        version: the last version that was given to one.
    """

    def __init__(self, txn: Transaction[bytes], size: int) -> None:
        state: tuple[int, ...] = _STATE.unpack(sound(txn.get(STATE_KEY), "the state of the queues"))
        self._txn = txn
        self._small_size = size // SMALL_QUEUE
        self.number, self.version, self._turn, small, main, self._items, self._ghosts = state
        self._sizes = [small, main]

    def save(self) -> None:
        """Write the state."""
        state = _STATE.pack(self.number, self.version, self._turn, *self._sizes, self._items, self._ghosts)
        self._txn.put(STATE_KEY, with_sum(state))

    @property
    def size(self) -> int:
        """The bytes of all entries."""
        small, main = self._sizes
        return small + main

    def tell(self, used: Iterable[int]) -> None:
        """Note that entries were used; those that are gone do not matter."""
        for number in used:
            value = self._txn.get(numbered(b"e", number))
            if value is not None and not (card := read_card(value)).used:
                put_card(self._txn, number, card._replace(used=True))

    def new_version(self) -> int:
        """Return a version that no entry had."""
        self.version += 1
        return self.version

    def add(self, size: int, ghost: bytes) -> tuple[int, int, int]:
        """Add a new item of so many bytes, and return its number, its queue and its place there."""
        self.number += 1
        self._items += 1
        queue = _MAIN if self._forget_ghost(ghost) else _SMALL
        return self.number, queue, self._append(self.number, queue, size)

    def resize(self, card: Card, size: int) -> None:
        """Let an item have so many bytes from now on: what replaces it takes its place."""
        self._sizes[card.queue] += size - card.size

    def remove(self, card: Card, *, ghost: bytes = b"") -> None:
        """Remove an item. `ghost` is a name to keep, empty for none."""
        self._unlink(card)
        self._items -= 1
        if ghost:
            self._keep_ghost(ghost)
        while self._ghosts > self._items:
            self._drop_oldest_ghost()

    def next_victim(self) -> tuple[int, Card, bool] | None:
        """Return number and card of the entry to go, and whether it was on probation; None if there is none.

        Used ones that are found before it move on to the end of the main queue.
        """
        steps = 0
        while True:
            is_small = self._sizes[_SMALL] >= self._small_size
            number = self._oldest(_SMALL if is_small else _MAIN) or self._oldest(_MAIN if is_small else _SMALL)
            if number is None:
                return None
            card = get_card(self._txn, number)
            if not card.used or steps == MAX_STEPS:
                return number, card, card.queue == _SMALL
            steps += 1
            self._unlink(card)
            turn = self._append(number, _MAIN, card.size)
            put_card(self._txn, number, card._replace(queue=_MAIN, turn=turn, used=False))

    # --- items --------------------------------------------------------------------------------------------------------

    def _append(self, number: int, queue: int, size: int) -> int:
        """Add an item at the end of a queue, and return its place there."""
        self._turn += 1
        self._txn.put(_place(queue, self._turn), NUMBER.pack(number))
        self._sizes[queue] += size
        return self._turn

    def _unlink(self, card: Card) -> None:
        self._txn.delete(_place(card.queue, card.turn))
        self._sizes[card.queue] -= card.size

    def _oldest(self, queue: int) -> int | None:
        with self._txn.cursor() as cursor:
            prefix = _place(queue, 0)[:2]
            if not cursor.set_range(prefix) or cursor.key()[:2] != prefix:
                return None
            if len(cursor.value()) != NUMBER.size:
                raise DamagedError("a place in a queue cannot be read")
            return int(NUMBER.unpack(cursor.value())[0])

    # --- ghosts -------------------------------------------------------------------------------------------------------

    def _keep_ghost(self, name: bytes) -> None:
        self._forget_ghost(name)
        self._turn += 1
        self._ghosts += 1
        self._txn.put(b"g" + name, NUMBER.pack(self._turn))
        self._txn.put(numbered(b"h", self._turn), name)

    def _forget_ghost(self, name: bytes) -> bool:
        if not self._ghosts:
            return False
        turn = self._txn.pop(b"g" + name)
        if turn is None:
            return False
        self._txn.delete(b"h" + turn)
        self._ghosts -= 1
        return True

    def _drop_oldest_ghost(self) -> None:
        with self._txn.cursor() as cursor:
            name = cursor.value() if cursor.set_range(b"h") else b""
        if not self._forget_ghost(name):
            raise DamagedError("there are fewer ghosts than were counted")


def _place(queue: int, turn: int) -> bytes:
    return b"q%c" % queue + NUMBER.pack(turn)
