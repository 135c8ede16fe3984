"""Who asks is said in many ways. By whichever, nobody gets another one's page, unless it is `public`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import anyio
import pytest
from asgi_csrf import asgi_csrf
from fastapi import Depends, FastAPI
from fastapi.security import APIKeyHeader
from flask import Flask
from flask import request as flask_request
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from accelerator import CREDENTIALS, ASGIAccelerator, WSGIAccelerator, cache_for
from accelerator.testing import ManualClock
from tests.identity.doors import ASGIDoor, Page, WSGIDoor
from tests.support import App, Lines, Scope
from tests.support import ask as ask_asgi
from tests.wsgi.support import ask as ask_wsgi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response

    from accelerator.asgi_types import Application
    from tests.identity.doors import Cached, Door, Field, Handle, Seen


def echo_of(name: str) -> Handle:
    """An application that shows what a field says, and lets its page be kept."""

    def handle(seen: Seen) -> Page:
        cache_for(60)
        return Page(f"page of {seen.get(name)}")

    return handle


# --- keys and tokens --------------------------------------------------------------------------------------------------


key_of = APIKeyHeader(name="X-API-Key")


def api(*, public: bool = False, **options: Any) -> ASGIAccelerator:
    app = FastAPI()

    @app.get("/me")
    def me(key: Annotated[str, Depends(key_of)]) -> str:
        cache_for(60, public=public)
        return f"page of {key}"

    return ASGIAccelerator(app, **options)


async def shown(app: Application, *requests: Lines) -> list[str]:
    answers = [await ask_asgi(app, "/me", headers=headers) for headers in requests]
    return ["refused" if answer.status in {401, 403} else answer.body.decode() for answer in answers]


ALICE: Lines = [("x-api-key", "alice")]
BOB: Lines = [("x-api-key", "bob")]
FOR_ALICE, FOR_BOB = '"page of alice"', '"page of bob"'


@pytest.mark.anyio
async def test_fastapi_api_key_header_is_judged_for_each_request() -> None:
    app = api()
    assert await shown(app, ALICE, BOB, [], ALICE) == [FOR_ALICE, FOR_BOB, "refused", FOR_ALICE]
    answer = await ask_asgi(app, "/me", headers=ALICE)
    assert answer.get("cache-status") == 'accelerator; fwd=uri-miss; detail="a request with X-API-Key needs public"'


@pytest.mark.anyio
async def test_fastapi_api_key_header_is_judged_no_more_where_the_view_says_public() -> None:
    assert await shown(api(public=True), ALICE, BOB, []) == [FOR_ALICE] * 3


@pytest.mark.anyio
async def test_with_a_partition_each_key_has_pages_of_its_own() -> None:
    def key(scope: Any) -> str:
        found: bytes = dict(scope["headers"]).get(b"x-api-key", b"")
        return found.decode("latin-1")

    app = api(partition=key)
    assert await shown(app, ALICE, BOB, []) == [FOR_ALICE, FOR_BOB, "refused"]
    assert "hit" in str((await ask_asgi(app, "/me", headers=ALICE)).get("cache-status"))


def test_a_key_under_a_name_of_the_sites_own_is_an_option(door: Door) -> None:
    app = door(echo_of("X-My-Key"), credentials=(*CREDENTIALS, "X-My-Key"))
    asked = [app.ask(headers=headers).body for headers in ([("X-My-Key", "ada")], [], [("X-My-Key", "bob")])]
    assert asked == ["page of ada", "page of None", "page of bob"]


@pytest.mark.anyio
async def test_what_is_made_anew_for_a_user_is_not_given_to_another_if_it_is_public_no_more() -> None:
    """A refresh in the background runs as the request that found the page stale, with its key."""
    is_public, made, gate = True, [], anyio.Event()

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        cache_for(60, stale_while_revalidate=600, public=is_public)
        key = dict(scope["headers"]).get(b"x-api-key", b"nobody")
        made.append(key)
        if len(made) == 2:
            gate.set()
        return 200, [], b"page of " + key

    clock = ManualClock()
    app = ASGIAccelerator(App(handle), clock=clock)
    await ask_asgi(app)
    is_public = False
    clock.advance(61)
    assert (await ask_asgi(app, headers=ALICE)).body == b"page of nobody", "it was public"
    await gate.wait()
    await anyio.wait_all_tasks_blocked()
    assert made == [b"nobody", b"alice"]
    assert [(await ask_asgi(app, headers=headers)).body for headers in (BOB, [])] == [b"page of nobody"] * 2


# --- proxies that authenticate ----------------------------------------------------------------------------------------

PROXIES = [
    "X-Forwarded-User",
    "X-Auth-Request-Email",
    "Remote-User",
    "Cf-Access-Jwt-Assertion",
    "X-Amzn-Oidc-Data",
    "Tailscale-User-Login",
    "X-Ms-Client-Principal",
    "X-Goog-Iap-Jwt-Assertion",
    "X-Forwarded-Client-Cert",
]


def said_of(app: Cached, *requests: Sequence[Field]) -> list[str]:
    return [app.ask(headers=headers).body for headers in requests]


@pytest.mark.parametrize("name", PROXIES)
def test_what_proxies_that_authenticate_say_of_a_user_is_not_shared(door: Door, name: str) -> None:
    app = door(echo_of(name))
    assert app.ask(headers=[(name, "alice")]).detail == f"a request with {name} needs public"
    assert said_of(app, [(name, "alice")], [(name, "bob")], []) == ["page of alice", "page of bob", "page of None"]
    assert said_of(app, [(name, "alice")], []) == ["page of alice", "page of None"]
    assert app.ask().is_hit, "nobody's page is for nobody"


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("words", ["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60"])
def test_what_a_proxy_says_of_a_user_is_read_as_authorization_is(door: Door, name: str, words: str) -> None:
    """RFC 9111 §3.5."""
    app = door(lambda seen: Page(f"page of {seen.get(name)}", [("Cache-Control", words)]))
    assert said_of(app, [(name, "alice")], [(name, "bob")], []) == ["page of alice"] * 3


@pytest.mark.parametrize("name", ["SSL-Client-Verify", "X-SSL-Client-Verify", "X-Client-Verify"])
def test_whose_certificate_a_proxy_found_good_shares_with_nobody_else(door: Door, name: str) -> None:
    """It says so of everybody: those without one are not to be kept from the store."""
    app = door(echo_of(name))
    good, none = [(name, "SUCCESS")], [(name, "NONE")]
    assert said_of(app, good, none, []) == ["page of SUCCESS", "page of NONE", "page of None"]
    assert [app.ask(headers=headers).is_hit for headers in (good, none, [])] == [True] * 3


# --- what the server says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alice", "bob", "words"),
    [
        ({"REMOTE_USER": "alice"}, {"REMOTE_USER": "bob"}, "REMOTE_USER"),
        ({"SSL_CLIENT_S_DN": "CN=alice"}, {"SSL_CLIENT_S_DN": "CN=bob"}, "a client certificate"),
    ],
    ids=["REMOTE_USER", "SSL_CLIENT_S_DN"],
)
def test_whom_a_wsgi_server_names_gets_a_page_of_his_own(
    alice: dict[str, Any], bob: dict[str, Any], words: str
) -> None:
    (name,) = alice
    app = WSGIDoor(lambda seen: Page(f"page of {seen.world.get(name)}", [("Cache-Control", "max-age=60")]))
    bodies = [app.ask(**world).body for world in (alice, bob, {}, alice)]
    assert bodies == [f"page of {who}" for who in (alice[name], bob[name], None, alice[name])]
    assert app.ask(**alice).detail == f"a request with {words} needs public"
    assert app.ask().is_hit


def test_flask_greets_each_remote_user_by_name() -> None:
    app = Flask(__name__)

    @app.route("/")
    def greet() -> str:
        cache_for(60)
        return f"hello {flask_request.remote_user}"

    app.wsgi_app = WSGIAccelerator(app.wsgi_app)  # type: ignore[method-assign]  # as Flask documents it
    bodies = [ask_wsgi(app, **world).body for world in ({"REMOTE_USER": "ada"}, {"REMOTE_USER": "bob"}, {})]
    assert bodies == [b"hello ada", b"hello bob", b"hello None"]


def certificate(name: str) -> dict[str, Any]:
    return {"extensions": {"tls": {"client_cert_name": name, "client_cert_chain": [], "tls_version": 0x0304}}}


def test_whom_a_certificate_of_the_tls_extension_names_gets_a_page_of_his_own() -> None:
    def handle(seen: Seen) -> Page:
        cache_for(60)
        return Page(f"page of {seen.world.get('extensions', {}).get('tls', {}).get('client_cert_name')}")

    app = ASGIDoor(handle)
    bodies = [app.ask(**world).body for world in (certificate("CN=alice"), certificate("CN=bob"), {})]
    assert bodies == ["page of CN=alice", "page of CN=bob", "page of None"]
    assert app.ask(**certificate("CN=alice")).detail == "a request with a client certificate needs public"
    assert app.ask(extensions={"tls": {"client_cert_name": None, "client_cert_chain": []}}).is_hit


# --- what stands further out ------------------------------------------------------------------------------------------


class ByName(AuthenticationBackend):
    """Believes what a client calls itself."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        name = conn.headers.get("x-name")
        return (AuthCredentials(["authenticated"]), SimpleUser(name)) if name else None


async def greet_user(request: Request) -> Response:
    cache_for(60)
    return PlainTextResponse(f"hello {request.user.display_name}")


NAMED: list[Lines] = [[("x-name", "ada")], [("x-name", "bob")], []]


@pytest.mark.anyio
async def test_a_user_of_an_authentication_middleware_further_out_gets_a_page_of_his_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inner = ASGIAccelerator(Starlette(routes=[Route("/", greet_user)]))
    app = AuthenticationMiddleware(inner, backend=ByName())
    bodies = [(await ask_asgi(app, headers=headers)).body for headers in NAMED]
    assert bodies == [b"hello ada", b"hello bob", b"hello "]
    answer = await ask_asgi(app, headers=NAMED[0])
    assert str(answer.get("cache-status")).endswith('; detail="a request with a user needs public"')
    assert "hit" in str((await ask_asgi(app)).get("cache-status"))
    assert [record.args for record in caplog.records] == [("a user",)]


MISPLACED = (
    "a middleware outside of the cache has put %s into the scope: such a request is neither stored nor answered from"
    " the store unless the response is public, or the request has a partition. Put the cache outside of it: with"
    " Starlette and FastAPI call add_middleware(ASGIAccelerator) after all others."
)


def greeting_sessions(*, cache_is_added: str) -> Starlette:
    async def login(request: Request) -> Response:
        request.session["user"] = request.url.query
        return PlainTextResponse("welcome")

    async def greet(request: Request) -> Response:
        cache_for(60)
        return PlainTextResponse(f"hello {request.session.get('user')}")

    app = Starlette(routes=[Route("/login", login, methods=["POST"]), Route("/", greet)])
    if cache_is_added == "first":
        app.add_middleware(ASGIAccelerator)
    app.add_middleware(SessionMiddleware, secret_key="secret")
    if cache_is_added == "last":
        app.add_middleware(ASGIAccelerator)
    return app


async def logged_in(app: Application, name: str) -> Lines:
    answer = await ask_asgi(app, f"/login?{name}", method="POST")
    return [("cookie", str(answer.get("set-cookie")).partition(";")[0])]


@pytest.mark.anyio
@pytest.mark.parametrize("cache_is_added", ["first", "last"])
async def test_sessions_are_nobody_elses_whichever_middleware_was_added_first(
    cache_is_added: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = greeting_sessions(cache_is_added=cache_is_added)
    requests: list[Lines] = [await logged_in(app, "ada"), await logged_in(app, "bob"), []]
    answers = [await ask_asgi(app, headers=headers) for headers in requests * 2]
    assert [answer.body for answer in answers] == [b"hello ada", b"hello bob", b"hello None"] * 2
    warnings = [record.getMessage() for record in caplog.records]
    if cache_is_added == "first":
        assert str(answers[0].get("cache-status")).endswith('; detail="a request with a session needs public"')
        assert warnings == [MISPLACED % "a session"], "it is said once"
    else:
        assert ["hit" in str(answer.get("cache-status")) for answer in answers] == [False] * 3 + [True] * 3
        assert warnings == []


@pytest.mark.anyio
@pytest.mark.parametrize("cache_is", ["inside", "outside"])
async def test_the_token_of_asgi_csrf_is_nobody_elses_on_either_side_of_the_cache(
    cache_is: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def form(request: Request) -> Response:
        cache_for(60)
        return PlainTextResponse(request.scope["csrftoken"]())

    site = Starlette(routes=[Route("/", form)])
    app: Application
    if cache_is == "inside":
        app = asgi_csrf(ASGIAccelerator(site), signing_secret="secret")
    else:
        app = ASGIAccelerator(asgi_csrf(site, signing_secret="secret"))
    tokens = [(await ask_asgi(app)).body.decode() for _ in range(3)]
    assert len(set(tokens)) == 3
    again = [(await ask_asgi(app, headers=[("cookie", f"csrftoken={token}")])).body.decode() for token in tokens * 2]
    assert again == tokens * 2, "each client keeps its own"
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings == ([MISPLACED % "a CSRF token"] if cache_is == "inside" else [])


@pytest.mark.anyio
async def test_a_session_that_the_view_itself_fills_further_out_is_not_shared() -> None:
    """The scope holds an empty session when the request comes, and the page shows what is in it when it is made."""

    async def view(request: Request) -> Response:
        cache_for(60)
        number = request.session.setdefault("number", next(numbers))
        return PlainTextResponse(f"your number is {number}")

    numbers = iter(range(9))
    app = SessionMiddleware(ASGIAccelerator(Starlette(routes=[Route("/", view)])), secret_key="secret")
    answers = [await ask_asgi(app) for _ in range(2)]
    assert [answer.body for answer in answers] == [b"your number is 0", b"your number is 1"]
    assert str(answers[0].get("cache-status")).endswith('; detail="a request with a session needs public"')


@pytest.mark.anyio
async def test_public_is_a_cure_for_who_stands_further_out() -> None:
    async def page(request: Request) -> Response:
        cache_for(60, public=True)
        return PlainTextResponse("the same for all")

    app = AuthenticationMiddleware(ASGIAccelerator(Starlette(routes=[Route("/", page)])), backend=ByName())
    answers = [await ask_asgi(app, headers=headers) for headers in NAMED]
    assert ["hit" in str(answer.get("cache-status")) for answer in answers] == [False, True, True]


def test_well_known_names_that_are_left_out_are_warned_of_once(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    app = door(echo_of("X-My-Key"), credentials=("X-My-Key",))
    app.ask(headers=[("X-My-Key", "a")])
    warned = [record.getMessage() for record in caplog.records]
    assert len(warned) == 1
    assert "credentials leaves out" in warned[0]
    assert "credentials=(*accelerator.CREDENTIALS, 'X-My-Key')" in warned[0]


def test_more_names_than_the_well_known_ones_are_nothing_to_warn_of(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door(echo_of("X-My-Key"), credentials=(*CREDENTIALS, "X-My-Key")).ask()
    assert not caplog.records
