"""Somebody removes or replaces files while a process opens them, at each step of it: it ends with those of all."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import lmdb
import pytest

from accelerator.stores.lmdb import opening
from accelerator.stores.lmdb.lock import WriteLock
from accelerator.stores.lmdb.place import DATA, LOCK, Place
from tests.stores.lmdb.support import URL, body_at, fill
from tests.support import drive

if TYPE_CHECKING:
    from pathlib import Path

    from accelerator import LMDBStore
    from tests.stores.lmdb.worker import Worker

THEIRS = f"{URL}theirs"

STEPS = {
    "the lock was found": (Place, "check_lock"),
    "the seal was read": (Place, "read_seal"),
    "the files were removed": (Place, "remove_files"),
    "the files were made": (Place, "make_files"),
    "the files were opened": (lmdb, "open"),
    "the seal was checked": (Place, "check_seal"),
    "the seal was written": (Place, "write_seal"),
    "the order was checked": (opening, "_check_incarnation"),
}
OF_NEW_FILES = {"the files were removed", "the files were made", "the seal was written"}


def removed_and_begun_anew(path: Path, other: Worker) -> None:
    shutil.rmtree(path)
    other.ask("close")
    other.ask("fill", THEIRS, ["x"], b"theirs")


def replaced_by_one_whose_lock_was_removed(path: Path, other: Worker) -> None:
    Place(path).remove_files()
    Place(path).make_files()


def renamed_while_others_began_anew(path: Path, other: Worker) -> None:
    path.rename(path.with_name("away"))
    other.ask("close")
    other.ask("invalidate", ["x"])
    path.rename(path.with_name("others"))
    path.with_name("away").rename(path)


@pytest.mark.parametrize(
    "act", [removed_and_begun_anew, replaced_by_one_whose_lock_was_removed, renamed_while_others_began_anew]
)
@pytest.mark.parametrize(
    ("step", "is_new"),
    [(step, is_new) for step in STEPS for is_new in (True, False) if is_new or step not in OF_NEW_FILES],
)
def test_who_opens_files_that_are_replaced_meanwhile_ends_with_those_of_all(
    step: str, is_new: bool, act: Any, store: LMDBStore, path: Path, other: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, URL, "x", body=b"old")
    assert other.ask("state", URL) == "old"
    store.close()
    if is_new:
        (path / DATA).unlink()
    holder, name = STEPS[step]
    real = getattr(holder, name)
    done = list[str]()

    def interrupted(*arguments: Any, **options: Any) -> Any:
        result = real(*arguments, **options)
        if not done:
            done.append(step)
            act(path, other)
        return result

    monkeypatch.setattr(holder, name, interrupted)
    assert body_at(store) in ({""} if is_new or step != "the order was checked" else {"", "old"})
    assert done
    drive(store.invalidate_tag("x"))
    assert (body_at(store), body_at(store, THEIRS), other.ask("state", URL), other.ask("state", THEIRS)) == ("",) * 4
    assert fill(store, URL, "x", body=b"new")
    assert other.ask("state", URL) == "new"
    other.ask("invalidate", ["x"])
    assert body_at(store) == ""


def test_who_gets_a_lock_that_was_removed_leaves_the_files_of_the_next_process_alone(
    store: LMDBStore, path: Path, other: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    lock_file = WriteLock._lock_file

    def late(self: WriteLock, end: float, seconds: float) -> None:
        monkeypatch.undo()
        removed_and_begun_anew(path, other)
        lock_file(self, end, seconds)

    monkeypatch.setattr(WriteLock, "_lock_file", late)
    assert body_at(store, THEIRS) == "theirs"


def test_a_directory_that_is_removed_whenever_it_is_opened_is_an_error(
    store: LMDBStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    found = []

    def removed(self: Place, lock: object) -> None:
        found.append((path / LOCK).exists())
        shutil.rmtree(path)
        check(self, lock)  # type: ignore[arg-type]

    check = Place.check_lock
    with monkeypatch.context() as patch:
        patch.setattr(Place, "check_lock", removed)
        with pytest.raises(FileNotFoundError, match=re.escape(LOCK)):
            body_at(store)
    assert found == [True] * opening.MAX_ATTEMPTS
    store._file._left_alone_until = 0.0
    assert fill(store, URL, body=b"1")
