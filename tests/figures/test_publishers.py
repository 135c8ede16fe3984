"""One thread of a process gives each accelerator its turn to publish."""

from __future__ import annotations

import threading
from math import inf
from weakref import WeakSet

import pytest

from accelerator.figures import invalidations
from accelerator.figures.invalidations import InvalidationCounts
from accelerator.stores import publishers

START = publishers._start  # before a fixture puts another one in its place


class Turns:
    """What has so many turns before nobody needs it any more."""

    def __init__(self, number: int, kept: list[Turns]) -> None:
        self.turns: list[float] = []
        self.begun = 0
        self._number = number
        self._kept = kept
        kept.append(self)

    def begin(self) -> None:
        self.begun += 1

    def turn(self, now: float) -> None:
        self.turns.append(now)
        if len(self.turns) == self._number:
            self._kept.remove(self)


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishers, "_publishers", WeakSet())
    monkeypatch.setattr(publishers, "_TURN_SECONDS", 0.001)


def test_each_has_its_turns_in_one_thread_which_ends_when_nobody_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishers, "_start", START)
    publishers._page[0] = 0
    kept: list[Turns] = []
    before = threading.active_count()
    turns = [Turns(number, kept).turns for number in (2, 5)]
    for publisher in kept:
        publishers.add(publisher)
    del publisher
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "accelerator figures"]
    thread.join(30)
    assert not thread.is_alive()
    assert [len(some) for some in turns] == [2, 5]
    assert not publishers.are_running()
    assert threading.active_count() == before
    publishers._page[0] = 1


def test_who_comes_after_the_thread_has_ended_has_another_one() -> None:
    started: list[int] = []

    def start() -> None:
        started.append(1)
        publishers._page[0] = 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishers, "_start", start)
        publishers._page[0] = 0
        kept: list[Turns] = []
        for _ in range(2):
            publishers.add(Turns(1, kept))
        publishers._page[0] = 0
        publishers.add(Turns(1, kept))
    assert len(started) == 2
    assert [one.begun for one in kept] == [1, 1, 1]


def test_at_the_end_of_the_process_each_has_a_last_turn_and_in_a_child_each_begins_anew() -> None:
    kept: list[Turns] = []
    for _ in range(2):
        publishers.add(Turns(9, kept))
    publishers._publish_last()
    publishers._after_fork()
    assert [(one.turns, one.begun) for one in kept] == [([inf], 2)] * 2


def test_a_child_has_invalidated_nothing_of_what_its_parent_has() -> None:
    counts = InvalidationCounts()
    counts.add(["a"], 0.1, soft=False)
    counts.add_failure()
    invalidations._after_fork()
    assert counts.number() == 0
    assert counts.as_figures() == InvalidationCounts().as_figures()
