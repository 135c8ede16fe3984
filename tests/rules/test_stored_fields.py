from __future__ import annotations

from typing import Any

import pytest

from accelerator.options import Options
from accelerator.rules import (
    stored_fields,
)
from tests.rules.support import TAG_LINES, targeted
from tests.samples import NOW, Line, imf, response

PLAIN_LINES: list[Line] = [("X-A", "1"), ("x-b", "\xe9"), ("X-A", "2")]


def client_lines(*lines: Line, **options: Any) -> list[tuple[bytes, bytes]]:
    return list(stored_fields.without_tags(response(*lines), Options(**options)))


def test_tag_headers_are_taken_off_and_the_rest_is_as_it_was_sent() -> None:
    lines = [TAG_LINES[0], *PLAIN_LINES, *TAG_LINES[1:]]
    assert client_lines(*lines) == [(b"X-A", b"1"), (b"x-b", b"\xe9"), (b"X-A", b"2")]


def test_tag_headers_are_those_of_the_option() -> None:
    kept = client_lines(*TAG_LINES, ("Edge-Tag", "d"), tag_headers=("edge-TAG",))
    assert [name for name, _ in kept] == [b"Cache-Tag", b"surrogate-key", b"XKEY"]


@pytest.mark.parametrize("lines", [[], PLAIN_LINES, [targeted("max-age=60")]], ids=["nothing", "others", "targeted"])
def test_a_browser_that_was_told_nothing_is_told_to_ask(lines: list[Line]) -> None:
    assert stored_fields.added_for_browsers(response(*lines)) == ((b"cache-control", b"no-cache"),)


@pytest.mark.parametrize("line", [("Cache-Control", "max-age=5"), ("Expires", imf(NOW))])
def test_a_browser_that_was_told_something_is_told_nothing_else(line: Line) -> None:
    assert stored_fields.added_for_browsers(response(line)) == ()


def test_the_lines_of_one_request_are_those_that_are_not_stored_and_are_no_tags_and_no_connections() -> None:
    long = "x-request-" + "x" * 100
    lines = [("X-Request-ID", "1"), ("x-a", "2"), ("x-trace", "3"), ("cache-tag", "x-trace"), ("connection", "x-trace")]
    options = Options(unstored_fields=("X-REQUEST-*", "x-trace", "cache-tag"))
    found = stored_fields.lines_of_one_request(response(*lines, (long, "4")), options)
    assert found == ((b"X-Request-ID", b"1"), (long.encode(), b"4"))
