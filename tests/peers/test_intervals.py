"""Medians and how sure they are."""

from __future__ import annotations

import pytest

from benchmarks.peers import intervals


def test_the_median_lies_in_its_interval_and_the_interval_within_the_values() -> None:
    low, middle, high = intervals.of([1, 2, 3, 4, 100])
    assert middle == 3
    assert 1 <= low < middle < high <= 100


def test_the_same_values_give_the_same_interval() -> None:
    assert intervals.of([5, 3, 9, 4]) == intervals.of([5, 3, 9, 4])


@pytest.mark.parametrize("values", [[7.0], [7.0, 7.0, 7.0]])
def test_values_that_do_not_differ_have_an_interval_without_width(values: list[float]) -> None:
    assert intervals.of(values) == (7, 7, 7)


def test_a_ratio_is_taken_round_by_round_so_that_a_slow_machine_slows_both() -> None:
    assert intervals.ratio([10, 200, 30], [5, 100, 15]) == (2, 2, 2)


def test_a_ratio_of_different_numbers_of_rounds_is_to_the_median() -> None:
    assert intervals.ratio([10, 10], [1, 5, 1000]) == (2, 2, 2)


def test_differences_are_taken_round_by_round() -> None:
    assert intervals.differences([10, 20], [1, 2]) == [9, 18]
