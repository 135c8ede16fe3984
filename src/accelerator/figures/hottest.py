"""The names that came most often lately, found in a bounded memory however many names come."""

from __future__ import annotations

from collections import Counter
from typing import Final, Generic, TypeVar

KEPT: Final = 256
"""Number of names that are kept of all that came. Twice as many are counted at a time."""

WINDOW_SECONDS: Final = 600.0
"""Seconds after which counting begins anew. What was counted in the window before still counts."""

Name = TypeVar("Name", bound="str | tuple[str, str]")


class _Window(Generic[Name]):
    """What came in one window, by the Space-Saving algorithm (Metwally, Agrawal and El Abbadi, 2005) in batches.

    A name that takes the place of others begins with the largest count that was dropped: so no count is too small, and
    none is too large by more than that.
    """

    def __init__(self) -> None:
        self._counts: dict[Name, int] = {}
        self._dropped = 0

    def add(self, name: Name, number: int) -> None:
        counts = self._counts
        counts[name] = counts.get(name, self._dropped) + number
        if len(counts) > 2 * KEPT:
            in_order = sorted(counts.items(), key=lambda counted: counted[1], reverse=True)
            self._counts = dict(in_order[:KEPT])
            self._dropped = in_order[KEPT][1]

    def add_to(self, counted: Counter[Name]) -> None:
        counted.update(self._counts)


class Hottest(Generic[Name]):
    """The names that came most often in the last ten to twenty minutes. Their counts are estimates, never too small."""

    def __init__(self) -> None:
        self._window: _Window[Name] = _Window()
        self._before: _Window[Name] = _Window()
        self._began = 0.0

    def add(self, name: Name, number: int, now: float) -> None:
        """Count a name.

        Args:
            name: the name.
            number: how often it came.
            now: seconds since the epoch.
        """
        self._turn(now)
        self._window.add(name, number)

    def most(self, number: int, now: float) -> list[tuple[Name, int]]:
        """Return so many names with their counts, those that came most often first."""
        self._turn(now)
        counted: Counter[Name] = Counter()
        self._before.add_to(counted)
        self._window.add_to(counted)
        return counted.most_common(number)

    def _turn(self, now: float) -> None:
        """Begin a new window if the last one is over, or the clock was set back.

        What comes a little late counts in the present window: names come in batches, each as of its beginning.
        """
        if not self._began - WINDOW_SECONDS <= now < self._began + WINDOW_SECONDS:
            is_next = self._began <= now < self._began + 2 * WINDOW_SECONDS
            self._before = self._window if is_next else _Window()
            self._window = _Window()
            self._began = now
