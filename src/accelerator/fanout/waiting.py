"""The keys that are still to be purged, each once."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_WAITING: Final = 10_000
"""If more keys wait, everything is purged in place of them."""


class Purge(NamedTuple):
    """What is purged by one call.

    Attributes:
        keys: the keys; none for everything.
        soft: what has them becomes stale.
    """

    keys: tuple[str, ...]
    soft: bool

    @property
    def size(self) -> int:
        """How many keys it counts as."""
        return len(self.keys) or 1


EVERYTHING: Final = Purge((), soft=False)


class Waiting:
    """Keys that wait to be purged. It is used under a lock, and takes no more memory than for `MAX_WAITING` keys."""

    def __init__(self) -> None:
        self._hard: dict[str, None] = {}
        self._soft: dict[str, None] = {}
        self._is_everything = False

    def __len__(self) -> int:
        return len(self._hard) + len(self._soft) + self._is_everything

    def add(self, keys: Collection[str], *, soft: bool) -> None:
        """Add keys. A soft purge does not replace a hard one. Where there are too many, everything is to be purged."""
        if self._is_everything:
            return
        for key in keys:
            if not soft:
                self._soft.pop(key, None)
                self._hard[key] = None
            elif key not in self._hard:
                self._soft[key] = None
        if len(self) > MAX_WAITING:
            self.add_everything()

    def add_everything(self) -> None:
        """Let everything be purged, by one call in place of all that wait."""
        self._hard.clear()
        self._soft.clear()
        self._is_everything = True

    def take(self, most: int) -> Purge | None:
        """Return what is to be purged next, with so many keys at most. It does not wait any more."""
        if self._is_everything:
            self._is_everything = False
            return EVERYTHING
        source = self._hard or self._soft
        keys = tuple(islice(source, most))
        for key in keys:
            del source[key]
        return Purge(keys, soft=source is self._soft) if keys else None

    def put_back(self, purge: Purge) -> None:
        """Let wait again what could not be purged."""
        if purge.keys:
            self.add(purge.keys, soft=purge.soft)
        else:
            self.add_everything()
