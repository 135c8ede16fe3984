"""The checking program of the project on LMDBStore, for a moment; and that it finds what it is there to find."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from benchmarks.promise.__main__ import main
from benchmarks.promise.check import FAULTS, Plan, check

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("seconds", "faults"), [(1, ()), (3, FAULTS["lmdb"])], ids=["calm", "with all faults"])
def test_no_request_is_answered_with_what_was_taken_back_before_it(
    seconds: int, faults: tuple[str, ...], tmp_path: Path
) -> None:
    hits = invalidations = 0
    for seed in range(1, 20):
        plan = Plan(seconds=seconds, seed=seed, workers=2, readers=4, faults=faults, store=f"lmdb:{tmp_path}")
        report = asyncio.run(check(plan))
        assert (report.violations, report.unanswered) == (0, 0), report.first
        hits, invalidations = hits + report.hits, invalidations + report.invalidations
        if hits > 20 and invalidations > 3:
            return
    pytest.fail(f"{hits} hits and {invalidations} invalidations show nothing")


@pytest.mark.parametrize(("mutation", "faults"), [("mark-at-storing", ()), ("removed-is-used", ("remove",))])
def test_what_breaks_the_promise_is_found(mutation: str, faults: tuple[str, ...], tmp_path: Path) -> None:
    plan = Plan(60, 1, 2, 4, 2, faults, mutation, stop_at_first=True, store=f"lmdb:{tmp_path}")
    assert asyncio.run(check(plan)).violations > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--store", "file:/tmp"],
            "near-cluster, near-lmdb:DIRECTORY or lmdb:DIRECTORY, such as lmdb:/dev/shm, not file:/tmp",
        ),
        (["--store", "lmdb:/tmp", "--faults", "cut"], "on lmdb there are pause, crash, reload, remove, tiny, not cut"),
        (["--mutation", "removed-is-used"], "on redis there are mark-at-storing, missing-is-valid, no-identity, not"),
    ],
)
def test_what_cannot_be_asked_for_is_said(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert words in " ".join(capsys.readouterr().err.split())
