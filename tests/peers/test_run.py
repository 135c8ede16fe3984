"""A run of one tiny slice of everything: that it is complete, not how fast anything is."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.peers.__main__ import parsed
from benchmarks.peers.catalogue import cases
from benchmarks.peers.results import Results
from benchmarks.peers.run import Run, Scale
from tests.peers.support import BARE, OURS

if TYPE_CHECKING:
    from benchmarks.peers.catalogue import Case

TINY = Scale(
    name="tiny", rounds=1, seconds=0.01, sizes=(1024,), connections=2, crowd=2, crowds=1, ttl=1, entries=(3,),
    patience=60, workers=(1,),
)  # fmt: skip


def run(tmp_path: Path, *chosen: Case, scale: Scale = TINY) -> tuple[Results, list[str]]:
    """What came of a run, and its steps; each environment is that of the tests."""
    steps: list[str] = []

    def python_of(environment: str) -> Path:
        if environment == "nowhere":
            raise RuntimeError("it cannot be made")
        return Path(sys.executable)

    made = Run(chosen, scale, python_of, tmp_path, "", steps.append)
    kept: list[Results] = []
    found = made.measure(kept.append)
    assert kept[-1] == found
    assert len(steps) <= made.steps
    return found, steps


def test_a_run_is_complete(tmp_path: Path) -> None:
    found, steps = run(tmp_path, cases()[BARE], cases()[OURS])
    assert found.left_out == {}
    places = {(each.case, each.measure, each.at) for each in found.series}
    both = {(name, measure, 1024) for name in (BARE, OURS) for measure in ("hit", "hit cpu")}
    both |= {(name, measure, 10_240) for name in (BARE, OURS) for measure in ("miss", "miss cpu")}
    both |= {(name, measure, 1) for name in (BARE, OURS) for measure in ("workers", "workers cpu")}
    ours = {("calls", 2), ("slowest", 2), ("after a change", 1), ("lookup", 3), ("take back", 3)}
    assert places == both | {(OURS, measure, at) for measure, at in ours}
    assert found.values(OURS, "calls", 2) == [1]
    assert found.values(OURS, "after a change", 1) == [0]
    assert Results.model_validate_json(found.model_dump_json()) == found
    assert f"{OURS}: 3 entries" in steps


def test_what_cannot_be_made_or_does_not_answer_is_left_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    unmade = replace(cases()[OURS], name="unmade", environment="nowhere")
    silent = replace(cases()[OURS], name="silent", cache="not_there")
    found, _ = run(tmp_path, unmade, silent, cases()[BARE])
    assert found.left_out["unmade"] == "it cannot be made"
    assert "No module named 'benchmarks.peers.caches.not_there'" in found.left_out["silent"]
    assert {each.case for each in found.series} == {BARE}


def test_a_case_that_fails_later_is_left_out_with_all_that_was_found_of_it(tmp_path: Path) -> None:
    too_small = replace(TINY, sizes=(1024, -1))  # a page of -1 bytes is not found
    found, _ = run(tmp_path, cases()[BARE], scale=too_small)
    assert found.left_out[BARE].startswith("ValueError: the answer is b'HTTP/1.1 404")
    assert found.series == []


def test_a_case_that_is_not_in_the_catalogue_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(["--environments", "here", "--only", "memcached"])
    assert "invalid choice: 'memcached'" in capsys.readouterr().err


def test_the_documentation_is_not_written_from_some_cases(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(["--environments", "here", "--only", OURS, "--write"])
    assert "the documentation is about all of the cases" in capsys.readouterr().err
