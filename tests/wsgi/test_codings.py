"""Under WSGI, too, Accept-Encoding tells responses apart where any response of the URL has had a coding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator.testing import ManualClock
from accelerator.wsgi import WSGIAccelerator
from tests.codings import COMPRESSED, PAGE, UNCOMPRESSED, VALIDATOR, Step, coded
from tests.wsgi.support import Environ, Reply, Site, ask

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse


def compressing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Compress, and say 304 where it is asked whether a page is as old as this."""
    environ["accelerator.cache_for"] = 60
    lines = [("last-modified", VALIDATOR)]
    if "HTTP_IF_MODIFIED_SINCE" in environ:
        start_response("304 Not Modified", lines)
        return []
    more, body = coded(environ.get("HTTP_ACCEPT_ENCODING"))
    start_response("200 OK", [*lines, *more])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def plain(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    environ["accelerator.cache_for"] = 60
    start_response("200 OK", [])
    return [PAGE]


def asked(app: WSGIAccelerator, step: Step) -> Reply:
    return ask(app, method=step.method, headers=[("Accept-Encoding", step.accepted)] if step.accepted else [])


def given(reply: Reply, step: Step) -> Step:
    """What a step came to."""
    return step._replace(coding=reply.get("content-encoding"), is_hit=reply.is_hit)


@pytest.mark.parametrize("steps", COMPRESSED.values(), ids=COMPRESSED)
def test_each_client_gets_what_the_application_would_give_it(steps: list[Step]) -> None:
    app = WSGIAccelerator(compressing)
    for step in steps:
        reply = asked(app, step)
        assert given(reply, step) == step
        assert reply.body == (b"" if step.method == "HEAD" else coded(step.accepted)[1])


@pytest.mark.parametrize("steps", UNCOMPRESSED.values(), ids=UNCOMPRESSED)
def test_what_never_has_a_coding_is_one_response_for_all_who_take_some(steps: list[Step]) -> None:
    app = WSGIAccelerator(plain)
    for step in steps:
        reply = asked(app, step)
        assert (given(reply, step), reply.body) == (step, PAGE)


@pytest.mark.parametrize("order", [(None, "gzip"), ("gzip", None)], ids=["without it first", "with it first"])
def test_what_a_304_freshens_refuses_nobody_what_was_kept(order: tuple[str | None, ...]) -> None:
    clock, site = ManualClock(), Site(compressing)
    app = WSGIAccelerator(site, clock=clock)
    asked(app, Step(order[0], None, False))
    clock.advance(30)
    asked(app, Step(order[1], None, False))
    clock.advance(30)
    asked(app, Step(order[0], None, False))
    for accepted in ("gzip", None, "br", "gzip", None):
        assert asked(app, Step(accepted, None, True)).body == coded(accepted)[1]
    assert site.calls == 4, "only for the coding that nobody had asked for before"
