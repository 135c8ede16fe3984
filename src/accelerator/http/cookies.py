"""Find cookies in a Cookie field, although it is not known how the application parses the field.

RFC 6265 separates cookies by `;`. Some applications also split at blanks or commas, or strip more than blanks from
names. So a cookie that selects a response is found wherever its name occurs. A cookie is ignored only if it is written
so that every application reads it in the same way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from accelerator.http.fields import BLANKS, is_token

if TYPE_CHECKING:
    from collections.abc import Iterable

_OCTET: Final = rb"[!#-+\--:<-\[\]-~]"  # RFC 6265 §4.1.1
_SECOND: Final = re.compile(rb"""[\s,"'][^\s,"'=]+=""")


def naming(cookies: bytes, names: Iterable[bytes]) -> list[bytes]:
    """Return the texts between two `;` in which one of the names occurs anywhere, in the order of the field."""
    places = set()
    for name in names:
        found = cookies.find(name)
        while found >= 0:
            end = cookies.find(b";", found)
            end = len(cookies) if end < 0 else end
            places.add((cookies.rfind(b";", 0, found) + 1, end))
            found = cookies.find(name, end)
    return [cookies[start:end].strip(BLANKS) for start, end in sorted(places)]


def called(names: Iterable[bytes]) -> re.Pattern[bytes]:
    """Return a pattern for cookies with these names that follow RFC 6265 §4.1.1, each with the `;` before it."""
    return re.compile(rb"(?:^|;)[ \t]*+(?:%b)=%b*+[ \t]*+(?=;|$)" % (b"|".join(map(re.escape, names)), _OCTET))


def is_one(pair: bytes) -> bool:
    """Tell whether every application reads at most one cookie in `pair`, the text between two `;`."""
    return _SECOND.search(pair) is None


def names_of(pairs: Iterable[bytes]) -> list[str]:
    """Return the names of cookies, each once. What may be a value without a name has `(no name)` in its place."""
    found = [pair.strip(BLANKS).partition(b"=") for pair in pairs]
    names = [(name.decode("latin-1"), value.strip(b"=")) for name, _, value in found]
    return [*dict.fromkeys([name if value and is_token(name) else "(no name)" for name, value in names])]
