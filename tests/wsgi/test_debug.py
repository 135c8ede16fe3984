"""The option `debug` under WSGI."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from accelerator import WSGIAccelerator
from tests.wsgi.support import ask, environ_of, site_saying, site_with

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "correct-horse-battery"
ASKING = [("accelerator-debug", TOKEN)]


def outcome(field: str | None) -> str:
    return (field or "").partition(",")[0]


def test_true_tells_every_request() -> None:
    cached = WSGIAccelerator(site_saying(ttl=60, tags=["users"]), debug=True)
    told = [ask(cached).get("accelerator-debug") for _ in range(2)]
    assert [outcome(field) for field in told] == ["outcome=miss;fwd=uri-miss;stored", "outcome=hit"]
    assert all('key="https://example.org/"' in (field or "") and 'tags=("users")' in (field or "") for field in told)


def test_a_token_tells_only_requests_that_carry_it_and_reaches_no_application() -> None:
    site = site_saying(ttl=60)
    cached = WSGIAccelerator(site, debug=TOKEN)
    assert outcome(ask(cached, headers=ASKING).get("accelerator-debug")) == "outcome=miss;fwd=uri-miss;stored"
    assert "HTTP_ACCELERATOR_DEBUG" not in site.environ
    assert ask(cached, headers=ASKING).get("cache-control") == "no-store"
    assert ask(cached, headers=[("accelerator-debug", "wrong")]).get("accelerator-debug") is None
    other = ask(cached)
    assert (other.is_hit, other.get("accelerator-debug"), other.get("cache-control")) == (True, None, "no-cache")
    assert outcome(ask(cached, headers=ASKING).get("accelerator-debug")) == "outcome=hit"


@pytest.mark.parametrize("token", [TOKEN, "wrong"])
def test_a_request_that_passes_by_shows_no_token_either(token: str) -> None:
    site = site_saying()
    cached = WSGIAccelerator(site, debug=TOKEN)
    environ = environ_of(method="POST", headers=[("accelerator-debug", token)])
    before = {**environ}
    assert b"".join(cached(environ, lambda *_: lambda _: None)) == b"answer 1"
    assert "HTTP_ACCELERATOR_DEBUG" not in site.environ
    assert environ == before, "outer middlewares use the same environ"


def test_what_a_streamed_response_could_not_say_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def body() -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    cached = WSGIAccelerator(site_with(body(), ttl=60), debug=TOKEN)
    assert outcome(ask(cached, headers=ASKING).get("accelerator-debug")) == "outcome=miss;fwd=uri-miss;pending"
    (record,) = caplog.records
    assert "outcome=miss;fwd=uri-miss;stored" in record.getMessage()
