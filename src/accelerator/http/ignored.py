"""Remove ignored query parameters and cookies from a request, before its key is made."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from accelerator.http.cookies import is_one
from accelerator.http.fields import BLANKS
from accelerator.http.globs import matching

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from accelerator.asgi_types import Scope


_QUERY = re.compile(r"\?([^#]*)")
_QUERIES: Final = 1024
"""The number of query strings whose form without ignored parameters is remembered."""

_QUERY_BYTES: Final = 256
"""A longer query string is not remembered. So all of them take less than 1 MB, whatever clients send."""

_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")


class Ignored:
    """The query parameters and cookies that are ignored: those that are named, or all but those that are kept.

    The others keep their bytes and their order. Names are matched with their case.

    Args:
        query: globs of the names of ignored query parameters.
        cookies: globs of the names of ignored cookies.
        keep_query: globs of the only query parameters that are not ignored, None to use `query`.
        keep_cookies: globs of the only cookies that are not ignored, None to use `cookies`.

    Attributes:
        has_parameters: whether query parameters may be ignored.
        has_cookies: whether cookies may be ignored.
    """

    def __init__(
        self,
        query: Collection[str] = (),
        cookies: Collection[str] = (),
        keep_query: Collection[str] | None = None,
        keep_cookies: Collection[str] | None = None,
    ) -> None:
        self._drops_parameter = _dropping(query, keep_query)
        self._drops_cookie = _dropping(cookies, keep_cookies)
        self._keeps_cookies_only = keep_cookies is not None
        self._keeps_parameters_only = keep_query is not None
        self._kept_of_short_query = lru_cache(_QUERIES)(self._kept_of_query)
        self.has_parameters = bool(query) or keep_query is not None
        self.has_cookies = bool(cookies) or keep_cookies is not None
        self._is_nothing = not (self.has_parameters or self.has_cookies)

    def scope(self, scope: Scope) -> Scope:
        """Return the scope of a request without ignored query parameters and cookies."""
        if self._is_nothing:
            return scope
        lines = [
            (name, kept) for name, value in scope["headers"] if (kept := self._kept_of_field(name, value)) is not None
        ]
        return {**scope, "query_string": self.query(scope.get("query_string", b"")), "headers": lines}

    def query(self, query: bytes) -> bytes:
        """Return a query string without ignored parameters."""
        if not (query and self.has_parameters):
            return query
        return self._kept_of_query(query) if len(query) > _QUERY_BYTES else self._kept_of_short_query(query)

    def _kept_of_query(self, query: bytes) -> bytes:
        keeps_blanks = not self._keeps_parameters_only
        drops = _Judged(lambda name: self._drops_parameter(_parameter_name(name)))
        pairs = query.split(b"&")
        return b"&".join([p for p in pairs if (not drops[p.partition(b"=")[0]] if p else keeps_blanks)])

    def url(self, url: str) -> str:
        """Return a URL without ignored query parameters."""
        return url if self._is_nothing else _QUERY.sub(self._kept_of_match, url, count=1)

    def _kept_of_match(self, match: re.Match[str]) -> str:
        kept = self.query(match[1].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        return f"?{kept}" if kept else ""

    def _kept_of_field(self, name: bytes, value: bytes) -> bytes | None:
        """Return the value of a request field without ignored cookies, None if it has no other."""
        if name.lower() != b"cookie":
            return value
        drops = _Judged(self._drops_pair)
        pairs = value.split(b";")
        kept = [pair for pair in pairs if not drops[pair]]
        return value if len(kept) == len(pairs) else b";".join(kept).strip(BLANKS) or None

    def _drops_pair(self, pair: bytes) -> bool:
        """Tell whether a cookie is ignored.

        A cookie without a name is ignored only with `keep_cookies`. Then a cookie that an application may read as two
        is ignored as well.
        """
        name, equals, _ = pair.partition(b"=")
        if self._keeps_cookies_only and not (equals and is_one(pair.strip(BLANKS))):
            return True
        return bool(equals) and self._drops_cookie(_text(name.strip(BLANKS)))


class _Judged(dict[bytes, bool]):
    """Which names in one request are ignored. Each is judged once, because a client may repeat a name 30,000 times."""

    def __init__(self, judge: Callable[[bytes], bool]) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, name: bytes) -> bool:
        self[name] = verdict = self._judge(name)
        return verdict


def _dropping(ignored: Collection[str], kept: Collection[str] | None) -> Callable[[str], bool]:
    """Return a function that tells whether a name is ignored."""
    if kept is None:
        return matching(ignored)
    is_kept = matching(kept)
    return lambda name: not is_kept(name)


def _parameter_name(name: bytes) -> str:
    # `unquote_to_bytes` is too slow: it takes a tenth of a second for 64 KB of `%`
    return _text(_ESCAPE.sub(lambda escape: bytes.fromhex(escape[0][1:].decode()), name.replace(b"+", b" ")))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
