"""A table of the most recently used values, limited by their number and their bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The most recently used values, by key. Any thread may use it.

    It is for values that save work, such as decoded entries: correctness must not depend on whether a value is there.

    Args:
        max_values: the number of values, at most.
        max_bytes: their bytes, at most, by the sizes that `keep` is given.
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
        """The bytes of all values."""
        return self._size

    def get(self, key: K) -> V | None:
        """Return the value of a key, None if there is none."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def peek(self, key: K) -> V | None:
        """Return the value of a key, and do not count that as a use: this takes no lock."""
        found = self._kept.get(key)
        return found[0] if found is not None else None

    def keep(self, key: K, value: V, size: int) -> None:
        """Keep a value in place of the one that the key had, and drop the least recently used ones if need be.

        Args:
            key: its key.
            value: the value. One larger than an eighth of `max_bytes` is not kept, since it would displace too many
                others.
            size: the bytes of key and value.
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
