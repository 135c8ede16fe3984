"""The header fields of a stored response: which are not stored, and which the cache adds (RFC 9111 §3.1)."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.globs import matching

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.http.response import Response
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
_NOT_STORED: Final = frozenset(  # RFC 9111 §3.1; Age is computed for each answer, Accelerator-Debug is about one
    b"accelerator-debug age connection keep-alive proxy-authenticate proxy-authentication-info proxy-authorization"
    b" proxy-connection te trailer transfer-encoding upgrade".split()
)
_MAX_REMEMBERED_BYTES: Final = 64
"""A longer name of a field is judged each time, so that what is remembered takes little memory."""

_ETAG_DIGITS: Final = 24  # 96 bits


def without_tags(response: Response, options: Options) -> fields.HeaderLines:
    """Return header lines without the fields of the option `tag_headers`, which clients do not get."""
    hidden = fields.lowered(options.tag_headers)
    if not any(map(response.has, hidden)):
        return response.headers
    return tuple([line for line in response.headers if line[0].lower() not in hidden])


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
    if not (options.vary or notes.vary):
        return ()
    names = {*fields.lowered(options.vary), *notes.vary}.difference(response.vary)
    return ((b"vary", b", ".join(sorted(names))),) if names else ()


def storable_lines(response: Response, options: Options) -> fields.HeaderLines:
    """Return header lines without tags, and without those about one connection or one request."""
    left_out, is_unstored = _left_out(response, options), _unstored(options.unstored_fields)
    return tuple([line for line in response.headers if line[0].lower() not in left_out and not is_unstored(line[0])])


def lines_of_one_request(response: Response, options: Options) -> fields.HeaderLines:
    """Return the lines that are not stored because they describe one request, whose client alone gets them."""
    left_out, is_unstored = _left_out(response, options), _unstored(options.unstored_fields)
    return tuple([line for line in response.headers if line[0].lower() not in left_out and is_unstored(line[0])])


def _left_out(response: Response, options: Options) -> frozenset[bytes]:
    """Return the fields that are tags, about one connection, or named by Connection (RFC 9111 §3.1)."""
    always = _never_stored(options.tag_headers)
    connection = response.get(b"connection")
    return always if connection is None else always.union(fields.field_names(connection))


@lru_cache(64)
def _never_stored(tag_headers: tuple[str, ...]) -> frozenset[bytes]:
    return _NOT_STORED.union(fields.lowered(tag_headers))


@lru_cache(64)
def _unstored(globs: tuple[str, ...]) -> Callable[[bytes], bool]:
    """Return a function that tells whether a field name matches one of the globs, in any case of either."""
    matches = matching([glob.lower() for glob in globs])

    def is_unstored(name: bytes) -> bool:
        return matches(name.lower().decode("latin-1"))

    remembered = lru_cache(1024)(is_unstored)
    return lambda name: remembered(name) if len(name) <= _MAX_REMEMBERED_BYTES else is_unstored(name)


def weak_etag(body: bytes) -> bytes:
    """Return a weak entity tag of a body (RFC 9110 §8.8.1). Processors have instructions for SHA-256."""
    return b'W/"%s"' % sha256(body).hexdigest()[:_ETAG_DIGITS].encode("ascii")


def without_content_fields(headers: fields.HeaderLines) -> fields.HeaderLines:
    """Return header lines without those that describe content, for a response without it (RFC 9110 §15.4.5)."""
    return tuple([line for line in headers if line[0].lower() not in _CONTENT_FIELDS])
