"""The page with the application that serves it, and a site that is cached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from accelerator import ASGIAccelerator, cache_for, tag
from accelerator.ops import OpsApp
from tests.ops.browser.server import serving

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext
    from starlette.requests import Request
    from starlette.responses import Response


async def article(request: Request) -> Response:
    cache_for(600)
    tag("articles")
    return PlainTextResponse("an article")


async def cart(request: Request) -> Response:
    return PlainTextResponse("a cart")


def test_an_operator_sees_what_is_stored_and_takes_it_back(context: BrowserContext) -> None:
    site = Starlette(routes=[Route("/articles/{name}", article), Route("/cart", cart)])
    cached = ASGIAccelerator(site)
    site.router.routes.append(Mount("/ops", OpsApp(cached, authorize=lambda request: "ada")))
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with serving(cached) as address, httpx.Client(base_url=address, trust_env=False) as client:
        for path in ("/articles/<b>", "/articles/<b>", "/cart"):
            client.get(path)
        stored = f"{address}/articles/%3Cb%3E"
        page.goto(f"{address}/ops/#entries?tag=articles")
        expect(page.get_by_text(stored).first).to_be_visible()
        page.goto(f"{address}/ops/#reasons")
        expect(page.get_by_text(f"{address}/cart").first).to_be_visible()
        page.goto(f"{address}/ops/#take-back")
        page.fill("#take-back-name", "articles")
        page.click("#take-back-form button")
        page.click("#dialog-go")
        expect(page.locator("#dialog-result")).to_have_text("Done: it is taken back.")
        assert "hit" not in client.get("/articles/<b>").headers["cache-status"]
    assert complaints == []
