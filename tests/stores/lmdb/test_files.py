"""What happens to the files: the worst is a colder cache, or a clear error at the start; never a stale page."""

from __future__ import annotations

import os
import shutil
import struct
from typing import TYPE_CHECKING, Any

import lmdb
import pytest

from accelerator import LMDBStore
from accelerator.http.request import Request
from accelerator.stores.lmdb import layout, place
from accelerator.stores.lmdb.layout import DamagedError
from accelerator.stores.lmdb.lock import WriteLock
from accelerator.stores.lmdb.place import DATA, LOCK, READERS
from accelerator.testing import make_request
from tests.stores.lmdb.conftest import MAX_BYTES
from tests.stores.lmdb.support import URL, begun, body_at, fill
from tests.stores.lmdb.worker import Worker
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


EVERYTHING = [DATA, READERS, LOCK]


def remove(*names: str) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        for name in names:
            (path / name).unlink()

    return do


def write(name: str, offset: int, data: bytes) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        with (path / name).open("r+b") as file:
            file.seek(offset)
            file.write(data)

    return do


def cut(size: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path / DATA, size)


def replace_by_a_copy(path: Path) -> None:
    shutil.copytree(path, path.with_name("copy"))
    shutil.rmtree(path)
    path.with_name("copy").rename(path)


def rename_for_a_while(path: Path) -> None:
    path.rename(path.with_name("away"))
    path.with_name("away").rename(path)


def copy(name: str) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        shutil.copy(path / name, path / "copy")
        (path / "copy").rename(path / name)

    return do


AT_REST: dict[str, Callable[[Path], object]] = {
    "everything removed": shutil.rmtree,
    "data that all may write": lambda path: (path / DATA).chmod(0o666),
    "readers that the group may write": lambda path: (path / READERS).chmod(0o620),
    "data removed": remove(DATA),
    "readers removed": remove(READERS),
    "lock removed": remove(LOCK),
    "renamed for a while": rename_for_a_while,
    "a copy": replace_by_a_copy,
    "a copy of the data": copy(DATA),
    "a copy of the readers": copy(READERS),
    "a copy of the lock": copy(LOCK),
    "cut to half": cut(8 * 4096),
    "cut to the head": cut(8192),
    "cut to a few bytes": cut(100),
    "empty": cut(0),
    "scribbled over": write(DATA, 0, bytes(range(256)) * 400),
    "other magic": write(DATA, 16, b"magi"),
    "lock empty": lambda path: os.truncate(path / LOCK, 0),
    "lock scribbled over": write(LOCK, 0, b"\xff" * 150),
    "lock of others": write(LOCK, 0, b"accelerator 1 a b c d e f " + b" " * 150),
}


@pytest.mark.parametrize("name", AT_REST)
def test_files_that_were_changed_at_rest_are_used_no_more(name: str, store: LMDBStore, path: Path) -> None:
    drive(store.invalidate_tag("x"))  # takes 20 ms after the files were made, longer than a tick of the file system
    fill(store, URL, "x", body=bytes(100_000))
    entry = begun(store, URL, "x", body=b"late")
    store.close()
    AT_REST[name](path)
    assert body_at(store) == ""
    assert not drive(store.commit(entry)), "its mark is of what was there before"
    assert fill(store, URL, "x", body=b"again")
    assert body_at(store) == "again"
    drive(store.invalidate_tag("x"))
    assert body_at(store) == ""


def test_a_backup_that_gets_the_inodes_of_before_brings_nothing_back(store: LMDBStore, path: Path) -> None:
    fill(store, URL, "x", body=b"1")
    backup = {name: (path / name).read_bytes() for name in EVERYTHING}
    drive(store.invalidate_tag("x"))
    store.close()
    for name in EVERYTHING:  # in place, so that the inodes are the same, as chance would have it
        (path / name).write_bytes(backup[name])
    (path / "of the backup").touch()
    assert body_at(store) == ""


@pytest.mark.parametrize("is_open", [True, False])
def test_a_directory_that_was_away_while_others_began_anew_is_used_no_more(
    is_open: bool, store: LMDBStore, path: Path, other: Worker
) -> None:
    fill(store, URL, "x", body=b"1")
    assert body_at(store) == "1"
    if not is_open:
        store.close()
    path.rename(path.with_name("away"))
    other.ask("invalidate", ["x"])
    path.rename(path.with_name("others"))
    path.with_name("away").rename(path)
    assert body_at(store) == ""


RUNNING = {name: AT_REST[name] for name in AT_REST if "removed" in name or name.startswith("a copy")}


@pytest.mark.parametrize("name", RUNNING)
def test_files_that_are_exchanged_under_a_running_process_hide_no_invalidation(
    name: str, store: LMDBStore, path: Path, other: Worker
) -> None:
    fill(store, URL, "x", body=b"1")
    assert body_at(store) == "1" == other.ask("state", URL)
    RUNNING[name](path)
    other.ask("close")  # as if it had just been started
    other.ask("invalidate", ["x"])
    assert store.ready_entry(begun(store, URL).key, None, lambda request, vary: ()) is None
    assert body_at(store) == ""
    fill(store, URL, "x", body=b"2")
    assert other.ask("state", URL) == "2"
    drive(store.invalidate_tag("x"))
    assert other.ask("state", URL) == ""


def test_data_that_is_cut_short_under_a_running_process_is_read_no_more(
    store: LMDBStore, path: Path, other: Worker
) -> None:
    other.ask("set", "lmdb.opened", "TRUST_SECONDS", 0.0)
    other.ask("fill", URL, ["x"], bytes(100_000))
    assert other.ask("ready", URL) or other.ask("state", URL)
    cut(8 * 4096)(path)
    assert (other.ask("ready", URL), other.ask("state", URL)) == (None, "")
    assert other.ask("fill", URL, ["x"], b"1")
    assert (other.ask("state", URL), body_at(store)) == ("1", "1")


def test_who_goes_on_with_removed_files_takes_back_in_those_that_are_there(
    store: LMDBStore, path: Path, other: Worker
) -> None:
    assert body_at(store) == ""
    remove(*EVERYTHING)(path)
    other.ask("close")
    other.ask("fill", URL, ["x"], b"1")
    drive(store.invalidate_tag("x"))
    assert other.ask("state", URL) == ""


def wind(monkeypatch: pytest.MonkeyPatch, now: list[float]) -> None:
    """Let the first number be the time."""
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("accelerator.stores.lmdb.file.monotonic", lambda: now[0])


def test_no_invalidation_returns_before_everybody_has_looked_at_the_files(
    store: LMDBStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is wound by hand: who opens a file waits, in its first invalidation, as long as others may trust."""
    now, slept = [1000.0], list[float]()
    wind(monkeypatch, now)
    monkeypatch.setattr("time.sleep", slept.append)
    assert body_at(store) == ""
    drive(store.invalidate_tag("x"))
    assert slept == [pytest.approx(0.02)]
    now[0] += 0.0201
    drive(store.invalidate_tag("x"))
    assert len(slept) == 1


def test_files_are_looked_at_once_in_a_while(store: LMDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now, looked = [1000.0], list[float]()
    wind(monkeypatch, now)
    identity = place.Place.identity

    def look(self: place.Place) -> place.Identity:
        looked.append(now[0])
        return identity(self)

    store._file.present()
    monkeypatch.setattr(place.Place, "identity", look)
    for _ in range(5):
        body_at(store)
        now[0] += 0.0101
    assert looked == pytest.approx([1000.0, 1000.0202, 1000.0404])


@pytest.mark.parametrize("what", ["boot", "version"])
def test_files_of_another_boot_or_version_are_used_no_more(
    what: str, store: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, URL, body=b"1")
    store.close()
    monkeypatch.setattr(*((place, "boot_id", lambda: "another") if what == "boot" else (place, "FORMAT", 2)))
    assert body_at(store) == ""
    fill(store, URL, body=b"2")
    store.close()
    monkeypatch.undo()
    assert body_at(store) == ""


def test_a_restart_of_the_process_keeps_what_is_stored(store: LMDBStore, path: Path) -> None:
    fill(store, URL, "x", body=b"1")
    store.close()
    with Worker() as worker:
        worker.ask("open", path, MAX_BYTES)
        assert worker.ask("state", URL) == "1"
    assert body_at(store) == "1"


RECORDS = {
    "the order": b"m",
    "the state of the queues": b"mq",
    "the progress of the sweep": b"ms",
    "a card": b"e" + struct.pack(">Q", 1),
    "a part": b"e" + struct.pack(">QI", 1, 0),
    "the variants": layout.url_key(("https", b"example.org", b"/", "/", b"", "", "", b"")),
    "a record of a tag": layout.tag_keys(["x"])[0],
}


def spoil(store: LMDBStore, key: bytes, damage: str) -> None:
    """Flip a bit of the value of a key, or cut it short."""
    with store._file.present()._env.begin(write=True) as txn:
        value = txn.get(key)
        assert value
        txn.put(key, value[:1] if damage == "short" else bytes([value[0] ^ 1]) + value[1:])


@pytest.mark.parametrize("damage", ["flipped", "short"])
@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_record_costs_hits_and_no_more(name: str, damage: str, store: LMDBStore) -> None:
    fill(store, URL, "y", body=b"0")
    drive(store.invalidate_tag("x"))
    drive(store.invalidate_tag("z"))
    fill(store, URL, "x", body=b"1")
    spoil(store, RECORDS[name], damage)
    store.close()
    assert body_at(store) in {"", "1"}
    for number in range(8):  # one of them looks at all entries
        fill(store, f"{URL}{number}", "x", body=b"2")
    for _ in range(2):  # the first one may find the damage
        fill(store, URL, "x", body=b"3")
    assert body_at(store) in ({""} if name == "a record of a tag" else {"3"})
    drive(store.invalidate_tag("x"))
    assert body_at(store) == ""
    fill(store, URL, "x", body=b"4")
    assert body_at(store) == "4"


@pytest.mark.parametrize("damage", ["flipped", "short"])
def test_a_damaged_place_in_a_queue_is_found_by_who_evicts(damage: str, tmp_path: Path) -> None:
    store = LMDBStore(tmp_path / "small", 1_000_000)
    fill(store, URL)
    opened = store._file.present()
    spoil(store, b"q\0" + struct.pack(">Q", 1), damage)
    stored = [fill(store, f"{URL}{number}", body=bytes(10_000)) for number in range(100)]
    assert store._file.present() is not opened
    assert stored.count(False) == 1
    store.close()


def test_what_lmdb_cannot_read_is_replaced(store: LMDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, URL, "x", body=b"1")
    opened = store._file.present()
    begin = type(opened).begin

    def fails(self: Any) -> Any:
        if self is opened:
            raise lmdb.CorruptedError("a page")
        return begin(self)

    monkeypatch.setattr(type(opened), "begin", fails)
    assert body_at(store) == ""
    assert store._file.present() is not opened
    fill(store, URL, "x", body=b"2")
    assert body_at(store) == "2"


def test_who_finds_its_file_damaged_leaves_one_that_took_its_place_before_it_had_the_lock_alone(
    store: LMDBStore, path: Path, other: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = store._file.present()
    lock_file = WriteLock._lock_file

    def late(self: WriteLock, end: float, seconds: float) -> None:
        monkeypatch.undo()
        remove(*EVERYTHING)(path)
        other.ask("close")
        other.ask("fill", URL, ["x"], b"theirs")
        lock_file(self, end, seconds)

    monkeypatch.setattr(WriteLock, "_lock_file", late)
    store._file._begin_anew(damaged, DamagedError("a page"))
    assert body_at(store) == "theirs"


def test_where_nothing_can_be_opened_lookups_fail_at_once_for_a_while_and_invalidations_are_kept(
    store: LMDBStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    attempts = []

    def fails(*arguments: Any) -> Any:
        attempts.append(1)
        raise PermissionError("not now")

    with monkeypatch.context() as patch:
        patch.setattr("accelerator.stores.lmdb.file.open_files", fails)
        with pytest.raises(PermissionError, match="not now"):
            body_at(store)
        for _ in range(3):
            with pytest.raises(OSError, match="a moment ago"):
                body_at(store)
            request = make_request(URL)
            assert store.ready_entry(request.key, request, Request.selecting_values) is None
        assert len(attempts) == 1
        with pytest.raises(Exception, match="not known to be taken back: not now"):
            drive(store.invalidate_tag("x"))
        assert len(attempts) == 2
    assert [*store._file.pending.kept] == ["x"]
