"""A hit shows the route that made it, to the packages that measure outside of the cache, as the framework would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
import sentry_sdk
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import include
from django.urls import path as django_path
from fastapi import APIRouter, FastAPI
from flask import Flask
from litestar import Litestar, get
from litestar import Request as LitestarRequest
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette_exporter import PrometheusMiddleware

from accelerator import ASGIAccelerator, CacheEvent, MemoryStore, WSGIAccelerator
from accelerator.engine.route import MAX_ROUTE, Routes, route_in_environ
from accelerator.testing import ManualClock
from tests.identity.django_sites import django
from tests.support import App, Lines, Receive, Scope, Send, app_saying, ask, http_scope
from tests.wsgi.support import environ_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from accelerator.asgi_types import Application

pytestmark = pytest.mark.anyio

STORED = {"cache-control": "s-maxage=60"}


async def page(request: Request) -> Response:
    return PlainTextResponse("page", headers=STORED)


def fast_page() -> Response:
    return PlainTextResponse("page", headers=STORED)


def a_starlette() -> Starlette:
    deep = Starlette(routes=[Route("/c/{z}", page)])
    tenants = [Route("/b/{y}", page), Mount("/deep", app=deep)]
    host = Starlette(routes=[Route("/h/{q}", page)])
    return Starlette(
        routes=[Route("/a/{x:int}", page), Mount("/m/{tenant}", routes=tenants), Host("other.org", app=host)]
    )


def a_fastapi() -> FastAPI:
    items = APIRouter()
    items.get("/items/{item_id}")(fast_page)
    sub = FastAPI()
    sub.include_router(items, prefix="/s")
    app = FastAPI()
    app.get("/p/{x}")(fast_page)
    app.include_router(items, prefix="/api")
    app.mount("/sub", sub)
    return app


PAGES: list[tuple[Callable[[], Any], str, str]] = [
    (a_starlette, "/a/1", "/a/{x:int}"),
    (a_starlette, "/m/t1/b/2", "/m/{tenant}/b/{y}"),
    (a_starlette, "/m/t1/deep/c/2", "/m/{tenant}/deep/c/{z}"),
    (a_fastapi, "/p/1", "/p/{x}"),
    (a_fastapi, "/api/items/3", "/api/items/{item_id}"),
    (a_fastapi, "/sub/s/items/4", "/sub/s/items/{item_id}"),
]
IDS = [f"{make.__name__}{path}" for make, path, _ in PAGES]


class Watching:
    """A middleware outside of the cache, which keeps the scopes as they are once a response is there."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
        self.scopes.append(scope)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("make", "path", "template"), PAGES, ids=IDS)
async def test_a_hit_leaves_in_the_scope_what_the_framework_would(
    make: Callable[[], Any], path: str, template: str, method: str
) -> None:
    site = Watching(ASGIAccelerator(make(), clock=ManualClock()))
    await ask(site, path)
    for headers in ((), [("range", "bytes=0-1")]):  # a plain hit, and one of the engine
        assert (await ask(site, path, method=method, headers=headers)).get("cache-status") == "accelerator; hit; ttl=60"
    miss, *hits = site.scopes
    for hit in hits:
        assert hit["accelerator.route"] == hit["route"].path == template
        assert hit["router"] is miss["router"]
        assert hit["endpoint"] is miss["endpoint"]
        assert type(hit["route"]) is type(miss["route"])
    assert miss["accelerator.route"] == template


@pytest.mark.parametrize(("make", "path", "template"), PAGES, ids=IDS)
async def test_a_process_that_never_made_the_page_shows_its_route_too(
    make: Callable[[], Any], path: str, template: str
) -> None:
    store = MemoryStore()
    await ask(ASGIAccelerator(make(), store=store), path)
    app = make()
    site = Watching(ASGIAccelerator(app, store=store))
    await ask(site, path)
    (hit,) = site.scopes
    assert hit["route"].path == template
    assert hit["router"] is app.router


@pytest.mark.parametrize(("make", "path", "template"), PAGES, ids=IDS)
async def test_starlette_exporter_counts_hits_by_template(
    make: Callable[[], Any], path: str, template: str, anyio_backend: str
) -> None:
    app, name = make(), f"{path} on {anyio_backend}"
    app.add_middleware(ASGIAccelerator, clock=ManualClock())
    app.add_middleware(PrometheusMiddleware, app_name=name)
    for _ in range(3):
        await ask(app, path)
    counted = {
        sample.labels["path"]: sample.value
        for metric in PrometheusMiddleware._metrics.values()
        for family in metric.collect()
        for sample in family.samples
        if sample.name == "starlette_requests_total" and sample.labels["app_name"] == name
    }
    assert counted == {template: 3}


@pytest.fixture
def transactions() -> Iterator[list[tuple[str, str]]]:
    """The names of the transactions that Sentry would be sent, with where they come from."""
    sent: list[tuple[str, str]] = []

    def keep(event: Any, _: Any) -> None:
        sent.append((event["transaction"], event["transaction_info"]["source"]))

    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        traces_sample_rate=1.0,
        before_send_transaction=keep,
        default_integrations=False,
        auto_enabling_integrations=False,
    )
    yield sent
    sentry_sdk.get_global_scope().set_client(None)


@pytest.mark.parametrize(("make", "path", "template"), PAGES, ids=IDS)
async def test_sentry_names_the_transaction_of_a_hit_by_its_template(
    make: Callable[[], Any], path: str, template: str, transactions: list[tuple[str, str]]
) -> None:
    cached = ASGIAccelerator(make(), clock=ManualClock())
    site: Any = SentryAsgiMiddleware(cached, transaction_style="url")
    await ask(site, path)
    transactions.clear()
    for _ in range(2):
        await ask(site, path)
    assert transactions == [(template, "route")] * 2


async def test_sentry_names_the_transaction_of_a_hit_by_its_endpoint(transactions: list[tuple[str, str]]) -> None:
    site: Any = SentryAsgiMiddleware(ASGIAccelerator(a_fastapi(), clock=ManualClock()), transaction_style="endpoint")
    for _ in range(2):
        await ask(site, "/api/items/3")
    assert transactions == [("tests.metrics.test_routes.fast_page", "component")] * 2


async def test_an_accelerator_in_a_mounted_application_keeps_the_router_of_the_outer_one() -> None:
    inner = Starlette(routes=[Route("/b/{y}", page)])
    inner.add_middleware(ASGIAccelerator, clock=ManualClock())
    outer = Starlette(routes=[Mount("/in/{tenant}", app=inner)])
    site = Watching(outer)
    for _ in range(2):
        await ask(site, "/in/a/b/1")
    for scope in site.scopes:
        assert scope["router"] is outer.router
        assert scope["accelerator.route"] == "/in/{tenant}/b/{y}"
    assert site.scopes[1]["route"].path == "/in/{tenant}/b/{y}"


async def test_files_of_a_mount_have_its_template(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    app = Starlette(routes=[Mount("/files", app=StaticFiles(directory=tmp_path))])
    site = Watching(ASGIAccelerator(app, default_ttl=60, clock=ManualClock()))
    for _ in range(2):
        await ask(site, "/files/a.txt")
    assert [scope["accelerator.route"] for scope in site.scopes] == ["/files"] * 2
    assert site.scopes[1]["route"] is app.routes[0]


async def test_of_two_endpoints_with_one_template_a_hit_shows_the_one_for_its_method() -> None:
    app = FastAPI()
    app.post("/p")(lambda: "no page")
    app.get("/p")(fast_page)
    site = Watching(ASGIAccelerator(app, clock=ManualClock()))
    for _ in range(2):
        await ask(site, "/p")
    assert [scope["endpoint"] for scope in site.scopes] == [fast_page, fast_page]


async def test_a_host_has_no_template_of_its_own() -> None:
    site = Watching(ASGIAccelerator(a_starlette(), clock=ManualClock()))
    for _ in range(2):
        await ask(site, "/h/1", headers=[("host", "other.org")])
    assert [scope["route"].path for scope in site.scopes] == ["/h/{q}"] * 2


async def test_litestar_finds_the_template_where_it_leaves_it() -> None:
    @get("/users/{user_id:int}", response_headers=STORED)
    async def user(request: LitestarRequest[Any, Any, Any]) -> str:
        return "page"

    store = MemoryStore()
    for times in (2, 1):  # another process has not made it
        site = Watching(ASGIAccelerator(cast("Any", Litestar([user])), store=store, clock=ManualClock()))
        for _ in range(times):
            await ask(site, "/users/1")
        assert [scope["path_template"] for scope in site.scopes] == ["/users/{user_id}"] * times


async def test_an_application_may_say_its_route_itself() -> None:
    events: list[CacheEvent] = []

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        scope["accelerator.route"] = "/users/<id>"
        return 200, STORED.items(), b"page"

    site = Watching(ASGIAccelerator(App(handle), on_event=events.append, clock=ManualClock()))
    for _ in range(2):
        await ask(site, "/users/1")
    assert [scope["accelerator.route"] for scope in site.scopes] == ["/users/<id>"] * 2
    assert [(event.kind, event.route) for event in events] == [("miss", "/users/<id>"), ("hit", "/users/<id>")]


@pytest.mark.parametrize("said", ["x" * (MAX_ROUTE + 1), b"/users", 7])
async def test_what_is_no_template_is_not_kept(said: object) -> None:
    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        scope["accelerator.route"] = said
        return 200, STORED.items(), b"page"

    site = Watching(ASGIAccelerator(App(handle), clock=ManualClock()))
    for _ in range(2):
        await ask(site)
    assert "accelerator.route" not in site.scopes[1]


async def test_a_hit_without_a_route_leaves_the_scope_as_it_was() -> None:
    site = Watching(ASGIAccelerator(app_saying(*STORED.items()), clock=ManualClock()))
    for _ in range(2):
        await ask(site)
    assert site.scopes[1] == http_scope()


async def test_a_route_that_the_application_has_no_more_is_told_by_its_template_alone() -> None:
    store = MemoryStore()
    await ask(ASGIAccelerator(a_starlette(), store=store), "/a/1")
    site = Watching(ASGIAccelerator(Starlette(routes=[Route("/z", page)]), store=store))
    await ask(site, "/a/1")
    assert site.scopes == [{**http_scope("/a/1"), "accelerator.route": "/a/{x:int}"}]


async def test_routes_that_raise_cost_nothing_but_their_template() -> None:
    class Odd:
        def __getattr__(self, name: str) -> object:
            raise ValueError(name)

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        scope.update(router=Odd(), route=Odd(), endpoint=handle)
        return 200, STORED.items(), b"page"

    site = Watching(ASGIAccelerator(App(handle), clock=ManualClock()))
    for _ in range(2):
        assert (await ask(site)).body == b"page"
    assert "accelerator.route" not in site.scopes[1]
    assert Routes(Odd).shown("/a", http_scope()) == {"accelerator.route": "/a"}


async def test_an_older_starlette_leaves_no_route_and_its_routes_are_matched() -> None:
    app = a_starlette()
    scope = {**http_scope("/m/t1/b/2"), "router": app.router, "endpoint": page}
    assert Routes(app).read(scope) == "/m/{tenant}/b/{y}"
    assert Routes(app).read({**http_scope("/none"), "router": app.router, "endpoint": page}) == ""


def test_what_hits_show_is_remembered_for_so_many_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelerator.engine.route.MAX_ROUTES", 2)
    routes = Routes(a_starlette())
    for number in range(5):
        assert routes.shown(f"/{number}", http_scope()) == {"accelerator.route": f"/{number}"}
        assert len(routes._shown) <= 2


async def test_a_confirmed_page_keeps_its_route() -> None:
    clock = ManualClock()

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        lines = [("cache-control", "s-maxage=10"), ("etag", '"a"')]
        if any(name == b"if-none-match" for name, _ in scope["headers"]):
            return 304, lines, b""
        scope["accelerator.route"] = "/page"
        return 200, lines, b"page"

    site = Watching(ASGIAccelerator(App(handle), clock=clock))
    await ask(site)
    clock.advance(20)
    for _ in range(2):
        await ask(site)
    assert site.scopes[2]["accelerator.route"] == "/page"


async def test_a_head_that_freshens_a_page_keeps_its_route() -> None:
    clock = ManualClock()

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        if scope["method"] == "GET":
            scope["accelerator.route"] = "/page"
        return 200, [("cache-control", "s-maxage=10"), ("etag", '"a"')], b"page"

    site = Watching(ASGIAccelerator(App(handle), clock=clock))
    await ask(site)
    clock.advance(20)
    await ask(site, method="HEAD")
    assert (await ask(site)).get("cache-status") == "accelerator; hit; ttl=10"
    assert site.scopes[2]["accelerator.route"] == "/page"


# --- WSGI -------------------------------------------------------------------------------------------------------------


def asked(cached: WSGIAccelerator, path: str) -> dict[str, Any]:
    """Ask for a page, and return the environ as a server finds it afterwards."""
    environ = environ_of(path)
    assert b"".join(cached(environ, lambda *_: lambda _: None)) == b"page"
    return environ


def a_flask() -> Flask:
    app = Flask(__name__)

    @app.get("/users/<int:user_id>")
    def user(user_id: int) -> tuple[str, dict[str, str]]:
        return "page", STORED

    return app


def test_flasks_rule_is_told_of_hits() -> None:
    events: list[CacheEvent] = []
    cached = WSGIAccelerator(a_flask(), on_event=events.append)
    environs = [asked(cached, "/users/1") for _ in range(2)]
    assert [environ["accelerator.route"] for environ in environs] == ["/users/<int:user_id>"] * 2
    assert [event.route for event in events] == ["/users/<int:user_id>"] * 2


def test_sentry_names_a_hit_of_flask_by_a_listener(transactions: list[tuple[str, str]]) -> None:
    cached = WSGIAccelerator(a_flask())

    def name_transaction(event: CacheEvent) -> None:
        if event.route and not event.background:
            sentry_sdk.get_current_scope().set_transaction_name(event.route, source="route")

    cached.listen(name_transaction)
    site: Any = SentryWsgiMiddleware(cached)
    for _ in range(2):
        response = site(environ_of("/users/1"), lambda *_: lambda _: None)
        assert b"".join(response) == b"page"
        response.close()
    assert transactions == [("/users/<int:user_id>", "route")] * 2


def django_page(request: HttpRequest, n: int) -> HttpResponse:
    return HttpResponse("page", headers=STORED)


urlpatterns = [django_path("in/", include([django_path("users/<int:n>/", django_page)]))]


@pytest.fixture
def django_handler() -> Iterator[Any]:
    with django(ROOT_URLCONF=__name__) as handler:
        yield handler


def test_djangos_pattern_is_told_of_hits(django_handler: Any) -> None:
    cached = WSGIAccelerator(django_handler)
    environs = [asked(cached, "/in/users/1/") for _ in range(2)]
    assert [environ["accelerator.route"] for environ in environs] == ["in/users/<int:n>/"] * 2


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_djangos_pattern_is_told_of_hits_over_asgi(django_handler: Any) -> None:
    site = Watching(ASGIAccelerator(ASGIHandler()))
    for _ in range(2):
        await ask(site, "/in/users/1/")
    assert [scope["accelerator.route"] for scope in site.scopes] == ["in/users/<int:n>/"] * 2


def test_what_django_has_not_answered_has_no_pattern_of_it(django_handler: Any) -> None:
    assert route_in_environ(environ_of("/in/users/1/")) == ""
    assert route_in_environ({"PATH_INFO": "\u1234"}) == ""
