"""The tables of a MemoryStore, which have to fit each other at any time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator import MemoryStore
    from accelerator.stores.memory import _Record


def records(store: MemoryStore) -> Iterator[_Record]:
    """Yield the records from the oldest to the newest."""
    record = store._oldest
    while record is not None:
        yield record
        record = record.newer


def check_tables(store: MemoryStore) -> None:
    """Hold that queue, URLs, cells and sizes tell of the same entries."""
    queue = list(records(store))
    for older, newer in zip([None, *queue], [*queue, None], strict=True):
        assert newer is None or newer.older is older
        assert older is None or older.newer is newer
    assert store._newest is (queue[-1] if queue else None)
    for hand in (store._eviction_hand, store._sweep_hand):
        assert hand is None or hand in queue
    stored = [record for resource in store._resources.values() for record in resource.records.values()]
    assert Counter(map(id, stored)) == Counter(map(id, queue))
    assert len(store) == len(queue)
    assert store.size == sum(record.size for record in queue)
    for key, resource in store._resources.items():
        assert resource.records
        assert {vary for vary, _ in resource.records} == set(resource.varies)
        assert all(record.entry.key == key for record in resource.records.values())
    named = Counter(tag for record in queue for tag in record.entry.tags)
    assert {tag: cell.entries for tag, cell in store._cells.items()} == dict(named)
    for record in queue:
        assert all(store._cells[tag] is cell for tag, cell in zip(record.entry.tags, record.cells, strict=True))
