"""What MemoryStore promises beyond the contract: constant time, bounds, honest sizes, threads."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator import Lookup, MemoryStore, SyncStore
from accelerator.stores.memory import store as memory
from accelerator.stores.memory.records import Record, Variants
from accelerator.testing import make_entry, make_request
from tests.consistency.stepping import count_steps
from tests.stores.tables import MODULES, bound_for, check_tables, records, size_of
from tests.support import drive

if TYPE_CHECKING:
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry

NOW = 1_800_000_000.0


def put(store: MemoryStore, url: str, *tags: str, **more: Any) -> Entry:
    """Store an entry as a fill does: with the mark of the lookup before."""
    request = make_request(url)
    entry = make_entry(request, drive(store.lookup(request)).mark, tags, **more)
    assert drive(store.commit(entry))
    return entry


def look_up(store: MemoryStore, url: str) -> Lookup:
    found: Lookup = drive(store.lookup(make_request(url)))
    return found


def url(number: int) -> str:
    return f"https://example.org/{number}"


def stored(store: MemoryStore) -> list[int]:
    """Return the numbers of the URLs in the small queue, then of those in the main one, oldest first."""
    return [int(record.key[2][1:]) for record in records(store)]


def full_store() -> MemoryStore:
    """Return a store of twenty entries: 10 to 27 in the main queue, 29 and 30 on probation, 28 known by its ghost."""
    store = MemoryStore(bound_for(20 * size_of(make_entry(make_request(url(10)), 0))))
    for number in range(10, 30):
        put(store, url(number))
    for number in range(10, 28):
        look_up(store, url(number))
    put(store, url(30))
    assert stored(store) == [29, 30, *range(10, 28)]
    return store


@pytest.mark.parametrize(
    ("max_bytes", "error"), [("1", TypeError), (True, TypeError), (0, ValueError), (-1, ValueError)]
)
def test_a_bound_that_makes_no_sense_is_an_error_at_once(max_bytes: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="max_bytes"):
        MemoryStore(max_bytes)


def test_a_store_shows_how_full_it_is() -> None:
    store = MemoryStore(1_000_000)
    put(store, url(0), body=bytes(10_000))
    assert repr(store) == f"<MemoryStore: 1 entries, {store.size:,} of 1,000,000 bytes>"
    assert 10_000 < store.size < 20_000


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_taking_back_a_tag_writes_one_position_and_touches_no_entry(
    soft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    for number in range(2000):
        put(store, url(number), "everywhere")
    before = [(record.mark, record.checked, record.used, record.ready) for record in records(store)]
    read: list[str] = []

    def note(record: Record, name: str) -> Any:
        read.append(name)
        return object.__getattribute__(record, name)

    with monkeypatch.context() as patched:
        patched.setattr(Record, "__getattribute__", note, raising=False)
        drive(store.invalidate_tag("everywhere", soft=soft))
    assert not read
    assert [(record.mark, record.checked, record.used, record.ready) for record in records(store)] == before
    written = [
        (kind, tag) for part in store._tables.tags._parts for kind in ("hard", "soft") for tag in getattr(part, kind)
    ]
    assert written == [("soft" if soft else "hard", "everywhere")]
    found = look_up(store, url(7))
    assert (found.entry is None, found.invalidated) == (not soft, soft)


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_taking_back_a_tag_takes_as_many_steps_on_two_entries_as_on_two_thousand(soft: bool) -> None:
    def steps(entries: int) -> int:
        store = MemoryStore()
        for number in range(entries):
            put(store, url(number), "everywhere")
        return count_steps(MODULES, lambda: drive(store.invalidate_tag("everywhere", soft=soft)))

    steps(2)  # some versions of Python trace a function's instructions only from its second call on
    assert steps(2000) == steps(2) > 0


def test_a_second_lookup_takes_as_many_steps_on_a_thousand_tags_as_on_none() -> None:
    store = MemoryStore()
    put(store, url(0))
    put(store, url(1), *(f"tag:{number}" for number in range(1000)))
    look_up(store, url(0))
    look_up(store, url(1))
    few, many = (make_request(url(number)) for number in range(2))
    count_steps(MODULES, lambda: drive(store.lookup(few)))
    assert count_steps(MODULES, lambda: drive(store.lookup(many))) == count_steps(
        MODULES, lambda: drive(store.lookup(few))
    )


def test_a_lookup_takes_no_lock() -> None:
    store = MemoryStore()
    entry = put(store, url(0))
    with store._lock:
        assert look_up(store, url(0)).entry == entry


def test_a_hit_keeps_its_entry_and_what_was_asked_for_once_goes_first() -> None:
    store = full_store()
    look_up(store, url(29))
    put(store, url(31))
    assert stored(store) == [30, 31, *range(11, 28), 29], "29 stays, and so the oldest of the main queue goes"
    put(store, url(32))
    assert stored(store) == [31, 32, *range(11, 28), 29], "30 goes"


def test_what_comes_again_while_its_ghost_is_kept_is_not_on_probation() -> None:
    store = full_store()
    put(store, url(28))
    assert stored(store) == [30, *range(10, 28), 28]


def test_what_went_from_the_main_queue_is_on_probation_when_it_comes_again() -> None:
    store = full_store()
    put(store, url(28))
    put(store, url(31))
    assert stored(store) == [30, 31, *range(11, 28), 28], "10 was the oldest, and not used"
    put(store, url(10))
    assert stored(store) == [31, 10, *range(11, 28), 28]


def test_what_was_taken_back_in_use_is_in_use_when_it_is_made_again() -> None:
    store = full_store()
    drive(store.invalidate([make_request(url(15)).url_tag], soft=False))
    put(store, url(15))
    assert stored(store) == [29, 30, *range(10, 15), *range(16, 28), 15]


def test_what_was_swept_in_use_is_in_use_when_it_is_made_again() -> None:
    store = full_store()
    drive(store.invalidate([make_request(url(15)).url_tag], soft=False))
    for number in range(31, 41):
        put(store, url(number))
    assert 15 not in stored(store)
    put(store, url(15))
    assert stored(store)[-1] == 15
    assert records(store)[-1].in_main


def test_a_store_that_was_cleared_begins_anew() -> None:
    store = full_store()
    drive(store.clear())
    assert (stored(store), store.size, len(store)) == ([], 0, 0)
    put(store, url(28))
    assert not records(store)[0].in_main, "no ghost is left: what is used by the time it is full again joins the rest"
    check_tables(store)


def test_a_scan_does_not_drive_out_what_is_used() -> None:
    size = size_of(make_entry(make_request(url(10_000)), 0))
    store = MemoryStore(bound_for(50 * size))
    for number in range(20):
        put(store, url(number))
    for number in range(1000, 3000):
        for used in range(20):
            assert look_up(store, url(used)).entry is not None
        put(store, url(number))


def test_entries_take_no_more_than_the_bound_and_what_was_used_stays() -> None:
    store = MemoryStore(40_000)
    first = put(store, url(0), body=b"x" * 1000)
    for number in range(1, 200):
        assert look_up(store, url(0)).entry == first, "a hit sets a bit, which spares it once"
        put(store, url(number), body=b"x" * 1000)
        assert store.size <= 40_000
        check_tables(store)
    assert 5 < len(store) < 40
    assert look_up(store, url(1)).entry is None
    assert look_up(store, url(199)).entry is not None


def test_eviction_comes_round_where_everything_was_used() -> None:
    store = MemoryStore(bound_for(5 * size_of(make_entry(make_request(url(10)), 0))))
    for number in range(10, 35):
        put(store, url(number))
        look_up(store, url(number))
        check_tables(store)
    assert len(store) == 5


def test_what_is_larger_than_the_small_queue_is_stored_and_judged_like_the_rest() -> None:
    store = full_store()
    half = put(store, url(31), body=b"x" * (store._room // 2))
    assert store.size <= store._max_bytes
    assert look_up(store, url(31)).entry == half
    put(store, url(32))
    assert {27, 31, 32} <= set(stored(store)), "the large one was used"
    check_tables(store)


def test_what_fills_the_store_alone_is_stored() -> None:
    store = full_store()
    body = b"x" * (store._room - size_of(make_entry(make_request(url(31)), 0, body=b"")))
    put(store, url(31), body=body)
    assert (stored(store), store.size) == ([31], store._room)
    put(store, url(32))
    assert stored(store) == [32]
    check_tables(store)


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0, 0, 100, 3000, 9000, 20_000]), st.booleans())))
def test_the_bound_holds_whatever_comes_and_is_used(steps: list[tuple[int, int, bool]]) -> None:
    store = MemoryStore(20_000)
    for number, length, is_used in steps:
        request = make_request(url(number))
        entry = make_entry(request, drive(store.lookup(request)).mark, body=bytes(length))
        is_stored = drive(store.commit(entry))
        assert is_stored == (size_of(entry) <= store._room)
        if is_stored:
            assert number in stored(store)
        if is_used:
            look_up(store, url(number // 2))
        assert store.size <= 20_000
        check_tables(store)


def test_what_is_larger_than_the_store_is_not_stored() -> None:
    store = MemoryStore(5000)
    kept = put(store, url(0))
    request = make_request(url(1))
    assert not drive(store.commit(make_entry(request, drive(store.lookup(request)).mark, body=b"x" * 5000)))
    assert [record.unfolded().entry for record in records(store)] == [kept]


def test_what_is_past_use_is_swept_by_the_commits_that_follow() -> None:
    store = MemoryStore()
    for number in range(100):
        put(store, url(number), received=NOW, lifetime=60)
    for number in range(100, 200):
        put(store, url(number), received=NOW + 61, lifetime=60)
    assert len(store) == 100
    check_tables(store)


def test_what_was_taken_back_is_swept_too() -> None:
    store = MemoryStore()
    for number in range(100):
        put(store, url(number), "gone")
    drive(store.invalidate_tag("gone"))
    for number in range(100, 200):
        put(store, url(number))
    assert len(store) == 100
    assert "gone" not in list(store._tables.tags)


def test_of_more_than_64_variants_the_oldest_goes() -> None:
    store = MemoryStore()
    for number in range(70):
        request = make_request(url(0), headers=[("accept-language", f"x-{number}")])
        mark = drive(store.lookup(request)).mark
        assert drive(store.commit(make_entry(request, mark, vary=(b"accept-language",))))
    kept = [record.selected_by[0] for record in records(store)]
    assert kept == [b"x-%d" % number for number in range(6, 70)]
    check_tables(store)


def test_a_field_that_no_variant_is_chosen_by_any_more_is_forgotten() -> None:
    store = MemoryStore()

    def put_varying(vary: tuple[bytes, ...], **more: Any) -> Request:
        request = make_request(url(0), headers=[("accept", "a"), ("cookie", "c")])
        mark = drive(store.lookup(request)).mark
        assert drive(store.commit(make_entry(request, mark, vary=vary, **more)))
        return request

    put_varying((b"accept",), received=NOW, lifetime=60)
    request = put_varying((b"cookie",), received=NOW, lifetime=600)
    assert [drive(store.lookup(request)).vary, len(store)] == [(b"cookie",), 2]
    for number in range(1, 4):
        put(store, url(number), received=NOW + 61, lifetime=600)
    found = store._tables.find(request.key)
    assert isinstance(found, Variants)
    assert [vary for vary, _ in found.groups] == [(b"cookie",)]
    check_tables(store)


def test_after_very_many_names_have_come_and_gone_nothing_is_left_but_a_bounded_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "LOG_LENGTH", 1000)
    store = MemoryStore(100_000)
    for number in range(10_000):
        put(store, url(number), f"tag:{number}", received=NOW + number, lifetime=1)
        if number % 3 == 0:
            drive(store.invalidate_tag(f"tag:{number}"))
    assert len(store) < 100
    assert len(list(store._tables.tags)) <= 2 * len(store) + 1
    assert sum(map(len, store._tables.resources)) == len(store)
    assert len(store._log) <= memory.LOG_LENGTH
    check_tables(store)
    drive(store.clear())
    assert (len(store), store.size, list(store._tables.tags), any(store._tables.resources)) == (0, 0, [], False)


def test_a_log_that_was_cut_refuses_the_fills_that_it_cannot_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LOG_LENGTH", 2)
    store = MemoryStore()
    request = make_request(url(0))
    entry = make_entry(request, drive(store.lookup(request)).mark, ["x"])
    for name in ("a", "b", "c"):
        drive(store.invalidate_tag(name))
    assert not drive(store.commit(entry))


@pytest.mark.parametrize("turns", [1, 3], ids=["not full", "full, with ghosts"])
@pytest.mark.parametrize(
    ("body", "tags", "lines", "name"),
    [
        (100, 1, 3, "tag"),
        (10_000, 5, 10, "tag"),
        (100, 30, 3, "tag"),
        (100, 1, 40, "tag"),
        (100, 30, 3, "\U0001f600" * 200),
        (100, 30, 3, "long " * 200),
    ],
    ids=["small", "usual", "many tags", "many lines", "tags of wide characters", "long tags"],
)
def test_what_is_accounted_is_what_is_taken_within_a_factor_of_two(
    body: int, tags: int, lines: int, name: str, turns: int
) -> None:
    def fill(store: MemoryStore, count: int) -> None:
        for number in range(count):
            put(
                store,
                url(number),
                *(f"{name}:{number}:{tag}" for tag in range(tags)),
                body=bytes(body),
                headers=tuple((b"x-%d" % line, b"value %d %d" % (number, line)) for line in range(lines)),
            )

    few = MemoryStore()
    fill(few, 10)  # what is made once is not counted
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        store = MemoryStore(31 * few.size)
        fill(store, 300 * turns)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert (len(store._tables.queues._ghosts) > 250) == (turns > 1)
    assert 0.5 < taken / store.size < 1.1


def test_threads_may_look_up_while_another_stores_and_takes_back() -> None:
    store, rounds = MemoryStore(200_000), 300
    taken_back = [0]  # up to which version of the data, by calls that have returned
    wrong: list[tuple[int, int]] = []
    barrier = threading.Barrier(5)

    def read() -> None:
        barrier.wait()
        while taken_back[0] < rounds:
            arrived = taken_back[0]
            found = look_up(store, url(0))
            if found.entry is not None and int(found.entry.body) <= arrived:
                wrong.append((int(found.entry.body), arrived))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    barrier.wait()
    for version in range(1, rounds + 1):
        put(store, url(0), "x", body=b"%d" % version)
        put(store, url(version), "y")
        SyncStore(store).invalidate_tag("x")
        taken_back[0] = version
    for reader in readers:
        reader.join()
    assert not wrong
    assert look_up(store, url(0)).entry is None
    check_tables(store)
