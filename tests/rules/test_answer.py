from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator.http.fields import combined
from accelerator.rules.answer import answer_from
from tests.samples import NOW, Line, entry, imf, request

if TYPE_CHECKING:
    from accelerator.http.request import Request
    from accelerator.rules.entry import Answer, Entry

HEADERS = (
    (b"Content-Type", b"text/plain"),
    (b"content-length", b"6"),
    (b"X-Twice", b"1"),
    (b"x-twice", b"\xe9"),
    (b"etag", b'"a"'),
)
STORED = entry(headers=HEADERS, etag=b'"a"')


def answer_to(made: Request, stored: Entry = STORED, age: float = 0, status: bytes | None = None) -> Answer:
    return answer_from(stored, made, age, status)


def said(answer: Answer, name: bytes) -> bytes | None:
    return combined(answer.headers, name)


def test_a_hit_has_the_stored_status_lines_and_body_then_what_was_added_and_age() -> None:
    answer = answer_to(request(), entry(status=410, headers=HEADERS, added=((b"x-added", b"1"),)), age=7)
    assert answer.status == 410
    assert answer.headers == [*HEADERS, (b"x-added", b"1"), (b"age", b"7")]
    assert answer.body == b"stored"


@pytest.mark.parametrize(("age", "sent"), [(0.0, "0"), (0.99, "0"), (59.9, "59"), (2.0**40, str(2**40))])
def test_age_is_sent_in_whole_seconds(age: float, sent: str) -> None:
    assert said(answer_to(request(), age=age), b"age") == sent.encode()


def test_cache_status_is_appended_where_there_is_one() -> None:
    stored = entry(headers=((b"cache-status", b"origin; hit"),))
    answer = answer_to(request(), stored, status=b"accelerator; hit")
    assert said(answer, b"cache-status") == b"origin; hit, accelerator; hit"
    assert said(answer_to(request()), b"cache-status") is None


def test_head_has_the_lines_of_get_and_no_body() -> None:
    answer = answer_to(request(method="HEAD"))
    assert answer.headers == answer_to(request()).headers
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_client_that_has_it_gets_a_304_without_body_and_content_fields(method: str) -> None:
    answer = answer_to(request(("if-none-match", 'W/"a"'), method=method), age=3, status=b"accelerator; hit")
    assert (answer.status, answer.body) == (304, b"")
    names = [name for name, _ in answer.headers]
    assert names == [b"X-Twice", b"x-twice", b"etag", b"age", b"cache-status"]


def test_the_etag_that_the_cache_added_is_one_by_which_clients_may_ask() -> None:
    stored = entry(added=((b"cache-control", b"no-cache"), (b"etag", b'W/"x"')), etag=b'W/"x"')
    answer = answer_to(request(("if-none-match", 'W/"x"')), stored)
    assert answer.status == 304
    assert answer.headers == [*stored.added, (b"age", b"0")]


def test_a_client_that_has_another_one_gets_it_all() -> None:
    answer = answer_to(request(("if-none-match", '"b"')))
    assert (answer.status, answer.body) == (200, b"stored")


@pytest.mark.parametrize(("seconds", "status"), [(60, 304), (59, 200)])
def test_if_modified_since_counts_where_last_modified_is_sure(seconds: float, status: int) -> None:
    modified = imf(NOW - seconds)
    stored = entry(headers=((b"last-modified", modified.encode()),))
    answer = answer_to(request(("if-modified-since", modified)), stored)
    assert answer.status == status


@pytest.mark.parametrize("fields", [{"status": 404}, {"status": 301}, {"status": 203}])
def test_only_a_200_is_answered_by_a_304(fields: dict[str, Any]) -> None:
    stored = entry(headers=HEADERS, etag=b'"a"', **fields)
    assert answer_to(request(("if-none-match", '"a"')), stored).status == fields["status"]


PART = ("range", "bytes=1-3")


@pytest.mark.parametrize(
    ("lines", "status", "body"),
    [
        ([PART], 206, b"tor"),
        ([("range", "bytes=9-")], 416, b""),
        ([("range", "lines=1-3")], 200, b"stored"),
        ([PART, ("if-none-match", '"a"')], 304, b""),
        ([PART, ("if-none-match", '"b"')], 206, b"tor"),
    ],
    ids=["a part", "beyond the end", "another unit", "a condition comes first", "a condition that does not hold"],
)
def test_a_range_of_a_200_is_answered_after_the_conditions(lines: list[Line], status: int, body: bytes) -> None:
    answer = answer_to(request(*lines), age=5)
    assert (answer.status, answer.body, said(answer, b"age")) == (status, body, b"5")


def test_a_range_of_another_status_and_of_a_head_is_no_part() -> None:
    assert answer_to(request(PART), entry(status=404)).status == 404
    assert answer_to(request(PART, method="HEAD")).status == 200
