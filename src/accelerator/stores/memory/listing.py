"""Listing the records of the tables, part by part, and in each in the order of their numbers. It takes no lock."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.stores.listing import Listed, facts_of, likely_keys, numbers_in, wanted_tags
from accelerator.stores.memory.tables import PARTS, part_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from accelerator.stores.listing import EntryFacts
    from accelerator.stores.memory.records import Record, Variants
    from accelerator.stores.memory.tables import Tables

MAX_TAGS: Final = 8192
"""Number of tags of the entries that one call looks at, about: that takes 3 ms."""

_number: Final = attrgetter("number")


class _Asked(NamedTuple):
    """What a call is to list.

    Attributes:
        wanted: the tags that entries have to have.
        most: the number of entries that have them, at most, when the call began.
        made: the number of records that had been made before.
        position: the last position before.
        enough: the number of entries after which the call ends.
    """

    wanted: tuple[str, ...]
    most: int
    made: int
    position: int
    enough: int


def list_entries(
    tables: Tables, position: int, url: str | None, tag: str | None, cursor: str | None, limit: int
) -> Listed:
    """List entries, see `ListsEntries.list_entries`.

    A URL is looked for where it is if nothing else is part of its key, then where its own spelling is, then everywhere.
    A first call that has found as many entries as there are is the last one, too.

    Args:
        tables: the tables.
        position: the last position, read before.
        url: see there.
        tag: see there.
        cursor: see there.
        limit: see there.
    """
    wanted = wanted_tags(url, tag, limit)
    turn, number = numbers_in(cursor, 2)
    made = tables.made
    most = min([tables.tags.count(name) for name in wanted], default=len(tables.queues))
    if not most:
        return Listed((), None, 0)
    asked = _Asked(wanted, most, made, position, min(limit, most) if cursor is None else limit)
    keys = likely_keys(url) if url is not None else []
    if cursor is None and keys:
        found = [(0, stored) for key in keys if (stored := tables.find(key)) is not None]
        if _has_all(tables, asked, listed := _list(tables, asked, found)):
            return listed._replace(cursor=None)
    listed = _list(tables, asked, _stored(tables, part_of(keys[0]) if keys else 0, turn, number))
    return listed._replace(cursor=None) if cursor is None and _has_all(tables, asked, listed) else listed


def _list(tables: Tables, asked: _Asked, places: Iterable[tuple[int, Record | Variants]]) -> Listed:
    """List what is asked for of the records in some places, until that is enough for one call."""
    entries: list[EntryFacts] = []
    examined = tags = 0
    for turn, found in places:
        for record in found.all():
            examined += 1
            tags += len(record.tags)
            if all(map(record.tags.__contains__, asked.wanted)):
                entries.append(_facts(tables, record, asked.position))
        if tags >= MAX_TAGS or len(entries) >= asked.enough:
            return Listed(tuple(entries), f"{turn}.{found.number}", examined)
    return Listed(tuple(entries), None, examined)


def _has_all(tables: Tables, asked: _Asked, listed: Listed) -> bool:
    """Tell whether a first call has listed all entries: as many as there were, and no other came meanwhile."""
    return len(listed.entries) == asked.most and tables.made == asked.made


def _stored(tables: Tables, first: int, turn: int, number: int) -> Iterator[tuple[int, Record | Variants]]:
    """Yield what is stored of each URL, after the turn of its part.

    Args:
        tables: the tables.
        first: the part whose turn it is first.
        turn: the turn to begin with.
        number: the number after which to begin there.
    """
    for place in range(turn, PARTS):
        stored = list(tables.resources[(first + place) % PARTS].values())  # at once: other threads change the table
        for index in range(bisect_right(stored, number, key=_number), len(stored)):
            yield place, stored[index]
        number = 0


def _facts(tables: Tables, record: Record, position: int) -> EntryFacts:
    is_usable, is_fresh = tables.judge(record, position)
    entry = record.unfolded().entry
    return facts_of(entry, len(entry.body), is_usable=is_usable, is_fresh=is_fresh)
