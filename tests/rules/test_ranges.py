from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.rules.ranges import part_of
from tests.samples import NOW, Line, entry, imf, request

if TYPE_CHECKING:
    from accelerator.rules.entry import Answer

TEXT = b"0123456789"
TYPE = (b"Content-Type", b"text/plain")
SURE = (b"date", imf(NOW).encode())
HUGE = "9" * 5000
"""A number that Python refuses to read."""


def part(value: str | bytes, *more: Line, body: bytes = TEXT, lines: Any = (TYPE,), **fields: Any) -> Answer | None:
    """What is answered to a request with this Range."""
    return part_of(request(("range", value), *more), entry(body=body, **fields), lines)


# --- which part: RFC 9110 §14.1.2 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "span", "body"),
    [
        ("bytes=0-0", b"0-0", b"0"),
        ("bytes=0-1", b"0-1", b"01"),
        ("bytes=3-6", b"3-6", b"3456"),
        ("bytes=4-4", b"4-4", b"4"),
        ("bytes=9-9", b"9-9", b"9"),
        ("bytes=0-9", b"0-9", TEXT),
        ("bytes=0-10", b"0-9", TEXT),
        (f"bytes=8-{HUGE}", b"8-9", b"89"),
        ("bytes=1-", b"1-9", TEXT[1:]),
        ("bytes=9-", b"9-9", b"9"),
        ("bytes=-1", b"9-9", b"9"),
        ("bytes=-9", b"1-9", TEXT[1:]),
        ("bytes=-10", b"0-9", TEXT),
        ("bytes=-11", b"0-9", TEXT),
        (f"bytes=-{HUGE}", b"0-9", TEXT),
        (f"bytes={HUGE.replace('9', '0')}-{HUGE.replace('9', '0')}1", b"0-1", b"01"),
        ("BYTES=0-1", b"0-1", b"01"),
        ("bytes= \t0-1", b"0-1", b"01"),
    ],
    ids=[
        "the first byte",
        "the first two",
        "in the middle",
        "one byte in the middle",
        "the last byte",
        "all",
        "an end beyond the end",
        "an end far beyond the end",
        "without an end",
        "the last byte without an end",
        "the last byte from the end",
        "all but one from the end",
        "all from the end",
        "more from the end than there is",
        "far more from the end than there is",
        "leading zeros",
        "the unit has no case",
        "blanks before it",
    ],
)
def test_a_part_is_a_206_that_says_which_one_it_is(value: str, span: bytes, body: bytes) -> None:
    described = ((b"content-range", b"bytes %s/10" % span), (b"content-length", b"%d" % len(body)))
    assert part(value) == (206, (TYPE, *described), body)


@pytest.mark.parametrize(
    ("value", "body"),
    [("bytes=10-", TEXT), ("bytes=10-10", TEXT), (f"bytes={HUGE}-", TEXT), ("bytes=-0", TEXT), ("bytes=0-", b"")],
    ids=["at the end", "from the end to the end", "far beyond the end", "nothing from the end", "of nothing"],
)
def test_a_part_that_there_is_not_is_a_416_that_says_how_long_the_whole_is(value: str, body: bytes) -> None:
    lines = (TYPE, (b"content-length", b"10"), (b"x-a", b"1"))
    described = ((b"content-range", b"bytes */%d" % len(body)), (b"content-length", b"0"))
    made = part(value, body=body, lines=lines)
    assert made == (416, ((b"x-a", b"1"), *described, (b"cache-control", b"no-store")), b"")


@pytest.mark.parametrize(
    "name", [b"Cache-Control", b"CDN-Cache-Control", b"Surrogate-Control", b"X-Surrogate-Control", b"expires"]
)
def test_no_other_cache_may_keep_a_416_as_long_as_the_whole(name: bytes) -> None:
    assert part("bytes=10-", lines=(TYPE, (name, b"x"))) == part("bytes=10-")
    kept = part("bytes=0-1", lines=((name, b"x"),))
    assert kept is not None
    assert kept.headers[0] == (name, b"x")


@pytest.mark.parametrize(
    "value",
    [
        "bytes=2-1",
        f"bytes=1{HUGE}-10",
        "bytes=0-1,4-5",
        "bytes=0-1,",
        "bytes=-",
        "bytes=",
        "bytes",
        "",
        "bytes=0",
        "bytes=--1",
        "bytes=0-1-2",
        "bytes=a-b",
        "bytes=0x0-1",
        "bytes=+0-1",
        "bytes =0-1",
        "bytes=0 -1",
        "bytes=0-1;x",
        "octets=0-1",
        "xbytes=0-1",
        "bytes=0-٣".encode(),
    ],
)
def test_several_ranges_other_units_and_malformed_ones_are_ignored(value: str | bytes) -> None:
    assert part(value) is None


def test_nothing_from_the_end_of_nothing_is_ignored() -> None:
    assert part("bytes=-0", body=b"") is None
    assert part("bytes=-1", body=b"") is None


def test_a_part_from_the_end_of_a_single_byte_is_that_byte() -> None:
    described = ((b"content-range", b"bytes 0-0/1"), (b"content-length", b"1"))
    assert part("bytes=-1", body=b"x") == (206, (TYPE, *described), b"x")


def test_positions_that_no_body_has_are_not_told_apart() -> None:
    far, farther = f"1{'0' * 20}", f"2{'0' * 20}"
    assert part(f"bytes={farther}-{far}") == part(f"bytes={far}-{farther}") == part("bytes=10-")
    assert part(f"bytes={'9' * 20}-{'8' * 20}") is None


def test_a_request_without_a_range_gets_the_whole() -> None:
    assert part_of(request(), entry(body=TEXT), ()) is None


@given(st.integers(0, 12), st.integers(0, 12), st.binary(min_size=1, max_size=11))
def test_a_part_has_the_bytes_from_its_first_to_its_last(first: int, last: int, body: bytes) -> None:
    made = part(f"bytes={first}-{last}", body=body)
    if first > last:
        assert made is None
    elif first >= len(body):
        assert made is not None
        assert (made.status, made.body) == (416, b"")
    else:
        assert made is not None
        assert (made.status, made.body) == (206, bytes(body[i] for i in range(first, min(last, len(body) - 1) + 1)))


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_any_bytes_in_range_and_if_range_are_answered(value: bytes, named: bytes) -> None:
    made = part(b"bytes=" + value, ("if-range", named))
    assert made is None or made.status in {206, 416}


# --- the lines of a part: RFC 9110 §15.3.7 ----------------------------------------------------------------------------


def test_a_part_has_the_lines_of_the_whole_but_those_that_are_of_its_length_or_its_bytes() -> None:
    kept = (TYPE, (b"content-encoding", b"gzip"), (b"ETag", b'"a"'), (b"x-a", b"1"), (b"x-a", b"2"))
    dropped = tuple((name, b"x") for name in (b"Content-Length", b"CONTENT-RANGE", b"content-md5", b"Content-Digest"))
    made = part("bytes=0-1", lines=(*dropped, *kept))
    assert made is not None
    assert made.headers == (*kept, (b"content-range", b"bytes 0-1/10"), (b"content-length", b"2"))


# --- If-Range: RFC 9110 §13.1.5 ---------------------------------------------------------------------------------------

LONG_AGO, OBSOLETE = imf(NOW - 3600), "Friday, 15-Jan-27 07:00:00 GMT"


@pytest.mark.parametrize(
    ("named", "fields", "is_part"),
    [
        pytest.param('"a"', {"etag": b'"a"'}, True, id="the strong ETag"),
        pytest.param('"b"', {"etag": b'"a"'}, False, id="another ETag"),
        pytest.param('"a"', {}, False, id="an ETag where there is none"),
        pytest.param('W/"a"', {"etag": b'W/"a"'}, False, id="the weak ETag"),
        pytest.param('"a"', {"etag": b'W/"a"'}, False, id="a strong ETag where there is a weak one"),
        pytest.param('W/"a"', {"etag": b'"a"'}, False, id="a weak ETag where there is a strong one"),
        pytest.param('"a", "b"', {"etag": b'"a"'}, False, id="a list"),
        pytest.param("*", {"etag": b'"a"'}, False, id="a star"),
        pytest.param("", {"etag": b'"a"', "last_modified": LONG_AGO.encode()}, False, id="nothing"),
        pytest.param("a", {"etag": b"a"}, False, id="no ETag"),
        pytest.param("a", {"last_modified": b"a"}, False, id="no date"),
        pytest.param("a", {}, False, id="no date where there is none"),
        pytest.param(LONG_AGO, {"last_modified": LONG_AGO.encode()}, True, id="the date"),
        pytest.param(LONG_AGO, {"last_modified": OBSOLETE.encode()}, True, id="the date in another format"),
        pytest.param(OBSOLETE, {"last_modified": LONG_AGO.encode()}, True, id="the date in the obsolete format"),
        pytest.param(LONG_AGO, {}, False, id="a date where there is none"),
        pytest.param(imf(NOW - 3601), {"last_modified": LONG_AGO.encode()}, False, id="an earlier date"),
        pytest.param(imf(NOW - 3599), {"last_modified": LONG_AGO.encode()}, False, id="a later date"),
    ],
)
def test_a_part_is_sent_only_of_the_representation_that_if_range_names_by_a_strong_validator(
    named: str, fields: dict[str, Any], is_part: bool
) -> None:
    modified = fields.get("last_modified")
    lines = (TYPE,) if modified is None else (TYPE, (b"last-modified", modified))
    made = part("bytes=0-1", ("if-range", named), lines=lines, **fields)
    assert (made is not None) is is_part


@pytest.mark.parametrize(("seconds", "is_part"), [(60, True), (59, False)])
def test_a_date_in_if_range_is_strong_where_it_is_60_seconds_older_than_date_or_receipt(
    seconds: float, is_part: bool
) -> None:
    modified = imf(NOW - seconds)
    lines = ((b"last-modified", modified.encode()),)
    fields: dict[str, Any] = {"last_modified": modified.encode()}
    for dated, received in (((*lines, SURE), NOW + 3600), (lines, NOW)):
        made = part("bytes=0-1", ("if-range", modified), lines=dated, received=received, **fields)
        assert (made is not None) is is_part


def test_if_range_does_not_make_of_a_range_that_is_ignored_one_that_counts() -> None:
    assert part("bytes=2-1", ("if-range", '"a"'), etag=b'"a"') is None


def test_if_range_that_names_another_representation_has_the_whole_sent_where_there_is_no_such_part() -> None:
    assert part("bytes=10-", ("if-range", '"b"'), etag=b'"a"') is None
