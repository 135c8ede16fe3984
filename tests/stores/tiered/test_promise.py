"""The checking program of the project on near stores, for a moment; and that it finds what it is there to find."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from benchmarks.promise.__main__ import main
from benchmarks.promise.check import Plan, check

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("seconds", "faults"), [(2, ()), (3, ("pause", "crash", "deaf", "relay"))], ids=["calm", "with faults"]
)
def test_no_request_is_answered_with_what_was_taken_back_before_it(seconds: int, faults: tuple[str, ...]) -> None:
    hits = invalidations = 0
    for seed in range(1, 20):
        report = asyncio.run(check(Plan(seconds, seed, 2, 4, 4, faults, store="near")))
        assert (report.violations, report.unanswered) == (0, 0), report.first
        hits, invalidations = hits + report.hits, invalidations + report.invalidations
        if hits > 20 and invalidations > 3:
            return
    pytest.fail(f"{hits} hits and {invalidations} invalidations show nothing")


def is_found(mutation: str, faults: tuple[str, ...], store: str) -> bool:
    """Whether one of a few runs finds it: who follows whom after the forks of a run is chance, and stays so in it."""
    plans = (Plan(20, seed, 2, 4, 2, faults, mutation, stop_at_first=True, store=store) for seed in range(1, 9))
    return any(asyncio.run(check(plan)).violations for plan in plans)


@pytest.mark.parametrize(
    ("mutation", "faults"),
    [("waits-for-nobody", ()), ("id-shared-after-fork", ("pause",))],
)
def test_what_breaks_the_promise_is_found(mutation: str, faults: tuple[str, ...]) -> None:
    assert is_found(mutation, faults, "near")


def test_workers_that_share_near_stores_are_on_two_machines_of_which_one_has_to_wait_for_the_other(
    tmp_path: Path,
) -> None:
    assert is_found("waits-for-nobody", (), f"near-lmdb:{tmp_path}")
    assert [*tmp_path.iterdir()] == []


def test_most_reads_of_a_calm_run_ask_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--store", "near", "--seconds", "8", "--workers", "1", "--seed", "5"]) == 0
    report = capsys.readouterr().out
    reads, shared = (int(number) for number in re.findall(r"reads=(\d+)", report))
    assert 0 < shared < reads / 2
    assert report.endswith(f"read from the shared store: {shared:,}\n")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (["--store", "near-lmdb"], "such as lmdb:/dev/shm, not near-lmdb"),
        (["--store", "near:/dev/shm"], "such as lmdb:/dev/shm, not near:/dev/shm"),
        (["--store", "near", "--faults", "tiny"], "promote, evict, relay, reload, not tiny"),
        (["--store", "near-lmdb:/tmp", "--mutation", "id-shared-after-fork"], "not id-shared-after-fork"),
    ],
)
def test_what_cannot_be_asked_for_is_said(told: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(told)
    assert words in " ".join(capsys.readouterr().err.split())
