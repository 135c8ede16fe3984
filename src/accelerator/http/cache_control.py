"""The directives of Cache-Control, and of the targeted fields that replace it (RFC 9111 §5.2, RFC 9213)."""

from __future__ import annotations

import re
from typing import Final, cast

import http_sf

from accelerator.http.fields import _TOKEN, delta_seconds, members

_MAX_CONTROL_BYTES: Final = 8192

_FORBIDDING: Final = {
    "no-store": "no-store",
    "private": "private",
    "no-cache": "no-cache",
    "must-revalidate": "proxy-revalidate",  # forbids the same, but allows nothing
    "proxy-revalidate": "proxy-revalidate",
}
"""What directives with a malformed name count as."""

_TIMES: Final = ("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error")
"""Directives whose argument is a number of seconds."""


class CacheControl:
    """The directives of Cache-Control, or of a targeted field that replaces it (RFC 9111 §5.2, RFC 9213 §2.1)."""

    __slots__ = ("_arguments",)

    def __init__(self, arguments: dict[str, list[str | None]]) -> None:
        self._arguments = arguments

    @classmethod
    def parse(cls, value: bytes | None) -> CacheControl:
        """Read a Cache-Control value; what is malformed can only forbid storing, never allow it."""
        arguments: dict[str, list[str | None]] = {}
        if value is None:
            return cls(arguments)
        if len(value) > _MAX_CONTROL_BYTES:
            return cls({"no-store": [None]})
        for member in members(value):
            text, equals, argument = member.partition("=")
            token = _TOKEN.match(text.lower())
            name = token[0] if token else ""
            if name != text.strip(" \t").lower():
                name = _FORBIDDING.get(name, "")
            if name:  # a blank beside the equals sign makes the argument malformed
                arguments.setdefault(name, []).append(
                    _unquoted(argument if name == text.lower() else "") if equals else None
                )
        return cls(arguments)

    @classmethod
    def targeted(cls, value: bytes | None) -> CacheControl | None:
        """Read a targeted field; None if it is absent, empty or malformed, which ignores it (RFC 9213 §2.1).

        A time that is no Integer makes it malformed, too.
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
        arguments = {name: [None if item is True else str(item)] for name, item in items.items() if item is not False}
        return cls(arguments) if items else None

    def __contains__(self, name: str) -> bool:
        return name in self._arguments

    def has_any(self, *names: str) -> bool:
        """Tell whether one of the directives is there."""
        return any(name in self._arguments for name in names)

    def seconds(self, name: str, *, bare: int = 0) -> int | None:
        """Return the argument of `name` in seconds, None if the directive is absent, `bare` if it has no argument.

        A malformed one counts as 0, and of several the smallest counts: RFC 9111 §4.2.1 asks to take what is
        invalid for stale.
        """
        arguments = self._arguments.get(name)
        if arguments is None:
            return None
        return min(bare if argument is None else delta_seconds(argument) or 0 for argument in arguments)


def _unquoted(argument: str) -> str:
    if len(argument) >= 2 and argument[0] == argument[-1] == '"':
        return re.sub(r"\\(.)", r"\1", argument[1:-1])
    return argument
