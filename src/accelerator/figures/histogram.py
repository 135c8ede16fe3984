"""A histogram whose buckets end at powers of two."""

from __future__ import annotations

from typing import Final, TypedDict

BUCKETS: Final = 24
"""Number of buckets that end; one more has the values above them."""


class HistogramFigures(TypedDict):
    """A histogram, as text can say it.

    Attributes:
        bounds: where each bucket ends; values below the first bound are in the first bucket.
        counts: the number of values in each bucket, and last of those that are above all bounds.
        sum: the sum of the values.
    """

    bounds: list[float]
    counts: list[int]
    sum: float


class Histogram:
    """Counts values by the power of two that they are below of. It takes the same memory, however many there are.

    Args:
        unit: where the first bucket ends. Each following one ends at twice as much.
    """

    def __init__(self, unit: float) -> None:
        self._unit = unit
        self._counts = [0] * (BUCKETS + 1)
        self._sum = 0.0

    def add(self, value: float, number: int = 1) -> None:
        """Count a value.

        Args:
            value: the value; a negative one counts as 0, as where a clock was set back.
            number: how often it came.
        """
        value = max(0.0, value)
        self._counts[min(int(value / self._unit).bit_length(), BUCKETS)] += number
        self._sum += value * number

    def as_dict(self) -> HistogramFigures:
        """Return what was counted."""
        bounds = [self._unit * 2**power for power in range(BUCKETS)]
        return {"bounds": bounds, "counts": self._counts.copy(), "sum": self._sum}
