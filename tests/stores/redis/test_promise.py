"""The checking program of the project, for a moment; and that it finds what it is there to find."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.promise.__main__ import main
from benchmarks.promise.check import Plan, check


@pytest.mark.parametrize(
    ("seconds", "faults"),
    [(2, ()), (4, ("pause", "cut", "kill", "promote", "evict"))],
    ids=["calm", "with faults"],
)
def test_no_request_is_answered_with_what_was_taken_back_before_it(seconds: int, faults: tuple[str, ...]) -> None:
    hits = invalidations = 0
    for seed in range(1, 20):
        report = asyncio.run(check(Plan(seconds=seconds, seed=seed, workers=2, readers=4, faults=faults)))
        assert (report.violations, report.unanswered) == (0, 0), report.first
        hits, invalidations = hits + report.hits, invalidations + report.invalidations
        if hits > 20 and invalidations > 3:
            return
    pytest.fail(f"{hits} hits and {invalidations} invalidations show nothing")


@pytest.mark.parametrize(
    ("mutation", "faults"),
    [("mark-at-storing", ()), ("missing-is-valid", ("evict",)), ("no-identity", ("promote",))],
)
def test_what_breaks_the_promise_is_found(mutation: str, faults: tuple[str, ...]) -> None:
    report = asyncio.run(check(Plan(60, 1, 2, 4, 2, faults, mutation, stop_at_first=True)))
    assert report.violations > 0


def test_the_exit_status_tells(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seconds", "1", "--workers", "1", "--seed", "5"]) == 0
    assert "violations=0" in capsys.readouterr().out
