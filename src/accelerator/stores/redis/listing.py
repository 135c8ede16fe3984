"""Listing the entries on a server, or on the nodes of a cluster one after the other.

SCAN brings the keys of some entries. Of each the beginning is read, which tells all but the body; and of those that are
asked for, what a lookup would read to judge them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from redis.exceptions import AskError, MovedError, ResponseError, TryAgainError

from accelerator.stores.binary import Outline, outline
from accelerator.stores.listing import Listed, facts_of, likely_keys, numbers_in, wanted_tags
from accelerator.stores.pending import judge
from accelerator.stores.redis.verdict import compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from accelerator.stores.listing import EntryFacts
    from accelerator.stores.pending import Kept
    from accelerator.stores.redis.keys import Keys
    from accelerator.stores.redis.link import Connections
    from accelerator.stores.redis.memo import Memo, Memos
    from accelerator.stores.redis.orders import Orders

SCANS: Final = 16
"""Number of SCAN commands of a call, at most."""

LEAST: Final = 10
MOST: Final = 1000
"""These limit the number of keys that one of them is to look at."""

FIRST_BYTES: Final = 1024
"""Bytes that are read of an entry at first: most have no more without their bodies."""

ANSWER_BYTES: Final = 256 * 1024
"""Bytes that are asked for at once, at most, unless one entry has more: they come well before a deadline."""

READ_AT_ONCE: Final = 500
"""Number of records that one command reads."""

_SPECIAL: Final = re.compile(rb"[\\*?\[\]^-]")
_ELSEWHERE: Final = (MovedError, AskError, TryAgainError)


class _Place(NamedTuple):
    """Where to go on.

    Attributes:
        server: the name of the server.
        scan: the cursor of SCAN there, 0 to begin.
    """

    server: str
    scan: int


class Asked(NamedTuple):
    """What a call is to list.

    Attributes:
        wanted: the tags that entries have to have.
        likely: what is remembered of the URL for the keys of which nothing else is part.
        limit: the number of entries after which the call ends.
        place: where to go on.
        is_first: whether it is the first call.
    """

    wanted: frozenset[str]
    likely: Sequence[Memo]
    limit: int
    place: _Place
    is_first: bool


class Listing:
    """Lists the entries of a store.

    Args:
        prefix: the prefix of all keys.
        keys: the keys of the store.
        orders: its orders.
        memos: what it remembers of URLs.
    """

    def __init__(self, prefix: bytes, keys: Keys, orders: Orders, memos: Memos) -> None:
        self._pattern = _SPECIAL.sub(rb"\\\g<0>", prefix) + b"e:{*"
        self._keys = keys
        self._orders = orders
        self._memos = memos

    def asked(self, url: str | None, tag: str | None, cursor: str | None, limit: int) -> Asked:
        """Return what a call is to list.

        Raises:
            TypeError, ValueError: see `ListsEntries.list_entries`.
        """
        wanted = frozenset(wanted_tags(url, tag, limit))
        likely = [self._memos.get(key) for key in likely_keys(url)] if url is not None else []
        return Asked(wanted, likely, limit, _place_in(cursor), cursor is None)

    async def list_entries(self, connections: Connections, asked: Asked, kept: Kept) -> Listed:
        """List entries.

        Args:
            connections: those of the running event loop.
            asked: what is to be listed.
            kept: the invalidations that failed, read before.

        Raises:
            FAILURES: a server is unreachable or slow, or answers with an error.
        """
        found: list[Outline] = []
        examined = 0
        for memo in asked.likely if asked.is_first else ():
            outlines = await self._read_likely(connections, memo)
            examined += len(outlines)
            found += [one for one in outlines if asked.wanted <= one.entry.tags]
        servers = await connections.servers()
        place, count, brought = _resumed(asked.place, servers), 1, 1
        for _ in range(SCANS):
            if place is None or len(found) >= asked.limit:
                break
            count = _next_count(asked.limit - len(found), count, brought)
            scan, keys = await self._scan(connections, place, count)
            brought = len(keys)
            others = [key for key in keys if not any(key.startswith(memo.entries) for memo in asked.likely)]
            outlines = await _read_outlines(connections, place.server, others)
            examined += len(keys)
            found += [one for one in outlines if asked.wanted <= one.entry.tags]
            place = _after(place, scan, servers)
        facts = await self._judged(connections, found, kept) if found else ()
        return Listed(tuple(facts), None if place is None else f"{place.scan}@{place.server}", examined)

    async def _read_likely(self, connections: Connections, memo: Memo) -> list[Outline]:
        """Return the entries of a key."""
        variants: list[bytes] = await connections.send(memo.variants_key, b"ZRANGE", memo.variants_key, b"0", b"-1")
        server = await connections.server_of(memo.variants_key)
        return await _read_outlines(connections, server, {memo.entries, *variants})

    async def _scan(self, connections: Connections, place: _Place, count: int) -> tuple[int, list[bytes]]:
        """Return where to go on, and the keys of some entries."""
        command = (b"SCAN", place.scan, b"MATCH", self._pattern, b"COUNT", count, b"TYPE", b"string")
        (answer,) = await connections.ask(place.server, [command])
        if isinstance(answer, ResponseError):
            raise answer
        scan, keys = answer
        return int(scan), keys

    async def _judged(self, connections: Connections, found: Sequence[Outline], kept: Kept) -> list[EntryFacts]:
        """Return the facts of entries, judged as a lookup does: by records that are read now, in whatever order."""
        before = self._orders.before()
        needed = [self._keys.needed(one.entry.tags) for one in found]
        values = await connections.read(
            list({*self._orders.to_read(knows_tags=True), *[key for one in needed for key in one.metas]})
        )
        for failure in values.failures.values():
            raise failure
        metas = self._orders.see(values, before).found
        records = await _read_records(connections, {key for one in needed for key in one.records})
        facts = []
        for one, keys in zip(found, needed, strict=True):
            read = [(partition, records[key]) for partition, key in zip(keys.partitions, keys.records, strict=True)]
            is_usable, is_fresh = compare(one.entry, read, metas)
            taken_back, made_stale = judge(kept, one.entry.tags)
            facts.append(
                facts_of(
                    one.entry, one.size, is_usable=is_usable and not taken_back, is_fresh=is_fresh and not made_stale
                )
            )
        return facts


def _next_count(entries: int, count: int, brought: int) -> int:
    """Return the number of keys to look at for so many entries, of which the last `count` keys had `brought`."""
    return min(max(entries * count // max(brought, 1), LEAST), MOST)


def _place_in(cursor: str | None) -> _Place:
    """Return the place that a cursor names.

    Raises:
        TypeError, ValueError: see `numbers_in`.
    """
    number, _, server = cursor.partition("@") if isinstance(cursor, str) else (cursor, "", "")
    (scan,) = numbers_in(number, 1)
    return _Place(server, scan)


def _resumed(place: _Place, servers: Sequence[str]) -> _Place | None:
    """Return the place, or the next one if its server is none of these any more; None if there is none after it."""
    server = next((name for name in servers if name >= place.server), None)
    if server is None:
        return None
    return place if server == place.server else _Place(server, 0)


def _after(place: _Place, scan: int, servers: Sequence[str]) -> _Place | None:
    """Return the next place: on the same server, until SCAN has answered 0."""
    if scan:
        return _Place(place.server, scan)
    server = next((name for name in servers if name > place.server), None)
    return None if server is None else _Place(server, 0)


async def _read_outlines(connections: Connections, server: str, keys: Iterable[bytes]) -> list[Outline]:
    """Return what entries are. Those that are gone, damaged, or on their way to another node are left out."""
    found: list[Outline] = []
    sizes = dict.fromkeys(keys, FIRST_BYTES)
    while sizes:
        longer: dict[bytes, int] = {}
        for part in _parts(sizes):
            starts = await connections.ask(server, [(b"GETRANGE", key, 0, size - 1) for key, size in part])
            for (key, size), start in zip(part, starts, strict=True):
                told = _told_by(start)
                if isinstance(told, Outline):
                    found.append(told)
                elif told is not None and len(start) == size:  # else there is no more of it
                    longer[key] = told
        sizes = longer
    return found


def _told_by(start: Any) -> Outline | int | None:
    """Return what the beginning of an entry tells, see `outline`; None if it is not on the server that was asked.

    Raises:
        ResponseError: the server has answered so.
    """
    if isinstance(start, _ELSEWHERE):
        return None
    if isinstance(start, ResponseError):
        raise start
    return outline(start)


def _parts(sizes: Mapping[bytes, int]) -> Iterator[list[tuple[bytes, int]]]:
    """Yield keys and the bytes to read of each, as many as are read at once."""
    part: list[tuple[bytes, int]] = []
    room = ANSWER_BYTES
    for key, size in sizes.items():
        if part and size > room:
            yield part
            part, room = [], ANSWER_BYTES
        part.append((key, size))
        room -= size
    yield part


async def _read_records(connections: Connections, keys: Iterable[bytes]) -> dict[bytes, bytes | None]:
    """Return the values of keys.

    Raises:
        FAILURES: one of them could not be read.
    """
    wanted, found = list(keys), dict[bytes, "bytes | None"]()
    for first in range(0, len(wanted), READ_AT_ONCE):
        part = wanted[first : first + READ_AT_ONCE]
        values = await connections.read(part)
        found |= {key: values[key] for key in part}
    return found
