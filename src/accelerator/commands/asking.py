"""Ask a running site by one GET."""

from __future__ import annotations

import http.client
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, urlsplit

import click

from accelerator.commands.printing import shown
from accelerator.http.fields import is_token

if TYPE_CHECKING:
    from collections.abc import Iterable
    from urllib.parse import SplitResult

SECONDS: Final = 10.0
"""How long the site may take, for its answer and again for the content."""

_EXAMPLE: Final = "a URL is such as https://example.org/users/42"
_KEPT: Final = "".join(map(chr, range(0x21, 0x7F)))  # what stands in a URL already; the rest is percent-encoded
_LIKE_BROWSERS: Final = {
    "Accept-Encoding": b"gzip, deflate, br",
    "User-Agent": b"accelerator explain",
    "Accept": b"*/*",
}


class Answer(NamedTuple):
    """What a site has answered.

    Attributes:
        status: the status code.
        fields: the fields by name in lower case, the lines of each joined.
        content: the beginning of the content, as far as it was to be kept.
    """

    status: int
    fields: dict[str, str]
    content: bytes


def field_of(line: str) -> tuple[str, bytes]:
    """Return name and value of a request field, given as `Name: value`.

    Raises:
        click.ClickException: it is none. Its value is not repeated, for it may be a secret.
    """
    name, colon, value = line.partition(":")
    if not (colon and is_token(name)):
        raise click.ClickException("a field is such as -H 'Cookie: a=b': a name, a colon and a value")
    value = value.strip()
    if not value.isprintable():
        raise click.ClickException(f"the value of {name} has characters that no field may have")
    return name, value.encode()


def get(url: str, fields: Iterable[tuple[str, bytes]], keep: int = 0) -> Answer:
    """Ask a site for a URL, follow nothing, and read the content, for a response is stored at its end.

    Args:
        url: an absolute http or https URL.
        fields: the request fields, beside those that browsers send.
        keep: the bytes of the content that are kept.

    Raises:
        click.ClickException: it is no such URL, or the site does not answer.
    """
    parts = _split(url)
    target = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    given = {name.lower(): (name, value) for name, value in [*_LIKE_BROWSERS.items(), *fields]}
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = make(parts.hostname or "", parts.port, timeout=SECONDS)
        try:
            connection.request("GET", target, headers=dict(given.values()))
            return _read(connection.getresponse(), keep)
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        words = f"{parts.hostname} does not answer: {reason}. Is it the address that the site listens on?"
        raise click.ClickException(shown(words)) from None


def parts_of(url: str) -> SplitResult | None:
    """Return the parts of an absolute http or https URL, None if it is none."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_right else None


def _split(url: str) -> SplitResult:
    parts = parts_of(url)
    if parts is None:
        raise click.ClickException(f"{_EXAMPLE}, not {url!r:.200}")
    if parts.username is not None or parts.password is not None:
        raise click.ClickException(f"{_EXAMPLE}, without a user: say it by -H 'Authorization: ...'")
    return parts


def _read(response: http.client.HTTPResponse, keep: int) -> Answer:
    fields: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    content = bytearray()
    if not fields.get("content-type", "").startswith("text/event-stream"):
        until = monotonic() + SECONDS
        with suppress(OSError, http.client.HTTPException):  # the fields are what was asked for
            while monotonic() < until and (chunk := response.read(65536)):
                content += chunk[: keep - len(content)]
    return Answer(response.status, fields, bytes(content))
