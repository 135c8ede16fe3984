"""Sites that say `Vary: Cookie` whenever a response depended on a cookie, taken at their word by `cookies="vary"`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask import session as flask_session
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from accelerator import ASGIAccelerator, WSGIAccelerator
from tests.identity.django_sites import django
from tests.identity.doors import Page
from tests.support import ask as ask_asgi
from tests.wsgi.support import ask as ask_wsgi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from accelerator.asgi_types import Application
    from tests.identity.doors import Cached, Door, Field, Handle, Seen

AT_ITS_WORD: dict[str, Any] = {"cookies": "vary"}
BROWSERS = ("Cache-Control", "max-age=60")


def cookies(text: str) -> list[Field]:
    return [("Cookie", text)]


def saying(*fields: Field) -> Handle:
    """An application that shows the cookies it sees."""
    return lambda seen: Page(f"for {seen.get('Cookie')}", fields)


def asked(app: Cached, *requests: Sequence[Field]) -> list[tuple[str, bool]]:
    answers = [app.ask(headers=headers) for headers in requests]
    return [(answer.body, answer.is_hit) for answer in answers]


ADA, BOB = cookies("sessionid=ada"), cookies("sessionid=bob")

# --- what does not say Vary: Cookie -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "options"),
    [([], {"default_ttl": 60}), ([BROWSERS], {}), ([("Vary", "Accept")], {"default_ttl": 60})],
    ids=["default_ttl", "max-age", "another Vary"],
)
def test_what_does_not_say_vary_cookie_is_shared_among_requests_with_whatever_cookies(
    door: Door, fields: list[Field], options: dict[str, Any]
) -> None:
    app = door(saying(*fields), **AT_ITS_WORD, **options)
    assert asked(app, ADA, BOB, [], ADA) == [("for sessionid=ada", is_hit) for is_hit in (False, True, True, True)]


@pytest.mark.parametrize(("fields", "options"), [([], {"default_ttl": 60}), ([BROWSERS], {})], ids=["ttl", "max-age"])
def test_the_strict_default_wants_a_word_for_shared_caches(
    door: Door, fields: list[Field], options: dict[str, Any]
) -> None:
    app = door(saying(*fields), **options)
    assert asked(app, ADA, BOB, []) == [(f"for {who}", False) for who in ("sessionid=ada", "sessionid=bob", None)]
    assert app.ask(headers=ADA).detail == "a request with Cookie needs a word for shared caches"


# --- what says it -----------------------------------------------------------------------------------------------------


def test_what_says_vary_cookie_is_chosen_by_the_cookies(door: Door) -> None:
    app = door(saying(("Vary", "Cookie")), default_ttl=60, **AT_ITS_WORD)
    bodies = ["for sessionid=ada", "for sessionid=bob", "for None"]
    assert asked(app, ADA, BOB, [], ADA, BOB, []) == [(body, False) for body in bodies] + [
        (body, True) for body in bodies
    ]


@pytest.mark.parametrize(
    "options", [{"ignore_cookies": ("_ga*",)}, {"keep_cookies": ("sessionid",)}], ids=["ignored", "kept"]
)
def test_what_says_vary_cookie_is_chosen_by_the_cookies_that_count(door: Door, options: dict[str, Any]) -> None:
    app = door(saying(("Vary", "Cookie")), default_ttl=60, **AT_ITS_WORD, **options)
    requests = [cookies(f"_ga={number}; sessionid=ada") for number in range(3)]
    assert asked(app, *requests) == [("for sessionid=ada", is_hit) for is_hit in (False, True, True)]
    assert asked(app, cookies("_ga=1")) == [("for None", False)]


def test_what_authorization_and_keys_need_they_need_still(door: Door) -> None:
    app = door(saying(), default_ttl=60, **AT_ITS_WORD)
    for name in ("Authorization", "X-API-Key"):
        answer = app.ask(headers=[*ADA, (name, "ada")])
        assert answer.detail == f"a request with {name} needs public"


@pytest.mark.parametrize("fields", [[("Set-Cookie", "a=1")], [("Set-Cookie", "a=1"), ("Vary", "Cookie")]])
def test_set_cookie_stays_unstorable(door: Door, fields: list[Field]) -> None:
    app = door(saying(*fields), default_ttl=60, **AT_ITS_WORD)
    assert [app.ask().detail for _ in range(2)] == ["Set-Cookie"] * 2


def test_private_stays_unstorable(door: Door) -> None:
    app = door(saying(("Cache-Control", "private"), ("Vary", "Cookie")), default_ttl=60, **AT_ITS_WORD)
    assert [app.ask(headers=ADA).detail for _ in range(2)] == ["private"] * 2


# --- cookies that tell responses apart by themselves ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["django_language", "_LOCALE_", "I18N_LANGUAGE"])
def test_a_language_cookie_tells_responses_apart_though_vary_does_not_say_so(door: Door, name: str) -> None:
    app = door(saying(("Vary", "Accept-Language")), default_ttl=60, **AT_ITS_WORD)
    german, english = cookies(f"{name}=de"), cookies(f"{name}=en; other=1")
    assert asked(app, german, english, [], german) == [
        (f"for {name}=de", False),
        (f"for {name}=en; other=1", False),
        ("for None", False),
        (f"for {name}=de", True),
    ]


def test_a_language_cookie_tells_responses_apart_by_the_strict_rule_too(door: Door) -> None:
    app = door(saying(("Cache-Control", "s-maxage=60")))
    german, english = cookies("django_language=de"), cookies("django_language=en")
    assert [body for body, _ in asked(app, german, english, [], german)] == [
        "for django_language=de",
        "for django_language=en",
        "for None",
        "for django_language=de",
    ]


def test_a_cookie_of_the_sites_own_tells_responses_apart_as_an_option(door: Door) -> None:
    app = door(saying(), default_ttl=60, vary_cookies=("theme",), **AT_ITS_WORD)
    dark, light = cookies("theme=dark"), cookies("theme=light")
    assert [is_hit for _, is_hit in asked(app, dark, light, dark, cookies("django_language=de"), [])] == [
        False,
        False,
        True,
        False,
        True,
    ]


# --- cookies that are set anew ----------------------------------------------------------------------------------------


def test_a_cookie_that_is_set_anew_chooses_no_stored_response_and_is_seen(door: Door) -> None:
    """As Django does with `csrftoken`: the form that shows a token sets it, and so is not stored."""

    def handle(seen: Seen) -> Page:
        if seen.path == "/form":
            return Page(f"token of {seen.get('Cookie')}", [("Vary", "Cookie"), ("Set-Cookie", "csrftoken=new")])
        return Page("page", [("Vary", "Cookie")])

    app = door(handle, default_ttl=60, renewed_cookies=("csrftoken",), **AT_ITS_WORD)
    tokens = [cookies(f"csrftoken={number}") for number in range(3)]
    assert asked(app, *tokens, []) == [("page", False), ("page", True), ("page", True), ("page", True)]
    assert asked(app, cookies("csrftoken=1; sessionid=ada"), cookies("sessionid=ada; csrftoken=2")) == [
        ("page", False),
        ("page", True),
    ]
    forms = [app.ask("/form", headers=token) for token in tokens]
    assert [form.body for form in forms] == [f"token of csrftoken={number}" for number in range(3)]
    assert {form.detail for form in forms} == {"Set-Cookie"}


# --- real frameworks --------------------------------------------------------------------------------------------------


def cookie_of(set_cookie: str | None) -> list[tuple[str, str]]:
    return [("cookie", str(set_cookie).partition(";")[0])]


def test_django_keeps_what_depends_on_no_session_for_all_and_what_does_for_each() -> None:
    with django(MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"]) as site:
        app = WSGIAccelerator(site, default_ttl=60, **AT_ITS_WORD)
        ada, bob = (cookie_of(ask_wsgi(app, f"/login?name={name}").get("set-cookie")) for name in ("ada", "bob"))
        pages = [ask_wsgi(app, "/", headers=headers) for headers in (ada, bob, [], [("cookie", "_ga=1")])]
        assert [page.is_hit for page in pages] == [False, True, True, True]
        greetings = [ask_wsgi(app, "/greet", headers=headers) for headers in (ada, bob, []) * 2]
        assert [greeting.body for greeting in greetings] == [b"hello ada", b"hello bob", b"hello None"] * 2
        assert [greeting.is_hit for greeting in greetings] == [False] * 3 + [True] * 3


def test_djangos_locale_middleware_shows_each_visitor_the_language_of_his_cookie() -> None:
    with django(MIDDLEWARE=["django.middleware.locale.LocaleMiddleware"], USE_I18N=True) as site:
        app = WSGIAccelerator(site, default_ttl=60, **AT_ITS_WORD)
        german, english = (cookies(f"django_language={language}") for language in ("de", "en"))
        english_browser = [("Accept-Language", "en")]
        requests = [german, english, [*german, *english_browser], english_browser, german]
        replies = [ask_wsgi(app, "/language", headers=headers) for headers in requests]
        assert [reply.body.decode() for reply in replies] == ["Montag", "Monday", "Montag", "Monday", "Montag"]
        assert replies[0].get("vary") == "Accept-Language", "it does not name the cookie"
        assert replies[-1].is_hit


def test_flask_keeps_what_depends_on_no_session_for_all_and_what_does_for_each() -> None:
    flask = Flask(__name__)
    flask.secret_key = "secret"

    @flask.route("/")
    def index() -> str:
        return "page"

    @flask.route("/login/<name>", methods=["POST"])
    def login(name: str) -> str:
        flask_session["name"] = name
        return "welcome"

    @flask.route("/greet")
    def greet() -> str:
        return f"hello {flask_session.get('name')}"

    app = WSGIAccelerator(flask, default_ttl=60, **AT_ITS_WORD)
    ada, bob = (cookie_of(ask_wsgi(app, f"/login/{name}", method="POST").get("set-cookie")) for name in ("ada", "bob"))
    assert [ask_wsgi(app, "/", headers=headers).is_hit for headers in (ada, bob, [])] == [False, True, True]
    greetings = [ask_wsgi(app, "/greet", headers=headers) for headers in (ada, bob, []) * 2]
    assert [greeting.body for greeting in greetings] == [b"hello ada", b"hello bob", b"hello None"] * 2
    assert [greeting.is_hit for greeting in greetings] == [False] * 3 + [True] * 3


@pytest.mark.anyio
async def test_starlettes_sessions_say_vary_cookie_of_what_they_were_read_for() -> None:
    async def index(request: Request) -> Response:
        return PlainTextResponse("page")

    async def login(request: Request) -> Response:
        request.session["name"] = request.url.query
        return PlainTextResponse("welcome")

    async def greet(request: Request) -> Response:
        return PlainTextResponse(f"hello {request.session.get('name')}")

    site = Starlette(routes=[Route("/", index), Route("/login", login, methods=["POST"]), Route("/greet", greet)])
    sessions = SessionMiddleware(site, secret_key="secret")
    app: Application = ASGIAccelerator(sessions, default_ttl=60, **AT_ITS_WORD)
    names = ("ada", "bob")
    ada, bob = [cookie_of((await ask_asgi(app, f"/login?{name}", method="POST")).get("set-cookie")) for name in names]
    pages = [await ask_asgi(app, "/", headers=headers) for headers in (ada, bob, [])]
    assert ["hit" in str(page.get("cache-status")) for page in pages] == [False, True, True]
    greetings = [await ask_asgi(app, "/greet", headers=headers) for headers in [ada, bob, []] * 2]
    assert [greeting.body for greeting in greetings] == [b"hello ada", b"hello bob", b"hello None"] * 2
