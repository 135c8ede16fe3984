"""Answer a request for one range from a stored response (RFC 9110 §14)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.dates import http_date
from accelerator.rules.conditions import strong_last_modified
from accelerator.rules.entry import Answer
from accelerator.rules.stored_fields import without_content_fields

if TYPE_CHECKING:
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry

_ONE_RANGE: Final = re.compile(rb"bytes=[ \t]*(\d*)-(\d*)", re.IGNORECASE)
_BEYOND: Final = 10**20
"""A position beyond the end of every body. A number with as many digits is not converted, and counts as this."""

_LIFETIMES: Final = (b"cache-control", b"surrogate-control", b"expires")
"""Suffixes of the fields that give a freshness lifetime. A 416 goes out without them, so that no cache keeps it."""

_OF_THE_WHOLE: Final = frozenset({b"content-length", b"content-range", b"content-md5", b"content-digest"})


def part_of(request: Request, entry: Entry, headers: fields.HeaderLines) -> Answer | None:
    """Return the 206 or 416 to a request for a range of a stored 200, None if the client gets the whole response.

    The client gets the whole if it asks for several ranges, if Range is malformed, or if If-Range does not match (RFC
    9110 §14.2, §13.1.5).

    Args:
        request: a GET with a Range.
        entry: the stored 200.
        headers: the header lines of the whole response.
    """
    asked = _ONE_RANGE.fullmatch(request.get(b"range") or b"")
    if asked is None or not _if_range_matches(request, entry, headers):
        return None
    size = len(entry.body)
    start, end = asked[1], asked[2]
    if start:
        first, last = _position(start), _position(end) if end else _BEYOND
        is_range = first <= last
    else:
        first, last = max(0, size - _position(end)), _BEYOND
        is_range = end != b"" and size > 0
    if not is_range:
        return None
    if first >= size:
        kept = tuple([line for line in without_content_fields(headers) if not line[0].lower().endswith(_LIFETIMES)])
        lines = (b"content-range", b"bytes */%d" % size), (b"content-length", b"0"), (b"cache-control", b"no-store")
        return Answer(416, kept + lines, b"")
    body = entry.body[first : last + 1]
    kept = tuple([line for line in headers if line[0].lower() not in _OF_THE_WHOLE])
    described = (
        (b"content-range", b"bytes %d-%d/%d" % (first, first + len(body) - 1, size)),
        (b"content-length", b"%d" % len(body)),
    )
    return Answer(206, kept + described, body)


def _position(digits: bytes) -> int:
    significant = digits.lstrip(b"0")
    return int(significant or b"0") if len(significant) < len(str(_BEYOND)) else _BEYOND


def _if_range_matches(request: Request, entry: Entry, headers: fields.HeaderLines) -> bool:
    """Tell whether If-Range is absent, or matches the entry by a strong validator (RFC 9110 §13.1.5)."""
    named = request.get(b"if-range")
    if named is None:
        return True
    if fields.is_strong(named):
        return named == entry.etag
    date = http_date(named, entry.received)
    return date is not None and date == strong_last_modified(headers, entry.received)
