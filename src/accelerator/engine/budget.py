"""A limit for the memory that the response copies of all running fills take."""

from __future__ import annotations

from typing import Final

MAX_COPIED_BYTES: Final = 128 * 1024 * 1024
"""Bytes that the copies of all running fills may take together."""


class CopyBudget:
    """Counts the bytes of response bodies that all running fills hold in memory, and limits their sum.

    A fill holds its copy as long as its client reads, and some clients read slowly.
    """

    def __init__(self) -> None:
        self._left = MAX_COPIED_BYTES

    def take(self, size: int) -> bool:
        """Count `size` more bytes, and return whether the sum is still within the limit.

        They are counted in either case, and the caller has to give them back.
        """
        self._left -= size
        return self._left >= 0

    def give_back(self, size: int) -> None:
        """Subtract bytes that `take` has counted."""
        self._left += size
