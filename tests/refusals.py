"""Requests whose responses are not stored, one for each reason that there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from accelerator import MemoryStore, cache_for, cached, no_store, tag, vary
from tests.support import Client, Message, Receive, Scope, Script, Send, app_saying, chunk, start

if TYPE_CHECKING:
    from collections.abc import Callable


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
