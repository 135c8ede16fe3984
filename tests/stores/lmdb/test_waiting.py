"""Who has the lock and does not go on, such as a stopped process, holds up the others for a moment only."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from accelerator import InvalidationError
from accelerator.stores.lmdb import file, repeating
from accelerator.stores.lmdb.lock import LockTimeoutError
from tests.stores.lmdb.support import URL, begun, body_at, fill, locked
from tests.stores.lmdb.worker import Worker
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from accelerator import LMDBStore


@pytest.fixture
def stopped(store: LMDBStore, other: Worker) -> Iterator[Worker]:
    """A process that was stopped while it had the lock, after this one has opened the file."""
    assert body_at(store) == ""
    other.tell("stop_with_the_lock")
    other.wait_until_stopped()
    yield other
    other.process.send_signal(signal.SIGCONT)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "WRITE_SECONDS", 0.01)


def go_on(stopped: Worker) -> None:
    stopped.process.send_signal(signal.SIGCONT)
    stopped.answer()


def wait_for_repetition() -> None:
    for thread in threading.enumerate():
        if thread.name == "accelerator invalidations":
            thread.join(10)


@pytest.mark.usefixtures("stopped")
def test_lookups_wait_for_nobody(store: LMDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    assert body_at(store) == ""


def test_a_commit_past_the_deadline_is_skipped(store: LMDBStore, stopped: Worker) -> None:
    entry = begun(store, URL, body=b"1")
    with pytest.raises(LockTimeoutError, match="may have been stopped"):
        drive(store.commit(entry))
    assert body_at(store) == ""
    go_on(stopped)
    assert drive(store.commit(entry))


def test_an_invalidation_past_the_deadline_raises_and_holds_in_this_process_at_once(
    store: LMDBStore, other: Worker
) -> None:
    fill(store, URL, "x", body=b"1")
    assert body_at(store) == "1" == other.ask("state", URL)
    running = begun(store, URL, "x", body=b"2")
    other.tell("stop_with_the_lock")
    other.wait_until_stopped()
    with pytest.raises(InvalidationError, match=r"not known to be taken back: .* this process acts as if it were"):
        drive(store.invalidate_tag("x"))
    assert body_at(store) == ""
    assert store.ready_entry(running.key, None, lambda request, vary: ()) is None
    assert drive(store.commit(running)) is False
    go_on(other)


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_an_invalidation_that_failed_is_repeated_until_it_succeeds(
    soft: bool, store: LMDBStore, other: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeating, "REPEAT_SECONDS", (0.01,))
    fill(store, URL, "x", body=b"1")
    other.tell("stop_with_the_lock")
    other.wait_until_stopped()
    with pytest.raises(InvalidationError):
        drive(store.invalidate_tag("x", soft=soft))
    expected = "stale 1" if soft else ""
    assert body_at(store) == expected
    go_on(other)
    wait_for_repetition()
    assert not store._file.pending.kept
    assert body_at(store) == expected == other.ask("state", URL)


def test_after_one_has_waited_in_vain_nobody_waits_for_a_while(
    store: LMDBStore, stopped: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = begun(store, URL)
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(LockTimeoutError):
        drive(store.commit(entry))
    assert pauses
    pauses.clear()
    with pytest.raises(LockTimeoutError):
        drive(store.commit(entry))
    assert pauses == []


def test_a_thread_that_has_the_lock_holds_up_another_for_a_moment_only(store: LMDBStore) -> None:
    entry = begun(store, URL)
    with locked(store), pytest.raises(LockTimeoutError):
        drive(store.commit(entry))
    assert drive(store.commit(entry))


def test_a_lock_that_is_released_in_time_is_waited_for(store: LMDBStore, other: Worker) -> None:
    entry = begun(store, URL)
    with locked(store):
        other.tell("fill", URL, [], b"1")
        time.sleep(0.02)
    assert other.answer() is True
    assert drive(store.commit(entry))


@pytest.mark.usefixtures("stopped")
def test_a_file_that_is_opened_again_is_waited_for_no_longer_than_a_write(store: LMDBStore) -> None:
    store.close()
    with pytest.raises(LockTimeoutError, match="may have been stopped"):
        body_at(store)
    with pytest.raises(LockTimeoutError, match="could not be opened a moment ago"):
        body_at(store)


@pytest.mark.usefixtures("stopped")
def test_a_store_is_not_made_where_the_lock_is_not_to_be_had(path: Path) -> None:
    with Worker() as third:
        third.ask("set", "lmdb.file", "OPEN_SECONDS", 0)
        with pytest.raises(LockTimeoutError, match="may have been stopped"):
            third.ask("open", path, 1_000_000)
