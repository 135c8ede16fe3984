"""Files, served by Starlette's StaticFiles, compressed by its GZipMiddleware."""

from __future__ import annotations

from benchmarks.sites.site import NEWCOMER, Site, Visitor

SITE = Site(
    name="static",
    about="files under Starlette's `StaticFiles` and `GZipMiddleware`; cookies say nothing to it",
    requires=("starlette==1.10.0",),
    server="uvicorn",
    options={"default_ttl": 60, "cookies": "vary"},
    start=("/", "/missing.html", "/listed/../style.css", "/%C3%A9t%C3%A9.html"),
    visitors={
        "ann": Visitor(fields={"cookie": "name=ann"}),
        "bob": Visitor(fields={"cookie": "name=bob"}),
        NEWCOMER: Visitor(fields={"cookie": "_ga=GA1.1.7"}),
    },
    must_keep=True,
)
