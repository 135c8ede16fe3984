"""The method PURGE: of a URL behind the address of the page, and of the site's own URLs."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from accelerator import ASGIAccelerator
from accelerator.http.request import Request
from accelerator.ops import OpsApp, Purge
from accelerator.tags import tag_of_url
from tests.ops.support import GivenFigures, GivenStore, Operators, said
from tests.support import app_saying, ask, http_scope

pytestmark = pytest.mark.anyio

SHARED = ("cache-control", "s-maxage=60")
DONE = {"done": True}


def allow(request: Any) -> str:
    return "ada"


@pytest.mark.parametrize("mount", ["", "/ops", "/a/b"])
@pytest.mark.parametrize(
    ("target", "tag"),
    [
        ("https://example.org/p", "@url:example.org/p"),
        ("http://example.org/p?x=1&y=%2F", "@url:example.org/p?x=1&y=%2F"),
        ("https://example.org", "@url:example.org/"),
        ("https://example.org/a%2Fb/%41", "@url:example.org/a%2Fb/A"),
        ("https:/example.org/p", "@url:example.org/p"),
        ("HTTPS://EXAMPLE.org/P", "@url:example.org/P"),
        ("https://example.org/see/http://other.example/", "@url:example.org/see/http://other.example/"),
        ("https://example.org/p?see=/https://other.example/", "@url:example.org/p?see=/https://other.example/"),
        ("https:/example.org/p?see=https://[", "@url:example.org/p?see=https://["),
        ("http://[::1]:8000/p", "@url:[::1]:8000/p"),
    ],
)
async def test_a_url_behind_the_address_is_taken_back(mount: str, target: str, tag: str) -> None:
    operators = Operators()
    answer = await operators.get(f"{mount}/{target}", method="PURGE", root_path=mount)
    assert (answer.status, said(answer), operators.store.taken_back) == (200, DONE, [({tag}, False)])


async def test_a_server_need_not_know_the_target_as_it_came() -> None:
    operators = Operators()
    await operators.get("/?x=1", method="PURGE", raw_path=None, path="/https://example.org/é")
    assert operators.store.taken_back == [({"@url:example.org/%C3%A9?x=1"}, False)]


@pytest.mark.parametrize(
    "target",
    [
        "",
        "?see=/https://example.org/p",
        "p",
        "figures",
        "example.org/p",
        "ftp://example.org/",
        "https:",
        "https://",
        "*",
    ],
)
async def test_what_is_no_url_is_said_in_a_sentence(target: str) -> None:
    operators = Operators()
    answer = await operators.get(f"/{target}", method="PURGE")
    assert (answer.status, operators.store.taken_back) == (400, [])
    assert "https://example.org/p?x=1" in said(answer)["error"]


@pytest.mark.parametrize(
    "target", ["https://[::1/", "https://example.org:99999/", "https:///p", "https://example.org/\xff"]
)
async def test_a_url_that_cannot_be_is_said_in_a_sentence(target: str) -> None:
    operators = Operators()
    answer = await operators.get(f"/{target}", method="PURGE", raw_path=f"/{target}".encode("latin-1"))
    assert (answer.status, operators.store.taken_back) == (400, [])
    assert "https://example.org/p" in said(answer)["error"]


# --- around the site --------------------------------------------------------------------------------------------------


async def test_purge_takes_back_the_url_to_which_it_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    cached = ASGIAccelerator(app_saying(SHARED))
    site = Purge(cached, cached, authorize=allow)
    assert [(await ask(site, "/p?x=1")).body for _ in range(2)] == [b"answer 1"] * 2
    with caplog.at_level(logging.INFO, "accelerator.ops"):
        answer = await ask(site, "/p?x=1", method="PURGE")
    assert (answer.status, said(answer)) == (200, DONE)
    assert (await ask(site, "/p?x=1")).body == b"answer 2"
    assert caplog.messages == ["taken back by 'ada': URL 'https://example.org/p?x=1'"]


async def test_purge_takes_back_all_variants_and_no_other_url() -> None:
    cached = ASGIAccelerator(app_saying(SHARED, ("vary", "accept-language")))
    site = Purge(cached, cached, authorize=allow)
    german, french = [("accept-language", "de")], [("accept-language", "fr")]
    for headers in (german, french):
        await ask(site, "/p", headers=headers)
    await ask(site, "/q")
    await ask(site, "/p", method="PURGE")
    bodies = [(await ask(site, "/p", headers=headers)).body for headers in (german, french)]
    assert [*bodies, (await ask(site, "/q")).body] == [b"answer 4", b"answer 5", b"answer 3"]


@pytest.mark.parametrize("said_of", [None, False, ""], ids=repr)
async def test_without_a_yes_purge_takes_nothing_back_and_does_not_reach_the_site(said_of: Any) -> None:
    app = app_saying(SHARED)
    cached = ASGIAccelerator(app)
    site = Purge(cached, cached, authorize=lambda request: said_of)
    await ask(site, "/p")
    assert (await ask(site, "/p", method="PURGE")).status == 403
    assert ((await ask(site, "/p")).body, app.calls) == (b"answer 1", 1)


async def test_a_page_of_another_site_cannot_purge() -> None:
    cached = ASGIAccelerator(app_saying(SHARED))
    site = Purge(cached, cached, authorize=allow)
    await ask(site, "/p")
    for headers in ([("sec-fetch-site", "cross-site")], [("origin", "null")], [("origin", "https://evil.example")]):
        assert (await ask(site, "/p", method="PURGE", headers=headers)).status == 403
    assert (await ask(site, "/p")).body == b"answer 1"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "purge", "PURGE "])
async def test_everything_else_goes_on_to_the_site(method: str) -> None:
    app = app_saying()
    asked: list[object] = []
    site = Purge(app, ASGIAccelerator(app), authorize=asked.append)
    assert (await ask(site, "/p", method=method)).body == b"answer 1"
    assert (app.scope["method"], asked) == (method, [])


async def test_what_is_no_request_goes_on_to_the_site() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    site = Purge(app, ASGIAccelerator(app), authorize=allow)
    await ask(site, type="websocket")
    await ask(site, type="lifespan")
    assert seen == ["websocket", "lifespan"]


@pytest.mark.parametrize("host", ["", "[::1", "a b", "a\x00b", "example.org:port"])
async def test_a_host_that_can_be_none_is_said_in_a_sentence(host: str) -> None:
    cached = ASGIAccelerator(app_saying())
    answer = await ask(Purge(cached, cached, authorize=allow), "/p", method="PURGE", headers=[("host", host)])
    assert (answer.status, said(answer)["error"][:44]) == (400, "the URL is not an absolute http or https URL")


async def test_it_may_stand_inside_of_the_cache() -> None:
    store = GivenStore()
    cached = ASGIAccelerator(
        Purge(app_saying(SHARED), ASGIAccelerator(app_saying(), store=store), authorize=allow), store=store
    )
    await ask(cached, "/p")
    assert said(await ask(cached, "/p", method="PURGE")) == DONE
    assert store.taken_back == [({"@url:example.org/p"}, False)]
    assert (await ask(cached, "/p")).body == b"answer 2"


PARTS = st.text("aA9/.%~:;@!$&'()*+,=-_[]|^{}\"<>\\", max_size=12)


@given(path=PARTS, query=PARTS, host=st.sampled_from(["example.org", "EXAMPLE.org.", "example.org:443", "[::1]:80"]))
def test_the_url_of_a_request_names_what_is_stored_for_it(path: str, query: str, host: str) -> None:
    request = Request(http_scope(f"/{path}?{query}", headers=[("host", host)]))
    assert tag_of_url(request.url) == request.url_tag


@pytest.mark.parametrize("target", ["/p?see=/https://other.example/", "/see/https://[", "/see/http:", "/https"])
async def test_a_url_of_the_site_may_look_like_another_one(target: str) -> None:
    store = GivenStore()
    cached = GivenFigures(store=store)
    assert said(await ask(Purge(cached, cached, authorize=allow), target, method="PURGE")) == DONE
    assert store.taken_back == [({tag_of_url(f"https://example.org{target}")}, False)]


async def test_a_purge_for_the_page_is_not_lost_on_its_way_through_the_site() -> None:
    store, app = GivenStore(), FastAPI()
    cached = GivenFigures(app, store=store)
    app.mount("/ops", OpsApp(cached, authorize=allow))
    site = Purge(cached, cached, authorize=allow)
    await ask(site, "/ops/https://example.org/p?x=1", method="PURGE")
    assert ({"@url:example.org/p?x=1"}, False) in store.taken_back
