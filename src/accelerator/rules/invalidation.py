"""What a successful unsafe request invalidates (RFC 9111 §4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.tags import tag_of_reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.http.request import Request
    from accelerator.http.response import Response

_REFERENCES: Final = (b"location", b"content-location")


def invalidated_by(request: Request, response: Response, without_ignored: Callable[[str], str] = str) -> set[str]:
    """Return the tags that a successful unsafe request invalidates (RFC 9111 §4.4).

    They are the tags of its target URI, of the URIs in Location and Content-Location with the same origin, and of the
    cache groups in Cache-Group-Invalidation (RFC 9875 §3). Other groups of the same responses are not invalidated.

    Args:
        request: the request.
        response: the status and header lines of its response.
        without_ignored: removes ignored query parameters from a URL.
    """
    references = [line for name in _REFERENCES if response.has(name) for line in fields.lines(response.headers, name)]
    tags = {
        tag_of_reference(request.url, value.decode("utf-8", "surrogateescape"), without_ignored) for value in references
    }
    groups = {request.group_tag(group) for group in fields.strings(response.get(b"cache-group-invalidation")) or ()}
    return {request.url_tag} | {tag for tag in tags if tag is not None} | groups


SUCCESS: Final = range(200, 400)
"""The status codes with which an unsafe request may have changed something (RFC 9111 §4.4)."""
