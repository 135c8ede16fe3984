"""A FastAPI site with the lines of docs/whole-site.md."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import pytest
from fastapi import Cookie, FastAPI, Request
from starlette.middleware.sessions import SessionMiddleware

from tests.docs.support import PAGE, code_of, is_hit

LINES, SAVE = code_of("FastAPI")

pytestmark = pytest.mark.anyio


@pytest.fixture
def site() -> FastAPI:
    """The site; the lines of the page stand below its middlewares and views."""
    app = create_site()
    exec(LINES + SAVE, {"app": app, "posts": app.state.posts})  # noqa: S102 - our own page
    return app


def create_site() -> FastAPI:
    app = FastAPI()
    app.state.posts = {1: "a post"}
    app.add_middleware(SessionMiddleware, secret_key="the tests' own")

    @app.get("/posts/{number}")
    async def show(number: int) -> str:
        return str(app.state.posts[number])

    @app.get("/greeting")
    def greet(request: Request) -> str:
        return f"Hello {request.session.get('user', 'stranger')}"

    @app.post("/login")
    async def log_in(request: Request, user: str) -> None:
        request.session["user"] = user

    @app.get("/theme")
    async def tell_theme(theme: Annotated[str, Cookie()] = "light") -> str:
        return theme

    return app


def visitor(site: FastAPI, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="https://example.org", **options)


async def user(site: FastAPI, name: str) -> httpx.AsyncClient:
    client = visitor(site)
    await client.post("/login", params={"user": name})
    assert "session" in client.cookies
    return client


@pytest.mark.parametrize("page", ["/posts/1", "/greeting", "/theme", "/docs", "/openapi.json"])
async def test_a_page_is_a_hit_for_a_second_visitor_with_other_cookies(page: str, site: FastAPI) -> None:
    made = await visitor(site, cookies={"_ga": "1"}).get(page)
    again = await visitor(site, cookies={"_ga": "2", "consent": "all"}).get(page)
    assert (again.status_code, again.text, is_hit(again)) == (200, made.text, True)


async def test_a_page_that_greets_its_user_is_for_that_user_alone(site: FastAPI) -> None:
    visitors = {"ada": await user(site, "ada"), "bob": await user(site, "bob"), "stranger": visitor(site)}
    for names in (["ada", "bob", "stranger"], ["stranger", "bob", "ada"]):
        shown = [await visitors[name].get("/greeting") for name in names]
        assert [page.json() for page in shown] == [f"Hello {name}" for name in names]
    assert [is_hit(page) for page in shown] == [True, True, True]


async def test_a_user_shares_the_pages_that_did_not_look_at_the_session(site: FastAPI) -> None:
    await visitor(site).get("/posts/1")
    assert is_hit(await (await user(site, "ada")).get("/posts/1"))


async def test_what_is_saved_is_on_the_page_at_once(site: FastAPI) -> None:
    client = visitor(site)
    assert [is_hit(await client.get("/posts/1")) for _ in range(2)] == [False, True]
    await client.put("/posts/2", params={"text": "another one"})
    assert not is_hit(await client.get("/posts/1"))
    assert (await client.get("/posts/2")).json() == "another one"


async def test_a_cookie_that_is_not_kept_is_not_shown(site: FastAPI) -> None:
    assert (await visitor(site, cookies={"theme": "dark"}).get("/theme")).json() == "light"


async def test_a_cookie_that_is_named_twice_has_pages_of_its_own_for_each_value() -> None:
    site = create_site()
    notes = LINES.replace('("session",)', '("session", "theme"), vary_cookies=("theme",)')
    assert '`keep_cookies=("session", "theme"), vary_cookies=("theme",)`' in PAGE
    exec(notes, {"app": site})  # noqa: S102 - our own page
    themes = ["dark", "blue"] * 2
    shown = [await visitor(site, cookies={"theme": theme, "_ga": "1"}).get("/theme") for theme in themes]
    assert [(page.json(), is_hit(page)) for page in shown] == [
        ("dark", False),
        ("blue", False),
        ("dark", True),
        ("blue", True),
    ]
