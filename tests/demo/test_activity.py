from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from accelerator import CacheEvent
from accelerator.demo.activity import LONGEST_PATH, REMEMBERED, Activity
from tests.support import Answer, http_scope

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from fastapi import FastAPI

    from tests.support import Message

pytestmark = pytest.mark.anyio

ADA = "http://porch.example/people/ada"
BEN = "http://porch.example/people/ben"


def stored(url: str, *tags: str) -> CacheEvent:
    return CacheEvent("miss", method="GET", url=url, detail="stored", tags=frozenset(tags), ttl=30)


def invalidated(*tags: str) -> CacheEvent:
    return CacheEvent("invalidate", detail="hard", tags=frozenset(tags))


def told(chunk: str) -> dict[str, Any]:
    """Read one event of a stream."""
    assert chunk.startswith("data: ")
    assert chunk.endswith("\n\n")
    line: dict[str, Any] = json.loads(chunk.removeprefix("data: "))
    return line


async def remembered(activity: Activity) -> list[dict[str, Any]]:
    """Read what a new listener is told at once."""
    lines: list[dict[str, Any]] = []
    stream = activity.stream()
    assert await anext(stream) == "retry: 1000\n\n"
    with anyio.move_on_after(0):  # until it waits for news
        while True:
            lines.append(told(await anext(stream)))
    return lines


async def test_an_invalidation_names_the_pages_it_took_back_each_once() -> None:
    activity = Activity()
    activity.see(stored(ADA, "wall:ada", "name:ben"))
    activity.see(stored(BEN, "wall:ben", "name:ben"))
    for tags in (["wall:ada"], ["name:ben"], ["name:ben", "wall:ada"]):
        activity.see(invalidated(*tags))
    lines = await remembered(activity)
    assert [line["took_back"] for line in lines] == [[], [], ["/people/ada"], ["/people/ben"], []]


async def test_a_page_that_was_not_kept_is_not_taken_back() -> None:
    activity = Activity()
    activity.see(CacheEvent("miss", method="GET", url=ADA, detail="no_store()", tags=frozenset({"wall:ada"})))
    activity.see(invalidated("wall:ada"))
    assert [line["took_back"] for line in await remembered(activity)] == [[], []]


async def test_a_hit_counts_as_kept_with_the_tags_it_has_now() -> None:
    activity = Activity()
    activity.see(CacheEvent("hit", method="GET", url=ADA, tags=frozenset({"wall:ada"}), age=3, ttl=27))
    activity.see(invalidated("wall:ada"))
    lines = await remembered(activity)
    assert (lines[0]["age"], lines[0]["ttl"], lines[1]["took_back"]) == (3, 27, ["/people/ada"])


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", ""),
        ("http://porch.example/", "/"),
        ("http://porch.example", "/"),
        ("http://porch.example/people/ada?x=/y", "/people/ada"),
        ("http://[/people/ada", "/people/ada"),
        ("http://porch.example/" + "x" * 70_000, "/" + "x" * LONGEST_PATH),
    ],
)
async def test_a_path_is_shown_as_far_as_it_fits(url: str, path: str) -> None:
    activity = Activity()
    activity.see(CacheEvent("pass", method="GET", url=url))
    assert [line["path"] for line in await remembered(activity)] == [path]


async def test_only_the_last_events_are_remembered() -> None:
    activity = Activity()
    for number in range(REMEMBERED + 7):
        activity.see(CacheEvent("pass", method="GET", url=f"http://porch.example/{number}"))
    paths = [line["path"] for line in await remembered(activity)]
    assert paths == [f"/{number}" for number in range(7, REMEMBERED + 7)]


async def test_a_listener_is_told_what_happens_while_it_listens_until_the_server_stops() -> None:
    activity = Activity()
    activity.see(CacheEvent("pass", url="http://porch.example/before"))
    paths: list[str] = []
    first, second = anyio.Event(), anyio.Event()

    async def listen() -> None:
        stream = activity.stream()
        assert await anext(stream) == "retry: 1000\n\n"
        paths.append(told(await anext(stream))["path"])
        first.set()
        paths.append(told(await anext(stream))["path"])
        second.set()
        assert [chunk async for chunk in stream] == []

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await first.wait()
            activity.see(CacheEvent("pass", url="http://porch.example/after"))
            await second.wait()
            activity.close()
    assert paths == ["/before", "/after"]


async def test_a_listener_who_comes_when_the_server_has_stopped_is_sent_away() -> None:
    activity = Activity()
    activity.close()
    assert [chunk async for chunk in activity.stream()] == ["retry: 1000\n\n"]


# --- through the site and its cache -----------------------------------------------------------------------------------


class Listener:
    """A browser with `/events` open, as uvicorn would serve it."""

    def __init__(self, site: FastAPI) -> None:
        self.site = site
        self.answer = Answer()
        self.has_left = anyio.Event()
        self.news = anyio.Event()

    async def listen(self) -> None:
        scope = http_scope("/events", asgi={"version": "3.0", "spec_version": "2.3"})
        await self.site(scope, self.receive, self.send)

    async def receive(self) -> Message:
        await self.has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.answer.messages.append(message)
        self.news.set()
        self.news = anyio.Event()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [told(f"data: {line}") for line in self.answer.body.decode().split("data: ")[1:]]

    async def until(self, condition: Callable[[Listener], bool]) -> None:
        while not condition(self):
            await self.news.wait()


def is_connected(listener: Listener) -> bool:
    return listener.answer.body == b"retry: 1000\n\n"


async def test_the_stream_passes_the_cache_line_by_line_for_several_listeners(
    site: FastAPI, browser: httpx.AsyncClient
) -> None:
    listeners = [Listener(site), Listener(site)]
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for listener in listeners:
                tasks.start_soon(listener.listen)
                await listener.until(is_connected)
            await browser.get("/people/ada")
            await browser.get("/people/ada")
            await browser.post("/people/ada/wall", data={"text": "Hello", "person": "ben"})
            for listener in listeners:
                await listener.until(lambda listener: len(listener.lines) == 5)
                listener.has_left.set()
    for listener in listeners:
        kinds = [(line["kind"], line["path"], line["took_back"]) for line in listener.lines]
        assert kinds == [
            ("miss", "/people/ada", []),
            ("hit", "/people/ada", []),
            ("invalidate", "", ["/people/ada"]),
            ("invalidate", "/people/ada/wall", []),
            ("pass", "/people/ada/wall", []),
        ]
        assert listener.answer.get("content-type") == "text/event-stream; charset=utf-8"
        assert (listener.answer.get("cache-control"), listener.answer.get("etag")) == ("no-store", None)
        assert len([message for message in listener.answer.messages if message.get("body")]) == 6


async def test_style_sheets_and_the_stream_itself_are_no_news(site: FastAPI, browser: httpx.AsyncClient) -> None:
    await browser.get("/static/style.css")
    first, second = Listener(site), Listener(site)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.listen)
            await first.until(is_connected)
            first.has_left.set()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(second.listen)
            await second.until(is_connected)
            await browser.get("/")
            await second.until(lambda listener: len(listener.lines) == 1)
            second.has_left.set()
    assert second.lines[0]["path"] == "/"
