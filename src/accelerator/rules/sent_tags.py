"""The tags of a response as caches downstream get them: keys in header lines, by which they take it back."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from accelerator.http.fields import lowered
from accelerator.rules.response_tags import response_tags
from accelerator.tags import ALL, InvalidTagError

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.http.fields import HeaderLines
    from accelerator.rules.candidate import Candidate

MORE: Final = "@more"
"""The key of a response that has more tags than its header lines say. Each purge takes it back, too."""

MAX_KEY_BYTES: Final = 128
"""A longer key is replaced by its digest: some caches take no longer ones."""

MAX_LINE_BYTES: Final = 8000
"""A response whose keys take more has the key `MORE` in place of them. Varnish takes lines of 8 KiB."""

_AS_THEY_ARE: Final = "".join(map(chr, range(0x21, 0x7F))).translate({ord(","): None, ord("%"): None})


def key_of(tag: str) -> str:
    """Return the key of a tag: visible ASCII without commas, which no cache downstream takes for several keys.

    What is no such character in the tag, and the percent sign, is percent-encoded. A key that is too long is replaced
    by its digest.
    """
    key = quote(tag, safe=_AS_THEY_ARE)
    return key if len(key) <= MAX_KEY_BYTES else f"@sha256:{sha256(tag.encode()).hexdigest()}"


def tag_lines(tags: Collection[str], names: tuple[str, ...], *, is_whole: bool = True) -> HeaderLines:
    """Return header lines with the keys of the tags of a response.

    Args:
        tags: its tags. That of every entry is left out: all is taken back without a key.
        names: the names of the fields. `Cache-Tag` separates keys by commas, the others by blanks.
        is_whole: these are all its tags.
    """
    keys = sorted({key_of(tag) for tag in tags if tag != ALL})
    if not is_whole:
        keys.append(MORE)
    if len(keys) + sum(map(len, keys)) > MAX_LINE_BYTES:
        keys = [MORE]
    return tuple(
        [
            (name, (b"," if name == b"cache-tag" else b" ").join([key.encode() for key in keys]))
            for name in lowered(names)
        ]
    )


def lines_of_response(candidate: Candidate, older: frozenset[str] = frozenset(), *, is_whole: bool) -> HeaderLines:
    """Return the header lines with the keys of a response that the application sends now.

    Args:
        candidate: the response.
        older: the tags of the entry that it updates.
        is_whole: the application has made the whole response, and names no more tags.
    """
    try:
        tags = response_tags(candidate, older)
    except (InvalidTagError, TypeError):
        tags, is_whole = frozenset(), False
    return tag_lines({*tags, candidate.request.url_tag}, candidate.options.send_tags, is_whole=is_whole)
