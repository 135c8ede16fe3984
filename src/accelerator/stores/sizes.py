"""What is kept takes in memory, in bytes: texts to the byte, objects and tables around them as the tests measure."""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from accelerator.http.request import Vary
    from accelerator.rules.entry import Entry

ENTRY_BYTES: Final = 1300
"""What an entry takes beyond its texts: objects, tables, links and one ghost."""

LINE_BYTES: Final = 136
"""What a header line takes beyond its texts."""

TAG_BYTES: Final = 240
"""What a tag takes beyond its text, for an entry that is alone in naming it."""

FIELD_BYTES: Final = 90
"""What a field that chooses a variant takes beyond its name and its value."""


def text_bytes(text: str | bytes) -> int:
    """Return what a text takes beyond an empty one of its kind.

    A str has 1, 2 or 4 bytes a character, as its widest one needs, and may keep its UTF-8 beside them.
    """
    if isinstance(text, bytes) or text.isascii():
        return len(text)
    return getsizeof(text, 4 * len(text)) + len(text.encode("utf-8", "surrogatepass"))


def vary_bytes(vary: Vary) -> int:
    """Return what a list of fields takes that choose a variant."""
    return sum([FIELD_BYTES + len(name) for name in vary])


def entry_bytes(entry: Entry) -> int:
    """Return what an entry takes: its texts, and the overhead around them."""
    parts = (*entry.key, *entry.selected_by, entry.etag, entry.validator, entry.last_modified, *entry.tags)
    texts = sum([len(part) if part.isascii() else text_bytes(part) for part in parts if part])
    lines = sum([LINE_BYTES + len(name) + len(value) for name, value in entry.headers + entry.added])
    return ENTRY_BYTES + len(entry.body) + texts + lines + vary_bytes(entry.vary) + TAG_BYTES * len(entry.tags)
