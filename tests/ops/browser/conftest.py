"""One browser for all tests; each test has a context of its own, and a server."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import Error, sync_playwright

from tests.ops.browser.server import Operated, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from playwright.sync_api import Browser, BrowserContext, Page

ARGUMENTS: Final = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
PATIENCE: Final = 60_000.0
"""Milliseconds after which what is waited for will not come: machines are busy."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        except Error as error:
            pytest.exit(f"There is no browser for these tests. `nox -s browser` finds or installs one.\n{error}", 1)
        yield launched
        launched.close()


@pytest.fixture
def kind() -> dict[str, Any]:
    """What a context is like, such as its width; a test may have it otherwise."""
    return {}


@pytest.fixture
def context(browser: Browser, kind: dict[str, Any]) -> Iterator[BrowserContext]:
    made = browser.new_context(**{"timezone_id": "UTC", "locale": "en-GB", "reduced_motion": "reduce"} | kind)
    made.set_default_timeout(PATIENCE)
    yield made
    made.close()


@pytest.fixture
def operated() -> Iterator[Operated]:
    told = Operated()
    with serving(told.app()) as address:
        told.address = f"{address}/deep/ops/"
        yield told


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console was told of: errors, and what the page's policy has forbidden."""
    return []


@pytest.fixture
def page(context: BrowserContext, operated: Operated, complaints: list[str]) -> Page:
    """The page, before it is gone to."""
    opened = context.new_page()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    return opened
