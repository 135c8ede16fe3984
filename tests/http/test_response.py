from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from accelerator.http.response import Response, content_length, has_all_content, is_complete
from tests.samples import NOW, Line, response


@pytest.mark.parametrize(
    ("lines", "is_whole"),
    [
        ([], True),
        ([("content-length", "4")], True),
        ([("Content-Length", "004")], True),
        ([("content-length", "4"), ("content-length", "4")], True),
        ([("content-length", "5")], False),
        ([("content-length", "3")], False),
        ([("content-length", "40")], False),
        ([("content-length", "4"), ("content-length", "5")], False),
        ([("content-length", "4, 4")], False),
        ([("content-length", "+4")], False),
        ([("content-length", "x")], False),
        ([("content-length", "X4")], False),
        ([("content-length", "")], False),
    ],
)
def test_a_body_is_whole_if_it_is_as_long_as_was_said(lines: list[Line], is_whole: bool) -> None:
    assert is_complete(response(*lines), 4) is is_whole


def test_an_empty_body_is_whole_if_nothing_else_was_said() -> None:
    assert is_complete(response(), 0)
    assert is_complete(response(("content-length", "0")), 0)
    assert is_complete(response(("content-length", "00")), 0)
    assert not is_complete(response(("content-length", "1")), 0)


@pytest.mark.parametrize(("lines", "size"), [([], 0), ([("content-length", "12")], 12), ([("content-length", "x")], 0)])
def test_a_promised_size_is_the_content_length(lines: list[Line], size: int) -> None:
    assert content_length(response(*lines)) == size


def test_the_fields_of_a_response_are_found_whatever_their_case() -> None:
    made = response(("Vary", "a"), ("VARY", "b"), ("etag", ""))
    assert made.get(b"vary") == b"a, b"
    assert made.has(b"vary")
    assert made.has(b"etag")
    assert made.get(b"age") is None
    assert not made.has(b"age")


def test_the_start_of_a_response_is_read_as_it_was_sent() -> None:
    start = {"type": "http.response.start", "status": 404, "headers": [(b"X-A", b" 1 "), [bytearray(b"x-a"), b"2"]]}
    assert Response.read(start, NOW, NOW + 1) == Response(404, ((b"X-A", b" 1 "), (b"x-a", b"2")), NOW, NOW + 1)


def test_a_status_may_be_one_of_the_standard_library() -> None:
    made = Response.read({"type": "http.response.start", "status": HTTPStatus.CREATED}, NOW, NOW)
    assert made == Response(201, (), NOW, NOW)


def test_a_start_may_leave_out_its_headers() -> None:
    assert Response.read({"type": "http.response.start", "status": 204}, NOW, NOW) == Response(204, (), NOW, NOW)


@pytest.mark.parametrize(
    "start",
    [
        {},
        {"status": None},
        {"status": "200"},
        {"status": True},
        {"status": 200, "headers": None},
        {"status": 200, "headers": [("x-a", "1")]},
        {"status": 200, "headers": [(b"x-a", 1)]},
        {"status": 200, "headers": [(b"x-a",)]},
        {"status": 200, "headers": [(b"x-a", b"1", b"2")]},
    ],
)
def test_a_start_that_is_not_as_asgi_says_is_no_response(start: dict[str, Any]) -> None:
    assert Response.read({"type": "http.response.start", **start}, NOW, NOW) is None


@pytest.mark.parametrize(
    ("lines", "size", "has_all"),
    [
        ([("content-length", "4")], 4, True),
        ([("content-length", "4")], 3, False),
        ([("content-length", "4")], 5, False),
        ([("content-length", "1")], 1, True),
        ([("content-length", "0")], 0, False),
        ([], 4, False),
    ],
)
def test_all_content_has_come_once_it_is_as_much_as_was_promised(
    lines: list[tuple[str, str]], size: int, has_all: bool
) -> None:
    assert has_all_content(response(*lines), size) is has_all
