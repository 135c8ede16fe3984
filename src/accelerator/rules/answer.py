"""Answer a request from a stored response: with the whole, a range of it, or 304 if the client has it already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator.rules.conditions import not_modified
from accelerator.rules.entry import Answer
from accelerator.rules.ranges import part_of
from accelerator.rules.sent_tags import tag_lines
from accelerator.rules.stored_fields import without_content_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerator.http import fields
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry


def answer_from(
    entry: Entry, request: Request, age: float, cache_status: bytes | None, send_tags: tuple[str, ...] = ()
) -> Answer:
    """Return the answer to a request from an entry, after evaluating the request's conditions and its range.

    Conditions come before the range, and both apply only to a stored 200 (RFC 9110 §13.2.2, §14.2, RFC 9111 §4.3.2).

    Args:
        entry: an entry that matches the request, and was not invalidated hard.
        request: the request.
        age: the entry's current age in seconds, which the client gets as Age (RFC 9111 §5.1).
        cache_status: the member to append to Cache-Status, None for nothing.
        send_tags: the fields in which the client gets the entry's tags.
    """
    whole = entry.headers + entry.added
    headers: Sequence[tuple[bytes, bytes]] = whole
    status, body = entry.status, entry.body if request.wants_content else b""
    if status == 200:
        if not_modified(request, whole, entry.received):
            status, headers, body = 304, without_content_fields(whole), b""
        elif request.has_range and (part := part_of(request, entry, whole)) is not None:
            status, headers, body = part
    sent = tag_lines(entry.tags, send_tags) if send_tags else ()
    return Answer(status, [*headers, *sent, *current_lines(age, cache_status)], body)


def current_lines(age: float, cache_status: bytes | None) -> fields.HeaderLines:
    """Return the header lines of an answer that are not those of the entry: Age, and Cache-Status unless it is None."""
    line = (b"age", b"%d" % age)
    return (line,) if cache_status is None else (line, (b"cache-status", cache_status))
