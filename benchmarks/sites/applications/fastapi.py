"""The site, written as people write them. It keeps a view by `cache_for`; for most pages it says nothing."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import defaultdict
from html import escape
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response, WebSocket
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, StreamingResponse
from fastapi.security import APIKeyHeader
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware

from accelerator import cache_for, tag

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

ITEMS: Final = {number: f"item {number}" for number in range(1, 9)}
LINKS: Final = ("/items", "/hello", "/me", "/key", "/export.csv", "/picture.png", "/moved", "/gone", "/error", "/kept")
PICTURE: Final = bytes(range(256)) * 400
STREAMED: Final = 10
"""Seconds for which an event stream waits to be told."""

site = FastAPI(title="A site")
site.add_middleware(SessionMiddleware, secret_key="for the site only")  # noqa: S106 - made up
site.add_middleware(GZipMiddleware)
site.add_middleware(CORSMiddleware, allow_origins=["https://front.example"], allow_credentials=True)
told: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
numbers = itertools.count(1)


def prepare(home: Path) -> None:
    """Write the picture."""
    (home / "picture.png").write_bytes(PICTURE)
    os.utime(home / "picture.png", (1_000_000_000, 1_000_000_000))


def application(home: Path) -> FastAPI:
    """Return the site."""
    site.state.home = home
    return site


def page(title: str, body: str) -> HTMLResponse:
    """Return a page."""
    return HTMLResponse(f"<!doctype html><title>{escape(title)}</title>{body}")


@site.middleware("http")
async def number(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Say in each response which request it is for."""
    response = await call_next(request)
    response.headers["X-Request-ID"] = f"request-{next(numbers)}"
    return response


@site.get("/")
async def home() -> HTMLResponse:
    """Lead to everything."""
    return page("home", "".join(f'<a href="{link}">{link}</a>' for link in LINKS))


@site.get("/items")
async def items() -> HTMLResponse:
    """Lead to the items."""
    return page("items", "".join(f'<a href="/items/{number}">{name}</a>' for number, name in ITEMS.items()) * 20)


@site.get("/items/{item}")
async def one(item: int) -> dict[str, Any]:
    """Show an item."""
    if item not in ITEMS:
        raise HTTPException(404, "no such item")
    return {"item": item, "name": ITEMS[item]}


@site.get("/kept")
async def kept() -> dict[str, str]:
    """Show what is kept by a word of the view."""
    cache_for(60)
    tag("kept")
    return {"this": "is kept for a minute"}


@site.post("/sign-in")
async def sign_in(request: Request, name: Annotated[str, Form()]) -> RedirectResponse:
    """Begin a session."""
    request.session["user"] = name
    return RedirectResponse("/hello", 303)


@site.get("/hello")
async def hello(request: Request) -> HTMLResponse:
    """Greet the user, or show the form."""
    form = '<form method="post" action="/sign-in"><input name="name"></form>'
    return page("hello", f"Hello, {escape(user)}" if (user := request.session.get("user")) else form)


@site.get("/me")
async def me(request: Request) -> dict[str, str]:
    """Show the user, to the user alone."""
    if "user" not in request.session:
        raise HTTPException(401, "sign in first")
    return {"user": request.session["user"]}


@site.get("/key")
async def key(key: Annotated[str, Depends(APIKeyHeader(name="X-API-Key"))]) -> dict[str, str]:
    """Show what only who has a key may see; the view forgot that its answer is not for all."""
    cache_for(60)
    return {"secret of": key}


@site.get("/export.csv")
async def export() -> StreamingResponse:
    """Stream a table."""

    async def rows() -> AsyncIterator[str]:
        for number, name in ITEMS.items():
            yield f"{number},{name}\n" * 100

    return StreamingResponse(rows(), media_type="text/csv")


@site.get("/picture.png")
async def picture(request: Request) -> FileResponse:
    """Send a file, which knows ranges and conditions."""
    return FileResponse(request.app.state.home / "picture.png")


@site.get("/moved")
async def moved(request: Request) -> RedirectResponse:
    """Send elsewhere, by an absolute URL."""
    return RedirectResponse(request.url_for("items"), 301)


@site.get("/gone")
async def gone() -> Response:
    """Say that it is gone."""
    return Response("gone", 410)


@site.get("/error")
async def error() -> Response:
    """Fail."""
    return Response("failed", 500)


@site.get("/events/{name}")
async def events(name: str) -> StreamingResponse:
    """Stream an event, and another one when told."""

    async def each() -> AsyncIterator[str]:
        yield "data: first\n\n"
        await asyncio.wait_for(told[name].wait(), STREAMED)
        yield "data: second\n\n"

    return StreamingResponse(each(), media_type="text/event-stream")


@site.post("/tell/{name}")
async def tell(name: str) -> None:
    """Let an event stream go on."""
    told[name].set()


@site.websocket("/talk")
async def talk(socket: WebSocket) -> None:
    """Say what is heard, as text and as bytes."""
    await socket.accept()
    heard = await socket.receive_text()
    await socket.send_text(heard)
    await socket.send_bytes(heard.encode())
    await socket.close(4000, "said")
