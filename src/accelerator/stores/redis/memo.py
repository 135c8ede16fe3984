"""What a process remembers of URLs: guesses, by which one trip to Redis brings all that a lookup needs."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

import msgpack

from accelerator.stores.recent import Recent
from accelerator.stores.sizes import vary_bytes

if TYPE_CHECKING:
    from accelerator.http.request import Key, Vary

MAX_VARIANTS: Final = 64
MAX_MEMOS: Final = 4096
MAX_MEMO_BYTES: Final = 8 * 1024 * 1024

_MEMO_BYTES: Final = 900
"""What a memo takes beyond the texts of its keys: objects and tables, as measured in the tests."""

_KEY_BYTES: Final = 50
"""What each key in it takes beyond its text."""

Place: TypeAlias = "tuple[bytes, Vary, tuple[bytes | None, ...]]"
"""Where an entry may be: its key, the fields by which it is chosen, and their values."""


class Memo(NamedTuple):
    """What was last seen of a URL.

    Attributes:
        entries: what the keys of its entries begin with.
        varies_key: the key of what its responses vary on.
        variants_key: the key of its variants.
        varies: what its responses vary on, the newest first.
        records: by the key of an entry, the keys of its tags' records.
    """

    entries: bytes
    varies_key: bytes
    variants_key: bytes
    varies: tuple[Vary, ...]
    records: dict[bytes, tuple[bytes, ...]]

    def place(self, vary: Vary, selected_by: tuple[bytes | None, ...]) -> Place:
        """Return where the entry is that is chosen so."""
        return self.entries + (_name((vary, selected_by)) if vary else b""), vary, selected_by

    def with_records(self, key: bytes, records: tuple[bytes, ...]) -> Memo:
        """Return a memo that also knows the records of an entry; it begins with that one again where it is large."""
        is_small = len(self.records) < MAX_VARIANTS and self.size() < MAX_MEMO_BYTES // 16
        others = self.records if is_small else {}
        return self._replace(records={**others, key: records})

    def size(self) -> int:
        """Return what it takes, in bytes."""
        keys = [key for entry, records in self.records.items() for key in (entry, *records)]
        texts = 3 * len(self.entries) + sum(map(len, keys)) + _KEY_BYTES * (len(keys) + 2 * len(self.records))
        return _MEMO_BYTES + texts + sum(map(vary_bytes, self.varies))


class Memos:
    """The memos of the URLs used last.

    They are kept by the hashes of keys, so that long URLs take no room. Where two have the same, the memo of one leads
    to the place of the other: that costs hits, since entries have their whole key, which is compared.

    Args:
        prefix: what all keys in Redis begin with.
    """

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self.kept: Recent[int, Memo] = Recent(MAX_MEMOS, MAX_MEMO_BYTES)

    def get(self, key: Key) -> Memo:
        """Return what is known of a URL."""
        return self.kept.get(hash(key)) or self._new(key)

    def _new(self, key: Key) -> Memo:
        url = _name(key)
        entries, varies_key, variants_key = (b"%s%s:{%s}" % (self._prefix, kind, url) for kind in (b"e", b"u", b"v"))
        return Memo(entries + b":", varies_key, variants_key, ((),), {})

    def keep(self, key: Key, memo: Memo) -> Memo:
        """Keep what is known of a URL now, and return it."""
        self.kept.keep(hash(key), memo, memo.size())
        return memo


def _name(value: object) -> bytes:
    """Return a short name for a key or a variant; what has it carries the whole value, which is compared."""
    packed = cast("bytes", msgpack.packb(value, unicode_errors="surrogatepass"))
    return blake2b(packed, digest_size=16).hexdigest().encode()
