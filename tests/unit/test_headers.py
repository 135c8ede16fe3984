from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accelerator.http import fields
from accelerator.http.cache_control import CacheControl
from accelerator.http.dates import http_date
from tests.unit.samples import NOW, imf

LINES = ((b"Vary", b" Accept "), (b"x-other", b"1"), (b"VARY", b"\tCookie"))
UNQUOTED = [b"no-store", b"private", b"NO-STORE", b"no-store=1", b" no-store ; x"]
DIRECTIVES = [*UNQUOTED, b'private="x-name"', b'private="a, b"']
ANY_BYTES = st.binary(max_size=80)
FIELD_BYTES = ANY_BYTES | st.text('nomax-agesprivt=",;\\ 0159?@:%()*', max_size=60).map(str.encode)
"""Anything, and what looks like a field."""


# --- lines ------------------------------------------------------------------------------------------------------------


def test_lines_are_found_whatever_the_case_of_their_name_and_lose_the_blanks_around() -> None:
    assert fields.lines(LINES, b"vary") == [b"Accept", b"Cookie"]


def test_lines_of_one_name_are_one_value() -> None:
    assert fields.combined(LINES, b"vary") == b"Accept, Cookie"


def test_a_line_that_is_absent_is_not_an_empty_one() -> None:
    assert fields.combined(LINES, b"etag") is None
    assert fields.combined([(b"etag", b"")], b"etag") == b""


@pytest.mark.parametrize(
    ("value", "members"),
    [
        (b"", []),
        (b" , ,", []),
        (b"a", ["a"]),
        (b" a ,b,, c", ["a", "b", "c"]),
        (b'a="x, y", b', ['a="x, y"', "b"]),
        (rb'a="x\", y", b', [r'a="x\", y"', "b"]),
        (b'a="x, b', ['a="x', "b"]),
        (b'a=""x", b', ['a=""x"', "b"]),
        (rb'a="x\", b="y, c', [r'a="x\", b="y', "c"]),
        (b'a="x\\", b, c\\', ['a="x\\"', "b", "c\\"]),
        (b"\xe9", ["é"]),
    ],
)
def test_a_comma_parts_members_unless_it_is_quoted(value: bytes, members: list[str]) -> None:
    assert list(fields.members(value)) == members


@pytest.mark.parametrize(
    "value", [b'"' + b'\\"' * 500_000, b'"\\' * 333_333, b'"' * 999_999], ids=["one", "half", "odd"]
)
def test_quotes_that_nothing_closes_are_not_each_read_to_the_end(value: bytes) -> None:
    """A million of them would take hours."""
    assert list(fields.members(value + b",a")) == [value.decode(), "a"]


# --- seconds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("60", 60),
        ("0060", 60),
        ("2147483647", 2**31 - 1),
        ("2147483648", 2**31),
        ("2147483649", 2**31),
        ("9999999999", 2**31),
    ],
)
def test_delta_seconds_are_capped_at_2_to_the_31(text: str, seconds: int) -> None:
    assert fields.delta_seconds(text) == seconds


def test_delta_seconds_may_be_longer_than_python_reads() -> None:
    assert fields.delta_seconds("9" * 5000) == 2**31
    assert fields.delta_seconds("0" * 5000) == 0
    assert fields.delta_seconds("0" * 5000 + "7") == 7


@pytest.mark.parametrize("text", [None, "", "-1", "+1", "1.5", "1 ", "1e3", "0x1", "٣", "²", "sixty"])
def test_delta_seconds_are_digits_and_nothing_else(text: str | None) -> None:
    assert fields.delta_seconds(text) is None


# --- Cache-Control ----------------------------------------------------------------------------------------------------


def test_an_absent_cache_control_says_nothing() -> None:
    control = CacheControl.parse(None)
    assert "no-store" not in control
    assert control.seconds("max-age") is None


def test_directives_are_known_whatever_their_case() -> None:
    control = CacheControl.parse(b"Public, MAX-AGE=60")
    assert "public" in control
    assert control.seconds("max-age") == 60
    assert control.has_any("private", "public")
    assert not control.has_any("private", "no-store")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"max-age=60", 60),
        (b'max-age="60"', 60),
        (rb'max-age="6\0"', 60),
        (b"max-age= 60", 0),
        (b"max-age =60", 0),
        (b"max-age=60, public", 60),
        (b"max-age=99999999999999", 2**31),
    ],
)
def test_a_time_is_read_as_token_and_as_quoted_string(value: bytes, seconds: int) -> None:
    assert CacheControl.parse(value).seconds("max-age") == seconds


@pytest.mark.parametrize(
    "argument", [b"", b"=", b"=-1", b"=1.5", b"=x", b'="60', b'="', b"=60;", b"=60 no-store", b'=6"0"', b"=\xb2"]
)
def test_a_malformed_time_counts_as_0(argument: bytes) -> None:
    assert CacheControl.parse(b"max-age" + argument).seconds("max-age") == 0


@pytest.mark.parametrize("value", [b"max-age=60, max-age=5", b"max-age=5, max-age=60"])
def test_of_several_times_the_smallest_counts(value: bytes) -> None:
    assert CacheControl.parse(value).seconds("max-age") == 5


def test_a_time_beside_a_malformed_one_counts_as_0() -> None:
    assert CacheControl.parse(b"max-age=60, max-age").seconds("max-age") == 0


def test_a_directive_inside_quotes_is_text() -> None:
    control = CacheControl.parse(b'x="a, no-store", max-age=60')
    assert "no-store" not in control
    assert control.seconds("max-age") == 60


def test_a_cache_control_of_8_kib_is_read_and_a_longer_one_forbids_storing() -> None:
    assert "no-store" not in CacheControl.parse(b"max-age=60".ljust(8192, b","))
    assert "no-store" in CacheControl.parse(b"max-age=60".ljust(8193, b","))


@pytest.mark.parametrize("value", [b"public;x", b"public x", b'public"x"', b"public/", b"public:"])
def test_what_is_malformed_allows_nothing(value: bytes) -> None:
    assert "public" not in CacheControl.parse(value)


@pytest.mark.parametrize("value", [b"s-maxage;x=60", b"s-maxage x=60", b"s-maxage\x00=60"])
def test_a_time_with_a_malformed_name_is_no_time(value: bytes) -> None:
    assert not CacheControl.parse(value).seconds("s-maxage")


@given(ANY_BYTES | FIELD_BYTES)
def test_any_bytes_are_a_cache_control(value: bytes) -> None:
    seconds = CacheControl.parse(value).seconds("max-age")
    assert seconds is None or 0 <= seconds <= fields.MAX_SECONDS


@given(FIELD_BYTES, st.sampled_from(UNQUOTED))
@example(b'x="', b"no-store")
@example(b'x="\\', b"no-store")
def test_garbage_before_a_directive_does_not_hide_that_it_forbids(garbage: bytes, directive: bytes) -> None:
    assert CacheControl.parse(garbage + b", " + directive).has_any("no-store", "private")


@given(FIELD_BYTES, st.sampled_from(DIRECTIVES))
@example(b'x="', b"private")
def test_garbage_after_a_directive_does_not_hide_that_it_forbids(garbage: bytes, directive: bytes) -> None:
    assert CacheControl.parse(directive + b", " + garbage).has_any("no-store", "private")


@given(FIELD_BYTES.filter(lambda garbage: b'"' not in garbage), FIELD_BYTES, st.sampled_from(DIRECTIVES))
def test_garbage_on_both_sides_hides_nothing_unless_it_opens_a_quote(
    before: bytes, after: bytes, directive: bytes
) -> None:
    control = CacheControl.parse(before + b"," + directive + b"," + after)
    assert control.has_any("no-store", "private")


@pytest.mark.parametrize(
    ("directive", "forbids"),
    [
        ("no-store", "no-store"),
        ("private", "private"),
        ("no-cache", "no-cache"),
        ("proxy-revalidate", "proxy-revalidate"),
        ("must-revalidate", "proxy-revalidate"),
    ],
)
def test_what_is_malformed_still_forbids_and_does_not_share_with_others(directive: str, forbids: str) -> None:
    control = CacheControl.parse(f"{directive};x".encode())
    assert forbids in control
    assert "must-revalidate" not in control


@pytest.mark.parametrize(
    ("name", "is_token"),
    [("vary", True), ("X-A_b.1", True), ("*", True), ("", False), ("a b", False), ("a:", False), ("é", False)],
)
def test_the_name_of_a_field_is_a_token(name: str, is_token: bool) -> None:
    assert fields.is_token(name) is is_token


# --- targeted fields --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"max-age=60", 60),
        (b"max-age=60;note=1", 60),
        (b"max-age=5, max-age=60", 60),
        (b"max-age=-60", 0),
        (b"public", None),
    ],
)
def test_a_targeted_field_is_a_dictionary(value: bytes, seconds: int | None) -> None:
    control = CacheControl.targeted(value)
    assert control is not None
    assert control.seconds("max-age") == seconds


def test_a_targeted_directive_with_the_value_false_is_absent() -> None:
    control = CacheControl.targeted(b"no-store=?0, private=?1")
    assert control is not None
    assert "no-store" not in control
    assert "private" in control


@pytest.mark.parametrize(
    "value", [None, b"", b"  ", b"max-age=", b"Max-Age=60", b"max-age=60,", b"max-age 60", b"\xff"]
)
def test_a_targeted_field_that_is_absent_empty_or_malformed_is_ignored(value: bytes | None) -> None:
    assert CacheControl.targeted(value) is None


@given(ANY_BYTES | FIELD_BYTES)
@example(b"max-age=@999999999999999")
@example(b'max-age=%"%ff"')
@example(b"max-age=:a:")
def test_any_bytes_are_a_targeted_field_or_none(value: bytes) -> None:
    control = CacheControl.targeted(value)
    assert control is None or 0 <= (control.seconds("max-age") or 0) <= fields.MAX_SECONDS


# --- dates ------------------------------------------------------------------------------------------------------------

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


# --- entity tags ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (b'"a"', [b'"a"']),
        (b'W/"a"', [b'W/"a"']),
        (b'""', [b'""']),
        (b'"a", W/"b" ,"c"', [b'"a"', b'W/"b"', b'"c"']),
        (b'  "a"  ', [b'"a"']),
        (b'"a,b", "c"', [b'"a,b"', b'"c"']),
        (b'"\xe9!#~"', [b'"\xe9!#~"']),
        (b'"a",', [b'"a"']),
        (b"", []),
        (b"*", []),
        (b"a", []),
        (b'w/"a"', []),
        (b'"a b"', []),
        (b'"a\x7f"', []),
        (b'"a" "b"', []),
        (b'"a', []),
        (b'"a", b, "c"', [b'"a"']),
    ],
)
def test_entity_tags_are_read_up_to_the_first_that_is_malformed(value: bytes, tags: list[bytes]) -> None:
    assert fields.entity_tags(value) == tags


@pytest.mark.parametrize("value", [b'"a",,"b"', b', "a", "b"', b'"a", , "b",'])
def test_empty_members_of_a_list_of_entity_tags_are_ignored(value: bytes) -> None:
    assert fields.entity_tags(value) == [b'"a"', b'"b"']


@given(ANY_BYTES | st.text('W/"ab, \\', max_size=40).map(str.encode))
def test_any_bytes_are_a_list_of_entity_tags(value: bytes) -> None:
    for tag in fields.entity_tags(value):
        assert tag in value
        assert fields.entity_tags(tag) == [tag]


@pytest.mark.parametrize(
    ("tag", "strong"),
    [
        (b'"a"', True),
        (b'""', True),
        (b'W/"a"', False),
        (b"a", False),
        (b'"a', False),
        (b'"a", "b"', False),
        (b'"a b"', False),
        (b"", False),
        (None, False),
    ],
)
def test_only_a_well_formed_entity_tag_without_w_is_strong(tag: bytes | None, strong: bool) -> None:
    assert fields.is_strong(tag) is strong


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (b'"1"', b'"1"', True),
        (b'W/"1"', b'W/"1"', True),
        (b'W/"1"', b'"1"', True),
        (b'"1"', b'W/"1"', True),
        (b'W/"1"', b'W/"2"', False),
        (b'"1"', b'"2"', False),
        (b'"a"', b'"A"', False),
    ],
)
def test_weak_comparison_does_not_look_at_w(one: bytes, other: bytes, equal: bool) -> None:
    assert fields.weakly_equal(one, other) is equal


# --- Vary -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (b"", ()),
        (b" , ,", ()),
        (b"Accept", (b"accept",)),
        (b"Cookie,ACCEPT , cookie", (b"accept", b"cookie")),
        (b"*", (b"*",)),
        (b"Accept, *", (b"*", b"accept")),
    ],
)
def test_vary_lists_each_field_once_whatever_its_case_and_order(value: bytes, names: tuple[bytes, ...]) -> None:
    assert fields.field_names(value) == names


@given(ANY_BYTES)
def test_any_bytes_are_a_vary(value: bytes) -> None:
    names = fields.field_names(value)
    assert names == fields.field_names(b", ".join(names))
