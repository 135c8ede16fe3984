"""Field text to values and back: Cache-Control, dates, entity tags, Vary, structured fields."""

from __future__ import annotations

import calendar
import re
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import http_sf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HeaderLines: TypeAlias = "tuple[tuple[bytes, bytes], ...]"

BLANKS: Final = b" \t"
"""What may stand around a value, and is no part of it (RFC 9110 §5.5)."""

MAX_SECONDS: Final = 2**31
"""What a larger number of seconds counts as (RFC 9111 §1.2.2)."""

_MAX_CONTROL_BYTES: Final = 8192
_YEAR: Final = 31_556_952  # seconds of the mean Gregorian year
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
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

_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
_LIST_MEMBER = re.compile(rf'(?:[^,"]|{_QUOTED})++', re.DOTALL)
_CLOSED = re.compile(rf'(?:[^"]|{_QUOTED})*+', re.DOTALL)
_UNCLOSED: Final = "\u201c"  # stands in for a quote, and is in no field
_ENTITY_TAG = re.compile(rb'[\s,]*+((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")\s*+(?:,|$)')
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME: Final = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)"
_MONTH: Final = rf"(?P<month>{'|'.join(_MONTHS)})"
_DATE_FORMATS: Final = tuple(
    re.compile(pattern, re.ASCII | re.IGNORECASE)
    for pattern in (
        rf"(?:mon|tue|wed|thu|fri|sat|sun), (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} gmt",
        rf"(?:mon|tues|wednes|thurs|fri|satur|sun)day, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} gmt",
        rf"(?:mon|tue|wed|thu|fri|sat|sun) {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)


def lines(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Return the values of every line called `name` (lower case), without the blanks around them."""
    return [value.strip(BLANKS) for line, value in headers if line.lower() == name]


def combined(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Return the lines called `name` as one value (RFC 9110 §5.3), or None where there is no such line."""
    found = lines(headers, name)
    return b", ".join(found) if found else None


def members(value: bytes) -> Iterator[str]:
    """Yield the members of a comma-separated list (RFC 9110 §5.6.1); a comma inside quotes parts nothing."""
    text = value.decode("latin-1")
    closed = cast("re.Match[str]", _CLOSED.match(text)).end()  # no quote after it is closed: none is tried to its end
    for member in _LIST_MEMBER.findall(text[:closed] + text[closed:].replace('"', _UNCLOSED)):
        if stripped := member.strip(" \t"):
            yield stripped.replace(_UNCLOSED, '"')


def strings(value: bytes | None) -> list[str] | None:
    """Return the members of a List of Strings (RFC 9651 §3.1), None if it is malformed, or absent."""
    if value is None:
        return None
    try:
        items = [item for item, _ in cast("list[tuple[object, object]]", http_sf.parse(value, tltype="list"))]
    except ValueError:
        return None
    found = [item for item in items if isinstance(item, str)]
    return found if len(found) == len(items) else None


def delta_seconds(text: str | None) -> int | None:
    """Return a number of seconds (RFC 9111 §1.2.2), capped at `MAX_SECONDS`, or None if it is not one."""
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    return MAX_SECONDS if len(digits) > len(str(MAX_SECONDS)) else min(int(digits), MAX_SECONDS)


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


def http_date(value: bytes | None, now: float) -> float | None:
    """Return an HTTP date in seconds since the epoch (RFC 9110 §5.6.7), None if it is absent or malformed.

    `now` places the two-digit year of the obsolete format: never more than 50 years ahead.
    """
    if value is None:
        return None
    text = value.decode("latin-1")
    for pattern in _DATE_FORMATS:
        if match := pattern.fullmatch(text):
            month = _MONTHS.index(match["month"].lower()) + 1
            clock = (int(match["hour"]), int(match["minute"]), int(match["second"]))
            year, day = int(match["year"]), int(match["day"])
            if len(match["year"]) == 4:
                return _timestamp(year, month, day, clock)
            this_year = 1970 + int(now // _YEAR)
            in_this_century = _timestamp(this_year - this_year % 100 + year, month, day, clock)
            if in_this_century is not None and in_this_century > now + 50 * _YEAR:
                return _timestamp(this_year - this_year % 100 + year - 100, month, day, clock)
            return in_this_century
    return None


def _timestamp(year: int, month: int, day: int, clock: tuple[int, int, int]) -> float | None:
    if not year or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    return float(calendar.timegm((year, month, day, *clock)))


def entity_tags(value: bytes) -> list[bytes]:
    """Return the entity tags of an If-None-Match list (RFC 9110 §13.1.2); what follows a malformed one is dropped."""
    tags: list[bytes] = []
    position = 0
    while match := _ENTITY_TAG.match(value, position):
        tags.append(match[1])
        position = match.end()
    return tags


def is_token(name: str) -> bool:
    """Tell whether this can be the name of a field (RFC 9110 §5.6.2)."""
    return _TOKEN.fullmatch(name.lower()) is not None


def is_entity_tag(value: bytes | None) -> bool:
    """Tell whether this is one well-formed entity tag (RFC 9110 §8.8.3)."""
    return value is not None and entity_tags(value) == [value]


def is_strong(entity_tag: bytes | None) -> bool:
    """Tell whether an entity tag is a well-formed strong one (RFC 9110 §8.8.1)."""
    return entity_tag is not None and entity_tag.startswith(b'"') and is_entity_tag(entity_tag)


def weakly_equal(one: bytes, other: bytes) -> bool:
    """Compare two entity tags weakly (RFC 9110 §8.8.3.2)."""
    return one.removeprefix(b"W/") == other.removeprefix(b"W/")


def field_names(value: bytes) -> tuple[bytes, ...]:
    """Return the names a Vary field lists, in lower case, sorted, each once (RFC 9110 §12.5.5)."""
    return tuple(sorted({name.strip(BLANKS).lower() for name in value.split(b",")} - {b""}))
