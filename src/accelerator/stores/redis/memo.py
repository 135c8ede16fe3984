"""What a process remembers of URLs: a guess at the keys to read, so that one command brings all that a lookup needs."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

import msgpack

from accelerator.stores.recent import Recent
from accelerator.stores.sizes import vary_bytes

if TYPE_CHECKING:
    from accelerator.http.request import Key, Vary

MAX_VARIANTS: Final = 64
"""Number of variants of one URL."""

MAX_MEMOS: Final = 4096
"""Number of URLs that are remembered."""

MAX_MEMO_BYTES: Final = 8 * 1024 * 1024
"""Bytes that all memos may take."""

_MEMO_BYTES: Final = 900
"""Bytes of a memo beyond the texts of its keys: objects and tables, as measured by the tests."""

_KEY_BYTES: Final = 50
"""Bytes of each key in it beyond its text."""

Place: TypeAlias = "tuple[bytes, Vary, tuple[bytes | None, ...]]"
"""The place of an entry: its key in Redis, the selecting header fields, and their values."""


class Memo(NamedTuple):
    """What was last read of one URL.

    Attributes:
        entries: the common prefix of the keys of its entries.
        varies_key: the key of the list of its selecting header fields.
        variants_key: the key of the set of its variants.
        varies: the selecting header fields of its responses, the newest first.
        needed: for the key of each entry, the keys of what tells whether it may be used.
    """

    entries: bytes
    varies_key: bytes
    variants_key: bytes
    varies: tuple[Vary, ...]
    needed: dict[bytes, tuple[bytes, ...]]

    def place(self, vary: Vary, selected_by: tuple[bytes | None, ...]) -> Place:
        """Return the place of the entry with these selecting header fields and values."""
        return self.entries + (_name((vary, selected_by)) if vary else b""), vary, selected_by

    def with_needed(self, key: bytes, needed: tuple[bytes, ...]) -> Memo:
        """Return a memo that also has what tells of an entry; if it would get large, it has only that."""
        is_small = len(self.needed) < MAX_VARIANTS and self.size() < MAX_MEMO_BYTES // 16
        others = self.needed if is_small else {}
        return self._replace(needed={**others, key: needed})

    def size(self) -> int:
        """Return its size in bytes."""
        keys = [key for entry, needed in self.needed.items() for key in (entry, *needed)]
        texts = 3 * len(self.entries) + sum(map(len, keys)) + _KEY_BYTES * (len(keys) + 2 * len(self.needed))
        return _MEMO_BYTES + texts + sum(map(vary_bytes, self.varies))


class Memos:
    """The memos of the most recently used URLs.

    They are found by the hash of the key of a URL, so that long URLs take no memory. If two keys have the same hash,
    one may get the memo of the other. That costs hits only, since each entry has its whole key, which is compared.

    Args:
        prefix: the prefix of all keys in Redis.
    """

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self.kept: Recent[int, Memo] = Recent(MAX_MEMOS, MAX_MEMO_BYTES)

    def get(self, key: Key) -> Memo:
        """Return what is remembered of a URL, an empty memo if nothing is."""
        return self.kept.get(hash(key)) or self._new(key)

    def _new(self, key: Key) -> Memo:
        url = _name(key)
        entries, varies_key, variants_key = (b"%s%s:{%s}" % (self._prefix, kind, url) for kind in (b"e", b"u", b"v"))
        return Memo(entries + b":", varies_key, variants_key, ((),), {})

    def keep(self, key: Key, memo: Memo) -> Memo:
        """Remember the memo of a URL, and return it."""
        self.kept.keep(hash(key), memo, memo.size())
        return memo


def _name(value: object) -> bytes:
    """Return a hash of a key or a variant, for a key in Redis. The entry there has the whole value to compare."""
    packed = cast("bytes", msgpack.packb(value, unicode_errors="surrogatepass"))
    return blake2b(packed, digest_size=16).hexdigest().encode()
