"""The names that came most often, in a memory that does not grow."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from accelerator.figures.hottest import KEPT, WINDOW_SECONDS, Hottest


def test_those_that_came_most_often_are_first() -> None:
    hottest: Hottest[str] = Hottest()
    for name, number in (("b", 2), ("a", 5), ("c", 1), ("b", 1)):
        hottest.add(name, number, 0.0)
    assert hottest.most(2, 0.0) == [("a", 5), ("b", 3)]


@given(st.lists(st.tuples(st.integers(0, 2000).map(str), st.integers(1, 9)), min_size=600, max_size=2000))
def test_no_number_is_too_small_and_none_by_more_than_what_the_rarest_that_is_kept_came(
    came: list[tuple[str, int]],
) -> None:
    hottest: Hottest[str] = Hottest()
    real: Counter[str] = Counter()
    for name, number in came:
        hottest.add(name, number, 0.0)
        real[name] += number
    most_that_can_be_dropped = sum(real.values()) // KEPT
    for name, number in hottest.most(2 * KEPT, 0.0):
        assert real[name] <= number <= real[name] + most_that_can_be_dropped


def test_a_million_names_leave_no_more_than_twice_as_many_as_are_kept_and_find_the_hot_one() -> None:
    hottest: Hottest[str] = Hottest()
    for number in range(1_000_000):
        hottest.add(f"https://example.org/{number}", 1, 0.0)
        if number % 100 == 0:
            hottest.add("https://example.org/hot", 1, 0.0)
    assert len(hottest.most(1_000_000, 0.0)) <= 2 * KEPT
    name, number = hottest.most(1, 0.0)[0]
    assert name == "https://example.org/hot"
    assert number >= 10_000


def test_what_came_before_the_last_window_is_forgotten() -> None:
    hottest: Hottest[str] = Hottest()
    hottest.add("old", 9, 1000.0)
    hottest.add("new", 1, 1000.0 + WINDOW_SECONDS)
    assert hottest.most(9, 1000.0 + WINDOW_SECONDS) == [("old", 9), ("new", 1)]
    assert hottest.most(9, 1000.0 + 2 * WINDOW_SECONDS) == [("new", 1)]
    assert hottest.most(9, 1000.0 + 5 * WINDOW_SECONDS) == []


def test_a_clock_that_is_set_back_begins_a_new_window() -> None:
    hottest: Hottest[str] = Hottest()
    hottest.add("later", 1, 1000.0)
    hottest.add("now", 1, 10.0)
    assert hottest.most(9, 10.0) == [("now", 1)]


def test_what_comes_late_counts_in_the_present_window_and_wipes_nothing() -> None:
    hottest: Hottest[str] = Hottest()
    turn = 1000.0 + WINDOW_SECONDS
    for name, now in (("before", 1000.0), ("first", turn), ("late", turn - 0.3), ("first", turn), ("late", 1000.0)):
        hottest.add(name, 1, now)
    assert sorted(hottest.most(9, turn)) == [("before", 1), ("first", 2), ("late", 2)]
