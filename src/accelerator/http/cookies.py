"""The pairs of a Cookie field, for an application whose grammar for them is not known.

RFC 6265 parts pairs by `;`. Some applications part them by blanks or commas, too, or take more off names than blanks.
So what is to count is found wherever its name occurs, and what is not to count has to be written plainly.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from accelerator.http.fields import BLANKS

if TYPE_CHECKING:
    from collections.abc import Iterable

_OCTET: Final = rb"[!#-+\--:<-\[\]-~]"  # RFC 6265 §4.1.1
_SECOND: Final = re.compile(rb"""[\s,"'][^\s,"'=]+=""")


def naming(cookies: bytes, names: Iterable[bytes]) -> list[bytes]:
    """Return the pairs in which one of the names occurs, in their order."""
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
    """Return what finds the plainly written pairs of these names, each with the `;` before it."""
    return re.compile(rb"(?:^|;)[ \t]*+(?:%b)=%b*+[ \t]*+(?=;|$)" % (b"|".join(map(re.escape, names)), _OCTET))


def is_one(pair: bytes) -> bool:
    """Tell whether nobody reads a second pair in what stands between two `;`."""
    return _SECOND.search(pair) is None
