"""The start of an application's response, and what it says of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.dates import http_date
from accelerator.http.request import Vary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator.asgi_types import Message
    from accelerator.http.request import Request
if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator.http.request import Vary


@dataclass(frozen=True, slots=True)
class Response:
    """The start of an application's response, and when it came.

    Attributes:
        status: the status code.
        headers: the header lines exactly as they were sent.
        requested: when the application was called, in seconds since the epoch.
        received: when it started to answer.
    """

    status: int
    headers: fields.HeaderLines
    requested: float
    received: float

    @classmethod
    def read(cls, start: Message, requested: float, received: float) -> Response | None:
        """Return the response that a message starts, None if it is not as ASGI says: the server is to judge that."""
        status, lines = start.get("status"), start.get("headers", ())
        try:
            headers = tuple((bytes(memoryview(name)), bytes(memoryview(value))) for name, value in lines)
        except (TypeError, ValueError):
            return None
        if not isinstance(status, int) or isinstance(status, bool):
            return None
        return cls(int(status), headers, requested, received)  # `http.HTTPStatus` is an int, too

    def get(self, name: bytes) -> bytes | None:
        """Return a field, its lines joined (RFC 9110 §5.3), None if it is absent."""
        return fields.combined(self.headers, name)

    def has(self, name: bytes) -> bool:
        """Tell whether there is such a field."""
        return any(line.lower() == name for line, _ in self.headers)


_EVENT_STREAMS: Final = frozenset({b"text/event-stream", b"multipart/x-mixed-replace"})


def vary_of(response: Response) -> Vary:
    """Return the names that Vary lists."""
    return fields.field_names(response.get(b"vary") or b"")


def is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a response goes on for as long as somebody listens: server-sent events, parts that take turns.

    Nothing of it is done for nobody: it is passed on as it comes, no other request waits for it, and it ends with its
    client.
    """
    media_type = (fields.combined(headers, b"content-type") or b"").partition(b";")[0]
    return media_type.strip(fields.BLANKS).lower() in _EVENT_STREAMS


def validators_of(response: Response) -> tuple[bytes | None, bytes | None]:
    """Return ETag and Last-Modified as far as they are well-formed: no other may be sent on (RFC 9110 §2.2)."""
    etag, modified = response.get(b"etag"), response.get(b"last-modified")
    return (
        etag if fields.is_entity_tag(etag) else None,
        modified if http_date(modified, response.received) is not None else None,
    )


def promised_size(message: Request | Response) -> int:
    """Return the Content-Length of a message, 0 where there is none or it is no number."""
    return fields.delta_seconds((message.get(b"content-length") or b"").decode("latin-1")) or 0


def complete(response: Response, size: int) -> bool:
    """Tell whether a body of `size` bytes is the whole one (RFC 9112 §8)."""
    return all(
        (value.lstrip(b"0") or b"0") == b"%d" % size for value in fields.lines(response.headers, b"content-length")
    )
