"""Single rules of the promise between processes that share a file, each with the schedule that would break it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from accelerator import InvalidationError
from accelerator.stores.lmdb import place, writing
from accelerator.testing import make_entry, make_request
from tests.consistency.history import RuleBrokenError
from tests.stores.lmdb.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

URL = "https://example.org/"
MAX_BYTES = 1_000_000
LONG = 0.5
"""Seconds for which the first process trusts in what it has looked at: longer than any step takes."""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[tuple[Worker, Worker]]:
    with Worker() as one, Worker() as other:
        for worker in (one, other):
            worker.ask("open", tmp_path / "store", MAX_BYTES)
        yield one, other


def remove(path: Path) -> None:
    for name in (place.DATA, place.READERS, place.LOCK):
        (path / "store" / name).unlink()


def must_be_gone(worker: Worker) -> None:
    if worker.ask("ready", URL) is not None or worker.ask("state", URL):
        raise RuleBrokenError("what was taken back is served")


def test_an_invalidation_is_of_the_file_that_is_there(workers: tuple[Worker, Worker], tmp_path: Path) -> None:
    one, other = workers
    one.ask("trust")
    remove(tmp_path)
    other.ask("close")
    other.ask("fill", URL, ["x"], b"1")
    one.ask("invalidate", ["x"])
    must_be_gone(other)


def test_an_invalidation_returns_when_nobody_trusts_in_files_of_before(
    workers: tuple[Worker, Worker], tmp_path: Path
) -> None:
    one, other = workers
    for worker in workers:
        worker.ask("set", "lmdb.opened", "TRUST_SECONDS", LONG)
    one.ask("fill", URL, ["x"], b"1")
    assert one.ask("state", URL) == "1"
    remove(tmp_path)
    other.ask("close")
    other.ask("invalidate", ["x"])
    must_be_gone(one)


def test_a_fill_that_began_on_files_of_before_is_refused(workers: tuple[Worker, Worker], tmp_path: Path) -> None:
    """The position of its mark is larger than that of the invalidation in the new files."""
    one, other = workers
    one.ask("invalidate", ["others", "of", "before"])
    running = make_entry(make_request(URL), one.ask("look_up", URL).mark, ["x"], body=b"1")
    remove(tmp_path)
    other.ask("invalidate", ["x"])
    if one.ask("commit", running):
        raise RuleBrokenError("what was begun before is stored")


def test_what_was_decoded_of_files_of_before_is_forgotten(workers: tuple[Worker, Worker], tmp_path: Path) -> None:
    """The entry in the new files has the same number, and the mark of the old one is larger than all positions."""
    one, other = workers
    one.ask("invalidate", ["others", "of", "before"])
    one.ask("fill", URL, ["x"], b"1")
    assert one.ask("state", URL) == "1"
    remove(tmp_path)
    other.ask("invalidate", ["x"])
    other.ask("fill", URL, ["x"], b"2")
    if one.ask("state", URL) != "2":
        raise RuleBrokenError("what was taken back is served")


def test_a_soft_invalidation_weakens_no_hard_one(workers: tuple[Worker, Worker]) -> None:
    one, other = workers
    running = make_entry(make_request(URL), one.ask("look_up", URL).mark, ["x"])
    one.ask("invalidate", ["x"])
    other.ask("invalidate", ["x"], True)
    one.ask("commit", running)
    must_be_gone(one)


def test_an_entry_that_was_stale_when_it_was_stored_stays_so(workers: tuple[Worker, Worker]) -> None:
    """The record that tells it goes after a pass of the sweep that began before the entry was there."""
    one, _ = workers
    for module in ("sweep", "writing"):
        one.ask("set", f"lmdb.{module}", "MAX_RECORDS", 1)
    running = make_entry(make_request(URL), one.ask("look_up", URL).mark, ["x"], body=b"1")
    for number in range(writing.SWEEP):
        one.ask("fill", f"{URL}{number}", [], b"")
    one.ask("invalidate", ["x"], True)
    one.ask("commit", running)
    for number in range(3):
        one.ask("invalidate", [f"other:{number}:{count}" for count in range(writing.SWEEP)])
    if one.ask("state", URL) not in {"stale 1", ""}:
        raise RuleBrokenError("what was taken back is served as fresh")


def test_a_child_uses_nothing_that_its_parent_has_opened(workers: tuple[Worker, Worker]) -> None:
    """The child of a server in C: it takes itself for its parent if nothing tells it, and ends its parent's reading."""
    one, other = workers
    one.ask("fill", URL, ["x"], b"1")
    opened = one.ask("number_of_openings")
    if one.ask("in_a_fork_from_c", "number_of_openings") != opened + 1:
        raise RuleBrokenError("a child uses what its parent has opened")
    assert other.ask("state", URL) == "1"


def test_an_invalidation_that_failed_holds_in_its_process(workers: tuple[Worker, Worker]) -> None:
    one, other = workers
    one.ask("set", "lmdb.file", "WRITE_SECONDS", 0)
    one.ask("set", "lmdb.repeating", "REPEAT_SECONDS", (60.0,))
    one.ask("fill", URL, ["x"], b"1")
    request = make_request(URL)
    running = make_entry(request, one.ask("look_up", URL).mark, ["x"], body=b"2")
    other.tell("stop_with_the_lock")
    other.wait_until_stopped()
    with suppress(InvalidationError):
        one.ask("invalidate", ["x"])
    must_be_gone(one)
    assert one.ask("commit", running) is False
