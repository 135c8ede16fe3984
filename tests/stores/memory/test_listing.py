"""Listing the tables: without the lock, a bounded part with each call, whatever is stored and evicted meanwhile."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

from accelerator import MemoryStore
from accelerator.stores.listing import likely_keys
from accelerator.stores.memory import listing
from accelerator.stores.memory.tables import PARTS, part_of
from accelerator.testing import make_entry, make_request
from tests.stores.tables import bound_for, check_tables, size_of
from tests.support import drive

if TYPE_CHECKING:
    import pytest

    from accelerator.http.request import Request
    from accelerator.stores import Listed

URL = "https://example.org/p"


def fill(store: MemoryStore, request: Request, *tags: str, **more: Any) -> None:
    assert drive(store.commit(make_entry(request, drive(store.lookup(request)).mark, tags, **more)))


def fill_many(store: MemoryStore, count: int, *tags: str) -> None:
    for number in range(count):
        fill(store, make_request(f"https://example.org/{number}"), *tags)


def ask(store: MemoryStore, **asked: Any) -> Listed:
    listed: Listed = drive(store.list_entries(**asked))
    return listed


def urls(listed: Listed) -> list[str]:
    return [facts.url for facts in listed.entries]


def calls(store: MemoryStore, *, cursor: str | None = None, **asked: Any) -> list[Listed]:
    """What the calls return until the end of a listing."""
    listed = [ask(store, cursor=cursor, **asked)]
    while (then := listed[-1].cursor) is not None:
        listed.append(ask(store, cursor=then, **asked))
    return listed


# --- what a call takes ------------------------------------------------------------------------------------------------


def test_it_takes_no_lock() -> None:
    """Neither does it wait for who has it, nor does anybody wait for it."""
    store = MemoryStore()
    fill_many(store, 100, "x")
    with store._lock:
        for asked in ({}, {"tag": "x"}, {"url": "https://example.org/7"}):
            assert ask(store, **asked).entries


def part_of_url(url: str) -> int:
    """Return the number of the part of the tables in which a URL stands."""
    return part_of(likely_keys(url)[0])


def distance(number: int) -> int:
    """Return how many parts of the tables are searched before that in which a URL with this number stands."""
    spelled, plain = (part_of_url(f"https://example.org/{path}") for path in (f"%3{number}", f"{number}"))
    return (plain - spelled) % PARTS


def test_a_call_looks_at_a_bounded_number_of_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry here has four, with the library's own."""
    monkeypatch.setattr(listing, "MAX_TAGS", 400)
    store = MemoryStore()
    fill_many(store, 1000, "x", "y")
    number = max(range(10), key=distance)  # that of the last turn: where the search begins is by hashes of paths
    listed = calls(store, url=f"https://example.org/%3{number}")
    assert [one.examined for one in listed] == [100] * 10 + [0]
    assert [url for one in listed for url in urls(one)] == [f"https://example.org/{number}"]
    assert urls(listed[0]) == [], "it stands where its own spelling is"


def test_a_tag_that_few_have_ends_the_search_when_all_are_found() -> None:
    store = MemoryStore()
    fill_many(store, 1000, "x")
    first = min([f"https://example.org/{number}" for number in range(100)], key=part_of_url)  # by hashes of paths
    fill(store, make_request(first), "x", "rare")
    listed = ask(store, tag="rare")
    assert (urls(listed), listed.cursor) == ([first], None)
    assert listed.examined < 500
    assert ask(store, tag="nobody has it") == ((), None, 0)


def test_a_url_is_found_at_once_where_nothing_else_is_part_of_its_key() -> None:
    store = MemoryStore()
    fill_many(store, 1000, "x")
    for accepted in "abc":
        fill(store, make_request(URL, [("accept", accepted)]), vary=(b"accept",))
    fill(store, make_request(URL.replace("https", "http")))
    listed = ask(store, url=URL)
    assert (len(listed.entries), listed.cursor, listed.examined) == (4, None, 4)


def test_another_partition_of_a_url_is_found_where_its_own_spelling_is() -> None:
    store = MemoryStore()
    fill_many(store, 5000)
    for partition in ("a", "b", ""):
        fill(store, make_request(URL, partition=partition))
    listed = ask(store, url=URL)
    assert (len(listed.entries), listed.cursor) == (3, None)
    assert listed.examined < 5000 // 16, "of 64 parts, one was looked at"


def test_an_entry_that_comes_while_others_are_counted_ends_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may store one with the tag, which is found in place of one that was counted."""
    store = MemoryStore()
    fill_many(store, 500)
    fill(store, make_request(URL), "x")
    fill(store, make_request(URL, partition="p"), "x")
    count = type(store._tables.tags).count

    def counts_then_others_come(tags: Any, name: str) -> int:
        counted = count(tags, name)
        fill(store, make_request("https://example.org/0"), "x")
        return counted

    with monkeypatch.context() as patch:
        patch.setattr(type(store._tables.tags), "count", counts_then_others_come)
        first = ask(store, tag="x")
    assert first.cursor is not None
    rest = calls(store, tag="x", cursor=first.cursor)
    assert {url for listed in (first, *rest) for url in urls(listed)} >= {URL}


# --- what happens meanwhile -------------------------------------------------------------------------------------------


def test_what_is_not_evicted_meanwhile_is_listed() -> None:
    """A small store, in which each new entry takes the place of an old one, but for those that are used."""
    size = size_of(make_entry(make_request("https://example.org/1000"), 0, ["x"]))
    store = MemoryStore(bound_for(size * 300))
    fill_many(store, 300, "x")
    kept = [f"https://example.org/{number}" for number in range(0, 300, 7)]
    stored = set(urls(ask(store, limit=1000)))
    kept = [url for url in kept if url in stored]
    found, cursor, numbers = set[str](), None, itertools.count(1000)
    while True:
        listed = ask(store, limit=10, cursor=cursor)
        found |= set(urls(listed))
        cursor = listed.cursor
        if cursor is None:
            break
        for url in kept:
            assert drive(store.lookup(make_request(url))).entry is not None
        for number in itertools.islice(numbers, 20):
            fill(store, make_request(f"https://example.org/{number}"), "x")
        check_tables(store)
    assert found >= set(kept)
    assert "https://example.org/3" not in set(urls(ask(store, limit=1000))), "others were evicted"


def test_threads_that_store_and_take_back_meanwhile_do_no_harm() -> None:
    store = MemoryStore()
    fill_many(store, 200, "stays")
    is_over = threading.Event()

    def change() -> None:
        for number in itertools.count():
            if is_over.is_set():
                return
            request = make_request(f"https://example.org/others/{number % 50}", partition=str(number % 3))
            drive(store.commit(make_entry(request, drive(store.lookup(request)).mark, ["x"])))
            if number % 20 == 0:
                drive(store.invalidate_tag("x"))

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            found = {url for listed in calls(store, tag="stays", limit=50) for url in urls(listed)}
            assert found == {f"https://example.org/{number}" for number in range(200)}
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    check_tables(store)


def test_to_be_listed_is_no_use() -> None:
    """It does not keep an entry in the store."""
    store = MemoryStore()
    fill_many(store, 10, "x")
    ask(store)
    assert not any(record.used for part in store._tables.resources for found in part.values() for record in found.all())
    assert len(store._ready) == 0
