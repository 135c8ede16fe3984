"""The page of a site with four workers, which share a store, says to the request what the client has counted."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import expect

from tests.operate.test_agreement import OF_CLIENT, UVICORN, Crowd
from tests.stores.memory.test_workers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page

REQUESTS: Final = 400
OF_CLIENTS: Final = """() => {
    const number = (node) => Number(/[\\d,]+/.exec(node.textContent)[0].replaceAll(",", ""));
    const reasons = [...document.querySelectorAll("#outcomes ul li")];
    const own = reasons.filter((line) => line.firstElementChild.textContent === "no_store()");
    const all = number(document.querySelector("[data-figure=rate-more]"));
    return own.reduce((rest, line) => rest - number(line.lastElementChild), all);
}"""
"""All requests that the page has drawn, without those for what operators see, which say `no_store()`."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(UVICORN, tmp_path / "log", STORE=f"lmdb://{tmp_path}/site")
    server.ask("metrics")  # it waits until a worker listens
    yield server
    server.end()
    assert "Traceback" not in server.log


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Page:
    """The page of an operator."""
    context.set_extra_http_headers({"x-operator": "ada"})
    opened = context.new_page()
    opened.goto(f"http://127.0.0.1:{server.port}/ops/")
    return opened


def crowd_at(server: Server) -> Crowd:
    """Let clients ask for much, beside the loop of the browser; returns them when they are done."""
    crowd = Crowd(f"http://127.0.0.1:{server.port}")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, crowd.ask_much(REQUESTS)).result()
    assert crowd.counted.total() == REQUESTS
    assert min(crowd.counted[name] for name in OF_CLIENT) > 0
    return crowd


def expect_what_was_counted(page: Page, crowd: Crowd) -> None:
    """Wait until the workers have told each other, so that the page shows what the clients have counted."""
    outcomes = page.locator("#outcomes")
    expect(outcomes.locator("> [data-outcome=hit] .line .number")).to_have_text(f"{crowd.counted['hit']:,}")
    for reason in ("stored", "private", "method"):
        line = outcomes.locator("ul li").filter(has_text=re.compile(rf"^{reason}\b"))
        expect(line.locator(".number")).to_have_text(f"{crowd.counted[reason]:,}")
    assert page.evaluate(OF_CLIENTS) == crowd.counted.total()


def test_under_load_the_page_shows_what_the_clients_have_counted(server: Server, page: Page) -> None:
    crowd = crowd_at(server)
    expect_what_was_counted(page, crowd)
    expect(page.locator("[data-figure=served-more]")).to_have_text(f"{crowd.counted['hit']:,} responses")
    page.get_by_role("link", name="Not cached").click()
    for reason in ("private", "method"):
        group = page.locator(f"[data-reason={reason}]")
        expect(group.locator(".counted .number")).to_have_text(f"{crowd.counted[reason]:,}")
    page.get_by_role("link", name="Store").click()
    expect(page.locator("#kept")).to_contain_text("LMDBStore")


def test_a_tag_that_is_taken_back_in_the_page_makes_the_next_request_a_miss_whoever_answers(
    server: Server, page: Page
) -> None:
    assert "stored" in server.ask("page/5")
    for _ in range(8):
        assert "hit" in server.ask("page/5")
    page.goto(f"http://127.0.0.1:{server.port}/ops/#take-back")
    page.locator("#take-back-name").fill("page:5")
    page.locator("#take-back-name").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    expect(page.locator("#dialog-result")).to_have_text("Done: it is taken back.")
    assert server.ask("page/5") == "accelerator; fwd=miss; stored"
    assert "hit" in server.ask("page/5")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="Store").click()
    expect(page.locator("#invalidations tr").first).to_have_text(re.compile(r"^a tag\s*1\s*0$"))
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("#outcomes > [data-outcome=hit] .line .number")).to_have_text("9")
