"""Evaluate the conditions of a client's request against a response (RFC 9110 §13, RFC 9111 §4.3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.dates import http_date

if TYPE_CHECKING:
    from accelerator.http.request import Request


STRONG_DATE_SECONDS: Final = 60
"""Last-Modified is used as a validator only if it is older than Date by this many seconds (RFC 9110 §8.8.2.2)."""


def not_modified(request: Request, headers: fields.HeaderLines, received: float) -> bool:
    """Tell whether the conditions of a request ask for 304 in place of a 200 (RFC 9110 §13.2.2, RFC 9111 §4.3.2).

    If-None-Match comes before If-Modified-Since. Last-Modified is used only if it is 60 seconds older than Date.

    Args:
        request: the request.
        headers: the header lines of the 200.
        received: when the 200 was received, in seconds since the epoch.
    """
    if (listed := request.get(b"if-none-match")) is not None:
        etag = fields.combined(headers, b"etag")
        return etag is not None and (listed == b"*" or _lists(listed, etag))
    if (asked := request.get(b"if-modified-since")) is None:
        return False
    since = http_date(asked, received)
    modified = strong_last_modified(headers, received)
    return since is not None and modified is not None and modified <= since


def conditions_for(etag: bytes) -> tuple[bytes, ...]:
    """Return the values of If-None-Match that name one ETag and no other: as a weak and as a strong one.

    For each of them a 200 with this ETag is answered by 304 (RFC 9110 §13.1.2).
    """
    strong = etag.removeprefix(b"W/")
    return tuple([value for value in (strong, b"W/" + strong) if _lists(value, etag)])


def _lists(listed: bytes, etag: bytes) -> bool:
    """Tell whether a list of entity tags has one that is equal to `etag` by weak comparison (RFC 9110 §8.8.3.2)."""
    return any(fields.weakly_equal(etag, tag) for tag in fields.entity_tags(listed))


def strong_last_modified(headers: fields.HeaderLines, received: float) -> float | None:
    """Return Last-Modified in seconds since the epoch, None if it is absent, malformed or no strong validator.

    It is a strong validator if it is 60 seconds older than Date, or than `received` where there is no Date. A later one
    may name a second in which the response has changed twice (RFC 9110 §8.8.2.2).
    """
    modified = http_date(fields.combined(headers, b"last-modified"), received)
    date = http_date(fields.combined(headers, b"date"), received)
    is_sure = modified is not None and modified <= (received if date is None else date) - STRONG_DATE_SECONDS
    return modified if is_sure else None
