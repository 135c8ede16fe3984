"""A Quart site. With Flask 3.1.3 its sessions do not say Vary: Cookie any more, so the cache has to be strict."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.sites.site import NEWCOMER, Site, Visitor

if TYPE_CHECKING:
    import httpx


def sign_in(name: str, client: httpx.Client) -> None:
    """Sign in by the form, and see the page that says so once."""
    assert client.post("/sign-in", data={"name": name}).status_code == 302
    assert "You are in." in client.get("/").text


SITE = Site(
    name="quart",
    about="templates, static files, streams, and sessions that do not say `Vary: Cookie` (see [options](options.md));"
    " ann and bob sign in",
    requires=("quart==0.22.0",),
    server="uvicorn",
    options={"default_ttl": 60, "ignore_cookies": ("_ga*",)},
    visitors={
        "ann": Visitor(arrive=partial(sign_in, "ann"), uncounted="_ga=GA1.1.1"),
        "bob": Visitor(arrive=partial(sign_in, "bob")),
        NEWCOMER: Visitor(uncounted="_ga=GA1.1.7"),
    },
    must_keep=True,
)
