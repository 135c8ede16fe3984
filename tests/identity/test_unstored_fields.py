"""Response fields that speak of one request: who was waited for gets them, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import UNSTORED_FIELDS, cache_for
from accelerator.testing import ManualClock
from tests.identity.doors import Page

if TYPE_CHECKING:
    from tests.identity.doors import Door, Handle, Seen


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


def test_the_number_of_a_304_is_not_stored_either(door: Door) -> None:
    def handle(seen: Seen) -> Page:
        fields = [("ETag", '"a"'), ("Cache-Control", "s-maxage=60"), ("X-Request-ID", "of one request")]
        return Page("", fields, status=304) if seen.get("If-None-Match") else Page("page", fields)

    clock = ManualClock()
    app = door(handle, clock=clock)
    app.ask()
    clock.advance(61)
    assert app.ask().body == "page"
    hit = app.ask()
    assert (hit.is_hit, hit.get("x-request-id")) == (True, None)
