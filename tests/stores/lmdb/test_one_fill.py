"""A cold page is made once for all processes, however many ask for it, and once more where its maker is lost."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.stores.lmdb.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROCESSES = 4
REQUESTS = 250
PATIENCE = 60


class Crowd:
    """A process of `crowd.py`."""

    def __init__(self, path: Path, lease_seconds: float) -> None:
        self.made = 0
        self.process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-m", "tests.stores.lmdb.crowd", str(path), str(REQUESTS), str(lease_seconds)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fileno(self) -> int:
        """Return the pipe that it speaks through."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def read(self) -> list[str]:
        """Return the words of the next line that it says."""
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        self.made += words == ["made"]
        return words

    def until(self, word: str) -> list[str]:
        """Wait until it says a word, and return what it says with it."""
        while (words := self.read())[0] != word:
            pass
        return words[1:]

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def crowds(path: Path, lease_seconds: float, stack: ExitStack) -> list[Crowd]:
    """Return processes in which all requests wait."""
    everybody = [Crowd(path, lease_seconds) for _ in range(PROCESSES)]
    for one in everybody:
        stack.callback(one.end)
    for one in everybody:
        one.until("ready")
    for one in everybody:
        one.go_on()
    for one in everybody:
        one.until("waiting")
    return everybody


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def maker_among(everybody: list[Crowd]) -> Crowd:
    """Return the process whose application was called, which is the only one."""
    [maker] = [one for one in everybody if one.made]
    assert maker.made == 1
    return maker


def next_maker(others: list[Crowd]) -> Crowd:
    """Wait until the application is called in one of these processes, and return it."""
    [maker, *_], _, _ = select.select(others, [], [], PATIENCE)
    assert maker.read() == ["made"]
    return maker


def answers_of(crowd: Crowd) -> tuple[int, list[int]]:
    """Return how many requests were answered, and the processes that made the answers."""
    count, *made_by = map(int, crowd.until("answered"))
    return count, made_by


def test_a_thousand_requests_in_four_processes_make_one_call(path: Path, stack: ExitStack) -> None:
    everybody = crowds(path, 60, stack)
    maker = maker_among(everybody)
    maker.go_on()
    assert [answers_of(one) for one in everybody] == [(REQUESTS, [maker.process.pid])] * PROCESSES
    assert sum(one.made for one in everybody) == 1


@pytest.mark.parametrize("is_reaped", [True, False], ids=["reaped", "zombie"])
def test_if_its_maker_is_killed_one_more_call_is_made(is_reaped: bool, path: Path, stack: ExitStack) -> None:
    everybody = crowds(path, 600, stack)  # nothing runs out
    first = maker_among(everybody)
    first.process.send_signal(signal.SIGKILL)
    if is_reaped:
        first.process.wait()
    others = [one for one in everybody if one is not first]
    second = next_maker(others)
    second.go_on()
    assert [answers_of(one) for one in others] == [(REQUESTS, [second.process.pid])] * (PROCESSES - 1)
    assert sum(one.made for one in everybody) == 2


def test_if_its_maker_is_stopped_one_more_call_is_made_and_nobody_is_lost(path: Path, stack: ExitStack) -> None:
    everybody = crowds(path, 2, stack)
    first = maker_among(everybody)
    first.process.send_signal(signal.SIGSTOP)
    others = [one for one in everybody if one is not first]
    second = next_maker(others)
    second.go_on()
    assert [answers_of(one) for one in others] == [(REQUESTS, [second.process.pid])] * (PROCESSES - 1)
    first.process.send_signal(signal.SIGCONT)
    first.go_on()
    count, made_by = answers_of(first)
    assert (count, {*made_by} <= {first.process.pid, second.process.pid}) == (REQUESTS, True)
    assert sum(one.made for one in everybody) == 2
