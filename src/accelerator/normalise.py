"""What of a request does not count, and the forms in which the rest is compared: more hits, with the same meaning.

One rule makes both safe: what is not in the key is not shown to the application. It sees a request in the form in which
the cache compares it, so two requests that are the same to the cache are the same to it.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from accelerator.cookies import is_one
from accelerator.headers import BLANKS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from accelerator.asgi_types import Scope

MAX_FORM_BYTES: Final = 256
"""A longer value stays as it is."""

_MAX_FORMS: Final = 1024
_QUERY = re.compile(r"\?([^#]*)")
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")


# --- what does not count ----------------------------------------------------------------------------------------------


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


def matching(globs: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether a name matches one of the globs."""
    pattern = re.compile("|".join(map(translate, globs)) or r"(?!)")
    return lambda name: pattern.match(name) is not None


def _parameter_name(name: bytes) -> str:
    # not by `unquote_to_bytes`, which takes a tenth of a second for 64 KB of `%`
    return _text(_ESCAPE.sub(lambda escape: bytes.fromhex(escape[0][1:].decode()), name.replace(b"+", b" ")))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


# --- the form of what counts ------------------------------------------------------------------------------------------


def canonical(name: bytes, value: bytes) -> bytes:
    """Return a request's field in the form in which it is compared and shown (RFC 9111 §4.1).

    Text with commas that part nothing stays as it is.

    Args:
        name: its name in lower case.
        value: its lines, joined.
    """
    if name in _FORMS:
        return _canonical(name, value) if len(value) <= MAX_FORM_BYTES else value
    return value if name in _TEXTS else _listed(value)


@lru_cache(_MAX_FORMS)
def _canonical(name: bytes, value: bytes) -> bytes:
    return _FORMS[name](value)


_WEIGHT: Final = rb"(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"  # RFC 9110 §12.4.2
_CODING = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)" + _WEIGHT)
_LANGUAGE = re.compile(rb"([A-Za-z]{1,8}(?:-[0-9A-Za-z]{1,8})*|\*)" + _WEIGHT)  # RFC 4647 §2.1
_CODINGS: Final = {name: place for place, name in enumerate((b"gzip", b"deflate", b"br", b"zstd", b"identity", b"*"))}
"""The order in which browsers name them, so that their fields stay as they are."""


def _accept_encoding(value: bytes) -> bytes:
    """Return the codings that are accepted, the preferred ones first (RFC 9110 §12.5.3).

    The order of equally preferred ones means nothing. A malformed value stays as it is.
    """
    weights = _weights(value, _CODING)
    if weights is None:
        return value
    if b"*" not in weights:  # then what is not named is not accepted either
        weights = {name: weight for name, weight in weights.items() if weight or name == b"identity"}
    ranked = sorted(weights.items(), key=lambda item: (-item[1], _CODINGS.get(item[0], len(_CODINGS))))
    return b", ".join([name + _weight(weight) for name, weight in ranked]) or b"identity"


def _accept_language(value: bytes) -> bytes:
    """Return the languages, the preferred ones first (RFC 9110 §12.5.4).

    The order of equally preferred ones means nothing. A malformed value stays as it is.
    """
    weights = _weights(value, _LANGUAGE)
    if weights is None:
        return value
    ranked = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return b",".join([_language_tag(name) + _weight(weight) for name, weight in ranked])


def takes_codings(value: bytes | None) -> bool:
    """Tell whether an Accept-Encoding would rather have gzip, which all that compress know (RFC 9110 §12.5.3).

    A wildcard does not say so: many applications look for the name alone.
    """
    weights = _weights(value, _CODING) if value is not None and len(value) <= MAX_FORM_BYTES else None
    if not weights:
        return False
    gzip = max(weights.get(b"gzip", 0), weights.get(b"x-gzip", 0))
    return gzip > 0 and gzip >= weights.get(b"identity", 0)


def _weights(value: bytes, syntax: re.Pattern[bytes]) -> dict[bytes, int] | None:
    """Return thousandths by name in lower case, None if a member is malformed or names what another one does."""
    weights: dict[bytes, int] = {}
    for member in value.split(b","):
        if not (text := member.strip(BLANKS)):  # RFC 9110 §5.6.1.2: it does not count
            continue
        match = syntax.fullmatch(text)
        if match is None or match[1].lower() in weights:
            return None
        weights[match[1].lower()] = round(1000 * float(match[2] or 1))
    return weights


def _weight(thousandths: int) -> bytes:
    """Write a weight as short as it can be; 1 is what is meant without one."""
    return b"" if thousandths == 1000 else b";q=0" + (b".%03d" % thousandths).rstrip(b"0.")


def _language_tag(name: bytes) -> bytes:
    """Write a tag in its usual case, as browsers do: `zh-Hans-CN` (RFC 5646 §2.1.1)."""
    subtags = name.split(b"-")
    for place, subtag in enumerate(subtags):
        if len(subtag) == 1:  # what follows is in lower case
            break
        if place and len(subtag) == 2:
            subtags[place] = subtag.upper()
        elif place and len(subtag) == 4:
            subtags[place] = subtag.title()
    return b"-".join(subtags)


def _accept(value: bytes) -> bytes:
    """Return the media types without blanks around the commas, as browsers write them (RFC 9110 §12.5.1)."""
    return _listed(value, b",")


def _listed(value: bytes, comma: bytes = b", ") -> bytes:
    """Return a list with the same blanks at each comma (RFC 9110 §5.6.1); inside quotes they mean something."""
    return (
        value if b"," not in value or b'"' in value else comma.join([part.strip(BLANKS) for part in value.split(b",")])
    )


_TEXTS: Final = frozenset(b"authorization cookie date from host if-modified-since if-range referer user-agent".split())
"""Fields that are no lists."""

_FORMS: Final = {
    b"accept": _accept,
    b"accept-encoding": _accept_encoding,
    b"accept-language": _accept_language,
}
