"""The conditions of clients, answered from what is stored (RFC 9110 §13, RFC 9111 §4.3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.dates import http_date

if TYPE_CHECKING:
    from accelerator.http.request import Request


DATE_IS_SURE_AFTER: Final = 60
"""Seconds by which Last-Modified has to be older than Date to count as a validator (RFC 9110 §8.8.2.2)."""


def not_modified(request: Request, headers: fields.HeaderLines, received: float) -> bool:
    """Tell whether the client has a 200 response with these header lines already (RFC 9110 §13.2.2, RFC 9111 §4.3.2).

    Last-Modified counts only where it is sure: 60 seconds older than Date.
    """
    if (listed := request.get(b"if-none-match")) is not None:
        etag = fields.combined(headers, b"etag")
        return etag is not None and (
            listed == b"*" or any(fields.weakly_equal(etag, tag) for tag in fields.entity_tags(listed))
        )
    if (asked := request.get(b"if-modified-since")) is None:
        return False
    since = http_date(asked, received)
    modified = sure_last_modified(headers, received)
    return since is not None and modified is not None and modified <= since


def sure_last_modified(headers: fields.HeaderLines, received: float) -> float | None:
    """Return Last-Modified if nothing could change twice in its second, so that it validates (RFC 9110 §8.8.2.2)."""
    modified = http_date(fields.combined(headers, b"last-modified"), received)
    date = http_date(fields.combined(headers, b"date"), received)
    is_sure = modified is not None and modified <= (received if date is None else date) - DATE_IS_SURE_AFTER
    return modified if is_sure else None
