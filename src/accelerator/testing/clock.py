"""A clock for tests."""

from __future__ import annotations


class ManualClock:
    """A clock that stands still until it is told: pass it as the option `clock`.

    Args:
        now: where it starts, in seconds since the epoch.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time in seconds since the epoch."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass, or go back by a negative number of seconds."""
        self.now += seconds
