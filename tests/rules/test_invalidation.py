from __future__ import annotations

import pytest

from accelerator.rules import (
    invalidation,
)
from tests.samples import Line, request, response

TARGET = request(url="/a/b?x=1", method="POST")


# --- what an unsafe request takes back: RFC 9111 §4.4 -----------------------------------------------------------------


def test_an_unsafe_request_takes_back_its_target() -> None:
    assert invalidation.invalidated_by(TARGET, response()) == {"@url:example.org/a/b?x=1"}


@pytest.mark.parametrize("name", ["Location", "content-location"])
@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("/c", "/c"),
        ("c", "/a/c"),
        ("https://example.org:443/c", "/c"),
        ("/caf\xc3\xa9", "/caf%C3%A9"),
        ("/caf\xe9", "/caf%E9"),
    ],
)
def test_an_unsafe_request_takes_back_what_its_response_points_to(name: str, value: str, path: str) -> None:
    taken = invalidation.invalidated_by(TARGET, response((name, value)))
    assert taken == {"@url:example.org/a/b?x=1", f"@url:example.org{path}"}


@pytest.mark.parametrize("value", ["https://example.com/c", "http://example.org/c", "https://[", "//example.com/c"])
def test_an_unsafe_request_takes_nothing_of_another_origin_back(value: str) -> None:
    taken = invalidation.invalidated_by(TARGET, response(("location", value), ("content-location", value)))
    assert taken == {"@url:example.org/a/b?x=1"}


def test_what_does_not_count_of_a_url_does_not_count_in_what_is_taken_back() -> None:
    lines: list[Line] = [("location", "/c?utm=1"), ("content-location", "/d?utm=1")]
    taken = invalidation.invalidated_by(TARGET, response(*lines), lambda url: url.removesuffix("?utm=1"))
    assert taken == {"@url:example.org/a/b?x=1", "@url:example.org/c", "@url:example.org/d"}


def test_an_unsafe_request_takes_back_the_groups_that_its_response_names() -> None:
    taken = invalidation.invalidated_by(TARGET, response(("Cache-Group-Invalidation", '"a", "b c"')))
    assert taken == {"@url:example.org/a/b?x=1", "@group:example.org/a", "@group:example.org/b c"}


def test_groups_that_cannot_be_read_take_nothing_back() -> None:
    taken = invalidation.invalidated_by(TARGET, response(("cache-group-invalidation", "a"), ("cache-groups", '"b"')))
    assert taken == {"@url:example.org/a/b?x=1"}


# --- what may have changed something ----------------------------------------------------------------------------------


def test_a_success_is_what_may_have_changed_something() -> None:
    assert [status for status in (199, 200, 299, 303, 399, 400, 404, 500) if status in invalidation.SUCCESS] == [
        200,
        299,
        303,
        399,
    ]
