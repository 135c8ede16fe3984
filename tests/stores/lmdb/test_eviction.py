"""What goes from a full file: what nobody asked for again goes first, in whichever process it was asked for."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest

from accelerator import LMDBStore, MemoryStore
from accelerator.stores.lmdb.cards import get_card
from accelerator.stores.lmdb.layout import NUMBER
from accelerator.stores.lmdb.queues import MAX_STEPS, Queues
from accelerator.stores.sizes import entry_bytes
from accelerator.testing import make_entry, make_request
from tests.stores.lmdb.support import URL, body_at, fill
from tests.stores.lmdb.worker import Worker
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from accelerator import Store
    from accelerator.http.request import Request

BODY = 20_000
ENTRIES = 60
"""Entries of this size for which there is room."""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[LMDBStore]:
    """A store with room for so many entries."""
    probe = LMDBStore(tmp_path / "probe", 2_000_000)
    fill(probe, URL, body=bytes(BODY))
    with probe._file.present()._env.begin() as txn:
        size = get_card(txn, 1).size
    probe.close()
    store = LMDBStore(tmp_path / "store", int(size * (ENTRIES + 0.5) / 0.75))
    yield store
    store.close()


def hits_of(store: Store, requests: list[Request]) -> int:
    hits = 0
    for request in requests:
        found = drive(store.lookup(request))
        hits += found.entry is not None
        if found.entry is None:
            drive(store.commit(make_entry(request, found.mark, body=bytes(BODY))))
    return hits


def test_a_full_file_hits_as_often_as_a_full_memory_store(small: LMDBStore) -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    weights = list(itertools.accumulate(1 / rank for rank in range(1, 401)))
    requests = [make_request(f"{URL}{number}") for number in chance.choices(range(400), cum_weights=weights, k=3000)]
    memory = MemoryStore(ENTRIES * entry_bytes(make_entry(requests[0], 0, body=bytes(BODY))) + 1000)
    in_memory, in_file = hits_of(memory, requests), hits_of(small, requests)
    assert abs(in_file - in_memory) <= 0.02 * len(requests), (in_file, in_memory)


def test_what_another_process_uses_stays(small: LMDBStore, tmp_path: Path) -> None:
    with Worker() as other:
        other.ask("open", tmp_path / "store", 1_000_000)
        for number in range(ENTRIES):
            fill(small, f"{URL}{number}", body=b"%d " % number + bytes(BODY))
        for number in range(5):
            assert other.ask("state", f"{URL}{number}")
        other.ask("fill", f"{URL}told", [], b"x" + bytes(BODY))  # tells what it used
        for number in range(40):
            fill(small, f"{URL}once{number}", body=bytes(BODY))
    assert all(body_at(small, f"{URL}{number}") for number in range(5))
    assert not any(body_at(small, f"{URL}{number}") for number in range(10, 20))


def test_no_commit_passes_by_many_used_entries(small: LMDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(ENTRIES):
        fill(small, f"{URL}{number}", body=b"%d " % number + bytes(BODY))
        assert body_at(small, f"{URL}{number}")
    moved: list[int] = []
    append = Queues._append

    def note(self: Queues, number: int, queue: int, size: int) -> int:
        moved.append(number)
        return append(self, number, queue, size)

    monkeypatch.setattr(Queues, "_append", note)
    fill(small, f"{URL}new", body=bytes(BODY))
    assert len(moved) == MAX_STEPS + 1


def test_there_are_no_more_ghosts_than_entries(small: LMDBStore) -> None:
    for number in range(5 * ENTRIES):
        fill(small, f"{URL}{number}", body=bytes(BODY))
    with small._file.present()._env.begin() as txn:
        kinds = [key[:1] for key, _ in txn.cursor() if key[:1] != b"e" or len(key) == 1 + NUMBER.size]
    assert 0 < kinds.count(b"g") == kinds.count(b"h") <= kinds.count(b"e") == kinds.count(b"q") <= ENTRIES


def test_what_is_replaced_keeps_its_place_and_leaves_nothing_behind(small: LMDBStore) -> None:
    """What was in the small queue when it was replaced moves on to the main one, as what was used does."""
    for body in (bytes(3 * BODY), bytes(BODY)):
        fill(small, URL, body=body)
    with small._file.present()._env.begin() as txn:
        card = get_card(txn, 1)
        assert sum(key[:1] == b"e" for key, _ in txn.cursor()) == 1 + card.parts
    for number in range(2 * ENTRIES):
        fill(small, f"{URL}{number}", body=bytes(BODY))
    assert body_at(small)


def test_room_that_one_takes_in_its_own_place_may_cost_it_that_place(small: LMDBStore) -> None:
    """The oldest entry, which nobody used, goes to make room for what replaces it."""
    for number in range(ENTRIES):
        fill(small, f"{URL}{number}", body=bytes(BODY))
    assert fill(small, f"{URL}0", body=b"larger" + bytes(3 * BODY))
    assert body_at(small, f"{URL}0").startswith("larger")
