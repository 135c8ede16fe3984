"""Parse HTTP dates in the three formats of RFC 9110 §5.6.7."""

from __future__ import annotations

import calendar
import re
from functools import lru_cache
from typing import Final, TypeAlias

_Clock: TypeAlias = tuple[int, int, int]

_MAX_BYTES: Final = 40  # the longest date has 33
_YEAR: Final = 31_556_952  # seconds of the mean Gregorian year
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


def http_date(value: bytes | None, now: float) -> float | None:
    """Return an HTTP date in seconds since the epoch (RFC 9110 §5.6.7), None if it is absent or malformed.

    Args:
        value: the date.
        now: seconds since the epoch. The two-digit year of the obsolete format is never more than 50 years after it.
    """
    read = None if value is None or len(value) > _MAX_BYTES else _read(value)
    if read is None:
        return None
    digits, year, month, day, clock = read
    if digits == 4:
        return _timestamp(year, month, day, clock)
    this_year = 1970 + int(now // _YEAR)
    in_this_century = _timestamp(this_year - this_year % 100 + year, month, day, clock)
    if in_this_century is not None and in_this_century > now + 50 * _YEAR:
        return _timestamp(this_year - this_year % 100 + year - 100, month, day, clock)
    return in_this_century


@lru_cache(1024)  # a second or a file has one date, which many messages name
def _read(value: bytes) -> tuple[int, int, int, int, _Clock] | None:
    """Return the number of digits of the year, then year, month, day and time of a date, None if it is malformed."""
    text = value.decode("latin-1")
    for pattern in _DATE_FORMATS:
        if match := pattern.fullmatch(text):
            month = _MONTHS.index(match["month"].lower()) + 1
            clock = (int(match["hour"]), int(match["minute"]), int(match["second"]))
            return len(match["year"]), int(match["year"]), month, int(match["day"]), clock
    return None


@lru_cache(1024)
def _timestamp(year: int, month: int, day: int, clock: _Clock) -> float | None:
    if not year or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    return float(calendar.timegm((year, month, day, *clock)))
