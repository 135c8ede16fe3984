"""The application for operators inside and beside the application that is cached."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from a2wsgi import ASGIMiddleware, WSGIMiddleware
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from accelerator import ASGIAccelerator, CacheEvent, InvalidationError, WSGIAccelerator, cache_for
from accelerator.ops import OpsApp, Purge
from tests.ops.support import FACTS, JSON, URL, GivenFigures, GivenStore, order, said
from tests.support import Message, Receive, Scope, Send, ask

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from starlette.requests import Request

    from accelerator.stores.listing import Listed

pytestmark = pytest.mark.anyio

FETCH = [("sec-fetch-site", "same-origin")]


def allow(request: Request) -> str:
    return "ada"


def site_with_ops(**options: Any) -> tuple[GivenFigures, GivenStore]:
    """A site that keeps whatever it may, with the application for operators mounted in it."""
    store, app = GivenStore(), FastAPI()

    @app.get("/p")
    def page() -> str:
        return "a page"

    cached = GivenFigures(app, store=store, default_ttl=60, cacheable_errors=True, **options)
    app.mount("/ops", OpsApp(cached, authorize=lambda request: request.headers.get("x-operator")))
    return cached, store


OPERATOR = ("x-operator", "ada")


@pytest.mark.parametrize(
    "path", ["/ops/", "/ops/figures", "/ops/cures", "/ops/entries", f"/ops/story?url={URL}", "/ops/nothing"]
)
async def test_no_cache_around_it_keeps_an_answer(path: str) -> None:
    cached, _ = site_with_ops()
    for headers in ([], [OPERATOR], [], [OPERATOR]):
        status = (await ask(cached, path, headers=headers)).get("cache-status") or ""
        assert "hit" not in status
        assert "stored" not in status


async def test_what_one_may_see_nobody_else_gets() -> None:
    cached, _ = site_with_ops()
    statuses = [(await ask(cached, "/ops/figures", headers=headers)).status for headers in ([OPERATOR], [], [OPERATOR])]
    assert statuses == [200, 403, 200]


async def test_a_middleware_that_lets_everything_be_stored_does_not_lift_that() -> None:
    cached, _ = site_with_ops()
    inner = cached.app

    async def generous(scope: Scope, receive: Receive, send: Send) -> None:
        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                cache_for(60, public=True)
                message["headers"] = [(b"cdn-cache-control", b"max-age=60")]
            await send(message)

        await inner(scope, receive, say)

    outer = ASGIAccelerator(generous)
    for _ in range(2):
        assert "hit" not in ((await ask(outer, "/ops/figures", headers=[OPERATOR])).get("cache-status") or "")


async def test_an_order_takes_back_what_it_names_and_not_its_own_url() -> None:
    events: list[CacheEvent] = []
    cached, store = site_with_ops(on_event=events.append)
    for _ in range(3):
        answer = await order(cached, {"tags": ["a"]}, url="/ops/invalidate", headers=[JSON, OPERATOR])
        assert said(answer) == {"done": True}
        assert answer.get("cache-status") == "accelerator; fwd=method"
    assert (await ask(cached, f"/ops/{URL}", method="PURGE", headers=[OPERATOR])).status == 200
    assert store.taken_back == [({"a"}, False)] * 3 + [({"@url:example.org/p"}, False)]
    assert [event.kind for event in events] == ["invalidate", "pass"] * 4


async def test_a_get_that_says_it_is_another_method_takes_nothing_back() -> None:
    cached, store = site_with_ops()
    await ask(cached, "/ops/figures", headers=[OPERATOR, ("x-http-method-override", "DELETE")])
    assert store.taken_back == []


async def test_an_order_that_is_being_repeated_is_answered_through_the_cache() -> None:
    cached, store = site_with_ops()
    store.fails = InvalidationError("not yet")
    answer = await order(cached, {"tags": ["a"]}, url="/ops/invalidate", headers=[JSON, OPERATOR])
    assert (answer.status, said(answer)) == (202, {"done": False, "reason": "not yet"})


async def test_the_page_of_a_mount_is_found_at_its_address() -> None:
    cached, _ = site_with_ops()
    answer = await ask(cached, "/ops", headers=[OPERATOR])
    assert (answer.status, answer.get("location")) == (307, "https://example.org/ops/")
    assert (await ask(cached, "/ops/", headers=[OPERATOR])).get("content-type") == "text/html; charset=utf-8"


async def test_errors_are_its_own_not_those_of_the_application_around_it() -> None:
    app = Starlette(
        routes=[Mount("/ops", OpsApp(GivenFigures(), authorize=allow))],
        exception_handlers={
            status: lambda request, error: PlainTextResponse("the site's own", 418) for status in (403, 404, 405)
        },
    )
    answers = [await ask(app, "/ops/nothing"), await ask(app, "/ops/invalidate")]
    assert [answer.status for answer in answers] == [404, 405]
    assert all("error" in said(answer) for answer in answers)


async def test_without_an_accelerator_it_operates_the_one_around_it() -> None:
    app = FastAPI()
    app.mount("/ops", OpsApp(authorize=allow))
    store = GivenStore()
    app.add_middleware(GivenFigures, store=store)  # type: ignore[arg-type]  # it may be made without an application
    assert said(await order(app, {"tags": ["a"]}, url="/ops/invalidate")) == {"done": True}
    assert store.taken_back == [({"a"}, False)]
    assert (await ask(app, "/ops/figures")).status == 200


async def test_without_an_accelerator_anywhere_it_says_what_to_do() -> None:
    answer = await ask(OpsApp(authorize=allow), "/figures")
    words = "there is no ASGIAccelerator around this: name one, by OpsApp(accelerator, authorize=…)"
    assert (answer.status, said(answer)) == (500, {"error": words})
    assert (await ask(OpsApp(authorize=lambda request: None), "/figures")).status == 403


async def test_a_generous_cors_middleware_opens_nothing_to_other_sites() -> None:
    cached, store = site_with_ops()
    app = CORSMiddleware(
        cached, allow_origin_regex=".*", allow_methods=["*"], allow_headers=["*"], allow_credentials=True
    )
    lines = [JSON, OPERATOR, ("origin", "https://evil.example")]
    for more in ([], [("sec-fetch-site", "cross-site")]):
        assert (await order(app, {"all": True}, url="/ops/invalidate", headers=[*lines, *more])).status == 403
        assert (await ask(app, "/ops/figures", headers=[*lines, *more])).status == 403
    assert store.taken_back == []


# --- a site of WSGI ---------------------------------------------------------------------------------------------------


class GivenWSGI(WSGIAccelerator):
    def all_figures(self) -> Any:
        return {"thread": threading.get_ident(), "urls": []}


def wsgi_site() -> tuple[GivenWSGI, GivenStore]:
    site = Flask(__name__)

    @site.get("/p")
    def page() -> str:
        cache_for(60)
        return f"page {next(numbers)}"

    numbers = iter(range(1, 100))
    store = GivenStore()
    return GivenWSGI(site, store), store


async def test_a_wsgi_site_is_operated_by_an_asgi_server_beside_it() -> None:
    cached, store = wsgi_site()
    app = OpsApp(cached, authorize=allow)
    store.pages = [(FACTS,)]
    assert said(await order(app, {"tags": ["a"], "urls": [URL], "soft": True})) == {"done": True}
    assert sorted(store.taken_back, key=repr) == [({"@url:example.org/p"}, True), ({"a"}, True)]
    assert said(await order(app, {"all": True})) == {"done": True}
    assert said(await ask(app, "/figures"))["thread"] != threading.get_ident()
    assert said(await ask(app, "/entries"))["entries"][0]["url"] == URL


class WaitingStore(GivenStore):
    """A store that waits, and notes in which threads it is asked."""

    suspends = True

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[str] = []

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        self.threads.append(threading.current_thread().name)
        await super().invalidate(tags, soft=soft)

    async def list_entries(self, **asked: Any) -> Listed:
        self.threads.append(threading.current_thread().name)
        return await super().list_entries(**asked)


async def test_a_store_that_waits_is_asked_on_the_loop_on_which_the_wsgi_site_asks_it() -> None:
    store = WaitingStore()
    app = OpsApp(GivenWSGI(Flask(__name__), store), authorize=allow)
    await order(app, {"tags": ["a"]})
    assert (await ask(app, "/entries")).status == 200
    assert store.threads == ["accelerator loop"] * 2


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread, as a2wsgi has one, which ends with the test."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_wsgi_server_may_serve_it_beside_the_site(loop: asyncio.AbstractEventLoop) -> None:
    cached, store = wsgi_site()
    app: Any = OpsApp(cached, authorize=allow)
    ops: Any = ASGIMiddleware(app, loop=loop)
    site = DispatcherMiddleware(cached, {"/ops": ops})
    with httpx.Client(transport=httpx.WSGITransport(site), base_url="http://example.org") as client:
        assert [client.get("/p").text for _ in range(2)] == ["page 1", "page 1"]
        assert client.get("/ops/").headers["content-type"] == "text/html; charset=utf-8"
        assert client.post("/ops/invalidate", json={"urls": ["http://example.org/p"]}).json() == {"done": True}
        assert client.get("/p").text == "page 2"
        assert client.request("PURGE", "/ops/http://example.org/p").json() == {"done": True}
        assert client.get("/p").text == "page 3"
        assert client.post("/ops/invalidate", data={"all": "true"}).status_code == 415
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        assert client.post("/ops/invalidate", json={"all": True}, headers=elsewhere).status_code == 403
    assert store.taken_back == [({"@url:example.org/p"}, False)] * 2


def test_no_cache_of_a_wsgi_site_around_it_keeps_an_answer(loop: asyncio.AbstractEventLoop) -> None:
    site = Flask(__name__)
    app: Any = OpsApp(GivenFigures(), authorize=lambda request: request.headers.get("x-operator"))
    ops: Any = ASGIMiddleware(app, loop=loop)
    cached = WSGIAccelerator(DispatcherMiddleware(site, {"/ops": ops}), default_ttl=60, cacheable_errors=True)
    with httpx.Client(transport=httpx.WSGITransport(cached), base_url="http://example.org") as client:
        answers = [client.get("/ops/figures", headers=headers) for headers in ({}, {"X-Operator": "ada"}, {})]
    assert [answer.status_code for answer in answers] == [403, 200, 403]
    assert not [answer for answer in answers if "stored" in answer.headers["cache-status"]]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # a2wsgi knows no other loop
async def test_purge_around_a_wsgi_site(anyio_backend: str) -> None:
    cached, _ = wsgi_site()
    wsgi: Any = cached
    asgi: Any = WSGIMiddleware(wsgi)
    site = Purge(asgi, cached, authorize=allow)
    transport = httpx.ASGITransport(site)
    async with httpx.AsyncClient(transport=transport, base_url="http://example.org") as client:
        assert [(await client.get("/p")).text for _ in range(2)] == ["page 1", "page 1"]
        assert (await client.request("PURGE", "/p")).json() == {"done": True}
        assert (await client.get("/p")).text == "page 2"


async def test_requests_of_operators_are_none_of_the_figures_of_the_site() -> None:
    site = FastAPI()
    cached = ASGIAccelerator(site)
    site.mount("/ops", OpsApp(cached, authorize=lambda request: request.headers.get("x-operator")))
    for path in ("/ops/", "/ops/figures", "/ops/nothing", "/elsewhere"):
        await ask(cached, path, headers=[OPERATOR])
        await ask(cached, path)
    await order(cached, {"all": True}, url="/ops/invalidate", headers=[JSON, OPERATOR])
    assert said(await ask(cached, "/ops/figures", headers=[OPERATOR]))["filling"] == 0
    figures = cached.figures()
    assert figures["requests"] == {"miss": {"no explicit time": 2}}
    assert {line["url"] for line in figures["latest"]} == {"https://example.org/elsewhere"}
    assert figures["invalidations"]["all"]["hard"] == 1
