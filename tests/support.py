"""What the tests share: an ASGI client that sees every message, and small applications."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio

from accelerator.asgi_types import Message, Receive, Scope, Send

__all__ = [
    "BROWSER",
    "Answer",
    "App",
    "Client",
    "Lines",
    "Listening",
    "Message",
    "Receive",
    "Scope",
    "Script",
    "Send",
    "app_saying",
    "ask",
    "chunk",
    "drive",
    "http_scope",
    "raw",
    "start",
]

Lines = Iterable[tuple[str | bytes, str | bytes]]

BROWSER: list[tuple[str | bytes, str | bytes]] = [
    ("user-agent", "Mozilla/5.0"),
    ("accept", "text/html,application/xhtml+xml"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br"),
    ("connection", "keep-alive"),
    ("upgrade-insecure-requests", "1"),
    ("sec-fetch-mode", "navigate"),
]
"""What a browser says with every request for a page."""


def raw(lines: Lines) -> list[tuple[bytes, bytes]]:
    """Header lines as bytes, so that tests may write them as text."""
    return [tuple(part.encode("latin-1") if isinstance(part, str) else part for part in line) for line in lines]  # type: ignore[misc]


def http_scope(url: str = "/", *, method: str = "GET", headers: Lines = (), **more: Any) -> Scope:
    """The scope of a request as uvicorn would make it."""
    path, _, query = url.partition("?")
    lines = raw(headers)
    if not any(name == b"host" for name, _ in lines):
        lines.insert(0, (b"host", b"example.org"))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": lines,
        "server": ("example.org", 443),
        "client": ("192.0.2.1", 4711),
        **more,
    }


@dataclass
class Answer:
    """What a client got, message by message."""

    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        start: int = self.messages[0]["status"]
        return start

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.messages[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def is_complete(self) -> bool:
        return bool(self.messages) and not self.messages[-1].get("more_body", False)

    def get(self, name: str) -> str | None:
        """The lines of a field, joined; None if there is none."""
        found = [value.decode("latin-1") for line, value in self.headers if line == name.encode()]
        return ", ".join(found) if found else None


async def ask(app: Any, url: str = "/", *, method: str = "GET", headers: Lines = (), **more: Any) -> Answer:
    """Send a request without a body, and return the whole answer."""
    answer = Answer()
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        answer.messages.append(dict(message))

    await app(http_scope(url, method=method, headers=headers, **more), receive, send)
    return answer


Handler = Callable[[Scope], Awaitable[tuple[int, Lines, bytes]]]


class App:
    """An ASGI application that answers with one chunk, and counts how often it was called.

    `handle` gets the scope and returns status, header lines and body. The last scope stays in `scope`.
    """

    def __init__(self, handle: Handler) -> None:
        self.handle = handle
        self.calls = 0
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        self.scope = {**scope, "headers": list(scope["headers"])}
        status, headers, body = await self.handle(scope)
        await send({"type": "http.response.start", "status": status, "headers": raw(headers)})
        await send({"type": "http.response.body", "body": body})


def app_saying(*headers: tuple[str, str], status: int = 200, body: bytes | None = None) -> App:
    """An application whose answers carry these header lines; each body is another one, unless it is given."""

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        return status, headers, b"answer %d" % app.calls if body is None else body

    app = App(handle)
    return app


T = TypeVar("T")


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run by hand, without a loop, what never suspends; fail if it does."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise AssertionError("it suspended")


def start(*headers: tuple[str | bytes, str | bytes], status: int = 200, **more: Any) -> Message:
    """The message that starts a response."""
    return {"type": "http.response.start", "status": status, "headers": raw(headers), **more}


def chunk(body: bytes = b"", *, more: bool = False) -> Message:
    """A message with a part of a body, the last one unless there is more."""
    return {"type": "http.response.body", "body": body, "more_body": more}


class Script:
    """An ASGI application that takes one step after the other in each call.

    A message is sent, an exception is raised, a function is called and awaited.
    """

    def __init__(self, *steps: Message | BaseException | Callable[[], Awaitable[object]]) -> None:
        self.steps = steps
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        for step in self.steps:
            if isinstance(step, BaseException):
                raise step
            if callable(step):
                await step()
            else:
                await send(dict(step))


class Client:
    """A client's ends of one request, for tests that look between the messages.

    `on_send` is awaited before a message is taken. After it has left, `receive` says so, and what is sent raises, as
    ASGI 2.4 asks for, or is dropped unless it `raises`.
    """

    def __init__(
        self,
        *,
        body: Iterable[bytes] = (),
        on_send: Callable[[Message], Awaitable[object]] | None = None,
        raises: bool = True,
    ) -> None:
        self.answer = Answer()
        self._on_send = on_send
        self._raises = raises
        parts = [*body] or [b""]
        self._requests: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        self._requests[-1]["more_body"] = False
        self._has_left = anyio.Event()

    def leave(self) -> None:
        self._has_left.set()

    async def receive(self) -> Message:
        if self._requests:
            return self._requests.pop(0)
        await self._has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._on_send is not None:
            await self._on_send(message)
        if not self._has_left.is_set():
            self.answer.messages.append(dict(message))
        elif self._raises:
            raise OSError("the client has left")

    async def ask(self, app: Any, url: str = "/", *, method: str = "GET", headers: Lines = (), **more: Any) -> Answer:
        await app(http_scope(url, method=method, headers=headers, **more), self.receive, self.send)
        return self.answer


class Listening:
    """An ASGI application that makes its response until the gate opens, and gives up if its client leaves before."""

    def __init__(self, *headers: tuple[str, str]) -> None:
        self.headers = headers
        self.gate = anyio.Event()
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        await receive()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._cancel_once_left, receive, tasks.cancel_scope)
            await self.gate.wait()
            await send(start(*self.headers))
            await send(chunk(b"answer %d" % self.calls))
            tasks.cancel_scope.cancel()

    async def _cancel_once_left(self, receive: Receive, scope: anyio.CancelScope) -> None:
        assert (await receive())["type"] == "http.disconnect"
        scope.cancel()
