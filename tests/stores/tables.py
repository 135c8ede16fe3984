"""The tables of a MemoryStore, which have to fit each other at any time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from accelerator import MemoryStore
from accelerator.stores.memory import records as memory_records
from accelerator.stores.memory import store as memory_store
from accelerator.stores.memory import tables as memory_tables
from accelerator.stores.memory.records import Record, Variants
from accelerator.stores.memory.tables import PARTS
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.rules.entry import Entry
    from accelerator.stores.memory.eviction import ItemT, S3Fifo, _Queue
    from accelerator.stores.memory.tables import Tables

MODULES: Final = (memory_store, memory_tables, memory_records)
"""The modules whose code runs without the lock, too."""


def size_of(entry: Entry) -> int:
    """Return what a store counts for an entry at rest."""
    store = MemoryStore()
    assert drive(store.commit(entry))
    return store.size


def bound_for(size: int) -> int:
    """Return the bound of a store that has room for entries of this size in all, beside those that are unfolded."""
    return 8 * size // 7


def items_of(queue: _Queue[ItemT]) -> Iterator[ItemT]:
    """Yield what stands in a queue, from the oldest to the newest."""
    item = queue.oldest
    while item is not None:
        yield item
        item = item.newer


def records(store: MemoryStore) -> list[Record]:
    """Return the records of the small queue, then those of the main one, each from the oldest to the newest."""
    return records_in(store._tables)


def records_in(tables: Tables) -> list[Record]:
    """Return the records of some tables in the same order."""
    return [*items_of(tables.queues._small), *items_of(tables.queues._main)]


def check_tables(store: MemoryStore) -> None:
    """Hold that queues, ghosts, URLs, tags and sizes tell of the same entries, also of those that were cleared."""
    for tables in (store._tables, *store._cleared):
        queue = records_in(tables)
        check_queues(tables.queues)
        check_urls(tables, queue)
        check_tags(tables, queue)
    everything = [record for tables in (store._tables, *store._cleared) for record in records_in(tables)]
    assert len(store) == len(records(store))
    assert not any(record.is_gone for record in everything)
    unfolded = {record: record.ready.entry for record in everything if record.ready is not None}
    assert store._ready._kept.keys() == unfolded.keys()
    assert store._ready.size == sum(store._ready._kept.values())
    assert store.size == sum(record.size for record in everything) + store._ready.size
    for record, entry in unfolded.items():
        assert (entry.key, entry.mark, entry.tags) == (record.key, record.mark, frozenset(record.tags))


def check_urls(tables: Tables, queue: list[Record]) -> None:
    """Hold that each record is found by its URL, and that all records of a URL share its key."""
    stored: list[Record] = []
    for number, part in enumerate(tables.resources):
        for key, found in part.items():
            assert hash(key[4] or key[2]) % PARTS == number
            assert found.key is key
            groups = found.groups if isinstance(found, Variants) else ((found.vary, {found.selected_by: found}),)
            assert all(of_group for _, of_group in groups)
            for vary, of_group in groups:
                assert all((one.vary, one.selected_by) == (vary, values) for values, one in of_group.items())
                assert all(one.key is key for one in of_group.values())
                stored += of_group.values()
            assert len({vary for vary, _ in groups}) == len(groups) > 0
    assert Counter(map(id, stored)) == Counter(map(id, queue))


def check_tags(tables: Tables, queue: list[Record]) -> None:
    """Hold that the tags of the entries are there, with positions for no others, and that no text is kept twice."""
    named = Counter(tag for record in queue for tag in record.tags)
    texts = {tag: tag for tag in tables.tags}
    assert texts.keys() == named.keys()
    for number, part in enumerate(tables.tags._parts):
        assert all(hash(tag) % PARTS == number for tag in part.names)
        assert all(name is tag for tag, name in part.names.items())
        assert part.more == {tag: named[tag] - 1 for tag in part.names if named[tag] > 1}
        assert {*part.hard, *part.soft} <= part.names.keys()
        assert all(texts[tag] is tag for tag in (*part.more, *part.hard, *part.soft))
    assert all(texts[tag] is tag for record in queue for tag in record.tags)


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
