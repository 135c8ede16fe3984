"""`python -m accelerator gateway`."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn
from click.testing import CliRunner

from accelerator import CREDENTIALS, ASGIAccelerator, MemoryStore, RedisStore, TieredStore
from accelerator.__main__ import main
from accelerator.gateway import Gateway
from accelerator.options import Options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.options import OptionArguments

ORIGIN = "http://127.0.0.1:9"
HINT = 'pip install "asgi-accelerator[gateway]"'


class Page(BaseHTTPRequestHandler):
    """A page that may be kept for a minute, of a server that calls itself `origin`."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "origin", ""

    def do_GET(self) -> None:
        self.send_response(200)
        for line in (("Cache-Control", "s-maxage=60"), ("Content-Length", "256"), ("X-A", "1"), ("X-A", "2")):
            self.send_header(*line)
        self.end_headers()
        self.wfile.write(bytes(range(256)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is that of the base class
        """Say nothing."""


@contextmanager
def origin_of_pages() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_command_serves_the_origin_with_the_cache_in_front() -> None:
    with origin_of_pages() as origin:
        command = [sys.executable, "-m", "accelerator", "gateway", origin, "--port", "0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:  # noqa: S603 - ours
            try:
                assert server.stderr is not None
                said = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stderr)
                url = next(found[0] for found in said if found)
                with httpx.Client(base_url=url, trust_env=False) as browser:
                    first, second = browser.get("/"), browser.get("/")
                server.terminate()
                server.communicate(timeout=10)
            finally:
                server.kill()
    assert [found.headers["cache-status"].split(";")[1] for found in (first, second)] == [" fwd=uri-miss", " hit"]
    for found in (first, second):
        assert (found.content, found.headers.get_list("x-a")) == (bytes(range(256)), ["1", "2"])
        assert found.headers.get_list("server") == ["origin"]
        assert len(found.headers.get_list("date")) == 1


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ([], MemoryStore),
        (["--store", "redis://127.0.0.1:9"], TieredStore),
        (["--store", "redis://127.0.0.1:9?near=none"], RedisStore),
    ],
    ids=["in memory", "in Redis and near by", "in Redis"],
)
def test_the_store_is_the_one_that_was_named(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], kind: type[object]
) -> None:
    served: list[ASGIAccelerator] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **_options: served.append(app))
    answer = CliRunner().invoke(main, ["gateway", ORIGIN, *arguments])
    assert (answer.exit_code, type(served[0].store)) == (0, kind)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--default-ttl", "60"], {"default_ttl": 60}),
        (["--stale-while-revalidate", "30"], {"stale_while_revalidate": 30}),
        (["--stale-if-error", "3600"], {"stale_if_error": 3600}),
        (["--cacheable-errors"], {"cacheable_errors": True}),
        (["--heuristic"], {"heuristic": True}),
        (["--obey-request-directives"], {"obey_request_directives": True}),
        (["--debug-token", "correct-horse-battery"], {"debug": "correct-horse-battery"}),
        (["--trusted-field", "X-Forwarded-User", "--trusted-field", "X-Forwarded-Host"], {}),
        (["--trusted-field", "Shib-Name"], {"credentials": (*CREDENTIALS, "Shib-Name")}),
        (["--trusted-field", "CF-IPCountry"], {"vary": ("CF-IPCountry",)}),
    ],
    ids=lambda value: " ".join(value) or "none" if isinstance(value, list) else "",
)
def test_the_options_are_those_of_the_cache(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: OptionArguments
) -> None:
    served: list[ASGIAccelerator] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **_options: served.append(app))
    answer = CliRunner().invoke(main, ["gateway", ORIGIN, *arguments])
    assert (answer.exit_code, served[0]._engine._options) == (0, Options(**expected))


def test_the_fields_of_a_trusted_proxy_reach_the_origin_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[ASGIAccelerator] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **_options: served.append(app))
    CliRunner().invoke(main, ["gateway", ORIGIN, "--trusted-field", "X-Forwarded-User", "--trusted-field", "X-Mine"])
    site = served[0].app
    assert isinstance(site, Gateway)
    assert site._trusted == {b"x-forwarded-user", b"x-mine"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere"], "Error: an origin is such as http://127.0.0.1:9000, without a path, not 'nowhere'\n"),
        ([ORIGIN, "--store", "nowhere"], "Error: "),
        ([ORIGIN, "--stale-if-error", "-1"], "Error: stale_if_error is 0 or more seconds, not -1.0\n"),
        ([ORIGIN, "--trusted-field", "caf\xe9"], "Error: trusted_fields are names of fields"),
        (
            [ORIGIN, "--debug-token", "too-short"],
            "Error: debug is a bool, or a token of at least 16 visible ASCII characters without blanks\n",
        ),
    ],
    ids=[
        "an origin that is none",
        "a store that is none",
        "a value that makes no sense",
        "a field that is none",
        "a token that may be guessed",
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], text: str) -> None:
    answer = CliRunner().invoke(main, ["gateway", *arguments])
    assert answer.exit_code == 1
    assert answer.output.startswith(text)
    assert answer.output.count("\n") == 1


def test_what_is_wrong_with_a_token_in_the_environment_is_said_in_one_line_too_and_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uvicorn, "run", lambda app, **_options: None)
    answer = CliRunner().invoke(main, ["gateway", ORIGIN], env={"ACCELERATOR_DEBUG_TOKEN": "too-short"})
    words = "debug is a bool, or a token of at least 16 visible ASCII characters without blanks"
    assert (answer.exit_code, answer.output) == (1, f"Error: {words}\n")


def test_a_missing_extra_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("httpx", "uvicorn"):
        monkeypatch.setitem(sys.modules, name, None)
    answer = CliRunner().invoke(main, ["gateway", ORIGIN])
    assert (answer.exit_code, answer.output) == (2, f"The gateway needs httpx, uvicorn: {HINT}\n")
