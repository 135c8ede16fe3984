"""A full file, a full disk, a full table of readers: entries go, and work goes on."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import lmdb
import pytest

from accelerator import InvalidationError, LMDBStore
from accelerator.stores.lmdb.place import DATA
from accelerator.stores.lmdb.queues import Queues
from tests.stores.lmdb.support import URL, body_at, fill
from tests.stores.lmdb.worker import Worker
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = 1_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[LMDBStore]:
    store = LMDBStore(tmp_path / "small", SMALL)
    yield store
    store.close()


def size_of(store: LMDBStore) -> int:
    return (store._file.place.path / DATA).stat().st_size


def fill_up(store: LMDBStore) -> None:
    for number in range(1000):
        fill(store, f"{URL}{number}", body=bytes(10_000))


@pytest.mark.parametrize("size", [100, 3_000, 5_000, 60_000])
def test_a_full_file_gives_up_entries_and_does_not_grow(size: int, small: LMDBStore) -> None:
    for number in range(3_000_000 // max(size, 1500)):
        assert fill(small, f"{URL}{number}", "x", body=b"%d " % number + bytes(size)), number
        assert body_at(small, f"{URL}{number}")
    assert SMALL // 2 < size_of(small) <= SMALL
    drive(small.invalidate_tag("x"))
    assert body_at(small, f"{URL}{number}") == ""


def test_what_takes_more_than_an_eighth_of_the_room_is_not_stored(small: LMDBStore) -> None:
    assert fill(small, URL, body=bytes(60_000))
    assert not fill(small, f"{URL}large", body=bytes(90_000))
    assert body_at(small, URL)


def test_room_need_not_be_contiguous(small: LMDBStore) -> None:
    """Many small entries go one here and one there, and a large one takes the room of them all."""
    for number in range(400):
        fill(small, f"{URL}{number}", f"tag:{number % 2}", body=bytes(1000))
    drive(small.invalidate_tag("tag:0"))
    for number in range(20):
        assert fill(small, f"{URL}large{number}", body=bytes(60_000))


def test_expired_entries_go_without_being_asked_for(small: LMDBStore) -> None:
    for number in range(20):
        fill(small, f"{URL}{number}", received=1000.0, lifetime=10.0)
    for number in range(24):  # one in eight of them looks at eight
        fill(small, f"{URL}new{number}", received=9000.0, lifetime=10.0)
    with small._file.present()._env.begin() as txn:
        assert sum(key[:1] == b"q" for key, _ in txn.cursor()) == 24


def test_a_stopped_reader_keeps_old_pages_alive_until_an_invalidation_begins_anew(
    small: LMDBStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Worker() as worker:
        worker.ask("open", tmp_path / "small", SMALL)
        fill(small, URL, "x", body=b"1")
        assert worker.ask("state", URL) == "1"
        worker.tell("stop_while_reading")
        worker.wait_until_stopped()
        with pytest.raises(lmdb.MapFullError):
            fill_up(small)
        for number in range(200):
            drive(small.invalidate_tag(f"x{number}", "x"))
        assert "begins anew: " in caplog.text
        assert fill(small, URL, body=b"2")
        worker.process.send_signal(signal.SIGCONT)
        worker.answer()
        assert worker.ask("state", URL) == "2"
        assert size_of(small) <= SMALL


def test_a_reader_that_was_killed_keeps_nothing_alive(small: LMDBStore, tmp_path: Path) -> None:
    with Worker() as worker:
        worker.ask("open", tmp_path / "small", SMALL)
        worker.tell("stop_while_reading")
        worker.wait_until_stopped()
    identity = small._file.present().identity
    for number in range(300):
        assert fill(small, f"{URL}{number}", body=bytes(10_000))
    assert small._file.present().identity == identity


def entries_of(store: LMDBStore) -> int:
    with store._file.present()._env.begin() as txn:
        return Queues(txn, 1)._items


def test_a_reader_that_was_killed_costs_no_entry(tmp_path: Path) -> None:
    """What it kept alive is free again: no room has to be made."""
    store = LMDBStore(tmp_path / "store", 10 * SMALL)
    for number in range(1000):
        fill(store, f"{URL}{number}", body=bytes(100))
    with Worker() as worker:
        worker.ask("open", tmp_path / "store", 10 * SMALL)
        worker.tell("stop_while_reading")
        worker.wait_until_stopped()
    for number in range(400):
        assert fill(store, f"{URL}{number % 2}", body=bytes(50_000))
    assert entries_of(store) == 1000
    store.close()


def test_where_only_fragments_are_free_an_eighth_is_given_up_and_the_write_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LMDBStore(tmp_path / "store", 10 * SMALL)
    for number in range(1000):
        fill(store, f"{URL}{number}", body=bytes(100))
    opened = store._file.present()
    transact, failures = opened._transact, [lmdb.MapFullError("mdb_put")]

    def full_once(work: Any) -> Any:
        if failures:
            raise failures.pop()
        return transact(work)

    monkeypatch.setattr(opened, "_transact", full_once)
    assert fill(store, f"{URL}new", body=b"1")
    assert body_at(store, f"{URL}new") == "1"
    assert 800 < entries_of(store) < 900
    store.close()


def test_on_a_full_disk_entries_are_not_stored_and_invalidations_hold(small: LMDBStore, tmp_path: Path) -> None:
    with Worker() as worker:
        worker.ask("open", tmp_path / "small", SMALL)
        for number in range(8):
            worker.ask("fill", f"{URL}{number}", ["x"], b"%d" % number)
        worker.ask("fail_to_write", 100_000)
        outcomes = set()
        for number in range(30):
            try:
                outcomes.add(worker.ask("fill", f"{URL}{number}", ["x"], b"%d " % number + bytes(9000)))
            except lmdb.Error:
                outcomes.add(False)
            found = worker.ask("state", f"{URL}{number}")
            assert found == "" or found.startswith(str(number))
        worker.ask("invalidate", ["x"])
        assert {body_at(small, f"{URL}{number}") for number in range(30)} == {""}
        assert size_of(small) <= 100_000


def test_where_nothing_at_all_can_be_written_an_invalidation_is_kept(small: LMDBStore, tmp_path: Path) -> None:
    with Worker() as worker:
        worker.ask("open", tmp_path / "small", SMALL)
        worker.ask("fill", URL, ["x"], b"1")
        worker.ask("fail_to_write", 0)
        with pytest.raises(InvalidationError):
            worker.ask("invalidate", ["x"])


def test_places_of_readers_that_were_killed_are_taken_by_others(small: LMDBStore, tmp_path: Path) -> None:
    opened = small._file.present()
    with Worker() as worker:
        worker.ask("open", tmp_path / "small", SMALL)
        worker.ask("take_places")
    with opened.begin():  # so the next one needs another place
        assert body_at(small) == ""


def test_a_process_that_finds_no_place_does_not_take_the_cache_for_damaged(small: LMDBStore, tmp_path: Path) -> None:
    fill(small, URL, body=b"1")
    with Worker() as worker:
        worker.ask("open", tmp_path / "small", SMALL)
        worker.ask("take_places")
        with small._file.present().begin(), pytest.raises(OSError, match="too many processes"):
            body_at(small)
    assert body_at(small) == "1"


def test_more_processes_than_there_are_places_cost_hits_only(
    small: LMDBStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(small, URL, "x", body=b"1")
    with Worker() as worker:
        worker.ask("open", tmp_path / "small", SMALL)
        worker.ask("take_places")
        with pytest.raises(OSError, match=r"too many processes use the cache in .*/small"), Worker() as another:
            another.ask("open", tmp_path / "small", SMALL)
        assert body_at(small) == "1"
    assert caplog.text == ""
