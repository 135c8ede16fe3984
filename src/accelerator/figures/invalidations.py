"""What was taken back in this process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from accelerator.figures.histogram import Histogram
from accelerator.forks import lock_over_forks
from accelerator.tags import ALL

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.figures.snapshot import InvalidationFigures

_FIRST_SECONDS: Final = 2.0**-20
"""Where the first bucket of durations ends: a microsecond. The last one that ends does so at eight seconds."""


_all: WeakSet[InvalidationCounts] = WeakSet()


class InvalidationCounts:
    """Counts the invalidations of a store. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = lock_over_forks()
        self.reset()
        _all.add(self)

    def reset(self) -> None:
        """Begin anew, as in a child process."""
        self._hard = dict.fromkeys(("tag", "url", "all"), 0)
        self._soft = self._hard.copy()
        self._seconds = Histogram(_FIRST_SECONDS)
        self._failed = 0

    def add(self, tags: Collection[str], seconds: float, *, soft: bool) -> None:
        """Count a call that succeeded."""
        with self._lock:
            self._count(tags, self._soft if soft else self._hard)
            self._seconds.add(seconds)

    def add_repeated(self, hard: Collection[str], soft: Collection[str]) -> None:
        """Count tags whose invalidation had failed, and holds now. It has no seconds: nobody has waited for it."""
        with self._lock:
            self._count(hard, self._hard)
            self._count(soft, self._soft)

    def _count(self, tags: Collection[str], numbers: dict[str, int]) -> None:
        for tag in tags:
            kind = "tag" if tag[:1] != "@" else "all" if tag == ALL else "url" if tag[1:5] == "url:" else "tag"
            numbers[kind] += 1

    def number(self) -> int:
        """Return the number of tags that were invalidated, and of calls that failed."""
        return sum(self._hard.values()) + sum(self._soft.values()) + self._failed

    def add_failure(self) -> None:
        """Count a call that raised."""
        with self._lock:
            self._failed += 1

    def as_figures(self) -> InvalidationFigures:
        """Return what was counted."""
        with self._lock:
            return {
                "invalidations": {kind: {"hard": self._hard[kind], "soft": self._soft[kind]} for kind in self._hard},
                "invalidating": self._seconds.as_dict(),
                "invalidations_failed": self._failed,
            }


def _after_fork() -> None:
    for counts in list(_all):
        counts.reset()


os.register_at_fork(after_in_child=_after_fork)
