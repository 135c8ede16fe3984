"""The memory that entries take, in bytes: texts exactly, objects and tables around them as measured by the tests."""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from accelerator.http.request import Vary
    from accelerator.rules.entry import Entry

ENTRY_BYTES: Final = 1300
"""Bytes of an entry beyond its texts: objects, tables, links and one ghost (see `S3Fifo`)."""

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


def entry_bytes(entry: Entry) -> int:
    """Return the bytes of an entry: its texts, and the objects around them."""
    parts = (*entry.key, *entry.selected_by, entry.etag, entry.validator, entry.last_modified, *entry.tags)
    texts = sum([len(part) if part.isascii() else text_bytes(part) for part in parts if part])
    lines = sum([LINE_BYTES + len(name) + len(value) for name, value in entry.headers + entry.added])
    return ENTRY_BYTES + len(entry.body) + texts + lines + vary_bytes(entry.vary) + TAG_BYTES * len(entry.tags)
