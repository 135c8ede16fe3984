"""What a successful unsafe request invalidates (RFC 9111 §4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.tags import tag_of_reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.http.request import Request
    from accelerator.http.response import Response


def invalidated_by(request: Request, response: Response, narrowed: Callable[[str], str] = str) -> set[str]:
    """Return the tags of what a successful unsafe request takes back (RFC 9111 §4.4).

    They are those of its target URI, of the URIs of Location and Content-Location if these have the same origin, and of
    the groups that Cache-Group-Invalidation names (RFC 9875 §3). A group's members take no other groups with them.

    Args:
        request: the request.
        response: the start of the response.
        narrowed: takes off a URL what does not count.
    """
    references = fields.lines(response.headers, b"location") + fields.lines(response.headers, b"content-location")
    tags = {tag_of_reference(request.url, value.decode("utf-8", "surrogateescape"), narrowed) for value in references}
    groups = {request.group_tag(group) for group in fields.strings(response.get(b"cache-group-invalidation")) or ()}
    return {request.url_tag} | {tag for tag in tags if tag is not None} | groups


SUCCESS: Final = range(200, 400)
"""Statuses that say that something may have been changed (RFC 9111 §4.4)."""
