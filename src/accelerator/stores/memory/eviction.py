"""S3-FIFO (SOSP 2023) with one bit per item: which items a full store evicts. A hit sets the bit, and moves nothing.

A new item is appended to a small queue, on probation. When it is the oldest there, it moves to the main queue if it was
used; otherwise it is evicted, and its name is kept as a ghost. An item whose ghost is kept goes to the main queue at
once. The oldest item of the main queue is appended there again if it was used; otherwise it is evicted.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from typing import Self

SMALL_QUEUE: Final = 10
"""The small queue has room for the size of the store divided by this number."""

MAX_GHOSTS: Final = 131_072
"""Number of ghosts. A table of twice as many takes 13 ms to grow, in which an event loop would stand still."""

MAX_SPARED: Final = 4096
"""Used items that one search for a victim moves on, at most: that takes 2 ms. The next one goes, used or not."""


class Item:
    """An item in a queue. Each class of items says what name and size are.

    Attributes:
        used: whether it was used since it was added, or moved on.
        in_main: whether it is in the main queue.
        newer: the next item in its queue.
        older: the one before it.
    """

    __slots__ = ("in_main", "newer", "older", "used")

    def __init__(self) -> None:
        self.used = False
        self.in_main = False
        self.newer: Self | None = None
        self.older: Self | None = None

    if TYPE_CHECKING:

        @property
        def name(self) -> int:
            """The same if the item is added again: its ghost has it."""

        @property
        def size(self) -> int:
            """Its size, which does not change."""


ItemT = TypeVar("ItemT", bound=Item)


class _Queue(Generic[ItemT]):
    """Items in the order in which they were appended."""

    __slots__ = ("newest", "oldest", "size")

    def __init__(self) -> None:
        self.newest: ItemT | None = None
        self.oldest: ItemT | None = None
        self.size = 0

    def append(self, item: ItemT) -> None:
        item.older = self.newest
        if self.newest is not None:
            self.newest.newer = item
        else:
            self.oldest = item
        self.newest = item
        self.size += item.size

    def remove(self, item: ItemT) -> None:
        if item.newer is not None:
            item.newer.older = item.older
        else:
            self.newest = item.older
        if item.older is not None:
            item.older.newer = item.newer
        else:
            self.oldest = item.newer
        item.newer = item.older = None
        self.size -= item.size


class S3Fifo(Generic[ItemT]):
    """The queues and the ghosts of a store.

    The caller holds the lock of the store. Only `used` of an item is set without it.

    Args:
        max_size: the size of all items that the store may have.
    """

    def __init__(self, max_size: int) -> None:
        self._small_size = max_size // SMALL_QUEUE
        self._small: _Queue[ItemT] = _Queue()
        self._main: _Queue[ItemT] = _Queue()
        self._ghosts: OrderedDict[int, None] = OrderedDict()  # never more than items: RECORD_BYTES has room for one
        self._length = 0
        self._hand: ItemT | None = None  # the next item of `walk`

    def __len__(self) -> int:
        """Return the number of items."""
        return self._length

    @property
    def size(self) -> int:
        """The size of all items."""
        return self._small.size + self._main.size

    def add(self, item: ItemT, replaced: ItemT | None) -> None:
        """Add a new item, on probation unless its ghost is kept.

        One that replaces another joins the queue of that one, and counts as used.
        """
        if replaced is not None:
            item.in_main, item.used = replaced.in_main, True
        elif self._ghosts and item.name in self._ghosts:  # a name takes 0.3 µs
            del self._ghosts[item.name]
            item.in_main = True
        self._queue_of(item).append(item)
        self._length += 1

    def remove(self, item: ItemT, *, leave_ghost: bool = False) -> None:
        """Remove an item, and keep its name as a ghost if `leave_ghost` is set."""
        if self._hand is item:
            self._hand = self._after(item)
        self._queue_of(item).remove(item)
        self._length -= 1
        if leave_ghost:
            self._ghosts[item.name] = None
        while len(self._ghosts) > min(self._length, MAX_GHOSTS):
            self._ghosts.popitem(last=False)

    def next_victim(self) -> ItemT:
        """Return the item to evict. Used items that are found before it move on to the end of the main queue."""
        for _ in range(MAX_SPARED):
            item = self._next_in_turn()
            if not item.used:
                return item
            item.used = False
            self._move_on(item)
        return self._next_in_turn()

    def walk(self) -> ItemT | None:
        """Return the next item of an endless walk over all: those of the small queue, then those of the main queue."""
        item = self._hand or self.oldest()
        if item is not None:
            self._hand = self._after(item)
        return item

    def oldest(self) -> ItemT | None:
        """Return an item that none in its queue is older than, whether it was used or not."""
        return self._small.oldest or self._main.oldest

    def _next_in_turn(self) -> ItemT:
        is_small = self._small.size >= self._small_size or self._main.oldest is None
        item = self._small.oldest if is_small else self._main.oldest
        assert item is not None, "there is nothing to evict"  # noqa: S101 - callers hold more than the bound
        return item

    def _queue_of(self, item: ItemT) -> _Queue[ItemT]:
        return self._main if item.in_main else self._small

    def _after(self, item: ItemT) -> ItemT | None:
        return item.newer if item.newer is not None or item.in_main else self._main.oldest

    def _move_on(self, item: ItemT) -> None:
        """Move the oldest item of a queue to the end of the main queue."""
        if self._hand is item:
            self._hand = None  # `walk` starts again: it might never leave the main queue
        self._queue_of(item).remove(item)
        item.in_main = True
        self._main.append(item)
