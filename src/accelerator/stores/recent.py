"""A table of what was used last, bounded by number and by bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The values used last, by key. Any thread may use it. It is for what saves work and decides nothing.

    Args:
        max_values: how many there are at most.
        max_bytes: what they take at most, by the sizes that are said of them.
    """

    def __init__(self, max_values: int, max_bytes: int) -> None:
        self._max_values = max_values
        self._max_bytes = max_bytes
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._kept)

    @property
    def size(self) -> int:
        """What they take, in bytes."""
        return self._size

    def get(self, key: K) -> V | None:
        """Return the value of a key, None if it is not kept."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def keep(self, key: K, value: V, size: int) -> None:
        """Keep a value in place of what the key had before; what was used longest ago goes.

        Args:
            key: its key.
            value: the value. One that would push out too many others is not kept.
            size: what key and value take, in bytes.
        """
        with self._lock:
            _, before = self._kept.pop(key, (None, 0))
            self._size -= before
            if size > self._max_bytes // 8:
                return
            self._kept[key] = (value, size)
            self._size += size
            while len(self._kept) > self._max_values or self._size > self._max_bytes:
                _, (_, oldest) = self._kept.popitem(last=False)
                self._size -= oldest
