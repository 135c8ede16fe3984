"""What was made of the bytes that were read last: while a key brings the same bytes, they are not decoded again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, Generic, TypeVar

Made = TypeVar("Made")

MAX_VALUES: Final = 1024
MAX_BYTES: Final = 8 * 1024 * 1024
"""What the values kept take as bytes, at most; what was made of them takes about as much again."""


class Decoded(Generic[Made]):
    """The values used last, by key. Any thread may use it.

    It saves work and decides nothing: whether an entry is usable is asked of the server at each lookup.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[bytes, Made]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: bytes, value: bytes) -> Made | None:
        """Return what was made of a value, None unless it is, byte for byte, what the key had before."""
        with self._lock:
            before, made = self._kept.get(key, (None, None))
            if before != value:
                return None
            self._kept.move_to_end(key)
            return made

    def keep(self, key: bytes, value: bytes, made: Made) -> None:
        """Keep what was made of a value in place of what the key had before; what was used longest ago goes."""
        if len(value) > MAX_BYTES // 8:
            return  # it would push out too many others
        with self._lock:
            before, _ = self._kept.pop(key, (b"", None))
            self._kept[key] = (value, made)
            self._size += len(value) - len(before)
            while len(self._kept) > MAX_VALUES or self._size > MAX_BYTES:
                _, (oldest, _) = self._kept.popitem(last=False)
                self._size -= len(oldest)
