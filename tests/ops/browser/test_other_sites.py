"""A page of another site, in the browser of somebody whom the site lets in, reads nothing and takes nothing back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route

from accelerator import ASGIAccelerator
from accelerator.ops import OpsApp
from tests.ops.browser.server import serving
from tests.ops.support import GivenStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext
    from starlette.requests import Request
    from starlette.responses import Response

ORDER = '{"all": true}'
WAYS: dict[str, Any] = {
    "as text": {"method": "POST", "body": ORDER, "mode": "no-cors", "credentials": "include"},
    "as JSON": {"method": "POST", "body": ORDER, "headers": {"content-type": "application/json"}},
    "as JSON, unseen": {
        "method": "POST",
        "body": ORDER,
        "mode": "no-cors",
        "headers": {"content-type": "application/json"},
    },
}
FORM = """
<form method="post" enctype="text/plain" action="%s"><input name='{"all": true, "x": "' value='"}'></form>
<script>document.forms[0].submit()</script>
"""
FRAME = """<iframe src="%s" onload="document.title = 'loaded'"></iframe>"""


class Site:
    """A site that lets everybody in, and what it was asked to take back."""

    def __init__(self) -> None:
        self.store = GivenStore()
        cached = ASGIAccelerator(Starlette(), store=self.store)
        self.app = Starlette(routes=[Mount("/ops", OpsApp(cached, authorize=lambda request: True))])
        self.address = ""


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    with serving(made.app) as address:
        made.address = f"{address}/ops/"
        yield made


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of another site, whose page a test may give."""
    content = getattr(request, "param", "<title>another site</title>")

    async def page(asked: Request) -> Response:
        return HTMLResponse(content.replace("%s", asked.query_params.get("address", "")))

    with serving(Starlette(routes=[Route("/", page)])) as address:
        yield address.replace("127.0.0.1", "localhost")


FETCH = """async ([address, options]) => {
    try { const answer = await fetch(address, options); return [answer.type, answer.status, await answer.text()]; }
    catch (error) { return String(error); }
}"""


def test_its_own_page_does(context: BrowserContext, site: Site) -> None:
    page = context.new_page()
    page.goto(site.address)
    order: Any = {**WAYS["as JSON"], "body": '{"tags": ["a"]}'}
    assert page.evaluate(FETCH, [f"{site.address}invalidate", order]) == ["basic", 200, '{"done": true}']
    assert site.store.taken_back == [({"a"}, False)]


@pytest.mark.parametrize("way", WAYS)
def test_no_script_of_another_site_takes_back(context: BrowserContext, site: Site, other: str, way: str) -> None:
    page = context.new_page()
    page.goto(other)
    assert page.evaluate(FETCH, [f"{site.address}invalidate", WAYS[way]]) == "TypeError: Failed to fetch"
    purge = {"method": "PURGE"}
    assert page.evaluate(FETCH, [f"{site.address}https://a.example/", purge]) == "TypeError: Failed to fetch"
    assert site.store.taken_back == []


@pytest.mark.parametrize("name", ["", "figures", "entries", "page.js"])
@pytest.mark.parametrize("mode", ["cors", "no-cors"])
def test_no_script_of_another_site_reads(context: BrowserContext, site: Site, other: str, name: str, mode: str) -> None:
    page = context.new_page()
    page.goto(other)
    options = {"mode": mode, "credentials": "include"}
    assert page.evaluate(FETCH, [f"{site.address}{name}", options]) == "TypeError: Failed to fetch"


@pytest.mark.parametrize("other", [FORM], indirect=True)
def test_no_form_of_another_site_takes_back(context: BrowserContext, site: Site, other: str) -> None:
    page = context.new_page()
    with page.expect_response(f"{site.address}invalidate") as answered:
        page.goto(f"{other}/?address={site.address}invalidate")
    assert answered.value.status == 403
    assert "page of another site" in json.loads(answered.value.text())["error"]
    assert site.store.taken_back == []


@pytest.mark.parametrize("other", [FRAME], indirect=True)
def test_no_other_site_frames_the_page(context: BrowserContext, site: Site, other: str) -> None:
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{other}/?address={site.address}")
    page.wait_for_function("document.title === 'loaded'")
    assert [text for text in said if "frame-ancestors" in text]
    assert page.frames[1].url.startswith("chrome-error:")


def test_a_link_of_another_site_leads_to_the_page(context: BrowserContext, site: Site, other: str) -> None:
    page = context.new_page()
    page.goto(other)
    with page.expect_navigation():
        page.evaluate("address => { location.href = address; }", site.address)
    assert page.title().endswith("accelerator")
