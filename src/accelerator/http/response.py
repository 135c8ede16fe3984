"""The status and header lines of an application's response, and what they tell about the whole response."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.dates import http_date

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator.asgi_types import Message
    from accelerator.http.request import Request, Vary


@dataclass(frozen=True)
class Response:
    """The status and header lines of an application's response, without its body.

    Attributes:
        status: the status code.
        headers: the header lines exactly as they were sent.
        requested: when the application was called, in seconds since the epoch.
        received: when the application sent status and header lines, in seconds since the epoch.
    """

    status: int
    headers: fields.HeaderLines
    requested: float
    received: float

    @classmethod
    def read(cls, start: Message, requested: float, received: float) -> Response | None:
        """Return the response that an ASGI message starts, or None for a malformed message: the server handles it."""
        status, lines = start.get("status"), start.get("headers", ())
        try:
            headers = tuple((bytes(memoryview(name)), bytes(memoryview(value))) for name, value in lines)
        except (TypeError, ValueError):
            return None
        if not isinstance(status, int) or isinstance(status, bool):
            return None
        return cls(int(status), headers, requested, received)  # `http.HTTPStatus` is an int, too

    def get(self, name: bytes) -> bytes | None:
        """Return the value of a field, its lines joined (RFC 9110 §5.3), None if it is absent."""
        return self._fields.get(name)

    def has(self, name: bytes) -> bool:
        """Tell whether the response has the field `name` (in lower case)."""
        return name in self._fields

    @cached_property
    def _fields(self) -> dict[bytes, bytes]:
        """The fields by their names in lower case; a fill asks for some fifteen of them."""
        values: dict[bytes, list[bytes]] = {}
        for name, value in self.headers:
            values.setdefault(name.lower(), []).append(value.strip(fields.BLANKS))
        return {name: b", ".join(lines) for name, lines in values.items()}


_EVENT_STREAMS: Final = frozenset({b"text/event-stream", b"multipart/x-mixed-replace"})


def vary_of(response: Response) -> Vary:
    """Return the field names that the Vary of a response lists, in lower case, sorted."""
    return fields.field_names(response.get(b"vary") or b"")


def is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a response may go on until its client leaves: server-sent events, or parts that replace each other.

    The cache passes such a response on as it comes, lets no other request wait for it, and ends it when its client
    leaves.
    """
    media_type = (fields.combined(headers, b"content-type") or b"").partition(b";")[0]
    return media_type.strip(fields.BLANKS).lower() in _EVENT_STREAMS


def validators_of(response: Response) -> tuple[bytes | None, bytes | None]:
    """Return ETag and Last-Modified; None for an absent or malformed one, which must not be sent (RFC 9110 §2.2)."""
    etag, modified = response.get(b"etag"), response.get(b"last-modified")
    return (
        etag if fields.is_entity_tag(etag) else None,
        modified if http_date(modified, response.received) is not None else None,
    )


def content_length(message: Request | Response) -> int:
    """Return the Content-Length of a message in bytes, 0 if it is absent or not a number."""
    return fields.delta_seconds((message.get(b"content-length") or b"").decode("latin-1")) or 0


def is_complete(response: Response, size: int) -> bool:
    """Tell whether a body of `size` bytes has the length of every Content-Length in the response (RFC 9112 §8)."""
    return all(
        (value.lstrip(b"0") or b"0") == b"%d" % size for value in fields.lines(response.headers, b"content-length")
    )
