"""A server that answers a page as OpsApp does, with what a test wants it to say."""

from __future__ import annotations

import json
import mimetypes
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Mount, Route

import accelerator
from accelerator.ops.app import cures
from tests.ops.browser.figures import entry, figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.types import ASGIApp

FOLDER: Final = Path(accelerator.__file__).parent / "ops" / "page"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
PATIENCE: Final = 60.0
"""Seconds after which a server that does not start, or is held, is given up."""


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application on a port of its own from a thread; yields its address, without a path."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


@dataclass
class Operated:
    """What a page is told, which a test may change at any time, and what it has asked for.

    Attributes:
        figures: what `figures` answers.
        entries: what is stored.
        examined_at_once: how many of them a call of `entries` looks at.
        instead: statuses with contents that are answered in place of what else would be, by the name of the path.
        story: what `story` answers, but for the entries of the URL.
        asked: the paths that were asked for, with their query.
        orders: what was to be taken back.
    """

    figures: dict[str, Any] = field(default_factory=figures)
    entries: list[dict[str, Any]] = field(default_factory=lambda: [entry(number) for number in range(250)])
    examined_at_once: int = 1000
    instead: dict[str, tuple[int, Any]] = field(default_factory=dict)
    story: dict[str, Any] = field(
        default_factory=lambda: {"latest": figures()["latest"][:3], "unstored": [], "cursor": None}
    )
    asked: list[str] = field(default_factory=list)
    orders: list[Any] = field(default_factory=list)
    address: str = ""
    _held: dict[str, threading.Event] = field(default_factory=dict)

    def times_asked(self, name: str) -> int:
        return sum(asked.partition("?")[0] == name for asked in self.asked)

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Answer a path only once this is over."""
        self._held[name] = released = threading.Event()
        try:
            yield
        finally:
            released.set()
            del self._held[name]

    def app(self) -> Starlette:
        """The page and its API, mounted deep in a site."""
        api = [
            Route("/figures", self._answer),
            Route("/cures", self._answer),
            Route("/entries", self._answer),
            Route("/story", self._answer),
            Route("/invalidate", self._answer, methods=["POST"]),
            Route("/{file:path}", self._file),
        ]
        return Starlette(routes=[Mount("/deep/ops", routes=api)])

    async def _file(self, request: Request) -> Response:
        path = FOLDER / (request.path_params["file"] or "index.html")
        if path.parent != FOLDER or not path.exists():
            return Response(status_code=404)
        fields = {"content-security-policy": POLICY, "cache-control": "no-store"}
        return Response(path.read_bytes(), headers=fields, media_type=mimetypes.guess_type(path)[0])

    async def _answer(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        self.asked.append(f"{name}?{request.url.query}")
        if request.method == "POST":
            assert request.headers["content-type"] == "application/json"
            assert request.headers["sec-fetch-site"] == "same-origin"
            self.orders.append(await request.json())
        if name in self._held:
            assert await run_in_threadpool(self._held[name].wait, PATIENCE)
        status, content = self.instead.get(name, (200, None))
        if content is None:
            content = self._content(name, request)
        return Response(json.dumps(content), status, media_type="application/json")  # ASCII: half a character is none

    def _content(self, name: str, request: Request) -> Any:
        match name:
            case "figures":
                return self.figures
            case "cures":
                return cures()
            case "entries":
                return self._listed(**request.query_params)
            case "story":
                url = request.query_params["url"]
                return {"url": url, "entries": [one for one in self.entries if one["url"] == url], **self.story}
        return {"done": True}

    def _listed(self, url: str = "", tag: str = "", cursor: str = "0", limit: str = "100") -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        begin = at = int(cursor)
        while at < len(self.entries) and at - begin < self.examined_at_once and len(found) < int(limit):
            one = self.entries[at]
            at += 1
            if (not url or one["url"] == url) and (not tag or tag in one["tags"]):
                found.append(one)
        following = str(at) if at < len(self.entries) else None
        return {"entries": found, "cursor": following, "examined": at - begin}
