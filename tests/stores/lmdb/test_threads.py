"""Threads of one process share its file: any of them may close it, open it, or find that it has to be opened again."""

from __future__ import annotations

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import LMDBStore
from accelerator.http.request import Request
from accelerator.stores.lmdb.lock import ClosedError
from accelerator.testing import make_entry, make_request
from tests.stores.lmdb.support import URL, begun, body_at, fill
from tests.support import drive

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = make_request(URL)


def ready(store: LMDBStore) -> bool:
    return store.ready_entry(REQUEST.key, REQUEST, Request.selecting_values) is not None


def close_once(monkeypatch: pytest.MonkeyPatch, store: LMDBStore) -> None:
    """Let another thread close the file just after this one has looked at it."""
    present = type(store._file).present

    def looks(self: Any, **options: Any) -> Any:
        opened = present(self, **options)
        monkeypatch.undo()
        store.close()
        return opened

    monkeypatch.setattr(type(store._file), "present", looks)


def test_a_file_that_another_thread_has_closed_is_opened_again(
    store: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, URL, "x", body=b"1")
    close_once(monkeypatch, store)
    assert body_at(store) == "1"
    close_once(monkeypatch, store)
    assert not ready(store), "the lookup that comes next finds it"
    entry = begun(store, URL, "x", body=b"2")
    close_once(monkeypatch, store)
    assert drive(store.commit(entry))
    close_once(monkeypatch, store)
    drive(store.invalidate_tag("x"))
    assert body_at(store) == ""


@pytest.mark.parametrize("do", ["look up", "commit", "take back"])
def test_a_file_that_is_closed_again_and_again_is_given_up(
    do: str, store: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = begun(store, URL, "x")

    def closed(self: Any, *arguments: Any) -> Any:
        raise ClosedError

    opened = type(store._file.present())
    monkeypatch.setattr(opened, "begin", closed)
    monkeypatch.setattr(opened, "write", closed)
    work = {"look up": store.lookup(REQUEST), "commit": store.commit(entry), "take back": store.invalidate_tag("x")}
    with pytest.raises(Exception, match="again and again"):
        drive(work.pop(do))
    for unused in work.values():
        unused.close()


def test_two_threads_that_find_the_file_gone_open_it_once(store: LMDBStore) -> None:
    opened = store._file.present()
    store.close()
    first = store._file._replace(opened, anyway=False)
    assert store._file._replace(opened, anyway=False) is first


def test_stores_with_the_same_path_share_the_file(store: LMDBStore, path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    again = LMDBStore(tmp_path / "link")
    fill(store, URL, "x", body=b"1")
    assert body_at(again) == "1"
    drive(again.invalidate_tag("x"))
    assert body_at(store) == ""


def test_a_store_that_nobody_has_any_more_leaves_nothing_open(tmp_path: Path) -> None:
    gc.disable()
    try:
        store = LMDBStore(tmp_path / "store")
        fill(store, URL, "x", body=b"1")
        file = store._file._opened
        assert file is not None
        lock = file._lock._file
        del store, file
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(lock)
        again = LMDBStore(tmp_path / "store")
        assert body_at(again) == "1"
        again.close()
    finally:
        gc.enable()


def change(store: LMDBStore, version: list[int]) -> None:
    for _ in range(60):
        version[0] += 1
        drive(store.invalidate_tag("x"))
        version[1] = version[0]


def read(store: LMDBStore, version: list[int]) -> None:
    for _ in range(200):
        least = version[1]
        found = drive(store.lookup(REQUEST))
        if found.entry is not None:
            assert int(found.entry.body) >= least
        else:
            drive(store.commit(make_entry(REQUEST, found.mark, ["x"], body=b"%d" % version[0])))


def test_threads_read_and_write_at_the_same_time(store: LMDBStore) -> None:
    version = [0, 0]  # what is written, and what was taken back last
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(work, store, version) for work in (change, read, read, read)]:
            done.result()
