from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accelerator.rules import (
    conditions,
    stored_fields,
)
from tests.rules.support import since
from tests.samples import NOW, Line, imf, request


def has_it(*lines: Line, etag: bytes | None = None, headers: tuple[tuple[bytes, bytes], ...] = ()) -> bool:
    tagged = headers if etag is None else (*headers, (b"ETag", etag))
    return conditions.not_modified(request(*lines), tagged, NOW)


def modified(seconds: float, *more: tuple[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"Last-Modified", imf(NOW - seconds).encode()), *more)


def test_a_client_without_conditions_gets_it_all() -> None:
    assert not has_it(etag=b'"a"', headers=modified(999))


@pytest.mark.parametrize(
    ("value", "etag", "has"),
    [
        ('"a"', b'"a"', True),
        ('"b"', b'"a"', False),
        ('"b", "a"', b'"a"', True),
        ('"b", "c"', b'"a"', False),
        ('W/"a"', b'"a"', True),
        ('"a"', b'W/"a"', True),
        ('"a"', None, False),
        ("a", b"a", False),
        ("", b'"a"', False),
        ("*", b'"a"', True),
        ("*", None, False),
        ('"*"', b'"a"', False),
    ],
)
def test_if_none_match_compares_weakly(value: str, etag: bytes | None, has: bool) -> None:
    assert has_it(("if-none-match", value), etag=etag) is has


def test_if_none_match_in_several_lines_is_one_list() -> None:
    assert has_it(("if-none-match", '"b"'), ("if-none-match", '"a"'), etag=b'"a"')


def test_if_modified_since_does_not_count_beside_if_none_match() -> None:
    assert not has_it(("if-none-match", '"b"'), since(0), etag=b'"a"', headers=modified(999))
    assert not has_it(("if-none-match", '"b"'), since(0), headers=modified(999))


@pytest.mark.parametrize(("asked", "has"), [(999, True), (998, True), (0, True), (1000, False)])
def test_if_modified_since_compares_with_last_modified(asked: float, has: bool) -> None:
    assert has_it(since(asked), headers=modified(999)) is has


def test_if_modified_since_counts_only_where_last_modified_is_60_seconds_older_than_date() -> None:
    date = (b"Date", imf(NOW - 40).encode())
    assert has_it(since(0), headers=modified(100, date))
    assert not has_it(since(0), headers=modified(99, date))
    assert conditions.STRONG_DATE_SECONDS == 60


def test_if_modified_since_counts_from_receipt_where_there_is_no_date() -> None:
    assert has_it(since(0), headers=modified(60))
    assert not has_it(since(0), headers=modified(59))
    assert has_it(since(0), headers=modified(60, (b"date", b"then")))


@pytest.mark.parametrize(
    "headers", [(), ((b"last-modified", b"then"),), ((b"date", imf(NOW - 999).encode()),)], ids=["none", "bad", "date"]
)
def test_if_modified_since_needs_a_last_modified(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    assert not has_it(since(0), headers=headers)


@pytest.mark.parametrize("lines", [[("if-modified-since", "then")], [since(0), since(0)], [("if-modified-since", "")]])
def test_a_malformed_or_repeated_if_modified_since_is_ignored(lines: list[Line]) -> None:
    assert not has_it(*lines, headers=modified(999))


def test_the_obsolete_format_of_a_date_is_placed_by_the_time_of_receipt() -> None:
    line = ("if-modified-since", "Friday, 15-Jan-27 08:00:00 GMT")
    assert has_it(line, headers=((b"last-modified", b"Friday, 15-Jan-27 07:00:00 GMT"),))
    date = (b"date", b"Friday, 15-Jan-27 07:30:00 GMT")
    assert has_it(line, headers=((b"last-modified", b"Friday, 15-Jan-27 07:00:00 GMT"), date))


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_in_conditions_are_answered(one: bytes, two: bytes, three: bytes) -> None:
    assume(b"*" not in one)
    assert not has_it(("if-none-match", one), ("if-modified-since", two), etag=None, headers=((b"date", three),))
    has_it(("if-modified-since", two), headers=((b"last-modified", three), (b"date", one)))


def test_a_304_has_every_line_but_those_of_the_content_it_does_not_carry() -> None:
    kept = [
        (b"ETag", b'"a"'),
        (b"Vary", b"accept"),
        (b"date", b"then"),
        (b"content-location", b"/a"),
        (b"cache-control", b"no-cache"),
        (b"Expires", b"0"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
    ]
    dropped = [
        (name, b"x")
        for name in (
            b"Content-Type",
            b"CONTENT-LENGTH",
            b"content-encoding",
            b"content-language",
            b"content-range",
            b"transfer-encoding",
        )
    ]
    assert stored_fields.without_content_fields((*dropped, *kept)) == tuple(kept)
