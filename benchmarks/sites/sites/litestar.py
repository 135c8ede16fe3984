"""A Litestar site whose sessions do not say Vary: Cookie."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.sites.site import NEWCOMER, Site, Visitor

if TYPE_CHECKING:
    import httpx


def sign_in(name: str, client: httpx.Client) -> None:
    """Sign in."""
    assert client.post("/sign-in", json={"name": name}).status_code == 201


SITE = Site(
    name="litestar",
    about="typed data, files, compression, its own documentation, and sessions that do not say `Vary: Cookie`;"
    " ann and bob sign in",
    requires=("litestar==2.25.0",),
    server="uvicorn",
    options={"default_ttl": 60, "ignore_cookies": ("_ga*",)},
    start=("/", "/schema", "/schema/openapi.json", "/me", "/hello"),
    visitors={
        "ann": Visitor(arrive=partial(sign_in, "ann")),
        "bob": Visitor(arrive=partial(sign_in, "bob"), uncounted="_ga=GA1.1.1"),
        NEWCOMER: Visitor(uncounted="_ga=GA1.1.7"),
    },
    never_hit=("/me",),
    must_keep=True,
)
