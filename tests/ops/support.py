"""An accelerator whose figures and entries are given, and requests of operators."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from accelerator import ASGIAccelerator, MemoryStore
from accelerator.ops import OpsApp
from accelerator.stores.listing import EntryFacts, Listed, ListsEntries
from tests.support import Client, app_saying

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.ops.entrance import Authorize
    from tests.support import Answer, Lines, Scope

JSON = ("content-type", "application/json")
URL = "https://example.org/p"

FACTS = EntryFacts(
    url=URL,
    method="GET",
    status=200,
    vary=(),
    selected_by=(),
    tags=("a",),
    size=10,
    received=1000.0,
    initial_age=5.0,
    lifetime=600.0,
    stale_while_revalidate=0.0,
    stale_if_error=0.0,
    is_usable=True,
    is_fresh=True,
    etag=None,
    partition=False,
    made_in=0.1,
    route="/p",
)


class GivenStore(MemoryStore, ListsEntries):
    """A store that notes what it is asked to take back, and lists what it is given, page by page.

    `fails` is raised by each call; `before` is awaited in each invalidation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[tuple[EntryFacts, ...]] = [()]
        self.asked: list[dict[str, Any]] = []
        self.taken_back: list[tuple[set[str], bool]] = []
        self.fails: BaseException | None = None
        self.before: Any = None

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        if self.before is not None:
            await self.before(tags)
        if self.fails is not None:
            raise self.fails
        self.taken_back.append((set(tags), soft))
        await super().invalidate(tags, soft=soft)

    async def list_entries(
        self, *, url: str | None = None, tag: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Listed:
        self.asked.append({"url": url, "tag": tag, "cursor": cursor, "limit": limit})
        if self.fails is not None:
            raise self.fails
        page = int(cursor or 0)
        further = str(page + 1) if page + 1 < len(self.pages) else None
        return Listed(self.pages[page], further, 17)


class GivenFigures(ASGIAccelerator):
    """An accelerator whose figures are given."""

    def __init__(self, app: Any = None, **options: Any) -> None:
        super().__init__(app or app_saying(), **options)
        self.told: Any = {"urls": [], "tags": [], "latest": [], "unstored": []}
        self.fails: Exception | None = None

    async def all_figures(self) -> Any:
        if self.fails is not None:
            raise self.fails
        return self.told


class Operators:
    """The application for operators of an accelerator, with its store at hand."""

    def __init__(self, authorize: Authorize = lambda request: "ada") -> None:
        self.store = GivenStore()
        self.accelerator = GivenFigures(store=self.store)
        self.app = OpsApp(self.accelerator, authorize=authorize)

    async def get(self, url: str, *, method: str = "GET", headers: Lines = (), **more: Any) -> Answer:
        return await Client().ask(self.app, url, method=method, headers=headers, **more)

    async def order(self, content: Any, *, headers: Lines = (JSON,), **more: Any) -> Answer:
        return await order(self.app, content, headers=headers, **more)


async def order(app: Any, content: Any, *, url: str = "/invalidate", headers: Lines = (JSON,), **more: Any) -> Answer:
    """Send an order: bytes as they are, anything else as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return await Client(body=[body]).ask(app, url, method="POST", headers=headers, **more)


def said(answer: Answer) -> Any:
    """What an answer says by JSON."""
    assert answer.get("content-type") == "application/json"
    return json.loads(answer.body)


def websocket(path: str) -> Scope:
    return {"type": "websocket", "path": path, "headers": [], "query_string": b"", "root_path": "", "subprotocols": []}
