"""A Flask site with the lines of docs/whole-site.md."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from flask import Flask, Response, redirect, request, session, url_for

from tests.docs.support import code_of, is_hit

LINES, SAVE = code_of("Flask")
PROXY_FIX = code_of("Behind a proxy")[0]


@pytest.fixture
def site() -> Flask:
    """The site; the lines of the page stand below its views."""
    app, posts = Flask(__name__), ["a post"]
    app.secret_key = "the tests' own"

    @app.get("/posts")
    def show() -> str:
        return ", ".join(posts)

    @app.get("/greeting")
    def greet() -> str:
        return f"Hello {session['user']}" if "user" in session else "Hello stranger"

    @app.post("/login")
    def log_in() -> Response:
        session["user"] = request.form["user"]
        return Response(status=204)

    @app.get("/form")
    def form() -> str:
        return f"token {session.setdefault('token', 'of ' + request.args['of'])}"

    @app.get("/cookies")
    def tell_cookies() -> str:
        return " ".join(sorted(request.cookies))

    @app.get("/link")
    def link() -> str:
        return url_for("show", _external=True)

    exec(LINES + SAVE, {"app": app, "posts": posts, "request": request, "redirect": redirect})  # noqa: S102 - our own page
    return app


def visitor(site: Flask, **options: Any) -> httpx.Client:
    return httpx.Client(transport=httpx.WSGITransport(site), base_url="http://internal", **options)


def user(site: Flask, name: str) -> httpx.Client:
    client = visitor(site)
    assert client.post("/login", data={"user": name}).status_code == 204
    return client


@pytest.mark.parametrize("page", ["/posts", "/greeting", "/cookies"])
def test_a_page_is_a_hit_for_a_second_visitor_with_other_cookies(page: str, site: Flask) -> None:
    made = visitor(site, cookies={"_ga": "1"}).get(page)
    again = visitor(site, cookies={"_ga": "2", "consent": "all"}).get(page)
    assert (again.text, is_hit(again)) == (made.text, True)


def test_a_page_that_greets_its_user_is_for_that_user_alone(site: Flask) -> None:
    visitors = {"ada": user(site, "ada"), "bob": user(site, "bob"), "stranger": visitor(site)}
    for names in (["ada", "bob", "stranger"], ["stranger", "bob", "ada"]):
        shown = [visitors[name].get("/greeting") for name in names]
        assert [page.text for page in shown] == [f"Hello {name}" for name in names]
    assert [is_hit(page) for page in shown] == [True, True, True]


def test_a_user_shares_the_pages_that_did_not_look_at_the_session(site: Flask) -> None:
    visitor(site).get("/posts")
    assert is_hit(user(site, "ada").get("/posts"))


def test_a_token_is_for_its_own_session_alone(site: Flask) -> None:
    one, two = visitor(site), visitor(site)
    assert one.get("/form?of=one").headers["cache-status"].endswith('detail="Set-Cookie"')
    two.get("/form?of=two")
    same = [client.get("/form?of=any") for client in (one, two, one)]
    assert [page.text for page in same] == ["token of one", "token of two", "token of one"]
    assert is_hit(same[2])


def test_a_cookie_that_is_not_kept_is_not_shown(site: Flask) -> None:
    assert visitor(site, cookies={"theme": "dark", "session": "x"}).get("/cookies").text == "session"


def test_what_is_saved_is_on_the_page_at_once(site: Flask) -> None:
    client = visitor(site)
    assert [is_hit(client.get("/posts")) for _ in range(2)] == [False, True]
    assert client.post("/posts", data={"text": "brand new"}).status_code == 303
    assert client.get("/posts").text == "a post, brand new"


def test_around_the_cache_proxy_fix_lets_a_page_be_taken_back_by_its_public_url(site: Flask) -> None:
    cache: Any = site.wsgi_app
    exec(PROXY_FIX, {"app": site})  # noqa: S102 - our own page
    proxy = {"x-forwarded-proto": "https", "x-forwarded-host": "example.org"}
    one = visitor(site, headers={**proxy, "x-forwarded-for": "192.0.2.1"})
    two = visitor(site, headers={**proxy, "x-forwarded-for": "192.0.2.2"})
    answers = [one.get("/link"), two.get("/link")]
    assert [answer.text for answer in answers] == ["https://example.org/posts"] * 2
    assert is_hit(answers[1])
    cache.invalidate_url("https://example.org/link")
    assert not is_hit(one.get("/link"))


def test_a_host_that_a_stranger_makes_up_is_in_no_others_page(site: Flask) -> None:
    exec(PROXY_FIX, {"app": site})  # noqa: S102 - our own page
    hosts = ["evil.example", "example.org"]
    shown = [visitor(site, headers={"x-forwarded-host": host}).get("/link").text for host in hosts]
    assert shown == [f"http://{host}/posts" for host in hosts]
