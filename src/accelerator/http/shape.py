"""How a request with certain header lines is read, told by their names alone.

Browsers of one kind send the same names in the same order with each request. So what the names mean is found once, and
remembered.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

from accelerator.http.request import CONDITIONS

if TYPE_CHECKING:
    from accelerator.http.request import RequestRules

name_of_line: Final = itemgetter(0)

_SHAPES: Final = 256
"""The number of shapes that are remembered."""

_MAX_BYTES: Final = 1024
"""Longer lists of names are not read here. So all shapes together take less than 2 MB, whatever clients send."""


class Shape:
    """The places of the header lines of a request with only plain fields, each of them once.

    Args:
        names: the names of its lines, in lower case and in order.
        keyed: names of fields that are part of the key.

    Attributes:
        length: the number of lines.
        places: the place of each line by its name.
        host: the place of Host.
        cookie: the place of Cookie, None if there is none.
        if_none_match: the place of If-None-Match, None if there is none.
        key_fields: the places of the fields that are part of the key.
    """

    __slots__ = ("cookie", "host", "if_none_match", "key_fields", "length", "places")

    def __init__(self, names: list[bytes], keyed: frozenset[bytes]) -> None:
        self.length = len(names)
        self.places = {name: place for place, name in enumerate(names)}
        self.host = self.places[b"host"]
        self.cookie = self.places.get(b"cookie")
        self.if_none_match = self.places.get(b"if-none-match")
        self.key_fields = [place for place, name in enumerate(names) if name in keyed]


class Shapes(dict[bytes, "Shape | None"]):
    """The shapes by the names of the header lines, joined by newlines. A missing one is found, and added.

    The shape is None for names that ask for more than a stored response as a whole or a 304: for a range, for an answer
    to one user, for a condition that only the origin can evaluate, and so on. Then nothing is said about the request.

    Args:
        rules: how requests are read.
    """

    def __init__(self, rules: RequestRules) -> None:
        super().__init__()
        self._keyed = rules.keyed
        self._conditions = rules.ordinary & {b"if-none-match", b"if-modified-since"}
        allowed = rules.ordinary.difference(CONDITIONS).union(rules.keyed, self._conditions, {b"host", b"cookie"})
        self._names = {name: name for name in allowed}  # shapes share the texts of their names

    def __missing__(self, joined_names: bytes) -> Shape | None:
        if len(joined_names) > _MAX_BYTES:
            return None
        if len(self) >= _SHAPES:
            self.clear()
        self[joined_names] = shape = self._found(joined_names.split(b"\n"))
        return shape

    def _found(self, names: list[bytes]) -> Shape | None:
        found = set(names)
        if len(found) < len(names) or b"host" not in found or not self._names.keys() >= found:
            return None
        if b"if-none-match" not in found and not self._conditions.isdisjoint(found):
            return None  # If-Modified-Since counts: If-None-Match would come before it (RFC 9110 §13.2.2)
        return Shape([self._names[name] for name in names], self._keyed)
