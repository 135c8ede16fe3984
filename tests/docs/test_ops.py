"""docs/ops.md: its sites are operated as it says, by its own commands."""

from __future__ import annotations

import re
import shlex
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from flask import session
from starlette.responses import Response

from tests.docs.support import blocks_of, run
from tests.wsgi.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

SITE, PURGE, FLASK = blocks_of("ops.md")
COMMANDS = re.findall(r"^\$ curl (.*)\n(.*)$", (ROOT / "docs" / "ops.md").read_text(), re.MULTILINE)
USER = "https://example.org/users/42"

pytestmark = pytest.mark.anyio


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the page's sites have, by name."""
    monkeypatch.setenv("SECRET_KEY", "the tests' own")
    monkeypatch.setenv("OPS_TOKEN", "a token")
    notes: dict[str, Any] = {"__name__": __name__}
    before = set(threading.enumerate())
    for block in (SITE, PURGE, FLASK):
        run(block, notes)
    (thread,) = set(threading.enumerate()) - before  # a2wsgi's, which has no end of its own
    yield notes
    loop = notes["flask_site"].wsgi_app.mounts["/ops"].loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def visitor(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://example.org")


def request_of(command: str) -> dict[str, Any]:
    """What curl would send."""
    words = iter(shlex.split(command.replace("$OPS_TOKEN", "a token")))
    request: dict[str, Any] = {"method": "GET", "headers": {}}
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            request["headers"][name] = value
        elif word == "-X":
            request["method"] = next(words)
        elif word == "--json":
            request |= {"method": "POST", "content": next(words)}
            request["headers"]["Content-Type"] = "application/json"
        else:
            request["url"] = word
    return request


def test_the_page_has_a_command_for_each_way_to_take_back() -> None:
    assert [(request_of(command)["method"], answer) for command, answer in COMMANDS] == [
        ("POST", '{"done": true}'),
        ("PURGE", '{"done": true}'),
        ("PURGE", '{"done": true}'),
    ]


@pytest.mark.parametrize("number", range(3))
async def test_each_command_takes_the_page_back(page: dict[str, Any], number: int) -> None:
    command, answer = COMMANDS[number]
    async with visitor(page["served"]) as client:
        await client.get(USER)
        assert "hit" in (await client.get(USER)).headers["cache-status"]
        assert (await client.request(**request_of(command))).text == answer
        assert "hit" not in (await client.get(USER)).headers["cache-status"]


@pytest.mark.parametrize("number", range(3))
async def test_without_the_token_no_command_does(
    page: dict[str, Any], number: int, caplog: pytest.LogCaptureFixture
) -> None:
    request = request_of(COMMANDS[number][0])
    async with visitor(page["served"]) as client:
        await client.get(USER)
        for token in (None, "", "Bearer", "Bearer another", "Bearer é"):
            request["headers"].pop("Authorization", None)
            if token is not None:
                request["headers"]["Authorization"] = token.encode("latin-1")
            assert (await client.request(**request)).status_code == 403
        assert [record for record in caplog.records if record.name.startswith("accelerator")] == []
        assert "hit" in (await client.get(USER)).headers["cache-status"]


async def test_whom_the_session_knows_as_an_admin_sees_the_page(page: dict[str, Any]) -> None:
    async def log_in(request: Request) -> Response:
        request.session["admin"] = "ada"
        return Response()

    page["site"].add_route("/login", log_in, methods=["POST"])
    async with visitor(page["app"]) as client:
        assert (await client.get("/ops/")).status_code == 403
        await client.post("/login")
        assert (await client.get("/ops/")).headers["content-type"] == "text/html; charset=utf-8"


def test_whom_flasks_session_knows_as_an_admin_takes_back(page: dict[str, Any]) -> None:
    flask_site = page["flask_site"]

    def log_in() -> str:
        session["admin"] = "ada"
        return ""

    flask_site.add_url_rule("/login", view_func=log_in, methods=["POST"])
    with httpx.Client(transport=httpx.WSGITransport(flask_site), base_url="http://example.org") as client:
        assert client.post("/ops/invalidate", json={"all": True}).status_code == 403
        client.post("/login")
        assert client.get("/ops/").headers["content-type"] == "text/html; charset=utf-8"
        assert client.post("/ops/invalidate", json={"all": True}).json() == {"done": True}
