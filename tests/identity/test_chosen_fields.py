"""Fields that choose a response: said of one response, or of a whole site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import a2wsgi
import pytest
from asgiref.wsgi import WsgiToAsgi

from accelerator import ASGIAccelerator, cache_for, cached, vary
from accelerator.testing import ManualClock
from tests.identity.doors import Page
from tests.support import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tests.identity.doors import Door, Handle, Seen

ONE, OTHER = [("X-Tenant", "one")], [("X-Tenant", "other")]


def chosen(say: Callable[[], object], *fields: tuple[str, str]) -> Handle:
    """An application that answers each tenant by name, and says how its response was chosen."""

    def handle(seen: Seen) -> Page:
        say()
        return Page(f"shop of {seen.get('X-Tenant')}", fields)

    return handle


def by_vary() -> None:
    vary("X-Tenant")
    cache_for(60)


WAYS: list[tuple[Callable[[], object], dict[str, Any]]] = [
    (lambda: cache_for(60, vary=["X-Tenant"]), {}),
    (by_vary, {}),
    (cached(60, vary="X-Tenant")(lambda: None), {}),
    (lambda: cache_for(60), {"vary": ("X-Tenant",)}),
]


@pytest.mark.parametrize(("say", "options"), WAYS, ids=["cache_for", "vary()", "@cached", "the option"])
def test_a_response_is_chosen_by_the_fields_that_were_said_and_says_so_in_vary(
    door: Door, say: Callable[[], object], options: dict[str, Any]
) -> None:
    app = door(chosen(say), **options)
    requests = [ONE, OTHER, [], ONE, OTHER, []]
    answers = [app.ask(headers=headers) for headers in requests]
    assert [answer.body for answer in answers] == ["shop of one", "shop of other", "shop of None"] * 2
    assert [answer.is_hit for answer in answers] == [False] * 3 + [True] * 3
    assert [answer.get("vary") for answer in answers] == ["x-tenant"] * 6, "on the miss and on the hit"


def test_what_was_said_stands_beside_the_vary_of_the_response(door: Door) -> None:
    say: Callable[[], object] = lambda: cache_for(60, vary=["X-Tenant", "Accept"])  # noqa: E731 - it is named by its use
    app = door(chosen(say, ("Vary", "Accept")), vary=("X-Plan",))
    for is_hit in (False, True):
        answer = app.ask(headers=ONE)
        assert (answer.get("vary"), answer.is_hit) == ("Accept, x-plan, x-tenant", is_hit)
    assert not app.ask(headers=[*ONE, ("X-Plan", "gold")]).is_hit
    assert not app.ask(headers=[*ONE, ("Accept", "text/html")]).is_hit


def test_a_response_that_is_not_stored_says_by_which_fields_it_was_chosen_too(door: Door) -> None:
    app = door(chosen(lambda: vary("X-Tenant"), ("Cache-Control", "private, max-age=60")))
    assert [app.ask(headers=ONE).get("vary") for _ in range(2)] == ["x-tenant"] * 2


@pytest.mark.parametrize(("say", "options"), WAYS, ids=["cache_for", "vary()", "@cached", "the option"])
def test_what_passes_by_says_so_too_where_caches_further_out_may_keep_it(
    door: Door, say: Callable[[], object], options: dict[str, Any]
) -> None:
    app = door(chosen(say), **options)
    part = app.ask(headers=[*ONE, ("Range", "bytes=0-1")])
    head = app.ask(method="HEAD", headers=ONE)
    conditional = app.ask(headers=[*ONE, ("If-Match", "*")])
    assert [answer.get("vary") for answer in (part, head, conditional)] == ["x-tenant"] * 3
    assert app.ask(method="POST", headers=ONE).get("vary") is None


def test_a_field_that_chooses_needs_no_public_but_says_who_asks_no_less(door: Door) -> None:
    app = door(chosen(lambda: cache_for(60, vary=["X-API-Key"])))
    for name in ("ada", "bob", "ada"):
        assert app.ask(headers=[("X-API-Key", name)]).detail == "a request with X-API-Key needs public"


def test_what_chose_a_response_chooses_it_after_the_application_said_304(door: Door) -> None:
    """What says vary() is a view, and a view does not run where a 304 is known before."""

    def handle(seen: Seen) -> Page:
        fields = [("ETag", '"v1"'), ("Cache-Control", "s-maxage=60")]
        if seen.get("If-None-Match"):
            return Page("", fields, status=304)
        vary("X-Tenant")
        return Page(f"shop of {seen.get('X-Tenant')}", fields)

    clock = ManualClock()
    app = door(handle, clock=clock)
    app.ask(headers=ONE)
    clock.advance(61)
    validated = app.ask(headers=ONE)
    assert (validated.body, validated.get("cache-status")) == (
        "shop of one",
        "accelerator; fwd=stale; fwd-status=304; stored",
    )
    answers = [app.ask(headers=headers) for headers in (OTHER, ONE)]
    assert [(answer.body, answer.is_hit) for answer in answers] == [("shop of other", False), ("shop of one", True)]
    assert validated.get("vary") == "x-tenant"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("bridge", [a2wsgi.WSGIMiddleware, WsgiToAsgi], ids=lambda bridge: bridge.__name__)
@pytest.mark.parametrize("field", ["X_Tenant", "Accept_Language", "x_tenant"])
async def test_a_name_that_a_bridge_takes_for_the_one_that_chooses_poisons_nobody(bridge: Any, field: str) -> None:
    def site(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen = (environ.get("HTTP_X_TENANT", "-"), environ.get("HTTP_ACCEPT_LANGUAGE", "-"))
        start_response("200 OK", [("Cache-Control", "s-maxage=60"), ("Vary", "X-Tenant, Accept-Language")])
        return [" ".join(seen).encode()]

    cached = ASGIAccelerator(bridge(site))
    evil = await ask(cached, headers=[(field.lower(), "evil")])
    assert b"evil" in evil.body
    assert (await ask(cached)).body == b"- -"
    assert (await ask(cached)).get("cache-status") == "accelerator; hit; ttl=59"
