"""The tags of a response."""

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


MAX_GROUPS: Final = 128
"""Groups of one response beyond which it is not stored (RFC 9875 §2 asks for 32 at least)."""


def header_tags(response: Response, options: Options) -> list[str]:
    """Return the tags that a response names in its fields. Bytes that are no UTF-8 stand as what no tag can have."""
    found: list[str] = []
    for field in options.tag_headers:
        name = field.lower().encode("latin-1")
        separator = r",\s*" if name == b"cache-tag" else r"[,\s]+"
        for value in fields.lines(response.headers, name):
            text = value.decode("utf-8", "surrogateescape")
            found += [tag for tag in (part.strip() for part in re.split(separator, text)) if tag]
    return found


def response_tags(candidate: Candidate, older: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return every tag of a response: those noted, those that its fields name, and the older ones that it keeps.

    Args:
        candidate: the response.
        older: the tags of the entry that it freshens.

    Raises:
        InvalidTagError: there is a name among them that no tag can have, or there are too many.
        TypeError: a name is not a `str`.
    """
    response, noted = candidate.response, candidate.notes.tags
    names = entry_tags((*filter(is_of_application, older), *noted, *header_tags(response, candidate.options)))
    return names | _group_tags(candidate.request, response) | older


def is_of_application(tag: str) -> bool:
    """Tell whether a tag is none of the library's own."""
    return tag[0] != "@"


def _group_tags(request: Request, response: Response) -> frozenset[str]:
    """Return the tags of the groups that a response belongs to (RFC 9875 §2): by name, and bound to its host."""
    if not response.has(b"cache-groups"):
        return frozenset()
    groups = fields.strings(response.get(b"cache-groups"))
    if groups is None or len(groups) > MAX_GROUPS:
        raise InvalidTagError(f"Cache-Groups is a list of at most {MAX_GROUPS} strings")
    return frozenset(filter(is_valid_tag, groups)) | {request.group_tag(group) for group in groups}


def application_tags(entry: Entry) -> frozenset[str]:
    """Return the tags that the application gave, without the library's own."""
    return frozenset(filter(is_of_application, entry.tags))
