"""Parse the directives of Cache-Control, and of the targeted fields that replace it (RFC 9111 §5.2, RFC 9213)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, cast

import http_sf

from accelerator.http.fields import _TOKEN, delta_seconds, members

_MAX_CONTROL_BYTES: Final = 8192

_MAX_REMEMBERED_BYTES: Final = 256
"""A longer value is parsed each time, so that what is remembered takes little memory."""

_FORBIDDING: Final = {
    "no-store": "no-store",
    "private": "private",
    "no-cache": "no-cache",
    "must-revalidate": "proxy-revalidate",  # unlike must-revalidate, it never permits storing (RFC 9111 §3.5)
    "proxy-revalidate": "proxy-revalidate",
}
"""The directive that a malformed member counts as, by the token with which the member begins."""

_TIMES: Final = ("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error")
"""The directives whose argument is a number of seconds."""


class CacheControl(dict[str, tuple[int | None, ...]]):
    """The directives of Cache-Control, or of a targeted field that replaces it (RFC 9111 §5.2, RFC 9213 §2.1).

    It has the arguments of each directive by its name: the number of seconds that each stands for, None where there is
    no argument. A malformed one counts as 0. It never changes.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, value: bytes | None) -> CacheControl:
        """Parse the value of Cache-Control; None has no directives.

        A malformed directive may forbid storing, but never permits it. A value over 8192 bytes counts as `no-store`.
        """
        if value is None:
            return _NOTHING
        return _remembered(value) if len(value) <= _MAX_REMEMBERED_BYTES else _parsed(value)

    @classmethod
    def targeted(cls, value: bytes | None) -> CacheControl | None:
        """Parse a targeted field such as CDN-Cache-Control (RFC 9213 §2.1).

        Return None if the field is to be ignored: it is absent, empty or malformed. A number of seconds that is not an
        Integer makes the whole field malformed.
        """
        if not value:
            return None
        try:
            dictionary = cast("dict[str, tuple[object, object]]", http_sf.parse(value, tltype="dictionary"))
        except ValueError:
            return None
        items = {name: item for name, (item, _) in dictionary.items()}
        if not all(type(items.get(name, 0)) is int for name in _TIMES):
            return None
        arguments = {
            name: (None if item is True else _seconds(str(item)),) for name, item in items.items() if item is not False
        }
        return cls(arguments) if items else None

    def has_any(self, *names: str) -> bool:
        """Tell whether at least one of the named directives is present."""
        return not self.keys().isdisjoint(names)

    def seconds(self, name: str, *, bare: int = 0) -> int | None:
        """Return the argument of a directive in seconds, None if the directive is absent.

        Of several arguments the smallest counts: RFC 9111 §4.2.1 asks caches to treat a response with invalid freshness
        information as stale.

        Args:
            name: the directive.
            bare: the number of seconds that a directive without an argument stands for.
        """
        arguments = self.get(name)
        if arguments is None:
            return None
        return min([bare if argument is None else argument for argument in arguments])


_NOTHING: Final = CacheControl()


def _parsed(value: bytes) -> CacheControl:
    found: dict[str, list[int | None]] = {}
    if len(value) > _MAX_CONTROL_BYTES:
        return CacheControl({"no-store": (None,)})
    for member in members(value):
        text, equals, argument = member.partition("=")
        token = _TOKEN.match(text.lower())
        name = token[0] if token else ""
        if name != text.strip(" \t").lower():
            name = _FORBIDDING.get(name, "")
        if name:  # a blank before the equals sign makes the argument malformed
            found.setdefault(name, []).append(
                _seconds(_unquoted(argument if name == text.lower() else "")) if equals else None
            )
    return CacheControl({name: tuple(arguments) for name, arguments in found.items()})


_remembered: Final = lru_cache(1024)(_parsed)  # applications say the same few values again and again


def _seconds(argument: str) -> int:
    return delta_seconds(argument) or 0


def _unquoted(argument: str) -> str:
    if len(argument) >= 2 and argument[0] == argument[-1] == '"':
        return re.sub(r"\\(.)", r"\1", argument[1:-1])
    return argument
