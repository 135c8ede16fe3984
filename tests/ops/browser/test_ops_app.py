"""The page over OpsApp itself, mounted in a site that is cached."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from accelerator import ASGIAccelerator, cache_for, tag
from accelerator.fanout import FanOut, Varnish, sender
from accelerator.ops import OpsApp
from tests.fanout.edges import Answer, VarnishEdge
from tests.ops.browser.figures import HOSTILE
from tests.ops.browser.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page
    from starlette.requests import Request
    from starlette.responses import Response

OPERATOR: Final[Any] = {"name": "operator", "value": "ada", "domain": "127.0.0.1", "path": "/"}


class Site:
    """A site with operators, which counts how often it has made each path."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        routes = [
            Route("/pages/{number}", self._show),
            Route("/search", self._search),
            Mount("/ops", OpsApp(authorize=lambda request: request.cookies.get("operator"))),
        ]
        self.app = ASGIAccelerator(Starlette(routes=routes))
        self.address = ""

    async def _show(self, request: Request) -> Response:
        self.made[request.url.path] += 1
        cache_for(600)
        tag(f"page:{request.path_params['number']}", "pages", HOSTILE.strip("\u0007"))
        return PlainTextResponse("page")

    async def _search(self, request: Request) -> Response:
        return PlainTextResponse("found")

    def ask(self, *paths: str) -> None:
        for path in paths:
            assert httpx.get(self.address + path, timeout=60).status_code == 200

    @property
    def ops(self) -> str:
        return f"{self.address}/ops/"


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    with serving(made.app) as made.address:
        yield made


@pytest.fixture
def complaints() -> list[str]:
    """What the console of the browser is told of."""
    return []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Page:
    """A page of an operator."""
    context.add_cookies([OPERATOR])
    opened = context.new_page()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    return opened


def test_what_clients_have_asked_for_is_seen(site: Site, page: Page, complaints: list[str]) -> None:
    site.ask("/pages/1", "/pages/1", "/pages/1", "/search?q=lamp")
    page.goto(site.ops)
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("#urls li")).to_have_text(re.compile(r"^http://127\.0\.0\.1:\d+/pages/1\s*2$"))
    expect(page.locator("#tags")).to_contain_text("page:1")
    expect(page.locator("#latest")).to_contain_text("no explicit time")
    expect(page.locator("#outcomes > li").first).to_contain_text(re.compile(r"^hit\s*from the store\s*2"))
    page.get_by_role("link", name="Not cached").click()
    group = page.locator("[data-reason='no explicit time']")
    expect(group).to_contain_text("/search?q=lamp")
    expect(group).to_contain_text("cache_for(60)")
    page.get_by_role("link", name="Store").click()
    expect(page.locator("#kept")).to_contain_text("MemoryStore")
    assert complaints == []


def test_new_requests_are_seen_without_loading_it_again(site: Site, page: Page) -> None:
    page.goto(site.ops)
    expect(page.locator("#state")).to_have_text("Live")
    site.ask("/pages/1")
    expect(page.locator("#latest")).to_contain_text("/pages/1")


def test_a_tag_is_taken_back(site: Site, page: Page, complaints: list[str]) -> None:
    site.ask(*(f"/pages/{number}" for number in range(120)))
    page.goto(f"{site.ops}#entries?tag=pages")
    expect(page.locator("#entries tr")).to_have_count(100)
    page.get_by_role("button", name="Next 100").click()
    expect(page.locator("#entries tr")).to_have_count(20)
    page.goto(f"{site.ops}#entries?tag=page%3A7")
    expect(page.locator("#entries tr")).to_have_count(1)
    page.get_by_role("button", name="Take back…").click()
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    expect(page.locator("#dialog-result")).to_have_text("Done: it is taken back.")
    site.ask("/pages/7", "/pages/8")
    assert (site.made["/pages/7"], site.made["/pages/8"]) == (2, 1)
    assert complaints == []


def test_a_url_and_everything_are_taken_back(site: Site, page: Page) -> None:
    site.ask("/pages/1", "/pages/2", "/pages/1")
    page.goto(site.ops)
    page.locator("#urls a").click()
    expect(page.locator("#variants article")).to_contain_text("page:1")
    expect(page.locator("#story-latest tr")).to_have_count(2)
    page.get_by_role("button", name="Take back…").click()
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    expect(page.locator("#dialog-result")).to_have_text("Done: it is taken back.")
    page.get_by_role("button", name="Close").click()
    site.ask("/pages/1", "/pages/2")
    assert (site.made["/pages/1"], site.made["/pages/2"]) == (2, 1)
    page.goto(f"{site.ops}#take-back")
    page.get_by_role("button", name="Take back everything…").click()
    page.locator("#dialog-typed").fill("everything")
    page.locator("#dialog-typed").press("Enter")
    expect(page.locator("#dialog-result")).to_have_text("Done: it is taken back.")
    site.ask("/pages/1", "/pages/2")
    assert (site.made["/pages/1"], site.made["/pages/2"]) == (3, 2)


def test_what_a_cache_downstream_was_not_told_yet_is_seen_until_it_was(
    site: Site, page: Page, complaints: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "MAX_PAUSE", sender.FIRST_PAUSE)
    with VarnishEdge() as edge, closing(FanOut(Varnish(edge.url), again_after=None)) as fan_out:
        edge.failing = Answer(503)
        fan_out.follow(site.app.store)
        page.goto(f"{site.ops}#take-back")
        page.locator("#take-back-name").fill("page:1")
        page.locator("#take-back-name").press("Enter")
        page.get_by_role("dialog").get_by_role("button", name="Take back").click()
        expect(page.locator("#dialog-result")).to_have_text("Done: it is taken back.")
        page.get_by_role("button", name="Close").click()
        page.get_by_role("link", name="Store").click()
        expect(page.locator("#fanout tr")).to_have_text(re.compile(r"^Varnish\s*0\s*[1-9]\d*\s*1$"))
        expect(page.locator("#attention")).to_have_text("1 invalidation waits to be told to Varnish.")
        edge.failing = None
        expect(page.locator("#fanout tr")).to_have_text(re.compile(r"^Varnish\s*1\s*[1-9]\d*\s*0$"))
        expect(page.locator("#attention")).to_be_hidden()
        assert edge.keys() == ["page:1"]
    assert complaints == []


def test_what_cannot_be_a_tag_is_refused_in_words(site: Site, page: Page) -> None:
    page.goto(f"{site.ops}#take-back")
    page.locator("#take-back-name").fill("@all")
    page.locator("#take-back-name").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    expect(page.locator("#dialog-result")).to_contain_text("It failed: Tags[0]: ")


def test_who_is_not_let_in_sees_nothing(site: Site, context: BrowserContext) -> None:
    stranger = context.new_page()
    answer = stranger.goto(site.ops)
    assert answer is not None
    assert answer.status == 403
    assert stranger.locator("main").count() == 0


def test_who_is_not_let_in_any_more_is_told(site: Site, page: Page, context: BrowserContext) -> None:
    page.goto(site.ops)
    expect(page.locator("#state")).to_have_text("Live")
    context.clear_cookies()
    expect(page.locator("#state")).to_have_text("No new figures")
    expect(page.locator("#lost")).to_contain_text("This is closed")
