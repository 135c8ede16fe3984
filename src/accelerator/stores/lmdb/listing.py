"""Listing the entries in the file by their numbers, a few in each of some short transactions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from accelerator.stores.listing import Listed, facts_of, likely_keys, numbers_in, wanted_tags
from accelerator.stores.lmdb.cards import get_card
from accelerator.stores.lmdb.entries import Entries, read_outline, read_variants
from accelerator.stores.lmdb.layout import tag_keys, url_key
from accelerator.stores.lmdb.order import judge
from accelerator.stores.pending import judge as judge_pending

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.stores.listing import EntryFacts
    from accelerator.stores.lmdb.cards import Card
    from accelerator.stores.lmdb.file import File
    from accelerator.stores.lmdb.opened import Opened, View
    from accelerator.stores.pending import Kept

CARDS: Final = 64
"""Number of entries that one transaction looks at. Other threads of the process wait meanwhile: a millisecond."""

READS: Final = 16
"""Number of transactions of a call, besides the one that looks where a URL is if nothing else is part of its key."""


def list_entries(file: File, url: str | None, tag: str | None, cursor: str | None, limit: int) -> Listed:
    """List entries, see `ListsEntries.list_entries`.

    Args:
        file: the file.
        url: see there.
        tag: see there.
        cursor: see there.
        limit: see there.

    Raises:
        OSError, RuntimeError, lmdb.Error: the file cannot be opened or read.
    """
    wanted = tag_keys(wanted_tags(url, tag, limit))
    (number,) = numbers_in(cursor, 1)
    likely = [url_key(key) for key in likely_keys(url)] if url is not None else []
    page = _Page(wanted, file.pending.kept, likely, number)
    if cursor is None and likely:
        file.read(page.read_likely)
    reads = 0
    while not page.is_last and len(page.entries) < limit and reads < READS:
        file.read(partial(page.read_on, limit))
        reads += 1
    return Listed(tuple(page.entries), None if page.is_last else str(page.number), page.examined)


class _Page:
    """What a call lists.

    Args:
        wanted: the keys of the records of the tags that entries have to have.
        kept: the invalidations that failed, read before the file, as in a lookup.
        likely: the keys of the variants of a URL if nothing else is part of its key: they are listed first.
        number: the number of the entry to begin with.

    Attributes:
        entries: the entries.
        examined: the number of entries that were looked at.
        number: the number of the entry to go on with.
        is_last: whether there is none.
    """

    def __init__(self, wanted: Collection[bytes], kept: Kept, likely: Collection[bytes], number: int) -> None:
        self._wanted = wanted
        self._kept = kept
        self._likely = likely
        self.entries: list[EntryFacts] = []
        self.examined = 0
        self.number = number
        self.is_last = False

    def read_likely(self, opened: Opened, view: View) -> None:
        """List the variants of a URL where they are if nothing else is part of its key, in a transaction."""
        del opened
        for url in self._likely:
            for places in read_variants(view.txn.get(url)).values():
                for stored in places.values():
                    self._look_at(view, stored.number, get_card(view.txn, stored.number))

    def read_on(self, limit: int, opened: Opened, view: View) -> None:
        """List entries until there are `limit` of them, in a transaction."""
        cards = Entries(view.txn, opened.room.page_size).from_number(self.number, CARDS)
        for number, card in cards:
            if card.url not in self._likely:
                self._look_at(view, number, card)
            self.number = number + 1
            if len(self.entries) >= limit:
                return
        self.is_last = len(cards) < CARDS

    def _look_at(self, view: View, number: int, card: Card) -> None:
        """List an entry if it has the tags."""
        self.examined += 1
        found = read_outline(view.txn, number) if all(key in card.records for key in self._wanted) else None
        if found is None:
            return
        is_usable, is_fresh = judge(view.txn.get, view.order, card.mark, card.records)
        taken_back, made_stale = judge_pending(self._kept, found.entry.tags)
        is_stale = made_stale or _is_noted_as_stale(view, number, card)
        facts = facts_of(
            found.entry, found.size, is_usable=is_usable and not taken_back, is_fresh=is_fresh and not is_stale
        )
        self.entries.append(facts)


def _is_noted_as_stale(view: View, number: int, card: Card) -> bool:
    """Tell whether an entry was invalidated softly by a record since dropped."""
    variants = read_variants(view.txn.get(card.url))
    return any(
        stored.number == number and stored.is_stale for places in variants.values() for stored in places.values()
    )
