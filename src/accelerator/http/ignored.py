"""What of a request does not count: query parameters and cookies that are taken off before anybody sees them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from accelerator.http.cookies import is_one
from accelerator.http.fields import BLANKS
from accelerator.http.globs import matching

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from accelerator.asgi_types import Scope


_QUERY = re.compile(r"\?([^#]*)")
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")


class Ignored:
    """The query parameters and cookies that do not count: those that are named, or all but those that are kept.

    What is left keeps its bytes and its order. Names are compared with their case.

    Args:
        query: globs of names of query parameters that do not count.
        cookies: globs of names of cookies that do not count.
        keep_query: globs of names of the only query parameters that count, None if that is not said.
        keep_cookies: the same for cookies.
    """

    def __init__(
        self,
        query: Collection[str] = (),
        cookies: Collection[str] = (),
        keep_query: Collection[str] | None = None,
        keep_cookies: Collection[str] | None = None,
    ) -> None:
        self._is_nothing = not (query or cookies) and keep_query is None and keep_cookies is None
        self._drops_parameter = _dropping(query, keep_query)
        self._drops_cookie = _dropping(cookies, keep_cookies)
        self._keeps_cookies_only = keep_cookies is not None
        self._keeps_parameters_only = keep_query is not None

    def scope(self, scope: Scope) -> Scope:
        """Return the scope of a request without what does not count."""
        if self._is_nothing:
            return scope
        lines = [
            (name, kept) for name, value in scope["headers"] if (kept := self._kept_of_field(name, value)) is not None
        ]
        return {**scope, "query_string": self.query(scope.get("query_string", b"")), "headers": lines}

    def query(self, query: bytes) -> bytes:
        """Return a query without the parameters that do not count."""
        if self._is_nothing or not query:
            return query
        keeps_blanks = not self._keeps_parameters_only
        drops = _Verdicts(lambda name: self._drops_parameter(_parameter_name(name)))
        pairs = query.split(b"&")
        return b"&".join([p for p in pairs if (not drops[p.partition(b"=")[0]] if p else keeps_blanks)])

    def url(self, url: str) -> str:
        """Return a URL without the parameters that do not count."""
        return url if self._is_nothing else _QUERY.sub(self._kept_of_query, url, count=1)

    def _kept_of_query(self, match: re.Match[str]) -> str:
        kept = self.query(match[1].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        return f"?{kept}" if kept else ""

    def _kept_of_field(self, name: bytes, value: bytes) -> bytes | None:
        """Return a field without the cookies that do not count, None if nothing else was in it."""
        if name.lower() != b"cookie":
            return value
        drops = _Verdicts(self._drops_pair)
        pairs = value.split(b";")
        kept = [pair for pair in pairs if not drops[pair]]
        return value if len(kept) == len(pairs) else b";".join(kept).strip(BLANKS) or None

    def _drops_pair(self, pair: bytes) -> bool:
        """Tell whether a cookie does not count.

        One without a name counts unless only named ones do; then what may be read as two cookies does not count either.
        """
        name, equals, _ = pair.partition(b"=")
        if self._keeps_cookies_only and not (equals and is_one(pair.strip(BLANKS))):
            return True
        return bool(equals) and self._drops_cookie(_text(name.strip(BLANKS)))


class _Verdicts(dict[bytes, bool]):
    """What was found of the names of one request, each looked at once: a stranger may repeat one 30,000 times."""

    def __init__(self, judge: Callable[[bytes], bool]) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, name: bytes) -> bool:
        self[name] = verdict = self._judge(name)
        return verdict


def _dropping(ignored: Collection[str], kept: Collection[str] | None) -> Callable[[str], bool]:
    """Return what tells whether a name does not count."""
    if kept is None:
        return matching(ignored)
    is_kept = matching(kept)
    return lambda name: not is_kept(name)


def _parameter_name(name: bytes) -> str:
    # not by `unquote_to_bytes`, which takes a tenth of a second for 64 KB of `%`
    return _text(_ESCAPE.sub(lambda escape: bytes.fromhex(escape[0][1:].decode()), name.replace(b"+", b" ")))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
