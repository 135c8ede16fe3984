"""The tables of a MemoryStore, which have to fit each other at any time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator import MemoryStore
    from accelerator.stores.memory.eviction import ItemT, S3Fifo, _Queue
    from accelerator.stores.memory.store import _Record


def items_of(queue: _Queue[ItemT]) -> Iterator[ItemT]:
    """Yield what stands in a queue, from the oldest to the newest."""
    item = queue.oldest
    while item is not None:
        yield item
        item = item.newer


def records(store: MemoryStore) -> list[_Record]:
    """Return the records of the small queue, then those of the main one, each from the oldest to the newest."""
    return [*items_of(store._queues._small), *items_of(store._queues._main)]


def check_tables(store: MemoryStore) -> None:
    """Hold that queues, ghosts, URLs, cells and sizes tell of the same entries."""
    queue = records(store)
    check_queues(store._queues)
    stored = [record for resource in store._resources.values() for record in resource.records.values()]
    assert Counter(map(id, stored)) == Counter(map(id, queue))
    assert len(store) == len(queue)
    assert store.size == sum(record.size for record in queue)
    for key, resource in store._resources.items():
        assert resource.records
        assert {vary for vary, _ in resource.records} == set(resource.varies)
        assert all(record.entry.key is key is resource.key for record in resource.records.values())
    named = Counter(tag for record in queue for tag in record.entry.tags)
    assert {tag: cell.entries for tag, cell in store._cells.items()} == dict(named)
    for record in queue:
        assert {id(store._cells[tag]) for tag in record.entry.tags} == set(map(id, record.cells))
        assert len(record.cells) == len(record.entry.tags)
        assert all(store._cells[tag].name is tag for tag in record.entry.tags), "no text is kept twice"


def check_queues(queues: S3Fifo[ItemT]) -> None:
    """Hold that the links of both queues go the same way back and forth, and that no ghost is of what is there."""
    everything: list[ItemT] = []
    for queue, in_main in ((queues._small, False), (queues._main, True)):
        items = list(items_of(queue))
        for older, newer in zip([None, *items], [*items, None], strict=True):
            assert newer is None or newer.older is older
        assert queue.newest is (items[-1] if items else None)
        assert queue.size == sum(item.size for item in items)
        assert all(item.in_main is in_main for item in items)
        everything += items
    assert len(queues) == len(everything)
    assert queues._hand is None or queues._hand in everything
    assert len(queues._ghosts) <= len(queues)
    assert queues._ghosts.keys().isdisjoint(item.name for item in everything)
