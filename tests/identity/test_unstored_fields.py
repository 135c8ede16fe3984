"""Response fields that speak of one request: who was waited for gets them, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import UNSTORED_FIELDS, cache_for
from accelerator.testing import ManualClock
from tests.identity.doors import Page

if TYPE_CHECKING:
    from tests.identity.doors import Door, Field, Handle, Seen


def numbering(name: str) -> Handle:
    """An application that numbers its answers in a field."""
    numbers = iter(range(9))

    def handle(seen: Seen) -> Page:
        cache_for(60)
        return Page("page", [(name, str(next(numbers))), ("X-Kept", "kept")])

    return handle


@pytest.mark.parametrize("name", ["X-Request-ID", "RateLimit-Remaining", "X-RateLimit-Limit", "Server-Timing"])
def test_only_who_was_waited_for_gets_the_number_of_a_request(door: Door, name: str) -> None:
    app = door(numbering(name))
    answers = [app.ask() for _ in range(3)]
    assert [answer.get(name.lower()) for answer in answers] == ["0", None, None]
    assert [(answer.is_hit, answer.get("x-kept")) for answer in answers] == [
        (False, "kept"),
        (True, "kept"),
        (True, "kept"),
    ]


def test_a_field_of_the_sites_own_is_an_option(door: Door) -> None:
    app = door(numbering("X-My-Number"), unstored_fields=(*UNSTORED_FIELDS, "x-my-*"))
    assert [app.ask().get("x-my-number") for _ in range(2)] == ["0", None]


def revalidated(seen: Seen) -> Page:
    """An application that names its answer, and each of them by a number of its own."""
    is_known = seen.get("If-None-Match") is not None
    fields = [("ETag", '"a"'), ("Cache-Control", "s-maxage=60"), ("Connection", "X-Trace-ID"), ("X-Trace-ID", "hop")]
    return Page(
        "" if is_known else "page", [*fields, ("X-Request-ID", seen.get("X-Number") or "")], 304 if is_known else 200
    )


@pytest.mark.parametrize(("asked", "status", "body"), [([], 200, "page"), ([("If-None-Match", '"a"')], 304, "")])
def test_the_number_of_a_304_is_for_who_was_waited_for_and_is_not_stored_either(
    door: Door, asked: list[Field], status: int, body: str
) -> None:
    clock = ManualClock()
    app = door(revalidated, clock=clock)
    app.ask(headers=[("X-Number", "1")])
    clock.advance(61)
    answer = app.ask(headers=[("X-Number", "2"), *asked])
    assert (answer.status, answer.body, answer.get("x-request-id")) == (status, body, "2")
    assert answer.get("x-trace-id") is None, "it was for one connection"
    hit = app.ask(headers=[("X-Number", "3")])
    assert (hit.is_hit, hit.get("x-request-id")) == (True, None)
