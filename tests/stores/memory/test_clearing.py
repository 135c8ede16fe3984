"""Clearing takes effect at once, and gives memory back a bounded part at a time: no call takes long."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from accelerator import MemoryStore
from accelerator.stores.memory import store as memory
from accelerator.stores.memory.tables import Tables
from accelerator.testing import make_entry, make_request
from tests.stores.tables import bound_for, check_tables, records, size_of
from tests.support import drive

if TYPE_CHECKING:
    import pytest

    from accelerator.stores.memory.records import Record

EACH = size_of(make_entry(make_request("https://example.org/1000"), 0))


def put(store: MemoryStore, *numbers: int, length: int = 5) -> bool:
    stored = [
        drive(
            store.commit(make_entry(make_request(f"https://example.org/{number}"), store._position, body=bytes(length)))
        )
        for number in numbers
    ]
    return all(stored)


def is_stored(store: MemoryStore, number: int) -> bool:
    return drive(store.lookup(make_request(f"https://example.org/{number}"))).entry is not None


def cleared(entries: int, monkeypatch: pytest.MonkeyPatch, bound: int = 10**9) -> tuple[MemoryStore, list[int]]:
    """A store that was cleared, and a list that gets longer with each record that is taken out of any table."""
    store = MemoryStore(bound)
    assert put(store, *range(1000, 1000 + entries))
    taken_out: list[int] = []
    remove = Tables.remove

    def noted(tables: Tables, record: Record, *, leave_ghost: bool = False) -> None:
        taken_out.append(record.size)
        remove(tables, record, leave_ghost=leave_ghost)

    monkeypatch.setattr(Tables, "remove", noted)
    drive(store.clear())
    return store, taken_out


def test_clear_frees_few_entries_at_once_and_each_commit_a_few_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CLEARED_AT_ONCE", 10)
    store, freed = cleared(50, monkeypatch)
    assert (len(freed), len(store), store.size) == (10, 0, 40 * EACH)
    assert not any(is_stored(store, number) for number in range(1000, 1050))
    for commits in range(1, 21):
        put(store, 2000 + commits)
        assert (len(freed), len(store), store.size) == (10 + 2 * commits, commits, (40 - commits) * EACH)
        check_tables(store)
    put(store, 3000)
    assert not store._cleared


def test_clear_frees_no_more_than_400_of_any_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(cleared(1000, monkeypatch)[1]) == memory.CLEARED_AT_ONCE == 400


def test_to_clear_again_frees_what_is_left_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CLEARED_AT_ONCE", 10)
    store, freed = cleared(25, monkeypatch)
    put(store, 2000, 2001)
    assert [len(tables.queues) for tables in store._cleared] == [11]
    drive(store.clear())
    assert [len(tables.queues) for tables in store._cleared] == [1, 2]
    drive(store.clear())
    assert (len(freed), store.size, len(store._cleared)) == (27, 0, 0)
    check_tables(store)


def test_what_was_cleared_and_what_is_new_take_no_more_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CLEARED_AT_ONCE", 0)
    store, freed = cleared(50, monkeypatch, bound_for(50 * EACH))
    assert put(store, 2000, length=5 + 10 * EACH)
    assert len(freed) == 11, "as much as it takes"
    assert store.size <= store._room
    assert put(store, *range(2001, 2040))
    assert (len(store), len(freed)) == (40, 50)
    check_tables(store)


def test_of_what_was_cleared_nothing_is_evicted_that_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CLEARED_AT_ONCE", 0)
    store, _ = cleared(20, monkeypatch, bound_for(20 * EACH))
    for number in range(2000, 2020):
        put(store, number)
        assert all(is_stored(store, other) for other in range(2000, number + 1))
    check_tables(store)


def test_one_entry_drives_out_a_bounded_number_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_EVICTED", 10)
    store = MemoryStore(bound_for(50 * EACH))
    put(store, *range(1000, 1050))
    large = 5 + 24 * EACH
    assert [put(store, 2000, length=large) for _ in range(3)] == [False, False, True]
    assert len(store) == 26
    assert store.size <= store._room
    check_tables(store)


def test_a_table_that_has_become_empty_gives_back_what_it_has_grown_to() -> None:
    store = MemoryStore()
    put(store, *range(1000, 3000))
    tables = store._tables

    def sizes() -> list[int]:
        parts = tables.tags._parts
        dictionaries = [*tables.resources, *(part.names for part in parts), *(part.more for part in parts)]
        return [sys.getsizeof(dictionary) for dictionary in dictionaries]

    before = sum(sizes())
    for record in records(store):
        tables.remove(record)
    assert set(sizes()) == {sys.getsizeof({})}
    assert before > 2 * sum(sizes())
