"""A GET that means another method is not the business of the cache, but for what it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import cache_for
from accelerator.http.request_fields import METHOD_OVERRIDE_FIELDS
from tests.identity.doors import Page

if TYPE_CHECKING:
    from tests.identity.doors import Door, Handle, Seen

OVERRIDES = [name.decode() for name in METHOD_OVERRIDE_FIELDS]


def overridden_by(name: str) -> Handle:
    """An application that takes the method from a field, as Rails and the recipes for WebOb and Django do."""

    def handle(seen: Seen) -> Page:
        cache_for(60)
        return Page(f"{seen.get(name) or seen.method} done")

    return handle


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_get_with_a_method_override_is_not_answered_from_the_store(door: Door, name: str) -> None:
    app = door(overridden_by(name))
    assert app.ask().body == "GET done"
    answer = app.ask(headers=[(name, "DELETE")])
    assert (answer.body, answer.get("cache-status")) == ("DELETE done", "accelerator; fwd=bypass")


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_get_with_a_method_override_does_not_fill(door: Door, name: str) -> None:
    app = door(overridden_by(name))
    app.ask(headers=[(name, "DELETE")])
    assert [app.ask().body, app.ask().is_hit] == ["GET done", True]


@pytest.mark.parametrize(
    ("meant", "is_unsafe"),
    [
        *(("DELETE", True), ("put", True), ("GET, PATCH", True), ("PROPPATCH", True)),
        *(("HEAD", False), ("GET", False), ("", False), ("nonsense", False), ("DELETED", False), ("GET DELETE", False)),
    ],
)
def test_a_method_override_counts_as_what_it_means(door: Door, meant: str, is_unsafe: bool) -> None:
    """RFC 9111 §4.4: an unsafe method takes its URL back. What is none that is known does not: anybody can write it."""
    app = door(overridden_by("X-HTTP-Method-Override"))
    app.ask()
    app.ask(headers=[("X-HTTP-Method-Override", meant)])
    assert app.ask().is_hit is not is_unsafe


def test_a_post_that_means_a_get_is_a_post(door: Door) -> None:
    app = door(overridden_by("X-HTTP-Method-Override"))
    app.ask()
    assert app.ask(method="POST", headers=[("X-HTTP-Method-Override", "GET")]).body == "GET done"
    assert not app.ask().is_hit
