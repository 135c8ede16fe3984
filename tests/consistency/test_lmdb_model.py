"""LMDBStore against a model: processes that share a file, fork, and find it full, gone, or with few records of tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from accelerator.stores.lmdb import opened, place, sweep, writing
from accelerator.tags import ALL, tag_of_url
from tests.consistency.lmdb_model import LIFETIME, LMDBModel, Request
from tests.consistency.search import Step, one_of, profile, step
from tests.stores.lmdb.worker import Here, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUESTS: list[Request] = [
    (f"https://example.org/{path}", (("accept", accept),)) for path, accept in ("a1", "a2", "b1")
]
PADDING = [0, 0, 0, 60_000]

WHO = range(2)
WHICH = range(4)
TAGS = [frozenset("x"), frozenset("y"), frozenset("xy"), frozenset[str]()]
TARGETS = [["x"], ["y"], ["x", "y"], ["x"], ["y"], [tag_of_url(REQUESTS[0][0])], [tag_of_url(REQUESTS[2][0])], [ALL]]
VARIES = [False, False, True]

STEPS = [
    *[step("begin", WHO, REQUESTS)] * 3,
    *[step("end", WHO, WHICH, TAGS, VARIES, PADDING)] * 3,
    *[step("fill", WHO, REQUESTS, TAGS, VARIES, PADDING)] * 4,
    *[step("take_back", WHO, TARGETS, ["hard", "soft"])] * 4,
    step("take_back_others", WHO, [1, 3, 9]),
    *[step("look_up", WHO, REQUESTS)] * 4,
    step("freshen", WHO, REQUESTS, TAGS),
    step("wait", [1, LIFETIME + 1]),
    step("remove", [[place.DATA], [place.READERS], [place.LOCK], [place.DATA, place.READERS, place.LOCK]]),
    step("fork", REQUESTS, TARGETS),
]


SWEPT: list[Request] = [(f"https://example.org/{number}", ()) for number in range(5)]
HERE = [0]
ONE = [frozenset("x"), frozenset("y")]
SWEEP_STEPS = [
    *[step("fill", HERE, SWEPT, ONE, [False], [0])] * 6,
    *[step("take_back", HERE, [["x"], ["y"], [ALL]], ["hard", "soft"])] * 3,
    *[step("take_back_others", HERE, [1, 3])] * 2,
    *[step("look_up", HERE, SWEPT)] * 2,
    *[step("begin", HERE, SWEPT)] * 2,
    *[step("end", HERE, [0], ONE, [False], [0])] * 2,
]


class Processes(LMDBModel):
    """What can happen to two processes, one of which forks."""

    requests = REQUESTS

    @initialize(max_records=st.sampled_from([1, 3, 1000]))
    def start(self, max_records: int) -> None:
        self.begin_with(max_records)

    @rule(step=one_of(STEPS))
    def step(self, step: Step) -> None:
        self.do(step)


class Sweeps(LMDBModel):
    """What comes of the sweep, where it looks at one entry at a time, and hardly any record is kept."""

    requests = SWEPT

    @initialize()
    def start(self) -> None:
        self.begin_with(1)

    @rule(step=one_of(SWEEP_STEPS))
    def step(self, step: Step) -> None:
        self.do(step)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    for module in (sweep, writing):
        monkeypatch.setattr(module, "MAX_RECORDS", sweep.MAX_RECORDS)  # they are put back
    monkeypatch.setattr(writing, "SWEEP", writing.SWEEP)
    monkeypatch.setattr(opened, "TRUST_SECONDS", 0.0)
    monkeypatch.setattr(LMDBModel, "folder", tmp_path, raising=False)
    return Here()


@pytest.fixture
def other() -> Iterator[Worker]:
    with Worker() as worker:
        worker.ask("set", "lmdb.opened", "TRUST_SECONDS", 0.0)  # no step depends on the time that others take
        yield worker


def test_nothing_that_processes_do_to_one_file_breaks_the_promise(here: Here, other: Worker) -> None:
    Processes.workers = [here, other]
    run_state_machine_as_test(Processes, settings=profile(steps=30))


def test_no_record_is_dropped_that_an_entry_or_a_fill_needs(here: Here) -> None:
    Sweeps.workers = [here]
    run_state_machine_as_test(Sweeps, settings=profile(steps=30))
