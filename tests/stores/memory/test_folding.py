"""An entry at rest is folded, one that was hit is kept unfolded for a while: both are what was stored."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from accelerator import MemoryStore
from accelerator.http.request import Request
from accelerator.stores.memory import records as memory_records
from accelerator.stores.memory.records import Record
from accelerator.testing import make_entry, make_request
from tests.stores.tables import check_tables, records
from tests.support import drive

if TYPE_CHECKING:
    from accelerator.rules.entry import Entry

ENTRIES = 2000
NOW = 1_800_000_000.0


class Seconds(float):
    """As the numbers of numpy are: a float that has a buffer of its own."""


def page(number: int) -> Request:
    return make_request(f"https://example.org/{number}")


def entry_of(number: int, *tags: str) -> Entry:
    lines = tuple((b"x-%d" % line, b"value %d %d" % (number, line)) for line in range(10))
    return make_entry(page(number), 0, tags, headers=lines, body=b"%d" % number, received=NOW, etag=b'"%d"' % number)


def store_of(numbers: range, store: MemoryStore | None = None) -> MemoryStore:
    store = MemoryStore() if store is None else store
    for number in numbers:
        assert drive(store.commit(entry_of(number, "x", "y", f"{number}")))
    return store


def hit(store: MemoryStore, number: int) -> Entry:
    found: Entry | None = drive(store.lookup(page(number))).entry
    assert found is not None
    return found


def ready(store: MemoryStore, number: int) -> Entry | None:
    asked = page(number)
    found = store.ready_entry(asked.key, asked, Request.selecting_values)
    return None if found is None else found.entry


def unfolded(store: MemoryStore) -> list[int]:
    return [int(record.key[2][1:]) for record in store._ready._kept]


def test_an_entry_at_rest_is_one_object_for_the_garbage_collector() -> None:
    store = store_of(range(ENTRIES))
    for _ in range(5):  # each lets go of what holds only texts, numbers and what it or an earlier one has let go of
        gc.collect()
    stored = records(store)
    visited = {id(held) for record in stored for held in gc.get_referents(record) if gc.is_tracked(held)}
    assert visited <= {id(Record), *map(id, stored)}


def test_what_was_hit_is_handed_out_again_as_it_is() -> None:
    store = store_of(range(3))
    assert not unfolded(store)
    first = hit(store, 1)
    assert first == entry_of(1, "x", "y", "1")
    assert unfolded(store) == [1]
    assert hit(store, 1) is first is ready(store, 1)
    check_tables(store)


def test_what_is_stored_is_ready_at_once_and_unfolded_by_being_asked_for() -> None:
    store = store_of(range(1))
    at_once = ready(store, 0)
    assert at_once == entry_of(0, "x", "y", "0")
    assert unfolded(store) == [0]


def test_what_was_unfolded_first_is_folded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_records, "MAX_READY", 2)
    store = store_of(range(4))
    for number in (0, 1, 0, 2):
        hit(store, number)
    assert unfolded(store) == [1, 2]
    assert hit(store, 0) == entry_of(0, "x", "y", "0")
    assert unfolded(store) == [2, 0]
    check_tables(store)


def test_unfolded_entries_take_no_more_than_an_eighth_of_the_bound() -> None:
    store = store_of(range(ENTRIES), MemoryStore(1_000_000))
    at_rest = store.size
    for record in records(store):
        hit(store, int(record.key[2][1:]))
        assert store.size - at_rest == store._ready.size <= 125_000
        assert store.size <= 1_000_000
    assert 20 < len(store._ready) < len(store)
    check_tables(store)


def test_what_would_displace_many_others_is_not_kept_unfolded() -> None:
    store = MemoryStore(1_000_000)
    lines = tuple((b"x-%d" % line, bytes(100)) for line in range(100))
    large = make_entry(page(0), 0, headers=lines)
    assert drive(store.commit(large))
    assert hit(store, 0) == large
    assert not unfolded(store)


@pytest.mark.parametrize("how", ["evicted", "replaced", "taken back and swept", "cleared"])
def test_what_goes_is_unfolded_no_more(how: str) -> None:
    store = store_of(range(3))
    for number in range(3):
        hit(store, number)
    match how:
        case "evicted":
            store._tables.remove(records(store)[0])
        case "replaced":
            store_of(range(1), store)
        case "taken back and swept":
            drive(store.invalidate_tag("0"))
            store_of(range(3, 6), store)
        case "cleared":
            drive(store.clear())
    assert unfolded(store) == ([] if how == "cleared" else [1, 2])
    check_tables(store)


def test_a_lookup_that_would_have_to_wait_keeps_nothing() -> None:
    store = store_of(range(1))
    with store._lock:
        first = hit(store, 0)
        assert hit(store, 0) == first
    assert not unfolded(store)


def test_of_two_lookups_at_once_one_keeps_what_it_has_unfolded() -> None:
    """Both find it folded; by the time that the second one is through, it is kept already, or gone."""
    store = store_of(range(2))
    kept, gone = records(store)
    first = store._unfold(kept)
    assert kept.ready is first
    kept.ready = None  # as the second one has found it
    second = kept.unfolded()
    kept.ready = first
    store._ready.keep(kept, second)
    assert kept.ready is first
    store._tables.remove(gone)
    assert store._unfold(gone).entry.body == b"1"
    assert unfolded(store) == [0]
    check_tables(store)


def test_times_of_a_kind_of_float_are_kept_as_their_value() -> None:
    store = MemoryStore()
    entry = replace(entry_of(0), lifetime=Seconds(60.5), stale_if_error=Seconds(7))
    assert drive(store.commit(entry))
    found = hit(store, 0)
    assert found == entry
    assert type(found.lifetime) is float


def test_threads_that_unfold_and_fold_the_same_entries_find_what_was_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_records, "MAX_READY", 2)
    store, wrong = store_of(range(8)), []
    expected = [hit(store, number) for number in range(8)]

    def read(first: int) -> None:
        for turn in range(2000):
            number = (first + turn) % 8
            found = drive(store.lookup(page(number))).entry
            if found is not None and found != expected[number]:  # nothing is found for a moment while it is replaced
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(200):
        store_of(range(turn % 8, turn % 8 + 1), store)
    for thread in threads:
        thread.join()
    assert not wrong
    check_tables(store)


def test_a_record_is_named_after_its_place() -> None:
    """A ghost has the name: what comes again has the same one, and another variant another."""

    def name(accept: str, vary: tuple[bytes, ...] = (b"accept",)) -> int:
        store = MemoryStore()
        request = make_request(headers=[("accept", accept)])
        assert drive(store.commit(make_entry(request, 0, vary=vary)))
        (record,) = records(store)
        assert isinstance(record, Record)
        return record.name

    assert name("a") == name("a")
    assert len({name("a"), name("b"), name("a", ())}) == 3
