"""A FastAPI site with sessions, API keys, an event stream and a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.sites.site import NEWCOMER, Site, Visitor

if TYPE_CHECKING:
    import httpx


def sign_in(client: httpx.Client) -> None:
    """Sign in by the form."""
    assert client.post("/sign-in", data={"name": "ann"}).status_code == 303


SITE = Site(
    name="fastapi",
    about="pages, JSON, downloads and its own documentation; ann has a session, bob an API key in each request",
    requires=("fastapi==0.165.0", "itsdangerous>=2.2", "python-multipart>=0.0.18"),
    server="uvicorn",
    options={"default_ttl": 60, "cookies": "vary", "keep_cookies": ("session",)},
    start=("/", "/docs", "/openapi.json", "/me", "/key"),
    visitors={
        "ann": Visitor(arrive=sign_in),
        "bob": Visitor(fields={"x-api-key": "the key of bob"}),
        NEWCOMER: Visitor(uncounted="_ga=GA1.1.7; lang=fr"),
    },
    never_hit=("/key",),
    must_keep=True,
    has_streams=True,
)
