"""What a process has read and decoded, and when that may answer without being read again.

It may only within a transaction that began after the request arrived, and shows that the file still has the very same
variants of the URL. If the position has moved since its tags were compared, this transaction compares them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from accelerator.stores.lmdb.layout import place_of, tag_keys, url_key
from accelerator.stores.lmdb.order import judge
from accelerator.stores.protocol import ReadyEntry
from accelerator.stores.sizes import READY_BYTES, READY_LINE_BYTES, entry_bytes, text_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.http.request import Key, Vary
    from accelerator.rules.entry import Entry, Mark
    from accelerator.stores.lmdb.entries import Stored, Variants
    from accelerator.stores.lmdb.order import Order

URL_BYTES: Final = 1000
"""Bytes of what is known of a URL beyond its entries: objects and tables, as measured by the tests."""

VARIANT_BYTES: Final = 400
"""Bytes of each stored variant in it, decoded or not."""

RECORD_BYTES: Final = 66
"""Bytes of the key of a tag's record, with its place in a tuple."""


class Decoded:
    """A decoded entry.

    Attributes:
        ready: the entry, and what the middleware has prepared.
        stored: its number, and whether it is noted as stale.
    """

    __slots__ = ("_checked", "_mark", "_records", "ready", "stored")

    def __init__(self, entry: Entry, stored: Stored) -> None:
        self.ready = ReadyEntry(entry)
        self.stored = stored
        self._mark = entry.mark[0]
        self._records = tag_keys(entry.tags)
        self._checked: tuple[
            object, ...
        ] = ()  # the mark of a fill that began where no invalidation before concerned it

    def is_checked_at(self, mark: tuple[object, ...]) -> bool:
        """Tell whether it is known to be usable and fresh where a fill would have this mark."""
        return self._checked == mark

    def judge(self, get: Callable[[bytes], bytes | None], order: Order, mark: Mark) -> tuple[bool, bool]:
        """Return whether it is usable, and whether it was not invalidated softly, where a fill would have this mark."""
        if self.is_checked_at(mark):
            return True, True
        if self._mark.incarnation != order.incarnation:
            return False, False
        is_usable, is_fresh = judge(get, order, self._mark.position, self._records)
        is_fresh = is_fresh and not self.stored.is_stale
        if is_fresh:
            self._checked = mark
        return is_usable, is_fresh

    @property
    def size(self) -> int:
        """Its bytes, with what is prepared from it."""
        entry = self.ready.entry
        prepared = READY_BYTES + READY_LINE_BYTES * (len(entry.headers) + len(entry.added))
        return entry_bytes(entry) + prepared + RECORD_BYTES * len(self._records)


class Known:
    """What is known of a URL.

    Attributes:
        url: the key of its variants in the file.
        value: the bytes that they were read from, None if there were none.
        variants: its variants.
        vary: the selecting header fields of the newest response, None if there is none.
        decoded: those that were decoded, by their selecting header fields and the values of these.
        seen: the number of the last transaction that had these bytes, and the mark of a fill that began in it.
    """

    __slots__ = ("_texts", "decoded", "seen", "url", "value", "variants", "vary")

    def __init__(self, key: Key) -> None:
        self._texts = sum([text_bytes(part) for part in key])
        self.url = url_key(key)
        self.value: bytes | None = None
        self.variants: Variants = {}
        self.vary: Vary | None = None
        self.decoded: dict[tuple[Vary, tuple[bytes | None, ...]], Decoded] = {}
        self.seen: tuple[int, Mark] = (-1, None)

    def renewed(self, value: bytes | None, variants: Variants) -> Known:
        """Return what is known once other bytes were read: what was decoded and is still there."""
        new = object.__new__(Known)
        new._texts, new.url, new.value, new.variants, new.seen = self._texts, self.url, value, variants, (-1, None)
        new.vary = next(iter(variants), None)
        stored = {one for places in variants.values() for one in places.values()}
        new.decoded = {place: one for place, one in self.decoded.copy().items() if one.stored in stored}
        return new

    def see(self, number: int, mark: Mark) -> None:
        """Note that a transaction had these bytes."""
        self.seen = (number, mark)

    def find(self, vary: Vary, selected_by: tuple[bytes | None, ...]) -> Stored | None:
        """Return the stored variant with these values."""
        return self.variants[vary].get(place_of(vary, selected_by))

    def keep(self, one: Decoded, max_bytes: int) -> None:
        """Keep a decoded entry, without the others if that would take more than these bytes."""
        entry = one.ready.entry
        if self.size + one.size > max_bytes:
            self.decoded = {}
        self.decoded[entry.vary, entry.selected_by] = one

    @property
    def size(self) -> int:
        """The bytes of all that is known."""
        variants = sum([len(places) for places in self.variants.values()])
        own = URL_BYTES + self._texts + len(self.value or b"") + VARIANT_BYTES * variants
        return own + sum([one.size for one in self.decoded.copy().values()])
