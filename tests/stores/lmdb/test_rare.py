"""What happens between two steps of opening, forking and reading, each made to happen there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import lmdb
import pytest

from accelerator import InvalidationError
from accelerator.stores.binary import Component
from accelerator.stores.lmdb import file, forks, known, order, place, repeating
from accelerator.stores.lmdb.cards import Card
from accelerator.stores.lmdb.entries import MAX_VARIANTS, Stored
from accelerator.stores.lmdb.layout import DamagedError, numbered
from accelerator.stores.lmdb.lock import WriteLock
from accelerator.stores.lmdb.place import DATA, LOCK
from accelerator.stores.lmdb.queues import Queues
from accelerator.stores.recent import Recent
from accelerator.testing import make_entry, make_request
from tests.stores.lmdb.support import URL, body_at, fill, locked
from tests.stores.lmdb.test_waiting import wait_for_repetition
from tests.support import drive

if TYPE_CHECKING:
    from pathlib import Path

    from accelerator import LMDBStore


def test_the_file_is_closed_for_a_fork_by_python(store: LMDBStore) -> None:
    fill(store, URL, body=b"1")
    opened = store._file.present()
    file._before_fork()
    assert opened._is_closed
    file._after_fork_in_parent()
    assert body_at(store) == "1"
    assert store._file.present() is not opened


@pytest.mark.parametrize("use", ["look up", "close", "look up after a close"])
def test_a_child_begins_with_nothing_opened(use: str, store: LMDBStore) -> None:
    """This process does as if it were the child of one that forked from C."""
    fill(store, URL, body=b"1")
    opened = store._file.present()
    if use == "look up after a close":
        store.close()
    forks.page[0] = 0
    if use == "close":
        store.close()
        assert opened._is_closed, "the parent's own is another one"
    del opened
    assert body_at(store) == "1"
    assert forks.page[0]


def test_a_place_among_the_readers_that_a_child_has_given_back_is_taken_anew(
    store: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, URL, body=b"1")
    opened = store._file.present()
    monkeypatch.setattr(opened, "_env", Broken(opened._env, lmdb.BadRslotError))
    assert body_at(store) == "1"
    assert store._file.present() is not opened


def test_a_file_that_another_thread_has_closed_is_opened_again(store: LMDBStore) -> None:
    fill(store, URL, body=b"1")
    assert body_at(store) == "1"
    opened = store._file.present()
    opened.trusted_until = math.inf
    opened.close()
    assert body_at(store) == "1"
    assert store._file.present() is not opened


class Broken:
    """An environment in which no transaction begins."""

    def __init__(self, env: lmdb.Environment, error: type[lmdb.Error]) -> None:
        self.env = env
        self.error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def begin(self, **_: Any) -> Any:
        raise self.error("made up")


def test_an_order_that_is_damaged_while_it_is_read_begins_anew(store: LMDBStore) -> None:
    fill(store, URL, body=b"1")
    with store._file.present()._env.begin(write=True) as txn:
        txn.put(order.ORDER_KEY, b"?")
    assert body_at(store) == ""
    assert fill(store, URL, body=b"2")


def test_an_order_that_is_damaged_begins_anew_when_what_is_decoded_is_asked_for(store: LMDBStore) -> None:
    fill(store, URL, body=b"1")
    assert body_at(store) == "1"
    with store._file.present()._env.begin(write=True) as txn:
        txn.put(order.ORDER_KEY, b"?")
    assert body_at(store) == ""
    assert fill(store, URL, body=b"2")


def test_data_that_is_removed_is_missed(store: LMDBStore, path: Path) -> None:
    fill(store, URL, "x", body=b"1")
    (path / DATA).unlink()
    drive(store.invalidate_tag("x"))
    assert body_at(store) == ""
    opened = store._file.present()
    (path / DATA).unlink()
    assert not opened.is_named()
    assert opened._place.size() == 0


def test_a_lock_that_is_removed_before_it_is_had_is_not_the_one(
    store: LMDBStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    run = WriteLock.run

    def late(self: Any, work: Any, seconds: float) -> Any:
        monkeypatch.undo()
        (path / LOCK).unlink()
        return run(self, work, seconds)

    monkeypatch.setattr(WriteLock, "run", late)
    assert body_at(store) == ""
    store._file.place.check_lock(store._file.present()._lock)


def test_data_of_another_order_than_the_lock_says_begins_anew(store: LMDBStore) -> None:
    fill(store, URL, body=b"1")
    opened = store._file.present()
    with opened._env.begin(write=True) as txn:
        txn.put(order.ORDER_KEY, order.Order(b"another!").packed())
    store.close()
    assert body_at(store) == ""


def test_a_table_of_readers_that_is_full_when_the_file_is_opened_is_an_error(
    store: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, URL, body=b"1")
    store.close()

    def full(*_: Any, **__: Any) -> Any:
        raise lmdb.ReadersFullError("made up")

    with monkeypatch.context() as patch:
        patch.setattr(lmdb, "open", full)
        with pytest.raises(OSError, match="too many processes"):
            body_at(store)
    monkeypatch.setattr(store._file, "_left_alone_until", 0.0)
    assert body_at(store) == "1", "nothing begins anew"


def test_an_entry_of_another_incarnation_is_not_usable() -> None:
    request = make_request()
    mark = (Component(0, b"another!", 5),)
    one = known.Decoded(make_entry(request, mark), Stored(1, 1))
    now = order.Order(b"of today", 5)
    assert one.judge(lambda key: None, now, now.mark) == (False, False)


def test_the_oldest_variant_makes_way(store: LMDBStore) -> None:
    def variant(number: int) -> Any:
        return make_request(URL, [("accept", str(number))])

    for number in range(MAX_VARIANTS + 1):
        request = variant(number)
        mark = drive(store.lookup(request)).mark
        assert drive(store.commit(make_entry(request, mark, vary=(b"accept",))))
    found = [drive(store.lookup(variant(number))).entry is not None for number in range(MAX_VARIANTS + 1)]
    assert found == [False] + [True] * MAX_VARIANTS


def test_where_there_is_nothing_to_evict_room_is_made_without_it(store: LMDBStore) -> None:
    drive(store.invalidate_tag("x"))
    store._file.present()._make_room(0)
    assert fill(store, URL, body=b"1")


def test_ghosts_that_were_counted_and_are_not_there_are_a_damage(store: LMDBStore) -> None:
    with store._file.present()._env.begin(write=True) as txn:
        queues = Queues(txn, 1000)
        queues._ghosts = 1
        _, queue, turn = queues.add(10, b"")
        with pytest.raises(DamagedError, match="fewer ghosts"):
            queues.remove(Card(0.0, 0, queue, turn, 10, False, 0, b"", b"", b""))
        txn.abort()


def test_an_entry_whose_card_is_missing_is_a_damage(store: LMDBStore) -> None:
    fill(store, URL, body=b"1")
    with store._file.present()._env.begin(write=True) as txn:
        txn.delete(numbered(b"e", 1))
    assert fill(store, URL, body=b"2") is False, "another file took the place of this one"
    assert fill(store, URL, body=b"3")
    assert body_at(store) == "3"


def test_an_invalidation_is_repeated_at_growing_pauses(store: LMDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(file, "WRITE_SECONDS", 0)
    monkeypatch.setattr(repeating, "REPEAT_SECONDS", (1.0, 2.0))
    take_back = store._file.take_back
    attempts = iter([OSError("1"), OSError("2"), OSError("3"), None])

    def fails(tags: list[str], soft: bool) -> None:
        error = next(attempts)
        if error is not None:
            raise error
        take_back(tags, soft)

    monkeypatch.setattr(store._file, "take_back", fails)
    monkeypatch.setattr("accelerator.stores.lmdb.repeating.sleep", pauses.append)
    with pytest.raises(InvalidationError):
        drive(store.invalidate_tag("x"))
    wait_for_repetition()
    assert pauses == [1.0, 2.0, 2.0]
    assert not store._file.pending.kept


def test_what_is_only_looked_at_is_not_used() -> None:
    table: Recent[str, int] = Recent(2, 1000)
    for name in "ab":
        table.keep(name, ord(name), 1)
    assert (table.peek("a"), table.peek("c")) == (97, None)
    table.keep("c", 99, 1)
    assert table.peek("a") is None


def test_other_words_in_place_of_numbers_are_no_seal(store: LMDBStore, path: Path) -> None:
    assert place.Place(path).read_seal(store._file.present()._lock) is not None
    with locked(store):
        store._file.present()._lock.write("accelerator 1 boot 1:2 3:4 5 xyz many\n")
        assert place.Place(path).read_seal(store._file.present()._lock) is None
