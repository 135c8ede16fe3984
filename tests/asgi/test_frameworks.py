"""The accelerator among frameworks and the middlewares that usually stand around it or inside of it."""

from __future__ import annotations

import gzip
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from fastapi import FastAPI
from litestar import Litestar, get
from litestar import Request as LitestarRequest
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from accelerator import ASGIAccelerator, MemoryStore, SyncStore, cache_for, tag
from accelerator.testing import ManualClock
from tests.support import App, Lines, Message, Receive, Scope, Send, app_saying, ask, chunk, http_scope, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.testclient import TestClient
    from starlette.websockets import WebSocket

    from accelerator.asgi_types import Application

pytestmark = pytest.mark.anyio

SHARED = ("cache-control", "s-maxage=60")
LONG = "all work and no play " * 100


class Pages:
    """Endpoints whose responses may be shared, and are counted."""

    def __init__(self) -> None:
        self.made = 0

    def next(self) -> str:
        self.made += 1
        cache_for(60)
        tag("pages")
        return f"page {self.made}"

    async def endpoint(self, request: Request) -> Response:
        return PlainTextResponse(self.next())


# --- frameworks -------------------------------------------------------------------------------------------------------


def around_starlette(pages: Pages, store: MemoryStore) -> Application:
    return ASGIAccelerator(Starlette(routes=[Route("/page", pages.endpoint)]), store=store)


def added_to_starlette(pages: Pages, store: MemoryStore) -> Application:
    app = Starlette(routes=[Route("/page", pages.endpoint)])
    app.add_middleware(ASGIAccelerator, store=store)
    return app


def listed_in_starlette(pages: Pages, store: MemoryStore) -> Application:
    middleware = [Middleware(ASGIAccelerator, store=store)]
    return Starlette(routes=[Route("/page", pages.endpoint)], middleware=middleware)


def of_one_route_of_starlette(pages: Pages, store: MemoryStore) -> Application:
    route = Route("/page", pages.endpoint, middleware=[Middleware(ASGIAccelerator, store=store)])
    return Starlette(routes=[route])


def added_to_fastapi(pages: Pages, store: MemoryStore) -> Application:
    app = FastAPI()
    app.add_middleware(ASGIAccelerator, store=store)

    @app.get("/page")
    def page() -> str:
        return pages.next()

    return app


def litestar_with(pages: Pages, **options: Any) -> Litestar:
    @get("/page", sync_to_thread=True)
    def page() -> str:
        return pages.next()

    return Litestar([page], logging_config=None, **options)  # the tests' own logging stays as it is


def around_litestar(pages: Pages, store: MemoryStore) -> Application:
    return as_application(ASGIAccelerator(as_application(litestar_with(pages)), store=store))


def listed_in_litestar(pages: Pages, store: MemoryStore) -> Application:
    accelerator: Any = ASGIAccelerator  # Litestar has types of its own for the shapes of ASGI
    return as_application(litestar_with(pages, middleware=[DefineMiddleware(accelerator, store=store)]))


def as_application(app: Any) -> Application:
    application: Application = app
    return application


FRAMEWORKS = [
    around_starlette,
    added_to_starlette,
    listed_in_starlette,
    of_one_route_of_starlette,
    added_to_fastapi,
    around_litestar,
    listed_in_litestar,
]


@pytest.mark.parametrize("make", FRAMEWORKS)
async def test_a_page_is_cached_and_taken_back(make: Callable[[Pages, MemoryStore], Application]) -> None:
    pages, store = Pages(), MemoryStore()
    app = make(pages, store)
    first, second = await ask(app, "/page"), await ask(app, "/page")
    assert (pages.made, first.status, second.body) == (1, 200, first.body)
    own = [line for line in first.headers if line[0] != b"cache-status"]
    assert [line for line in second.headers if line[0] not in {b"age", b"cache-status"}] == own
    await store.invalidate_tag("pages")
    assert b"page 2" in (await ask(app, "/page")).body
    assert pages.made == 2


async def test_litestar_speaks_by_the_keys_of_its_scope() -> None:
    count = 0

    @get("/page")
    async def page(request: LitestarRequest[Any, Any, Any]) -> str:
        nonlocal count
        count += 1
        scope: dict[str, Any] = request.scope  # type: ignore[assignment] # Litestar's type knows no keys of others
        scope["accelerator.cache_for"] = 60
        scope["accelerator.tags"].append("pages")
        return f"page {count}"

    app = ASGIAccelerator(as_application(Litestar([page], logging_config=None)))
    assert [(await ask(app, "/page")).body for _ in range(2)] == [b"page 1", b"page 1"]
    await app.invalidate_tag("pages")
    assert (await ask(app, "/page")).body == b"page 2"


# --- mounted applications ---------------------------------------------------------------------------------------------


async def test_an_application_that_is_mounted_twice_is_two() -> None:
    pages = Pages()
    sub = ASGIAccelerator(Starlette(routes=[Route("/page", pages.endpoint)]))
    app = Starlette(routes=[Mount("/one", sub), Mount("/two", sub)])
    urls = ["/one/page", "/two/page", "/one/page", "/two/page"]
    assert [(await ask(app, url)).body for url in urls] == [b"page 1", b"page 2", b"page 1", b"page 2"]


async def test_a_page_of_a_mounted_application_is_taken_back_by_the_url_that_clients_see() -> None:
    pages = Pages()
    sub = ASGIAccelerator(Starlette(routes=[Route("/page", pages.endpoint)]))
    app = Starlette(routes=[Mount("/sub", sub)])
    await ask(app, "/sub/page")
    await sub.invalidate_url("https://example.org/page")
    assert (await ask(app, "/sub/page")).body == b"page 1"
    await sub.invalidate_url("https://example.org/sub/page")
    assert (await ask(app, "/sub/page")).body == b"page 2"


async def test_mounted_applications_are_cached_by_an_accelerator_around_all() -> None:
    pages = Pages()
    sub = Starlette(routes=[Route("/page", pages.endpoint)])
    app = ASGIAccelerator(Starlette(routes=[Mount("/one", sub), Mount("/two", sub)]))
    urls = ["/one/page", "/two/page", "/one/page", "/two/page"]
    assert [(await ask(app, url)).body for url in urls] == [b"page 1", b"page 2", b"page 1", b"page 2"]


async def test_a_root_path_from_a_proxy_is_part_of_the_key() -> None:
    app = ASGIAccelerator(app_saying(SHARED))
    roots = ["", "/proxied", "", "/proxied"]
    assert [(await ask(app, "/page", root_path=root)).body for root in roots] == [
        b"answer 1",
        b"answer 2",
        b"answer 1",
        b"answer 2",
    ]


# --- GZipMiddleware ---------------------------------------------------------------------------------------------------


def long_page() -> App:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        cache_for(60)
        return 200, [("content-type", "text/plain"), ("content-length", str(len(LONG)))], LONG.encode()

    return App(handle)


async def test_gzip_inside_compresses_once_and_each_encoding_is_stored() -> None:
    app = long_page()
    accelerated = ASGIAccelerator(GZipMiddleware(app))
    answers = {
        encoding: [await ask(accelerated, headers=[("accept-encoding", encoding)]) for _ in range(3)]
        for encoding in ("gzip", "identity")
    }
    assert app.calls == 2
    assert {answer.get("content-encoding") for answer in answers["gzip"]} == {"gzip"}
    assert {gzip.decompress(answer.body) for answer in answers["gzip"]} == {LONG.encode()}
    assert len({answer.body for answer in answers["gzip"]}) == 1
    assert {answer.get("content-encoding") for answer in answers["identity"]} == {None}
    assert {answer.body for answer in answers["identity"]} == {LONG.encode()}
    for answer in answers["gzip"] + answers["identity"]:
        assert answer.get("content-length") == str(len(answer.body))


async def test_gzip_inside_compresses_a_stream_once() -> None:
    calls = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        await send(start(SHARED, ("content-type", "text/plain")))
        for _ in range(10):
            await send(chunk(LONG.encode(), more=True))
        await send(chunk())

    accelerated = ASGIAccelerator(GZipMiddleware(app))
    for _ in range(2):
        answer = await ask(accelerated, headers=[("accept-encoding", "gzip")])
        assert gzip.decompress(answer.body) == 10 * LONG.encode()
    assert calls == 1


async def test_gzip_outside_compresses_what_is_stored_once_for_all() -> None:
    app = long_page()
    outer = GZipMiddleware(ASGIAccelerator(app))
    for encoding in ("gzip", "identity", "gzip", "identity"):
        answer = await ask(outer, headers=[("accept-encoding", encoding)])
        body = gzip.decompress(answer.body) if encoding == "gzip" else answer.body
        assert (body, answer.get("content-length")) == (LONG.encode(), str(len(answer.body)))
        assert answer.get("content-encoding") == ("gzip" if encoding == "gzip" else None)
    assert app.calls == 1


# --- CORSMiddleware ---------------------------------------------------------------------------------------------------

ONE, OTHER = ("origin", "https://one.example"), ("origin", "https://other.example")


def with_cors(where: str, **options: Any) -> Application:
    app = app_saying(SHARED)
    if where == "inside":
        return ASGIAccelerator(CORSMiddleware(app, **options))
    return CORSMiddleware(ASGIAccelerator(app), **options)


@pytest.mark.parametrize("where", ["inside", "outside"])
@pytest.mark.parametrize(
    "options",
    [
        {"allow_origins": ["*"]},
        {"allow_origins": [ONE[1], OTHER[1]]},
        {"allow_origins": [ONE[1]]},
        {"allow_origins": ["*"], "allow_credentials": True},
    ],
    ids=["all", "two", "one", "all with credentials"],
)
async def test_each_origin_is_allowed_what_it_is_allowed_without_the_cache(where: str, options: dict[str, Any]) -> None:
    app, bare = with_cors(where, **options), CORSMiddleware(app_saying(SHARED), **options)
    requests: list[Lines] = [[], [ONE], [OTHER], [ONE, ("cookie", "a=1")]]
    for headers in requests + requests[::-1]:
        answer, expected = await ask(app, headers=headers), await ask(bare, headers=headers)
        for name in ("access-control-allow-origin", "access-control-allow-credentials"):
            assert answer.get(name) == expected.get(name)


@pytest.mark.parametrize("where", ["inside", "outside"])
async def test_a_preflight_passes(where: str) -> None:
    app = with_cors(where, allow_origins=["*"], allow_methods=["PUT"])
    preflight = [ONE, ("access-control-request-method", "PUT")]
    for _ in range(2):
        answer = await ask(app, method="OPTIONS", headers=preflight)
        assert (answer.status, answer.get("access-control-allow-methods")) == (200, "PUT")
        await ask(app, headers=[ONE])


# --- SessionMiddleware ------------------------------------------------------------------------------------------------


def with_sessions(where: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Application:
    app = Starlette(routes=[Route("/", endpoint)])
    if where == "inside":
        return ASGIAccelerator(SessionMiddleware(app, secret_key="secret"))
    return SessionMiddleware(ASGIAccelerator(app), secret_key="secret")


@pytest.mark.parametrize("where", ["inside", "outside"])
async def test_a_page_that_does_not_touch_the_session_is_shared(where: str) -> None:
    pages = Pages()
    app = with_sessions(where, pages.endpoint)
    for headers in ([], [("cookie", "session=made-up")], []):
        assert (await ask(app, headers=headers)).body == b"page 1"


@pytest.mark.parametrize("where", ["inside", "outside"])
async def test_the_session_of_one_client_never_reaches_another(where: str) -> None:
    pages = Pages()

    async def endpoint(request: Request) -> Response:
        request.session["user"] = "made up"
        return await pages.endpoint(request)

    app = with_sessions(where, endpoint)
    first = str((await ask(app)).get("set-cookie"))
    assert first.startswith("session=")
    second = await ask(app)
    assert second.get("set-cookie") is None or second.body == b"page 2"


async def test_a_page_made_from_a_session_is_stored_for_that_session() -> None:
    async def endpoint(request: Request) -> Response:
        if request.url.path == "/login":
            request.session["user"] = request.url.query
            return PlainTextResponse("welcome")
        cache_for(60)
        return PlainTextResponse(f"{pages.next()} of {request.session.get('user')}")

    pages = Pages()
    app = ASGIAccelerator(SessionMiddleware(Starlette(routes=[Route("/{path:path}", endpoint)]), secret_key="secret"))
    cookies: list[Lines] = [[]]
    for user in ("ann", "bob"):
        notes = str((await ask(app, f"/login?{user}")).get("set-cookie"))
        cookies.append([("cookie", notes.partition(";")[0])])
    bodies = [(await ask(app, "/page", headers=headers)).body for headers in cookies * 2]
    assert bodies == [b"page 1 of None", b"page 2 of ann", b"page 3 of bob"] * 2


# --- BaseHTTPMiddleware -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["inside", "outside"])
async def test_what_base_http_middleware_adds_is_stored_only_inside(where: str) -> None:
    dispatched = 0

    async def dispatch(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        nonlocal dispatched
        dispatched += 1
        response = await call_next(request)
        response.headers["x-dispatched"] = str(dispatched)
        return response

    pages = Pages()
    app: Application = Starlette(routes=[Route("/", pages.endpoint)])
    if where == "inside":
        app = ASGIAccelerator(BaseHTTPMiddleware(app, dispatch))
    else:
        app = BaseHTTPMiddleware(ASGIAccelerator(app), dispatch)
    answers = [await ask(app), await ask(app)]
    assert pages.made == 1
    assert [answer.body for answer in answers] == [b"page 1", b"page 1"]
    assert [answer.get("x-dispatched") for answer in answers] == (["1", "1"] if where == "inside" else ["1", "2"])


# --- errors and files -------------------------------------------------------------------------------------------------


async def test_inside_of_starlettes_own_error_page_a_stale_page_hides_an_error() -> None:
    clock, is_broken = ManualClock(), False

    async def endpoint(request: Request) -> Response:
        if is_broken:
            raise RuntimeError("broken")
        cache_for(60, stale_if_error=600)
        return PlainTextResponse("all well")

    app = Starlette(routes=[Route("/", endpoint)])
    app.add_middleware(ASGIAccelerator, clock=clock)
    await ask(app)
    is_broken = True
    clock.advance(60)
    assert (await ask(app)).body == b"all well"


async def test_a_static_file_keeps_its_304_and_its_206(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("hello")
    app = ASGIAccelerator(StaticFiles(directory=tmp_path))
    whole = await ask(app, "/file.txt")
    asked = [("if-none-match", str(whole.get("etag")))]
    assert (whole.status, whole.body) == (200, b"hello")
    assert (await ask(app, "/file.txt", headers=[("range", "bytes=1-2")])).body == b"el"
    assert (await ask(app, "/file.txt", headers=asked)).status == 304


# --- scopes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_what_is_not_http_goes_through_untouched(kind: str) -> None:
    got: list[Any] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        got.extend([scope, receive, send])

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": kind, "headers": [(b"x", b"y")]}
    before = dict(scope)
    await ASGIAccelerator(app, partition=lambda scope: scope["no such key"])(scope, receive, send)
    assert got[0] is scope
    assert (got[1], dict(scope)) == (receive, before)
    messages: list[Message] = [{"type": f"{kind}.{word}"} for word in ("startup.complete", "shutdown.complete", "send")]
    for message in messages:
        await got[2](message)
    assert sent == messages


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("raises", [True, False], ids=["raising", "answering"])
async def test_after_the_call_the_scope_is_as_before_but_for_what_the_router_put_in(method: str, raises: bool) -> None:
    pages = Pages()

    async def endpoint(request: Request) -> Response:
        request.scope["own"] = True
        if raises:
            raise RuntimeError("broken")
        return await pages.endpoint(request)

    route = Route("/page/{number}", endpoint, methods=["GET", "HEAD", "POST"])
    accelerated = ASGIAccelerator(Starlette(routes=[route]))
    scope = http_scope("/page/1", method=method, headers=[("if-none-match", '"v1"')])
    before = {**scope, "headers": list(scope["headers"])}

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        """Nobody listens."""

    try:
        await accelerated(scope, receive, send)
    except RuntimeError:
        assert raises
    assert {name: scope[name] for name in before} == before
    assert (scope["endpoint"], scope["path_params"], scope["own"]) == (endpoint, {"number": "1"}, True)
    assert not {"accelerator", "accelerator.tags"} & scope.keys()


async def test_of_two_accelerators_the_outer_one_works() -> None:
    inner_store, outer_store = MemoryStore(), MemoryStore()
    pages = Pages()
    inner = ASGIAccelerator(Starlette(routes=[Route("/", pages.endpoint)]), store=inner_store, cache_status="inner")
    outer = ASGIAccelerator(inner, store=outer_store, cache_status="outer")
    answers = [await ask(outer), await ask(outer)]
    assert [str(answer.get("cache-status")).split(";")[0] for answer in answers] == ["outer", "outer"]
    assert (len(outer_store), len(inner_store), pages.made) == (1, 0, 1)
    await outer.invalidate_tag("pages")
    assert (await ask(outer)).body == b"page 2"


async def test_accelerators_side_by_side_each_work() -> None:
    clock = ManualClock()
    one, two = (ASGIAccelerator(app_saying(SHARED), cache_status=name, clock=clock) for name in ("one", "two"))
    app = Starlette(routes=[Mount("/one", one), Mount("/two", two)])
    for path in ("/one", "/two"):
        answers = [await ask(app, f"{path}/page") for _ in range(2)]
        assert [answer.get("cache-status") for answer in answers] == [
            f"{path[1:]}; fwd=uri-miss; stored",
            f"{path[1:]}; hit; ttl=60",
        ]


# --- Starlette's test client ------------------------------------------------------------------------------------------


@pytest.fixture
def test_client() -> Callable[[Application], TestClient]:
    """Starlette's TestClient, which warns at its import where there is no httpx2."""
    with warnings.catch_warnings(action="ignore"):
        from starlette.testclient import TestClient
    return TestClient


def test_the_test_client_sees_hits_and_what_takes_them_back(
    test_client: Callable[[Application], TestClient],
) -> None:
    pages, store = Pages(), MemoryStore()
    client = test_client(added_to_starlette(pages, store))
    first, second = client.get("/page"), client.get("/page")
    assert (first.text, second.text, pages.made) == ("page 1", "page 1", 1)
    assert second.headers["cache-status"].startswith("accelerator; hit")
    assert client.get("/page", headers={"if-none-match": second.headers["etag"]}).status_code == 304
    assert client.head("/page").text == ""
    SyncStore(store).invalidate_tag("pages")
    assert client.get("/page").text == "page 2"


def test_the_test_client_sees_what_is_made_anew_in_the_background(
    test_client: Callable[[Application], TestClient],
) -> None:
    """It runs each request on a loop of its own, unless it is entered."""
    pages, clock = Pages(), ManualClock()
    app = Starlette(routes=[Route("/", pages.endpoint)])
    app.add_middleware(ASGIAccelerator, clock=clock, stale_while_revalidate=60)
    with test_client(app) as client:
        client.get("/")
        clock.advance(60)
        assert client.get("/").text == "page 1"
        assert client.portal is not None
        client.portal.call(anyio.wait_all_tasks_blocked)
        assert client.get("/").text == "page 2"


def test_websockets_and_lifespan_work_through_the_accelerator(
    test_client: Callable[[Application], TestClient],
) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        seen.append("startup")
        yield
        seen.append("shutdown")

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/echo", echo)], lifespan=lifespan)
    with test_client(ASGIAccelerator(app)) as client, client.websocket_connect("/echo") as websocket:
        websocket.send_text("hello")
        assert websocket.receive_text() == "hello"
    assert seen == ["startup", "shutdown"]
