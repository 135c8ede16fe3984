"""The checking program of the project on a cluster, for a moment; and that it finds what it is there to find."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.promise.check import Plan, check


@pytest.mark.parametrize(
    ("store", "faults"),
    [
        ("cluster", ()),
        ("cluster", ("pause", "cut", "reshard", "promote", "kill", "takeover", "evict")),
        ("near-cluster", ("deaf", "cut", "reshard", "promote", "takeover")),
    ],
    ids=["calm", "with faults", "near, with faults"],
)
def test_no_request_is_answered_with_what_was_taken_back_before_it(store: str, faults: tuple[str, ...]) -> None:
    hits = invalidations = 0
    for seed in range(1, 20):
        report = asyncio.run(check(Plan(5, seed, workers=2, readers=4, faults=faults, store=store)))
        assert (report.violations, report.unanswered) == (0, 0), report.first
        hits, invalidations = hits + report.hits, invalidations + report.invalidations
        if hits > 20 and invalidations > 3:
            return
    pytest.fail(f"{hits} hits and {invalidations} invalidations show nothing")


@pytest.mark.parametrize(("mutation", "faults"), [("mark-at-storing", ()), ("missing-is-valid", ("evict",))])
def test_what_breaks_the_promise_is_found(mutation: str, faults: tuple[str, ...]) -> None:
    plans = (Plan(40, seed, 2, 4, 2, faults, mutation, stop_at_first=True, store="cluster") for seed in range(1, 9))
    assert any(asyncio.run(check(plan)).violations for plan in plans)
