"""The checking program where Sentinels change the primary, for a moment; and that it finds what it is there to find."""

from __future__ import annotations

import asyncio

import pytest

from accelerator.stores.redis import fleet, server
from benchmarks.promise.check import Plan, check


@pytest.fixture(autouse=True)
def _no_leases() -> None:
    """There are leases here: by them it is known for how long a former primary may be read."""


def test_a_former_primary_is_left_before_the_first_invalidation_at_the_new_one_returns() -> None:
    assert server.IDENTITY_SECONDS < fleet.LEASE_SECONDS


@pytest.mark.parametrize(
    ("store", "faults"),
    [("sentinel", ("failover",)), ("near-sentinel", ("failover", "cut", "pause"))],
    ids=["alone", "behind near stores"],
)
def test_no_request_is_answered_with_what_was_taken_back_before_it(store: str, faults: tuple[str, ...]) -> None:
    hits = failovers = 0
    for seed in range(1, 20):
        report = asyncio.run(check(Plan(5, seed, 2, 4, 2, faults, store=store)))
        assert (report.violations, report.unanswered) == (0, 0), report.first
        hits, failovers = hits + report.hits, failovers + report.faults["failover"]
        if hits > 20 and failovers > 0:
            return
    pytest.fail(f"{hits} hits and {failovers} failovers show nothing")


def test_who_never_asks_again_who_the_primary_is_is_found() -> None:
    plans = (
        Plan(45, seed, 2, 4, 2, ("failover",), "never-asks-again", stop_at_first=True, store="sentinel")
        for seed in range(1, 7)
    )
    assert any(asyncio.run(check(plan)).violations for plan in plans)
