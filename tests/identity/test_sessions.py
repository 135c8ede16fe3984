"""Whom a view puts where a middleware further out has made a place for somebody, its response may show."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from litestar import Litestar, get
from litestar import Request as LitestarRequest
from litestar.middleware import DefineMiddleware
from litestar.middleware.session.client_side import CookieBackendConfig

from accelerator import ASGIAccelerator, cache_for
from accelerator.testing import ManualClock
from tests.identity.doors import ASGIDoor, Page, WSGIDoor
from tests.support import ask

if TYPE_CHECKING:
    from tests.identity.doors import Answer, Cached, Door, Field, Handle, Seen

Put: TypeAlias = Callable[[dict[str, Any], str, object], None]

SESSIONS = [
    (ASGIDoor, "session"),
    *[(WSGIDoor, f"{name}.session") for name in ("beaker", "secure_cookie", "werkzeug")],
]
USERS = [(ASGIDoor, "user", "a user"), (ASGIDoor, "auth", "a user"), (WSGIDoor, "REMOTE_USER", "REMOTE_USER")]


def fill(world: dict[str, Any], place: str, value: object) -> None:
    world[place]["number"] = value


def replace(world: dict[str, Any], place: str, value: object) -> None:
    world[place] = {"number": value}


def numbering(place: str, put: Put, *, public: bool = False) -> Handle:
    """An application that gives each visitor without a number one, and shows it."""
    numbers = count()

    def handle(seen: Seen) -> Page:
        cache_for(60, public=public)
        number = next(numbers)
        put(dict_of(seen), place, number)
        return Page(f"number {number}")

    return handle


def ask_with(app: Cached, place: str, value: object, *, method: str = "GET") -> Answer:
    """Send a request for which a middleware further out has put this there."""
    world: dict[str, Any] = {place: value}
    return app.ask(method=method, **world)


def dict_of(seen: Seen) -> dict[str, Any]:
    """The scope or environ, which an application may change."""
    assert isinstance(seen.world, dict)
    return seen.world


@pytest.mark.parametrize(("door", "place"), SESSIONS)
@pytest.mark.parametrize("put", [fill, replace])
def test_a_session_that_gets_content_while_the_page_is_made_is_nobody_elses(door: Door, place: str, put: Put) -> None:
    app = door(numbering(place, put))
    answers = [ask_with(app, place, {}) for _ in range(2)]
    assert [answer.body for answer in answers] == ["number 0", "number 1"]
    assert answers[0].detail == "a request with a session needs public"


@pytest.mark.parametrize(("door", "place"), SESSIONS)
def test_a_session_that_gets_none_costs_nothing(door: Door, place: str) -> None:
    app = door(numbering(place, lambda world, place, value: world.update({place: {}})))
    assert [ask_with(app, place, {}).body for _ in range(2)] == ["number 0", "number 0"]


@pytest.mark.parametrize(("door", "place", "words"), USERS)
def test_a_user_who_comes_while_the_page_is_made_has_it_alone(door: Door, place: str, words: str) -> None:
    app = door(numbering(place, lambda world, place, value: world.update({place: str(value)})))
    answers = [ask_with(app, place, "") for _ in range(2)]
    assert [answer.body for answer in answers] == ["number 0", "number 1"]
    assert answers[0].detail == f"a request with {words} needs public"


@pytest.mark.parametrize(("door", "place"), SESSIONS)
def test_what_only_a_middleware_further_in_puts_there_is_what_the_application_answers_for(
    door: Door, place: str
) -> None:
    app = door(numbering(place, replace))
    assert [app.ask().body for _ in range(2)] == ["number 0", "number 0"]


@pytest.mark.parametrize(("door", "place"), SESSIONS)
@pytest.mark.parametrize("put", [fill, replace])
def test_where_it_is_public_or_has_a_partition_it_is_shared(door: Door, place: str, put: Put) -> None:
    public = door(numbering(place, put, public=True))
    apart = door(numbering(place, put), partition=lambda scope: "all of us")
    assert [ask_with(app, place, {}).body for app in (public, apart) for _ in range(2)] == ["number 0"] * 4


@pytest.mark.parametrize(("door", "place"), SESSIONS)
def test_a_session_that_got_content_in_the_first_of_two_calls_counts(door: Door, place: str) -> None:
    """A 304 of something else than what is stored makes the cache ask again, without conditions."""

    def handle(seen: Seen) -> Page:
        session = seen.world[place]
        if seen.get("If-None-Match") is not None:
            session["number"] = next(numbers)
            return Page("", [("ETag", '"other"')], status=304)
        return Page(f"number {session.get('number')}", [("ETag", '"a"'), ("Cache-Control", "max-age=60")])

    numbers = count()
    clock = ManualClock()
    app = door(handle, clock=clock)
    assert ask_with(app, place, {}).body == "number None"
    clock.advance(61)
    answers = [ask_with(app, place, {}) for _ in range(2)]
    assert [answer.body for answer in answers] == ["number 0", "number 1"]
    assert answers[0].detail == "a request with a session needs public"


@pytest.mark.parametrize(("door", "place"), SESSIONS)
@pytest.mark.parametrize("put", [fill, replace])
@pytest.mark.parametrize("fields", [[], [("Cache-Control", "max-age=60")]], ids=["silent", "with a time"])
def test_a_head_for_which_a_session_gets_content_freshens_nothing(
    door: Door, place: str, put: Put, fields: list[Field]
) -> None:
    """Its fields may be that visitor's own."""

    def handle(seen: Seen) -> Page:
        if seen.method == "HEAD":
            put(dict_of(seen), place, 7)
            return Page("", [("ETag", '"a"'), ("X-CSRF-Token", "7"), *fields])
        return Page("page", [("ETag", '"a"'), ("Cache-Control", "max-age=60")])

    clock = ManualClock()
    app = door(handle, clock=clock)
    ask_with(app, place, {})
    clock.advance(61)
    assert ask_with(app, place, {}, method="HEAD").get("x-csrf-token") == "7"
    answer = ask_with(app, place, {})
    assert (answer.body, answer.is_hit, answer.get("x-csrf-token")) == ("page", False, None)


@pytest.mark.anyio
async def test_a_session_of_litestar_that_the_view_sets_is_nobody_elses() -> None:
    @get("/")
    async def view(request: LitestarRequest[Any, Any, Any]) -> str:
        cache_for(60)
        if not request.session:
            request.set_session({"number": next(numbers)})
        return f"number {request.session['number']}"

    numbers = count()
    accelerator: Any = ASGIAccelerator  # Litestar has types of its own for the shapes of ASGI
    sessions = CookieBackendConfig(secret=b"0" * 16)
    app: Any = Litestar([view], middleware=[sessions.middleware, DefineMiddleware(accelerator)], logging_config=None)
    answers = [await ask(app) for _ in range(2)]
    assert [answer.body for answer in answers] == [b"number 0", b"number 1"]
    assert str(answers[0].get("cache-status")).endswith('; detail="a request with a session needs public"')
