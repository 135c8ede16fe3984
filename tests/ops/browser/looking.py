"""Somebody who looks at the page, in a browser whose clock stands still unless a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.ops.browser.figures import NOW, figures

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page

    from tests.ops.browser.server import Operated


class Looking:
    """Looks at the page, and notes what its console is told.

    Attributes:
        page: the page.
        operated: its server.
        complaints: errors, and what the page's policy has forbidden.
    """

    def __init__(self, page: Page, operated: Operated) -> None:
        self.page = page
        self.operated = operated
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)

    def _listen(self, said: ConsoleMessage) -> None:
        if said.type in {"error", "warning"}:
            self.complaints.append(said.text)

    def at(self, view: str = "", **changes: Any) -> Page:
        """Load the page at a view, with these figures, and wait until it is drawn."""
        self.operated.figures = figures(**changes)
        self.page.clock.install(time=NOW - 1)
        self.page.clock.pause_at(NOW)
        self.page.goto(f"{self.operated.address}{view}")
        expect(self["state"]).to_have_text("Live")
        return self.page

    def __getitem__(self, name: str) -> Locator:
        """The element with an id."""
        return self.page.locator(f"id={name}")

    def wait(self, seconds: float) -> None:
        """Let time pass in the browser."""
        self.page.clock.run_for(int(seconds * 1000))

    def see(self, until: float, **changes: Any) -> None:
        """Let the server have newer figures, and wait until they are drawn.

        Args:
            until: by how many seconds they are newer than the first ones.
            changes: see `figures`.
        """
        self.operated.figures = figures(until=NOW + until, **changes)
        self.wait(2)
        moment = datetime.fromtimestamp(NOW + until, UTC)
        expect(self["workers"]).to_have_text(f"4 workers, as of {moment:%H:%M:%S}")

    def hide(self, *, is_hidden: bool) -> None:
        """Let the page go out of sight, as in another tab, or come back."""
        self.page.evaluate(
            """(isHidden) => {
                Object.defineProperty(document, "hidden", {value: isHidden, configurable: true});
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            is_hidden,
        )
