"""The status and header lines of an application's response, and what they tell about the whole response."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from accelerator.http import fields
from accelerator.http.dates import http_date

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.asgi_types import Message
    from accelerator.http.request import Request, Vary


@dataclass(slots=True)
class Response:
    """The status and header lines of an application's response, without its body. It never changes.

    Attributes:
        status: the status code.
        headers: the header lines exactly as they were sent.
        requested: when the application was called, in seconds since the epoch.
        received: when the application sent status and header lines, in seconds since the epoch.
        vary: the field names that Vary lists, in lower case, sorted.
        get: returns the value of the field `name` (in lower case), its lines joined (RFC 9110 §5.3), None if it is
            absent. It is the method of a table, since a fill asks for some twenty fields.
        has: tells whether the response has the field `name` (in lower case).
    """

    status: int
    headers: fields.HeaderLines
    requested: float
    received: float
    vary: Vary = field(init=False, repr=False, compare=False)
    get: Callable[[bytes], bytes | None] = field(init=False, repr=False, compare=False)
    has: Callable[[bytes], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the fields once."""
        values = fields.joined(self.headers)
        self.get, self.has = values.get, values.__contains__
        self.vary = fields.field_names(values[b"vary"]) if b"vary" in values else ()

    @classmethod
    def read(cls, start: Message, requested: float, received: float) -> Response | None:
        """Return the response that an ASGI message starts, or None for a malformed message: the server handles it."""
        status, lines = start.get("status"), start.get("headers", ())
        try:
            headers = tuple(
                [
                    (name, value) if type(name) is type(value) is bytes else (_octets(name), _octets(value))
                    for name, value in lines
                ]
            )
        except (TypeError, ValueError):
            return None
        if not isinstance(status, int) or isinstance(status, bool):
            return None
        return cls(int(status), headers, requested, received)  # `http.HTTPStatus` is an int, too


def _octets(text: Any) -> bytes:
    """Return the bytes of a name or value that an application gives as another type, such as a bytearray."""
    return bytes(memoryview(text))


_EVENT_STREAMS: Final = frozenset({b"text/event-stream", b"multipart/x-mixed-replace"})


def is_event_stream(content_type: bytes | None) -> bool:
    """Tell whether a response may go on until its client leaves: server-sent events, or parts that replace each other.

    The cache passes such a response on as it comes, lets no other request wait for it, and ends it when its client
    leaves.

    Args:
        content_type: the value of its Content-Type, None if it has none.
    """
    media_type = (content_type or b"").partition(b";")[0]
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
    length = b"%d" % size
    return response.get(b"content-length") in {None, length} or all(
        (value.lstrip(b"0") or b"0") == length for value in fields.lines(response.headers, b"content-length")
    )


def has_all_content(response: Response, size: int) -> bool:
    """Tell whether `size` bytes are all that Content-Length promises, though the last chunk may not have come."""
    return size > 0 and response.has(b"content-length") and is_complete(response, size)
