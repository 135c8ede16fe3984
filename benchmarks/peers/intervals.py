"""Medians and how sure they are."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.stats import bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

RESAMPLES: Final = 2000
CONFIDENCE: Final = 0.95


class Interval(NamedTuple):
    """A median, and between what it lies with a confidence of 95 %."""

    low: float
    middle: float
    high: float


def of(values: Sequence[float]) -> Interval:
    """Return the median of values with its bootstrap interval; of a single value, that value."""
    middle = median(values)
    if len(set(values)) == 1:
        return Interval(middle, middle, middle)
    found = bootstrap(
        (np.asarray(values),),
        np.median,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),  # the same values give the same interval
    ).confidence_interval
    return Interval(float(found.low), middle, float(found.high))


def ratio(values: Sequence[float], others: Sequence[float]) -> Interval:
    """Return how many times the others these values are, round by round where both have the same rounds."""
    if len(values) == len(others):
        return of([value / other for value, other in zip(values, others, strict=True)])
    return of([value / median(others) for value in values])


def differences(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return how much more than the others these values are, round by round."""
    return [value - other for value, other in zip(values, others, strict=True)]
