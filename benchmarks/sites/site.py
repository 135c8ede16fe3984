"""A site: what it is made of, how it is served, and who visits it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx

    from accelerator.options import OptionArguments

HOST: Final = "site.example"
"""The site's host, whatever port serves it: absolute links are the same everywhere."""

PATIENCE: Final = 20.0
"""Seconds in which a server has to answer, to start and to end."""

NOBODY: Final = "nobody"
"""The visitor without a cookie."""

NEWCOMER: Final = "newcomer"
"""The visitor who comes when all others have been there, with cookies that nobody sent before."""

Server: TypeAlias = Literal["uvicorn", "gunicorn", "waitress"]


@dataclass(frozen=True)
class Visitor:
    """Who visits a site.

    Attributes:
        fields: what each request of the visitor carries.
        uncounted: cookies that the cache is told not to count, so that the site does not see them: the bare site is
            asked without.
        arrive: what the visitor does first, such as signing in; the cookies that this brings are sent from then on.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    uncounted: str = ""
    arrive: Callable[[httpx.Client], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Site:
    """A site.

    Attributes:
        name: of the site, and of its module in `applications`.
        about: what it is, and who visits it, in a sentence for the page.
        requires: what pip installs; the first names the software, with its version.
        server: the server that it is run by; all but uvicorn are for WSGI.
        options: of the cache in front of it.
        start: where the crawl begins.
        limit: how many URLs each visitor follows.
        visitors: all but nobody.
        never_hit: globs of targets whose answers must never come from the store.
        must_keep: whether each page that nobody is shown, and that is not private, must be a hit for the newcomer,
            but for `never_hit`.
        has_streams: whether it has the event stream and the WebSocket that `streams.py` knows.
    """

    name: str
    about: str
    requires: tuple[str, ...]
    server: Server
    options: OptionArguments
    start: tuple[str, ...] = ("/",)
    limit: int = 40
    visitors: Mapping[str, Visitor]
    never_hit: tuple[str, ...] = ()
    must_keep: bool = False
    has_streams: bool = False

    @property
    def is_asgi(self) -> bool:
        """Whether its application speaks ASGI."""
        return self.server == "uvicorn"
