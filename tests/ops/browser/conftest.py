"""One browser for all tests; each test has a context of its own, and a server."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import Error, expect, sync_playwright

from tests.ops.browser.looking import Looking
from tests.ops.browser.server import Operated, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from playwright.sync_api import Browser, BrowserContext

ARGUMENTS: Final = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
PATIENCE: Final = 60_000.0
"""Milliseconds after which what is waited for will not come: machines are busy."""


expect.set_options(timeout=PATIENCE)


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
def looking(context: BrowserContext, operated: Operated) -> Looking:
    """Somebody who looks at the page; it is not loaded yet."""
    return Looking(context.new_page(), operated)
