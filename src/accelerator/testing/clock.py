"""A clock for tests."""

from __future__ import annotations


class ManualClock:
    """A clock that stands still until it is moved. Pass it as the option `clock`.

    Args:
        now: the first time, in seconds since the epoch.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time in seconds since the epoch."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move the clock by a number of seconds, back if it is negative."""
        self.now += seconds
