"""Collect the tags of a response."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.tags import InvalidTagError, entry_tags, is_valid_tag

if TYPE_CHECKING:
    from accelerator.http.request import Request
    from accelerator.http.response import Response
    from accelerator.options import Options
    from accelerator.rules.candidate import Candidate
    from accelerator.rules.entry import Entry

_SEPARATORS: Final = re.compile(r"[,\s]+")

MAX_GROUPS: Final = 128
"""The most cache groups of a response that is stored. RFC 9875 §2 asks caches to support at least 32."""


def header_tags(response: Response, options: Options) -> list[str]:
    """Return the tags in the fields of the option `tag_headers`. A tag that is not UTF-8 becomes an invalid tag."""
    found: list[str] = []
    for name in fields.lowered(options.tag_headers):
        if value := response.get(name):
            text = value.decode("utf-8", "surrogateescape")
            parts = text.split(",") if name == b"cache-tag" else _SEPARATORS.split(text)
            found += [tag for part in parts if (tag := part.strip())]
    return found


def response_tags(candidate: Candidate, older: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return all tags of a response: from the application's calls, from its header fields, and the older ones.

    Args:
        candidate: the response.
        older: the tags of the entry that the response updates.

    Raises:
        InvalidTagError: a tag is invalid, there are too many tags, or Cache-Groups is malformed or too long.
        TypeError: a tag is not a `str`.
    """
    response, noted = candidate.response, candidate.notes.tags
    names = entry_tags((*filter(is_of_application, older), *noted, *header_tags(response, candidate.options)))
    return names | _group_tags(candidate.request, response) | older


def is_of_application(tag: str) -> bool:
    """Tell whether a tag is one of the application's, not one of the library's own."""
    return tag[0] != "@"


def _group_tags(request: Request, response: Response) -> frozenset[str]:
    """Return the tags of the cache groups of a response (RFC 9875 §2).

    They are the names of the groups, as far as they are valid tags, and the library's own tags for groups of this host.

    Raises:
        InvalidTagError: Cache-Groups is malformed, or has too many groups.
    """
    if not response.has(b"cache-groups"):
        return frozenset()
    groups = fields.strings(response.get(b"cache-groups"))
    if groups is None or len(groups) > MAX_GROUPS:
        raise InvalidTagError(f"Cache-Groups is a list of at most {MAX_GROUPS} strings")
    return frozenset(filter(is_valid_tag, groups)) | {request.group_tag(group) for group in groups}


def application_tags(entry: Entry) -> frozenset[str]:
    """Return the tags that the application gave an entry, without the library's own."""
    return frozenset(filter(is_of_application, entry.tags))
