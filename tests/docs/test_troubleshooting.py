"""docs/troubleshooting.md and docs/options.md: each reason for not storing is explained, and comes about."""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import accelerator
from accelerator import ASGIAccelerator, CacheEvent, MemoryStore, cache_for, cached, no_store, tag, vary
from accelerator.testing import ManualClock
from tests.docs.support import blocks_of, run
from tests.support import Client, Message, Receive, Scope, Script, Send, app_saying, ask, chunk, start
from tests.wsgi.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SOURCE = Path(accelerator.__file__).parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
HEADINGS = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)
TABLE = (ROOT / "docs" / "options.md").read_text().partition("## Why a response was not stored")[2]

pytestmark = pytest.mark.anyio


# --- every reason in the source is explained --------------------------------------------------------------------------


def reasons(node: ast.AST) -> Iterator[str]:
    """The reasons that a piece of code gives: those of refusals, of fills that give up, and those assigned as such."""
    match node:
        case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name), args=[why]) if name.lstrip("_").lower() in {
            "refusal",
            "refuse",
            "give_up",
        }:
            yield from texts(why)
        case ast.Call(func=ast.Name("Reason"), args=[_, why]):
            yield from texts(why)
        case ast.Assign(targets=[ast.Attribute(attr="reason")], value=why):
            yield from texts(why)
        case ast.Constant(value=str(text)):
            yield from re.findall(r'^detail="(.+)"$', text)


def texts(node: ast.AST) -> Iterator[str]:
    """The texts that an expression may be, `*` in place of what is filled in."""
    match node:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.JoinedStr(values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in values)
        case ast.IfExp():
            yield from texts(node.body)
            yield from texts(node.orelse)


def all_reasons() -> set[str]:
    trees = [ast.parse(file.read_text()) for file in SOURCE.rglob("*.py") if "demo" not in file.parts]
    return {reason for tree in trees for node in ast.walk(tree) for reason in reasons(node)}


def is_the_same(reason: str, heading: str) -> bool:
    """Tell whether a page speaks of a reason: `*` in the source, and `…` on the page, stand for anything."""
    as_pattern = re.escape(reason).replace(r"\*", ".+"), re.escape(heading).replace("…", ".+")
    return bool(re.fullmatch(as_pattern[0], heading) or re.fullmatch(as_pattern[1], reason))


def missing(reasons: Iterable[str], documented: Iterable[str]) -> set[str]:
    return {reason for reason in reasons if not any(is_the_same(reason, heading) for heading in documented)}


def test_every_reason_in_the_source_has_a_heading() -> None:
    found = all_reasons()
    assert {"no explicit time", "body too large", "the client left", "tags", "only-if-cached", "status *"} <= found
    assert "the store's lookup failed" in found
    assert missing(found, HEADINGS) == set()


def test_every_reason_in_the_source_stands_in_the_table() -> None:
    assert missing(all_reasons(), re.findall(r'`"([^"]+)"`', TABLE)) == set()


# --- every heading comes about ----------------------------------------------------------------------------------------


@dataclass
class Case:
    """An application, what its cache is told, and the requests of which the last one has the reason."""

    app: Any
    options: dict[str, Any] = field(default_factory=dict)
    requests: tuple[dict[str, Any], ...] = ({},)
    client: Callable[[], Client] = Client


def notes(*calls: Callable[[], object]) -> Script:
    """An application that says something, then answers."""

    async def say() -> None:
        for call in calls:
            call()

    return Script(say, start(), chunk(b"answer"))


def for_a_minute(*steps: Any) -> Script:
    """An application that says `cache_for`, then takes these steps."""

    async def say() -> None:
        cache_for(60)

    return Script(say, *steps)


async def say_late() -> None:
    vary("X-Tenant")


async def read(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the content before the answer."""
    await receive()
    await app_saying()(scope, receive, send)


async def validate(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 304 where the cache asks whether what it has still holds."""
    is_asked = any(name == b"if-none-match" for name, _ in scope["headers"])
    lines = [("etag", '"1"')] if is_asked else [("etag", '"1"'), ("cache-control", "s-maxage=1")]
    await send(start(*lines, status=304 if is_asked else 200))
    await send(chunk())


async def take_back(scope: Scope, receive: Receive, send: Send) -> None:
    """Take back what is being made."""
    await scope["accelerator"].invalidate_tag("x")
    await notes(lambda: cache_for(60), lambda: tag("x"))(scope, receive, send)


def once(first: Any, then: Any) -> Any:
    """An application that is another one from its second call on."""
    apps = iter([first])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await next(apps, then)(scope, receive, send)

    return app


class Left(Client):
    """A client that has left before its request is read."""

    async def receive(self) -> Message:
        return {"type": "http.disconnect"}


class Failing(MemoryStore):
    """A store of which one method fails."""

    def __init__(self, method: str) -> None:
        super().__init__()
        setattr(self, method, self._fail)

    async def _fail(self, _: object) -> None:
        raise ConnectionError("away")


POST = {"method": "POST"}
HUGE = 129 * 2**20


def cases() -> dict[str, Case]:
    return {
        "no explicit time": Case(app_saying()),
        "an event stream needs an explicit time": Case(
            app_saying(("content-type", "text/event-stream")), {"default_ttl": 60}
        ),
        "a time of 0": Case(notes(lambda: cache_for(0))),
        "no time to be fresh": Case(app_saying(("cache-control", "max-age=0"))),
        "Set-Cookie": Case(app_saying(("set-cookie", "a=b"))),
        "private": Case(app_saying(("cache-control", "private, max-age=60"))),
        "no-store": Case(app_saying(("cache-control", "no-store"))),
        "must-understand": Case(app_saying(("cache-control", "must-understand, max-age=60"), status=299)),
        "Vary": Case(app_saying(("vary", "*"))),
        "status 500": Case(app_saying(("cache-control", "max-age=60"), status=500)),
        "a request with Cookie needs a word for shared caches": Case(
            app_saying(("cache-control", "max-age=60")), requests=({"headers": [("cookie", "a=b")]},)
        ),
        "a request with Authorization needs public": Case(
            notes(lambda: cache_for(60)), requests=({"headers": [("authorization", "Bearer x")]},)
        ),
        "a request with credentials needs a word for shared caches": Case(
            validate, requests=({}, {"headers": [("cookie", "a=b")]})
        ),
        "vary() after the start": Case(for_a_minute(start(), chunk(b"a", more=True), say_late, chunk(b"b"))),
        "an unsafe request": Case(
            once(notes(cached(60, methods=["POST"])(lambda: None)), app_saying()), requests=(POST, POST)
        ),
        "no_store()": Case(notes(no_store, lambda: cache_for(60))),
        "tags": Case(notes(lambda: cache_for(60), lambda: tag("\n"))),
        "body too large": Case(notes(lambda: cache_for(60)), {"max_body_bytes": 1}),
        "incomplete response": Case(for_a_minute(start(), chunk(b"a", more=True))),
        "trailers": Case(for_a_minute(start(trailers=True), chunk(b"a"))),
        "a malformed start": Case(Script({"type": "http.response.start", "status": "200"}, chunk())),
        "a malformed body": Case(for_a_minute(start(), {"type": "http.response.body", "body": "text"})),
        "a message of another kind": Case(for_a_minute(start(), {"type": "http.response.pathsend", "path": "/a"})),
        "a request with content": Case(read, client=lambda: Client(body=[b"content"])),
        "the client left": Case(read, client=Left),
        "too many responses under way": Case(for_a_minute(start(), chunk(bytes(HUGE))), {"max_body_bytes": HUGE}),
        "refused by the store": Case(take_back),
        "the store's lookup failed": Case(notes(lambda: cache_for(60)), {"store": Failing("lookup")}),
        "the store's commit failed": Case(notes(lambda: cache_for(60)), {"store": Failing("commit")}),
        "stale-if-error": Case(
            once(notes(lambda: cache_for(1)), app_saying(status=500)), {"stale_if_error": 600}, requests=({}, {})
        ),
        "only-if-cached": Case(
            app_saying(),
            {"obey_request_directives": True},
            requests=({"headers": [("cache-control", "only-if-cached")]},),
        ),
    }


async def detail_of(case: Case) -> str:
    events: list[CacheEvent] = []
    clock = ManualClock()
    app = ASGIAccelerator(case.app, clock=clock, on_event=events.append, **case.options)
    for request in case.requests:
        clock.advance(60)
        with suppress(OSError):  # the client has left
            await case.client().ask(app, **request)
    return [event.detail for event in events if event.kind != "invalidate"][-1]


@pytest.mark.parametrize("detail", cases())
async def test_each_reason_comes_about_as_its_section_says(detail: str) -> None:
    assert await detail_of(cases()[detail]) == detail


def test_each_section_is_of_a_reason_that_comes_about() -> None:
    assert {heading for heading in HEADINGS if not any(is_the_same(reason, heading) for reason in cases())} == set()


async def test_the_listener_of_the_page_prints_what_came_of_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    site = notes(lambda: cache_for(60), lambda: tag("b", "a"))
    page: dict[str, Any] = {"ASGIAccelerator": ASGIAccelerator, "site": site}
    (listener,) = blocks_of("troubleshooting.md")
    run(listener, page)
    await ask(page["app"], "/p")
    assert capsys.readouterr().out == "miss GET https://example.org/p stored ['a', 'b']\n"
