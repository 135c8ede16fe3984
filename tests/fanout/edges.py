"""Caches downstream on the loopback interface: they speak what Fastly, Cloudflare and Varnish do, no more."""

from __future__ import annotations

import base64
import json
import re
import threading
from abc import abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

PATIENCE = 30.0

TOKEN = "not-to-be-seen-0123456789"


class Call(NamedTuple):
    """One call that a cache got: its keys, none for everything."""

    keys: tuple[str, ...]
    soft: bool


class Answer(NamedTuple):
    """What a cache answers in place of doing what it was told."""

    status: int
    lines: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    body: bytes = b""


class Edge:
    """A cache with pages, each with the keys that it came with; what is soft purged stays, as stale.

    While `failing` is set it answers that, and to the calls of these numbers what `failing_calls` says. While `held` is
    closed it answers nothing.
    """

    separator = " "

    def __init__(self) -> None:
        self.fresh: dict[str, frozenset[str]] = {}
        self.stale: dict[str, frozenset[str]] = {}
        self.calls: list[Call] = []
        self.attempts = 0
        self.wrong: list[str] = []
        self.failing: Answer | None = None
        self.failing_calls: dict[int, Answer] = {}
        self.held = threading.Event()
        self.held.set()
        self._changed = threading.Condition()
        edge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline()
                if self.raw_requestline and self.parse_request():
                    edge._answer(self)
                else:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.held.set()
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()

    def keep(self, url: str, line: str) -> None:
        """Store a page that came with this line of keys."""
        self.fresh[url] = frozenset(key for key in line.split(self.separator) if key)
        self.stale.pop(url, None)

    def wait_until(self, what: Callable[[], bool]) -> None:
        """Wait until something is so after a call."""
        with self._changed:
            assert self._changed.wait_for(what, PATIENCE), (self.calls, self.attempts, self.wrong)

    def keys(self) -> list[str]:
        """All keys of all calls, without that of pages with more tags than they say."""
        return [key for call in self.calls for key in call.keys if key != "@more"]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        with self._changed:
            self.attempts += 1
            number = self.attempts
            self._changed.notify_all()
        self.held.wait(PATIENCE)
        with self._changed:
            answer = self.failing or self.failing_calls.get(number) or self._done(handler, content)
            self._changed.notify_all()
        handler.send_response(answer.status)
        for name, value in answer.lines.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def _done(self, handler: BaseHTTPRequestHandler, content: bytes) -> Answer:
        try:
            call = self.read(handler, content)
        except (AssertionError, KeyError, ValueError) as error:
            self.wrong.append(f"{handler.command} {handler.path}: {error!r}")
            return Answer(400)
        self.calls.append(call)
        for url, keys in [*self.fresh.items()]:
            if not call.keys or keys.intersection(call.keys):
                del self.fresh[url]
                if call.soft:
                    self.stale[url] = keys
        for url, keys in [*self.stale.items()]:
            if not call.soft and (not call.keys or keys.intersection(call.keys)):
                del self.stale[url]
        return self.said(call)

    @abstractmethod
    def read(self, handler: BaseHTTPRequestHandler, content: bytes) -> Call:
        """Read a call; raise what says what is wrong with it."""

    @abstractmethod
    def said(self, call: Call) -> Answer:
        """Return the answer to a call that was done."""


def _visible(keys: list[Any]) -> tuple[str, ...]:
    assert keys
    assert all(isinstance(key, str) and re.fullmatch(r"[\x21-\x2b\x2d-\x7e]{1,1024}", key) for key in keys), keys
    assert len({*keys}) == len(keys)
    return tuple(keys)


class FastlyEdge(Edge):
    """https://www.fastly.com/documentation/reference/api/purging/"""

    def read(self, handler: BaseHTTPRequestHandler, content: bytes) -> Call:
        assert handler.command == "POST"
        assert handler.headers["fastly-key"] == TOKEN
        soft = handler.headers.get("fastly-soft-purge") == "1"
        if handler.path == "/service/SU1Z0isxPaozGVKXdv0eY/purge_all":
            assert not soft
            return Call((), soft=False)
        assert handler.path == "/service/SU1Z0isxPaozGVKXdv0eY/purge"
        keys = _visible(json.loads(content)["surrogate_keys"])
        assert len(keys) <= 256
        return Call(keys, soft)

    def said(self, call: Call) -> Answer:
        numbers = {key: f"108-{number}" for number, key in enumerate(call.keys)} or {"status": "ok"}
        return Answer(200, {"content-type": "application/json"}, json.dumps(numbers).encode())


class CloudflareEdge(Edge):
    """https://developers.cloudflare.com/api/resources/cache/methods/purge/ - its tags have no case."""

    separator = ","
    zone = "023e105f4ecef8ad9ca31a8372d0c353"

    def keep(self, url: str, line: str) -> None:
        super().keep(url, line.lower())

    def read(self, handler: BaseHTTPRequestHandler, content: bytes) -> Call:
        assert handler.command == "POST"
        assert handler.path == f"/client/v4/zones/{self.zone}/purge_cache"
        assert handler.headers["authorization"] == f"Bearer {TOKEN}"
        assert handler.headers["content-type"] == "application/json"
        said = json.loads(content)
        if said == {"purge_everything": True}:
            return Call((), soft=False)
        assert said.keys() == {"tags"}
        keys = _visible(said["tags"])
        assert len(keys) <= 100
        return Call(tuple(key.lower() for key in keys), soft=False)

    def said(self, call: Call) -> Answer:
        said = {"success": True, "errors": [], "messages": [], "result": {"id": self.zone}}
        return Answer(200, {"content-type": "application/json"}, json.dumps(said).encode())


class VarnishEdge(Edge):
    """What the VCL of docs/fanout.md does, within the limits that Varnish has by default."""

    login: ClassVar[str | None] = None

    def read(self, handler: BaseHTTPRequestHandler, content: bytes) -> Call:
        assert handler.path == "/"
        assert not content
        expected = None if self.login is None else f"Basic {base64.b64encode(self.login.encode()).decode()}"
        assert handler.headers.get("authorization") == expected
        if handler.command == "BAN":
            return Call((), soft=False)
        assert handler.command == "PURGE"
        (name,) = {"xkey-purge", "xkey-softpurge"}.intersection(name.lower() for name in handler.headers)
        line = handler.headers[name]
        assert len(name) + 2 + len(line) <= 8192
        return Call(_visible(line.split(" ")), soft=name == "xkey-softpurge")

    def said(self, call: Call) -> Answer:
        return Answer(200, {}, b"Invalidated objects")


class GuardedVarnishEdge(VarnishEdge):
    """The same behind a password."""

    login = f"purger:{TOKEN}"
