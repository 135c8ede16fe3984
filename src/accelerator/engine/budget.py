"""A bound for what the copies of all running fills take."""

from __future__ import annotations

from typing import Final

MAX_COPIED_BYTES: Final = 128 * 1024 * 1024


class CopyBudget:
    """The bytes that the copies of all running fills may take together: clients that read slowly keep them for long."""

    def __init__(self) -> None:
        self._left = MAX_COPIED_BYTES

    def take(self, size: int) -> bool:
        """Take bytes; return whether there were as many. They are taken in any case, and are to be given back."""
        self._left -= size
        return self._left >= 0

    def give_back(self, size: int) -> None:
        """Give back bytes that were taken."""
        self._left += size
