"""The site, written as people write them. It knows nothing of the cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Litestar, MediaType, Request, get, post
from litestar.config.compression import CompressionConfig
from litestar.datastructures import CacheControlHeader, ETag
from litestar.exceptions import NotAuthorizedException, NotFoundException
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.response import File, Redirect, Response, Stream
from litestar.static_files import create_static_files_router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LINKS: Final = ("/books", "/hello", "/me", "/export", "/kept", "/tagged", "/moved", "/missing", "/files/style.css")
WITHOUT_SESSION: Final = ["^/$", "^/(books|export|kept|tagged|moved|files|picture|schema|missing)"]
"""A session begins, and sets its cookie, with whatever is not named here."""

BOOKS: Final = {number: f"book {number}" for number in range(1, 9)}


@dataclass
class Book:
    """A book."""

    number: int
    title: str


@dataclass
class User:
    """Who signs in."""

    name: str


def prepare(home: Path) -> None:
    """Write the files."""
    for name, content in {"style.css": b"p { color: red }\n" * 300, "picture.png": bytes(range(256)) * 100}.items():
        (home / name).write_bytes(content)
        os.utime(home / name, (1_000_000_000, 1_000_000_000))


def application(home: Path) -> Litestar:
    """Return the site."""

    @get("/picture.png", sync_to_thread=False)
    def picture() -> File:
        """Send a file."""
        return File(home / "picture.png", media_type="image/png", content_disposition_type="inline")

    files = create_static_files_router("/files", [home])
    return Litestar(
        [root, books, book, sign_in, hello, me, export, kept, tagged, moved, picture, files],
        middleware=[ServerSideSessionConfig(exclude=WITHOUT_SESSION).middleware],
        compression_config=CompressionConfig("gzip", minimum_size=500),
    )


@get("/", media_type=MediaType.HTML, sync_to_thread=False)
def root() -> str:
    """Lead to everything."""
    return "<!doctype html>" + "".join(f'<a href="{link}">{link}</a>' for link in LINKS) + '<img src="/picture.png">'


@get("/books", media_type=MediaType.HTML, sync_to_thread=False)
def books() -> str:
    """Lead to the books."""
    return "".join(f'<a href="/books/{number}">{title}</a>' for number, title in BOOKS.items()) * 10


@get("/books/{number:int}", sync_to_thread=False)
def book(number: int) -> Book:
    """Show a book."""
    if number not in BOOKS:
        raise NotFoundException
    return Book(number, BOOKS[number])


@post("/sign-in", sync_to_thread=False)
def sign_in(data: User, request: Request[Any, Any, Any]) -> None:
    """Begin a session."""
    request.set_session({"name": data.name})


@get("/hello", media_type=MediaType.HTML, sync_to_thread=False)
def hello(request: Request[Any, Any, Any]) -> str:
    """Greet the user by the session, without a word on cookies."""
    return f"<!doctype html>Hello, {request.session.get('name', 'whoever you are')}"


@get("/me", sync_to_thread=False)
def me(request: Request[Any, Any, Any]) -> User:
    """Show the user, to the user alone."""
    if "name" not in request.session:
        raise NotAuthorizedException
    return User(request.session["name"])


@get("/export", sync_to_thread=False)
def export() -> Stream:
    """Stream a table."""

    async def rows() -> AsyncIterator[str]:
        for number, title in BOOKS.items():
            yield f"{number},{title}\n" * 50

    return Stream(rows(), media_type="text/csv")


@get("/kept", cache_control=CacheControlHeader(s_maxage=60, public=True), sync_to_thread=False)
def kept() -> dict[str, str]:
    """Say for how long, for all."""
    return {"this": "is kept for a minute"}


@get("/tagged", etag=ETag(value="v1"), sync_to_thread=False)
def tagged() -> Response[str]:
    """Say its version."""
    return Response("version 1", media_type=MediaType.TEXT)


@get("/moved", sync_to_thread=False)
def moved() -> Redirect:
    """Send elsewhere."""
    return Redirect("/books", status_code=301)
