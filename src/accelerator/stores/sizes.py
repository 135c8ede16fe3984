"""The memory that entries take, in bytes: texts exactly, objects and tables around them as measured by the tests."""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from accelerator.http.request import Vary
    from accelerator.rules.entry import Entry

ENTRY_BYTES: Final = 1300
"""Bytes of a decoded entry that another process stores, beyond its texts: objects and tables."""

RECORD_BYTES: Final = 990
"""Bytes of an entry at rest beyond its texts: objects, tables of a small store, links and one ghost (see `S3Fifo`)."""

VARIANT_BYTES: Final = 250
"""Bytes more if header fields select it."""

STORED_TAG_BYTES: Final = 120
"""Bytes of a tag of an entry at rest beyond its text, if no other entry has it."""

READY_BYTES: Final = 2400
"""Bytes that the middleware takes at most for the prepared answers of a `ReadyEntry`, beyond its header lines."""

READY_LINE_BYTES: Final = 18
"""Bytes of a header line in these answers, whose texts are those of the entry."""

UNFOLDED_BYTES: Final = 500
"""Bytes of an unfolded entry beyond its texts, lines and tags."""

LINE_BYTES: Final = 136
"""Bytes of a header line beyond its texts."""

TAG_BYTES: Final = 240
"""Bytes of a tag beyond its text, if no other entry has it."""

FIELD_BYTES: Final = 90
"""Bytes of a selecting header field beyond its name and its value."""


def text_bytes(text: str | bytes) -> int:
    """Return the bytes that a text takes beyond an empty one of its type.

    A `str` takes 1, 2 or 4 bytes for each character, as its widest one needs, and may keep its UTF-8 form besides.
    """
    if isinstance(text, bytes) or text.isascii():
        return len(text)
    return getsizeof(text, 4 * len(text)) + len(text.encode("utf-8", "surrogatepass"))


def vary_bytes(vary: Vary) -> int:
    """Return the bytes of a list of selecting header fields."""
    return sum([FIELD_BYTES + len(name) for name in vary])


def record_bytes(entry: Entry, packed: bytes) -> int:
    """Return the bytes of an entry at rest in a `MemoryStore`, with its share of the tables.

    Args:
        entry: the entry.
        packed: what it was packed into.
    """
    scheme, host, raw_path, path, query, root_path, partition, fields = entry.key
    strings = (scheme, path, root_path, partition, *entry.tags)
    joined = "".join(strings)  # most are ASCII, all together
    texts = len(joined) if joined.isascii() else sum(map(text_bytes, strings))
    texts += len(host) + len(raw_path) + len(query) + len(fields)
    if entry.vary:
        texts += VARIANT_BYTES + vary_bytes(entry.vary) + sum([len(value) for value in entry.selected_by if value])
    return RECORD_BYTES + len(packed) + len(entry.body) + texts + STORED_TAG_BYTES * len(entry.tags)


def unfolded_bytes(entry: Entry, packed: bytes) -> int:
    """Return the bytes that an entry takes while it is unfolded, beside its record in a `MemoryStore`."""
    lines = (LINE_BYTES + READY_LINE_BYTES) * (len(entry.headers) + len(entry.added))
    return UNFOLDED_BYTES + READY_BYTES + len(packed) + lines + getsizeof(entry.tags)


def entry_bytes(entry: Entry) -> int:
    """Return the bytes of a decoded entry: its texts, and the objects around them."""
    parts = (*entry.key, *entry.selected_by, entry.etag, entry.validator, entry.last_modified, *entry.tags)
    texts = sum([len(part) if part.isascii() else text_bytes(part) for part in parts if part])
    lines = sum([LINE_BYTES + len(name) + len(value) for name, value in entry.headers + entry.added])
    return ENTRY_BYTES + len(entry.body) + texts + lines + vary_bytes(entry.vary) + TAG_BYTES * len(entry.tags)
