"""A WSGI application without a framework: a counter of visits to each page, cached for a minute.

    gunicorn --threads 8 examples.bare_wsgi:app

Ask for http://127.0.0.1:8000/some/page, and again; send a POST to it, and ask once more.
"""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from accelerator import WSGIAccelerator

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

visits: Counter[str] = Counter()


def count(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Show how often the application was asked for a page; a POST to `/reset` forgets all of it."""
    path = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] == "POST" and path == "/reset":
        visits.clear()
        environ["accelerator"].invalidate_tag("visits")
        start_response("204 No Content", [])
        return []
    visits[path] += 1
    environ["accelerator.cache_for"] = 60
    environ["accelerator.tags"] = ["visits"]
    page = f"<p>The application was asked for {escape(path)} {visits[path]} times."
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [page.encode("latin-1")]  # the path is bytes, as PEP 3333 writes them


app = WSGIAccelerator(count)
