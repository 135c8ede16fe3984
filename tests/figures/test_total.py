"""Figures of several processes are summed: what they counted, and where they stand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from accelerator.figures.counts import MAX_REASONS, Answered, Counts
from accelerator.figures.invalidations import InvalidationCounts
from accelerator.figures.tally import Served
from accelerator.figures.total import total
from accelerator.forks import lock_over_forks
from accelerator.testing import ManualClock

if TYPE_CHECKING:
    from accelerator.figures.snapshot import Figures

REQUESTS = st.tuples(
    st.sampled_from([("hit", ""), ("stale", ""), ("miss", "stored"), ("miss", "private"), ("pass", "method")]),
    st.sampled_from(["/a", "/b", "/c"]),
    st.integers(1, 4),
    st.floats(0, 30),
)


def figures_of(requests: list[Any], *, clock: ManualClock | None = None, **store: Any) -> Figures:
    clock = clock or ManualClock()
    counts, invalidations = Counts(clock, lock_over_forks()), InvalidationCounts()
    for (outcome, reason), url, number, seconds in requests:
        age = seconds if outcome in {"hit", "stale"} else None
        counts.answered(Answered(outcome, reason, "GET", age, number, 10 * number), Served(url, ("t",), seconds))
        counts.filled(seconds)
        invalidations.add(["a"], seconds, soft=outcome == "hit")
    return counts.figures({"kind": "S", "shared": False, **store}, invalidations.as_figures())  # type: ignore[typeddict-item]


def as_said(figures: Figures) -> Any:
    """As another process reads it; sums of floats in another order differ in their last digits."""

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: rounded(part) for name, part in value.items()}
        if isinstance(value, list):
            return [rounded(part) for part in value]
        return round(value, 6) if isinstance(value, float) else value

    return rounded(json.loads(json.dumps(figures)))


@given(st.lists(REQUESTS, max_size=12), st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_the_sum_of_what_processes_counted_is_what_one_would_have_counted(
    requests: list[Any], where: list[int]
) -> None:
    clock = ManualClock()
    parts = [[one for one, place in zip(requests, where, strict=False) if place == number] for number in range(3)]
    summed = as_said(total([json.loads(json.dumps(figures_of(part, clock=clock))) for part in parts]))
    whole = as_said(figures_of(requests, clock=clock))
    assert summed.pop("workers") == 3
    assert whole.pop("workers") == 1
    for figures in (summed, whole):  # where they came as often, or at the same time, their order means nothing
        for name in ("urls", "tags", "unstored", "latest"):
            figures[name].sort(key=str)
        figures["requests"] = {name: reasons for name, reasons in figures["requests"].items() if reasons}
    assert summed == whole


def test_of_a_process_that_has_ended_what_it_counted_counts_but_not_where_it_stood() -> None:
    request = (("hit", ""), "/a", 2, 1.0)
    alive = figures_of([request], entries=1, bytes=10, max_bytes=100, evictions=3, breaker_open=False)
    ended = figures_of([request], entries=5, bytes=50, max_bytes=500, evictions=4, breaker_open=True)
    summed = total([alive], ended=[ended])
    assert summed["requests"] == {"hit": {"": 4}}
    assert summed["workers"] == 1
    assert summed["urls"] == [("/a", 2)]
    store = summed["store"]
    assert (store["entries"], store["bytes"], store["max_bytes"], store["evictions"]) == (1, 10, 100, 7)
    assert not store["breaker_open"]


def test_stores_of_ones_own_are_added_and_a_shared_one_is_counted_once() -> None:
    own = [figures_of([], entries=number, bytes=10 * number) for number in (1, 2)]
    assert total(own)["store"]["entries"] == 3
    shared = [figures_of([], shared=True, entries=number, errors={"lookup": 1}) for number in (1, 2)]
    store = total(shared)["store"]
    assert store["entries"] == 2
    assert store["errors"] == {"lookup": 2}


def test_a_breaker_that_is_open_for_one_process_is_shown_as_open() -> None:
    some = [figures_of([], breaker_open=is_open) for is_open in (True, False)]
    assert total(some)["store"]["breaker_open"]


def test_figures_that_lack_something_make_a_sum_that_does() -> None:
    whole, part = figures_of([]), figures_of([])
    part["complete"] = False
    assert not total([whole, part])["complete"]
    assert total([whole, whole])["complete"]


def test_what_near_stores_counted_is_added_and_where_one_stands_is_what_was_read_last() -> None:
    alive = [figures_of([], near={"lease": lease, "behind": 1, "heartbeat": None, "lapsed": 2}) for lease in (1.0, 1.5)]
    ended = figures_of([], near={"lease": 0.0, "behind": 7, "heartbeat": 0.1, "lapsed": 3, "waiting": 0.25})
    near = total(alive, ended=[ended, figures_of([])])["store"]["near"]
    assert (near["lease"], near["behind"], near["heartbeat"]) == (1.5, 1, None)
    assert (near["lapsed"], near["waiting"], near["silent"]) == (7, 0.25, 0)


def test_more_reasons_than_are_told_apart_are_counted_as_other_ones() -> None:
    some = [
        figures_of([(("miss", f"{which} {number}"), "/", number + 1, 0.0) for number in range(MAX_REASONS)])
        for which in ("a", "b")
    ]
    reasons = total(some)["requests"]["miss"]
    assert len(reasons) == MAX_REASONS + 1
    assert sum(reasons.values()) == 2 * sum(range(MAX_REASONS + 1))
    assert reasons[f"a {MAX_REASONS - 1}"] == MAX_REASONS
    assert "a 0" not in reasons
