"""Values are counted by powers of two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.figures.histogram import BUCKETS, Histogram


@pytest.mark.parametrize(
    ("value", "bucket"), [(0.0, 0), (0.99, 0), (1.0, 1), (1.99, 1), (2.0, 2), (3.9, 2), (4.0, 3), (2.0**40, BUCKETS)]
)
def test_a_value_is_counted_below_the_next_power_of_two(value: float, bucket: int) -> None:
    histogram = Histogram(1.0)
    histogram.add(value)
    assert histogram.as_dict()["counts"] == [int(place == bucket) for place in range(BUCKETS + 1)]
    assert histogram.as_dict()["sum"] == value


def test_a_value_below_zero_counts_as_zero_since_a_clock_was_set_back() -> None:
    histogram = Histogram(1.0)
    histogram.add(-3.0, 2)
    assert histogram.as_dict()["counts"][0] == 2
    assert histogram.as_dict()["sum"] == 0.0


@given(st.lists(st.tuples(st.floats(0, 2**30), st.integers(1, 5))), st.sampled_from([1.0, 0.001, 2.0**-20]))
def test_each_bucket_has_the_values_between_its_bounds(values: list[tuple[float, int]], unit: float) -> None:
    histogram = Histogram(unit)
    for value, number in values:
        histogram.add(value, number)
    figures = histogram.as_dict()
    edges = [0.0, *figures["bounds"], float("inf")]
    for count, low, high in zip(figures["counts"], edges, edges[1:], strict=False):
        assert count == sum(number for value, number in values if low / unit <= value / unit < high / unit)
