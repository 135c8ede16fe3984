"""A site as one server shows it to all who visit it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.sites.differences import Case
from benchmarks.sites.leaks import Secrets
from benchmarks.sites.site import NOBODY, Visitor
from benchmarks.sites.wire import Ask, Browser, Reply

if TYPE_CHECKING:
    from contextlib import ExitStack

    from benchmarks.sites.site import Site

BARE: Final = "bare"
"""The door of the site itself."""


class Side:
    """A site behind one door, or bare: each visitor with a connection and an identity of their own.

    Attributes:
        leaks: what one visitor was given of another.
    """

    def __init__(self, site: Site, door: str, url: str, stack: ExitStack) -> None:
        self._site, self._door = site, door
        self._browsers = {
            name: Browser(url, visitor, is_cache=door != BARE)
            for name, visitor in {NOBODY: Visitor(), **site.visitors}.items()
        }
        for browser in self._browsers.values():
            stack.callback(browser.close)
        self._secrets = Secrets()
        self.leaks: list[str] = []

    def ask(self, visitor: str, ask: Ask) -> Reply:
        """Ask as a visitor, and see whether the answer holds what is another one's."""
        reply = self._browsers[visitor].ask(ask)
        for leak in self._secrets.given(self.case(ask), visitor, reply):
            self.leaks.append(f"{self._door}: {ask.method} {ask.target} ({ask.kind}): {leak}")
        return reply

    def case(self, ask: Ask) -> Case:
        """Return the case that a request is here."""
        return Case(self._site.name, self._door, ask.kind)
