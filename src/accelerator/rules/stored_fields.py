"""The header fields of a stored response: which are not stored, and which the cache adds (RFC 9111 §3.1)."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.globs import matching
from accelerator.http.response import Response, vary_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.http.request import Vary
    from accelerator.notes import Notes
    from accelerator.options import Options


_CONTENT_FIELDS: Final = frozenset(
    {
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"content-language",
        b"content-range",
        b"transfer-encoding",
    }
)
_NOT_STORED: Final = frozenset(  # RFC 9111 §3.1; Age is computed for each answer
    b"age connection keep-alive proxy-authenticate proxy-authentication-info proxy-authorization proxy-connection te"
    b" trailer transfer-encoding upgrade".split()
)


@lru_cache(64)
def option_vary(names: tuple[str, ...]) -> Vary:
    """Return the fields of the option `vary`, in lower case."""
    return tuple(name.lower().encode("ascii") for name in names)


def without_tags(headers: fields.HeaderLines, options: Options) -> fields.HeaderLines:
    """Return header lines without the fields of the option `tag_headers`, which clients do not get."""
    hidden = {name.lower().encode("latin-1") for name in options.tag_headers}
    return tuple(line for line in headers if line[0].lower() not in hidden)


def added_for_browsers(response: Response) -> fields.HeaderLines:
    """Return `Cache-Control: no-cache` for a stored response that has neither Cache-Control nor Expires.

    Such a response is stored by what browsers do not see: `cache_for`, a targeted field or `default_ttl`. A browser
    would keep it for a heuristic lifetime (RFC 9111 §4.2.2), and its copy cannot be invalidated. With this line it
    validates its copy before each use, and mostly gets a 304.
    """
    if response.has(b"cache-control") or response.has(b"expires"):
        return ()
    return ((b"cache-control", b"no-cache"),)


def added_vary(response: Response, notes: Notes, options: Options) -> fields.HeaderLines:
    """Return a Vary line with the selecting fields that the response itself does not name (RFC 9110 §12.5.5).

    They are known from the option `vary` and the application's calls. The line tells them to clients and other caches.
    """
    names = {*option_vary(options.vary), *notes.vary}.difference(vary_of(response))
    return ((b"vary", b", ".join(sorted(names))),) if names else ()


def storable_lines(headers: fields.HeaderLines, options: Options) -> fields.HeaderLines:
    """Return header lines without those about one connection or one request."""
    is_unstored = _unstored(options.unstored_fields)
    return tuple(line for line in _end_to_end(headers) if not is_unstored(line[0]))


def lines_of_one_request(response: Response, options: Options) -> fields.HeaderLines:
    """Return the lines that are not stored because they describe one request, whose client alone gets them."""
    is_unstored = _unstored(options.unstored_fields)
    return tuple(line for line in _end_to_end(without_tags(response.headers, options)) if is_unstored(line[0]))


def _end_to_end(headers: fields.HeaderLines) -> fields.HeaderLines:
    """Return header lines without those about one connection, and those that Connection names (RFC 9111 §3.1)."""
    connection = fields.combined(headers, b"connection")
    unstored = _NOT_STORED if connection is None else _NOT_STORED.union(fields.field_names(connection))
    return tuple(line for line in headers if line[0].lower() not in unstored)


@lru_cache(64)
def _unstored(globs: tuple[str, ...]) -> Callable[[bytes], bool]:
    """Return a function that tells whether a field name matches one of the globs, in any case of either."""
    matches = matching([glob.lower() for glob in globs])
    return lambda name: matches(name.lower().decode("latin-1"))


def weak_etag(body: bytes) -> bytes:
    """Return a weak entity tag of a body (RFC 9110 §8.8.1)."""
    return b'W/"%s"' % blake2b(body, digest_size=12).hexdigest().encode("ascii")


def without_content_fields(headers: fields.HeaderLines) -> fields.HeaderLines:
    """Return header lines without those that describe content, for a response without it (RFC 9110 §15.4.5)."""
    return tuple([line for line in headers if line[0].lower() not in _CONTENT_FIELDS])
