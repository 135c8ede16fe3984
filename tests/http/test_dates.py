from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.http.dates import http_date
from tests.http.support import ANY_BYTES
from tests.samples import NOW, imf

THE_DATE = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 §5.6.7
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@pytest.mark.parametrize(
    "text",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"sun, 06 nov 1994 08:49:37 gmt",
        b"SUNDAY, 06-NOV-94 08:49:37 GMT",
    ],
)
def test_a_date_is_read_in_its_three_formats_in_any_case(text: bytes) -> None:
    assert http_date(text, NOW) == THE_DATE


@pytest.mark.parametrize(
    "text",
    [
        None,
        b"",
        b"0",
        b"-1",
        b"784111777",
        b"1994-11-06T08:49:37Z",
        b"06 Nov 1994 08:49:37 GMT",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 94 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Now 1994 08:49:37 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 31 Nov 1994 08:49:37 GMT",
        b"Tue, 29 Feb 2023 08:49:37 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:37 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT\n",
        b"Sun, 06-Nov-94 08:49:37 GMT",
        b"Sunday, 06-Nov-1994 08:49:37 GMT",
        b"Sun Nov 6 08:49:37 1994",
        b"Sun Nov  0 08:49:37 1994",
        b"Sun, \xb26 Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_no_date_is_none(text: bytes | None) -> None:
    assert http_date(text, NOW) is None


def test_a_leap_second_is_a_time() -> None:
    assert http_date(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW) == http_date(b"Sun, 01 Jan 2017 00:00:00 GMT", NOW)


def test_a_leap_day_is_a_date() -> None:
    assert http_date(b"Thu, 29 Feb 2024 00:00:00 GMT", NOW) == 1709164800


@pytest.mark.parametrize(
    ("two_digits", "year"), [("27", 2027), ("76", 2076), ("78", 1978), ("99", 1999), ("00", 2000), ("94", 1994)]
)
def test_a_year_of_two_digits_is_at_most_50_years_ahead(two_digits: str, year: int) -> None:
    expected = datetime(year, 6, 1, tzinfo=UTC).timestamp()
    assert http_date(f"Monday, 01-Jun-{two_digits} 00:00:00 GMT".encode(), NOW) == expected


def test_a_date_of_two_digits_more_than_50_years_ahead_is_in_the_past() -> None:
    # RFC 9110 §5.6.7 speaks of the timestamp, not of the year: December 2077 is further than 50 years from January 2027
    expected = datetime(1977, 12, 31, tzinfo=UTC).timestamp()
    assert http_date(b"Saturday, 31-Dec-77 00:00:00 GMT", NOW) == expected


def written(when: datetime) -> list[str]:
    """A date in the three formats of RFC 9110 §5.6.7."""
    day, month, clock = DAYS[when.weekday()], MONTHS[when.month - 1], when.strftime("%H:%M:%S")
    return [
        f"{day[:3]}, {when.day:02} {month} {when.year:04} {clock} GMT",
        f"{day}, {when.day:02}-{month}-{when.year % 100:02} {clock} GMT",
        f"{day[:3]} {month} {when.day:2} {clock} {when.year:04}",
    ]


@given(st.datetimes(datetime(1978, 1, 1), datetime(2076, 12, 31)))  # noqa: DTZ001 - given the zone below
def test_a_date_survives_the_round_trip_in_each_format(when: datetime) -> None:
    when = when.replace(microsecond=0, tzinfo=UTC)
    assert {http_date(text.encode(), NOW) for text in written(when)} == {when.timestamp()}


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - given the zone below
def test_a_date_of_any_year_survives_the_round_trip(when: datetime) -> None:
    when = when.replace(microsecond=0, tzinfo=UTC)
    expected = (when - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    imf_fixdate, _, asctime = written(when)
    assert {http_date(text.encode(), NOW) for text in (imf_fixdate, asctime)} == {expected}


def test_the_date_of_the_samples_is_the_one_they_name() -> None:
    assert http_date(imf(NOW).encode(), NOW) == NOW


@given(ANY_BYTES | st.text("Sun, 06Nov-194:837GMT", max_size=40).map(str.encode), st.floats(0, 2**40))
def test_any_bytes_are_a_date_or_none(value: bytes, now: float) -> None:
    assert isinstance(http_date(value, now), float | None)
