"""What is stored for GET answers HEAD, also where the application has a route for GET alone: a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator.wsgi import WSGIAccelerator
from tests.wsgi.support import Environ, ask

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse


def only_get(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] != "GET":
        start_response("405 Method Not Allowed", [("Allow", "GET")])
        return []
    environ["accelerator.cache_for"] = 60
    start_response("200 OK", [("Content-Length", "4")])
    return [b"page"]


def test_a_head_to_a_route_that_knows_only_get_is_answered_where_the_response_to_get_is_stored() -> None:
    app = WSGIAccelerator(only_get)
    assert ask(app, method="HEAD").code == 405
    assert ask(app).body == b"page"
    head = ask(app, method="HEAD")
    assert (head.code, head.body, head.get("content-length")) == (200, b"", "4")
