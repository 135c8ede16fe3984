"""Who shares a partition shares its pages, so what is no partition is nobody's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator import cache_for
from tests.identity.doors import Page

if TYPE_CHECKING:
    from tests.identity.doors import Door, Seen

ALICE, BOB = [("X-API-Key", "alice")], [("X-API-Key", "bob")]


def greet(seen: Seen) -> Page:
    cache_for(60)
    return Page(f"page of {seen.get('X-API-Key')}")


@pytest.mark.parametrize("returned", [0, False, b"", b"tenant", 7, ["a"]])
def test_what_is_no_text_is_a_type_error_that_the_log_names_and_the_request_passes_by(
    door: Door, returned: object, caplog: pytest.LogCaptureFixture
) -> None:
    app = door(greet, partition=lambda scope: returned)
    for _ in range(2):
        answers = [app.ask(headers=headers) for headers in (ALICE, BOB, [])]
        assert [answer.body for answer in answers] == ["page of alice", "page of bob", "page of None"]
        assert {answer.get("cache-status") for answer in answers} == {"accelerator; fwd=bypass"}
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith("the request passes by: TypeError(")
    assert f"partition returned {returned!r}: it returns a str, or None to pass the request by" in warning


@pytest.mark.parametrize("returned", [0, False, b""])
def test_a_partition_of_a_wrong_type_takes_nothing_from_who_has_none(door: Door, returned: object) -> None:
    def partition(scope: Any) -> Any:
        return returned if b"x-odd" in dict(scope["headers"]) else ""

    app = door(greet, partition=partition)
    app.ask()
    assert not app.ask(headers=[("X-Odd", "1")]).is_hit
    assert app.ask().is_hit


def test_none_passes_by_without_a_word(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    app = door(greet, partition=lambda scope: None)
    assert [app.ask().is_hit for _ in range(2)] == [False, False]
    assert caplog.records == []


def test_who_shares_a_partition_shares_its_pages_whatever_else_says_who_asks(door: Door) -> None:
    def tenant(scope: Any) -> str:
        found: bytes = dict(scope["headers"]).get(b"x-tenant", b"")
        return found.decode()

    app = door(greet, partition=tenant)
    one, other = [("X-Tenant", "one")], [("X-Tenant", "other")]
    requests = [ALICE + one, BOB + one, BOB + other, ALICE, [], BOB]
    bodies = [app.ask(headers=headers).body for headers in requests]
    assert bodies == [f"page of {who}" for who in ("alice", "alice", "bob", "alice", None, "bob")]


@pytest.mark.parametrize("field", ["Authorization", "X-API-Key"])
def test_who_asks_within_a_partition_is_told_by_the_partition_alone(door: Door, field: str) -> None:
    def handle(seen: Seen) -> Page:
        cache_for(60)
        return Page(f"page of {seen.get(field)}")

    app = door(handle, partition=lambda scope: "all")
    bodies = [app.ask(headers=[(field, who)]).body for who in ("alice", "bob")]
    assert bodies == ["page of alice", "page of alice"]
