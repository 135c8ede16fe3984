"""LMDBStore keeps the contract of listing, in short transactions, and lists what other processes have stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator.stores.lmdb.cards import get_card
from accelerator.stores.lmdb.entries import Entries
from accelerator.stores.lmdb.layout import numbered
from accelerator.stores.lmdb.listing import CARDS, READS
from accelerator.testing import ListingContract, make_request
from tests.stores.lmdb.support import URL, fill, locked
from tests.support import drive

if TYPE_CHECKING:
    from lmdb import Transaction

    from accelerator import LMDBStore
    from accelerator.stores import Listed
    from accelerator.stores.lmdb.opened import Opened
    from tests.stores.lmdb.worker import Worker


class TestListingOfLMDBStore(ListingContract):
    """The fixture `store` makes the store."""


def ask(store: LMDBStore, **asked: Any) -> Listed:
    listed: Listed = drive(store.list_entries(**asked))
    return listed


def states(store: LMDBStore) -> set[tuple[bool, bool]]:
    """Whether what is listed is usable, and whether it is fresh."""
    return {(facts.is_usable, facts.is_fresh) for facts in ask(store).entries}


@pytest.fixture
def reads(store: LMDBStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of entries that each transaction has looked at, or has read because of their URL."""
    counts: list[int] = []
    read, from_number = store._file.read, Entries.from_number

    def counted(work: Any) -> Any:
        counts.append(0)
        return read(work)

    def looked_at(entries: Entries, number: int, count: int) -> Any:
        found = from_number(entries, number, count)
        counts[-1] += len(found)
        return found

    monkeypatch.setattr(store._file, "read", counted)
    monkeypatch.setattr(Entries, "from_number", looked_at)
    return counts


def test_a_call_is_a_few_short_transactions(store: LMDBStore, reads: list[int]) -> None:
    for number in range(1200):
        fill(store, f"{URL}{number}", "x")
    reads.clear()
    listed = ask(store, tag="nobody has it")
    assert reads == [CARDS] * READS
    assert (listed.entries, listed.examined) == ((), CARDS * READS)
    reads.clear()
    listed = ask(store, tag="nobody has it", cursor=listed.cursor)
    assert (len(reads), sum(reads), listed.cursor) == (3, 1200 - CARDS * READS, None)
    reads.clear()
    assert len(ask(store, limit=100).entries) == 100
    assert reads == [CARDS] * 2


def test_a_url_is_looked_for_where_it_is_first(store: LMDBStore, reads: list[int]) -> None:
    for number in range(1200):
        fill(store, f"{URL}{number}", "x")
    reads.clear()
    listed = ask(store, url=f"{URL}1199", limit=1)
    assert [facts.url for facts in listed.entries] == [f"{URL}1199"]
    assert (reads, listed.examined) == ([0], 1)
    while (cursor := listed.cursor) is not None:
        listed = ask(store, url=f"{URL}1199", cursor=cursor)
        assert listed.entries == (), "it is not listed again"


def test_it_waits_for_nobody_who_writes(store: LMDBStore) -> None:
    fill(store, URL, "x")
    with locked(store):
        assert len(ask(store).entries) == 1


def test_what_another_process_has_stored_and_taken_back_is_listed(store: LMDBStore, other: Worker) -> None:
    other.ask("fill", URL, ["x"], b"of another")
    (facts,) = ask(store, tag="x").entries
    assert (facts.url, facts.tags, facts.size, facts.is_usable) == (URL, ("x",), len(b"of another"), True)
    other.ask("invalidate", ["x"], True)
    assert states(store) == {(True, False)}
    other.ask("invalidate", ["x"])
    assert states(store) <= {(False, False)}


def test_an_invalidation_that_failed_holds_in_this_process(store: LMDBStore) -> None:
    fill(store, URL, "x", "y")
    store._file.pending.add(["y"], soft=True)
    assert states(store) == {(True, False)}
    store._file.pending.add(["x"], soft=False)
    assert states(store) == {(False, False)}


def test_what_was_taken_back_softly_is_stale_when_no_record_says_so_any_more(store: LMDBStore) -> None:
    fill(store, URL, "x")
    fill(store, f"{URL}other", "x")

    def note(opened: Opened, txn: Transaction[bytes]) -> None:
        Entries(txn, opened.room.page_size).make_stale(1, get_card(txn, 1))

    store._file.write(note)
    assert {facts.url: facts.is_fresh for facts in ask(store).entries} == {URL: False, f"{URL}other": True}
    assert all(facts.is_usable for facts in ask(store).entries)


@pytest.mark.parametrize("damage", [b"", b"xx"])
def test_what_cannot_be_read_is_not_listed(store: LMDBStore, damage: bytes) -> None:
    """Its first part is lost, or damaged."""
    fill(store, URL, "x")
    fill(store, f"{URL}other", "x")

    def spoil(_: Opened, txn: Transaction[bytes]) -> None:
        part = numbered(b"e", 1) + bytes(4)
        if damage:
            txn.put(part, damage + (txn.get(part) or b""))
        else:
            txn.delete(part)

    store._file.write(spoil)
    assert [facts.url for facts in ask(store).entries] == [f"{URL}other"]
    assert drive(store.lookup(make_request(URL))).entry is None
