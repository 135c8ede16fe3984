"""Whatever says who asks, and whatever is said of the answers: in the memory of one process."""

from __future__ import annotations

import logging
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelerator.http.credentials import CREDENTIALS
from tests.identity.doors import ASGIDoor, WSGIDoor
from tests.identity.world import ENVIRON, SCOPE, SEARCH, WORDS, Asked, Site, requests

if TYPE_CHECKING:
    from tests.identity.doors import Door


@pytest.mark.parametrize("of", [ASGIDoor, WSGIDoor], ids=["ASGI", "WSGI"])
def test_no_answer_that_was_made_for_one_identity_is_given_to_another_or_to_nobody(
    of: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)  # the order of middlewares is warned of, by each of many caches

    @settings(SEARCH, max_examples=100)
    @given(requests(of), st.sampled_from(["strict", "vary"]))
    def check(asked: list[Asked], cookies: str) -> None:
        site = Site(of, None, cookies=cookies)
        for request in asked:
            site.check(request)

    check()


@pytest.mark.parametrize("cookies", ["strict", "vary"])
@pytest.mark.parametrize("of", [ASGIDoor, WSGIDoor], ids=["ASGI", "WSGI"])
def test_of_any_two_requests_the_second_gets_nothing_that_was_made_for_the_first_alone(
    of: Door, cookies: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    for name in ("Cookie", "Authorization", "X-API-Key", "user" if of is ASGIDoor else "REMOTE_USER"):
        somebody = [((name, "alice"),), ((name, "bob"),), ()]
        for first, second, words in product(somebody, somebody, WORDS):
            site = Site(of, None, cookies=cookies)
            site.check(Asked(first, words))
            site.check(Asked(second, words))


def each_way() -> list[Any]:
    fields = [(door, name) for door in (ASGIDoor, WSGIDoor) for name in ("Authorization", *CREDENTIALS)]
    worlds = [*((ASGIDoor, name) for name in SCOPE), *((WSGIDoor, name) for name in ENVIRON)]
    return [pytest.param(door, name, id=f"{door.__name__[:4]} {name}") for door, name in fields + worlds]


@pytest.mark.parametrize(("of", "name"), each_way())
def test_each_way_of_saying_who_asks_tells_alice_from_bob_and_from_nobody(of: Door, name: str) -> None:
    """And the property is not true for want of sharing: what is public is shared."""
    alice, bob, nobody = (((name, "alice"),), ((name, "bob"),), ())
    site = Site(of, None, cookies="strict")
    made_for = [site.ask(Asked(who, "cache_for")).get("x-who") for who in (alice, bob, nobody, alice)]
    assert made_for == [f"{name}=alice", f"{name}=bob", "nobody", f"{name}=alice"]
    site = Site(of, None, cookies="strict")
    assert {site.ask(Asked(who, "public")).get("x-who") for who in (alice, bob, nobody)} == {f"{name}=alice"}
    if name != "Authorization":
        shared = [site.ask(Asked(who, "cache_for", "tenant")).get("x-who") for who in (bob, alice, nobody)]
        assert shared == [f"{name}=bob"] * 3
