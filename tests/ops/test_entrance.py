"""Nobody comes in whom `authorize` does not let in, by whatever way."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator, MemoryStore, WSGIAccelerator
from accelerator.ops import OpsApp, Purge
from accelerator.ops.pages import page_files
from tests.ops.support import URL, Operators, order, said, websocket
from tests.support import Client, Message, app_saying

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

pytestmark = pytest.mark.anyio

CLOSED = {"error": "this is closed: the function that was given as authorize did not let this request in"}
PATHS = [
    *("/", "", "//", "/.", "/index.html", "/page.css", "/nothing", "/../figures", "/%2e%2e/figures"),
    *("/figures", "/figures/", "//figures", "/FIGURES", "/entries", f"/story?url={URL}", "/invalidate", "/invalidate/"),
    *("/cures", f"/{URL}"),
]
METHODS = ["GET", "HEAD", "POST", "PUT", "OPTIONS", "PURGE", "purge", "BREW"]


def nobody(request: Request) -> None:
    return None


@pytest.mark.parametrize("mount", ["", "/ops"])
@pytest.mark.parametrize("method", METHODS)
async def test_without_a_yes_every_way_in_is_closed(method: str, mount: str) -> None:
    operators = Operators(nobody)
    for path in PATHS:
        for more in ({}, {"http_version": "1.0"}):
            answer = await Client(body=[b'{"all": true}']).ask(
                operators.app,
                mount + path,
                method=method,
                headers=[("content-type", "application/json"), ("sec-fetch-site", "same-origin")],
                root_path=mount,
                **more,
            )
            assert (answer.status, said(answer)) == (403, CLOSED), path
    assert (operators.store.taken_back, operators.store.asked) == ([], [])


@pytest.mark.parametrize("answer", [None, False, "", 0, 1, 2.0, b"ada", ["ada"], {"user": "ada"}], ids=repr)
async def test_only_a_name_or_true_lets_in(answer: Any) -> None:
    assert (await Operators(lambda request: answer).get("/figures")).status == 403


@pytest.mark.parametrize("answer", [True, "ada", " "], ids=repr)
async def test_a_name_or_true_lets_in(answer: Any) -> None:
    assert (await Operators(lambda request: answer).get("/figures")).status == 200


async def test_an_answer_that_is_no_name_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    await Operators(lambda request: {"user": "ada"}).get("/figures")  # type: ignore[arg-type, return-value]  # the mistake
    assert caplog.messages == ["authorize returned a dict, so that the request was refused"]


async def test_whom_authorize_fails_for_stays_outside_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    def authorize(request: Request) -> str:
        raise LookupError("the table of users\nis not there")

    with caplog.at_level(logging.DEBUG, "accelerator.ops"):
        answer = await Operators(authorize).get("/figures")
    assert (answer.status, said(answer)) == (403, CLOSED)
    line = "authorize failed, so that the request was refused: LookupError('the table of users\\nis not there')"
    assert caplog.messages == [line, "where authorize failed"]
    assert "Traceback" in caplog.text


async def agree(request: Request) -> str:
    return "ada"


async def refuse(request: Request) -> None:
    return None


class Agreeing:
    async def __call__(self, request: Request) -> bool:
        return True


@pytest.mark.parametrize(
    ("authorize", "status"),
    [(agree, 200), (refuse, 403), (Agreeing(), 200), (lambda request: agree(request), 200), (lambda r: refuse(r), 403)],
    ids=["async", "async and refusing", "an object", "returns an awaitable", "returns one that refuses"],
)
async def test_authorize_may_be_async(authorize: Callable[[Request], Any], status: int) -> None:
    assert (await Operators(authorize).get("/figures")).status == status


async def test_a_function_that_may_wait_does_not_hold_the_loop() -> None:
    threads = set()

    def authorize(request: Request) -> bool:
        threads.add(threading.get_ident())
        return True

    await Operators(authorize).get("/figures")
    assert threads
    assert threading.get_ident() not in threads


async def test_authorize_sees_the_request_and_may_read_its_content() -> None:
    async def authorize(request: Request) -> bool:
        return request.headers["x-key"] == "open" and b"tags" in await request.body()

    operators = Operators(authorize)
    answer = await operators.order({"tags": ["a"]}, headers=[("content-type", "application/json"), ("x-key", "open")])
    assert (answer.status, operators.store.taken_back) == (200, [({"a"}, False)])


def test_authorize_has_to_be_given() -> None:
    with pytest.raises(TypeError, match="authorize"):
        OpsApp(ASGIAccelerator(app_saying()))  # type: ignore[call-arg]  # that is what is tested
    with pytest.raises(TypeError, match="authorize"):
        Purge(app_saying(), ASGIAccelerator(app_saying()))  # type: ignore[call-arg]  # that is what is tested


@pytest.mark.parametrize("authorize", [None, True, "ada"], ids=repr)
def test_authorize_has_to_be_a_function(authorize: Any) -> None:
    with pytest.raises(TypeError, match="authorize is a function that takes a request and returns the name of who"):
        OpsApp(ASGIAccelerator(app_saying()), authorize=authorize)


@pytest.mark.parametrize("given", [MemoryStore(), app_saying(), ASGIAccelerator, WSGIAccelerator, "redis://localhost"])
def test_what_is_operated_has_to_be_an_accelerator(given: Any) -> None:
    with pytest.raises(TypeError, match="accelerator is an ASGIAccelerator or a WSGIAccelerator, not "):
        OpsApp(given, authorize=nobody)


async def test_a_websocket_is_refused() -> None:
    client = Client()
    await Operators().app(websocket("/figures"), client.receive, client.send)
    assert [message["type"] for message in client.answer.messages] == ["websocket.close"]


async def test_it_may_be_an_application_of_its_own() -> None:
    events: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> Message:
        return events.pop(0)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await Operators().app({"type": "lifespan", "state": {}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# --- what is said with every answer -----------------------------------------------------------------------------------


async def test_no_answer_is_kept_framed_or_taken_for_something_else() -> None:
    operators, closed = Operators(), Operators(nobody)
    answers = [await operators.get(path) for path in ("/", "/figures", "/entries?limit=x", "/nothing", "/invalidate")]
    answers += [await closed.get("/"), await operators.order({"tags": ["a"]}), await order(operators.app, b"{")]
    assert [answer.status for answer in answers] == [200, 200, 400, 404, 405, 403, 200, 400]
    for answer in answers:
        assert answer.get("cache-control") == "no-store"
        assert answer.get("x-content-type-options") == "nosniff"
        assert answer.get("referrer-policy") == "no-referrer"
        assert answer.get("x-frame-options") == "DENY"
        assert answer.get("cross-origin-resource-policy") == "same-origin"
        policy = answer.get("content-security-policy") or ""
        assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= {*policy.split("; ")}
        assert "unsafe" not in policy


async def test_the_page_is_there_with_all_of_its_files() -> None:
    operators = Operators()
    page = await operators.get("/")
    assert (page.status, page.get("content-type")) == (200, "text/html; charset=utf-8")
    for name, file in page_files().items():
        answer = await operators.get(f"/{name}")
        assert (answer.status, answer.body) == (200, file.content)


async def test_each_path_has_its_methods() -> None:
    operators = Operators()
    for path in ("/", "/figures", "/cures", "/entries", "/story"):
        answer = await operators.get(path, method="POST")
        assert (answer.status, answer.get("allow")) == (405, "GET, HEAD")
    answer = await operators.get("/invalidate")
    assert (answer.status, answer.get("allow"), said(answer)) == (405, "POST", {"error": "this path takes POST"})


@pytest.mark.parametrize(
    "path", ["/nothing", "/index.html", "/figures/", "//figures", "/../app.py", "/page/index.html"]
)
async def test_there_is_nothing_else(path: str) -> None:
    answer = await Operators().get(path)
    assert (answer.status, said(answer)["error"][:30]) == (404, "there is nothing at this path:")


async def test_refused_requests_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "accelerator"):
        await Operators(nobody).order({"all": True})
    assert caplog.messages == []
