"""The header fields of a stored response: which are not stored, and which the cache adds (RFC 9111 §3.1)."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.globs import matching

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

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
_NOT_STORED: Final = frozenset(  # RFC 9111 §3.1; Age is computed for each answer
    b"age connection keep-alive proxy-authenticate proxy-authentication-info proxy-authorization proxy-connection te"
    b" trailer transfer-encoding upgrade".split()
)
_ETAG_DIGITS: Final = 24  # 96 bits


def without_tags(response: Response, options: Options) -> fields.HeaderLines:
    """Return header lines without the fields of the option `tag_headers`, which clients do not get."""
    return _without(response, response.headers, fields.lowered(options.tag_headers))


def _without(response: Response, lines: fields.HeaderLines, names: Collection[bytes]) -> fields.HeaderLines:
    """Return those of the lines of a response whose names, in lower case, are not among `names`."""
    return tuple([line for line in lines if line[0].lower() not in names]) if response.has_any(names) else lines


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
    is_unstored = _unstored(options.unstored_fields)
    return tuple([line for line in _end_to_end(response, options) if not is_unstored(line[0])])


def lines_of_one_request(response: Response, options: Options) -> fields.HeaderLines:
    """Return the lines that are not stored because they describe one request, whose client alone gets them."""
    is_unstored = _unstored(options.unstored_fields)
    return tuple([line for line in _end_to_end(response, options) if is_unstored(line[0])])


def _end_to_end(response: Response, options: Options) -> fields.HeaderLines:
    """Return header lines without tags, those about one connection, and those that Connection names (RFC 9111 §3.1)."""
    connection = response.get(b"connection")
    unstored = _NOT_STORED if connection is None else _NOT_STORED.union(fields.field_names(connection))
    return _without(response, without_tags(response, options), unstored)


@lru_cache(64)
def _unstored(globs: tuple[str, ...]) -> Callable[[bytes], bool]:
    """Return a function that tells whether a field name matches one of the globs, in any case of either."""
    matches = matching([glob.lower() for glob in globs])
    return lru_cache(1024)(lambda name: matches(name.lower().decode("latin-1")))


def weak_etag(body: bytes) -> bytes:
    """Return a weak entity tag of a body (RFC 9110 §8.8.1). Processors have instructions for SHA-256."""
    return b'W/"%s"' % sha256(body).hexdigest()[:_ETAG_DIGITS].encode("ascii")


def without_content_fields(headers: fields.HeaderLines) -> fields.HeaderLines:
    """Return header lines without those that describe content, for a response without it (RFC 9110 §15.4.5)."""
    return tuple([line for line in headers if line[0].lower() not in _CONTENT_FIELDS])
