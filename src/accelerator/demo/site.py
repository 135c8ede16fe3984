"""The site: each page is kept whole, and taken back as soon as something it was made from changes."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator  # noqa: TC003 - FastAPI reads the annotations
from contextlib import asynccontextmanager, closing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from anyio import from_thread
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from accelerator import ASGIAccelerator, MemoryStore, cache_for
from accelerator.demo.activity import Activity
from accelerator.demo.database import HANDLES, Handle, connect, now
from accelerator.demo.forms import LONGEST, Fields, RefusedError
from accelerator.demo.pictures import landscape
from accelerator.demo.sources import Sources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FRESH_SECONDS: Final = 30
STALE_SECONDS: Final = 300
CAPTIONS: Final = ("Just now", "Round the corner", "Worth the climb", "Almost home", "No filter", "A quiet one")
router = APIRouter()
templates = Environment(loader=PackageLoader("accelerator.demo"), autoescape=True, undefined=StrictUndefined)
templates.globals.update(
    handles=HANDLES, landscape=landscape, longest=LONGEST, fresh_seconds=FRESH_SECONDS, stale_seconds=STALE_SECONDS
)
templates.filters["when"] = lambda text: f"{datetime.fromisoformat(text):%d %b, %H:%M}"


def _database(request: Request) -> Iterator[sqlite3.Connection]:
    with closing(connect(request.app.state.database)) as db:
        yield db


Database = Annotated[sqlite3.Connection, Depends(_database)]


# --- reading: say for how long, and what from -------------------------------------------------------------------------


@router.get("/")
def home(request: Request, db: Database) -> Response:
    """Everybody, and what was written last."""
    cache_for(FRESH_SECONDS, stale_while_revalidate=STALE_SECONDS)
    sources = Sources(db, request.app.state.slowness)
    return _page("home.html", people=sources.people(), posts=sources.latest(), sources=sources, made_at=now())


@router.get("/people/{handle}")
def profile(handle: Handle, request: Request, db: Database) -> Response:
    """One person. This says the time; each of the sources says its tags."""
    cache_for(FRESH_SECONDS, stale_while_revalidate=STALE_SECONDS)
    sources = Sources(db, request.app.state.slowness)
    return _page(
        "profile.html",
        handle=handle,
        person=sources.profile(handle),
        friends=sources.friends(handle),
        wall=sources.wall(handle),
        photos=sources.photos(handle),
        visitors=sources.visitors(handle),
        sources=sources,
        made_at=now(),
    )


# --- writing: commit, then invalidate ---------------------------------------------------------------------------------


def commit(db: sqlite3.Connection, request: Request, *tags: str) -> None:
    """Commit, then take back every page that was made from what has changed.

    In this order: a page made between an invalidation and the commit would still be made from the old data, and kept.
    """
    db.commit()
    from_thread.run(request.scope["accelerator"].invalidate_tag, tags)


def _back_to(handle: str) -> Response:
    return RedirectResponse(f"/people/{handle}", status_code=303)


@router.post("/people/{handle}/status")
def change_status(handle: Handle, form: Fields, request: Request, db: Database) -> Response:
    """Only the person's own page and the list of everybody show it."""
    db.execute("UPDATE person SET status = ? WHERE handle = ?", [form.text(LONGEST["status"]), handle])
    commit(db, request, f"profile:{handle}")
    return _back_to(handle)


@router.post("/people/{handle}/name")
def change_name(handle: Handle, form: Fields, request: Request, db: Database) -> Response:
    """It stands on the pages of friends, of those who were visited, and of those whose wall was written on."""
    db.execute("UPDATE person SET name = ? WHERE handle = ?", [form.text(LONGEST["name"]), handle])
    commit(db, request, f"name:{handle}")
    return _back_to(handle)


@router.post("/people/{handle}/friends")
def add_friend(handle: Handle, form: Fields, request: Request, db: Database) -> Response:
    """Friendship is mutual, so two lists of friends change, in one commit."""
    friend = form.person(other_than=handle)
    db.executemany("INSERT OR IGNORE INTO friendship VALUES (?, ?)", [(handle, friend), (friend, handle)])
    commit(db, request, f"friends:{handle}", f"friends:{friend}")
    return _back_to(handle)


@router.post("/people/{handle}/friends/{friend}/remove")
def remove_friend(handle: Handle, friend: Handle, request: Request, db: Database) -> Response:
    """The same two lists."""
    db.executemany("DELETE FROM friendship WHERE one = ? AND other = ?", [(handle, friend), (friend, handle)])
    commit(db, request, f"friends:{handle}", f"friends:{friend}")
    return _back_to(handle)


@router.post("/people/{handle}/wall")
def write_on_wall(handle: Handle, form: Fields, request: Request, db: Database) -> Response:
    """The front page shows what was written last, so it carries this tag, too."""
    text, author = form.text(LONGEST["wall"]), form.person()
    db.execute(
        "INSERT INTO post (wall, author, text, at) VALUES (?, ?, ?, ?)", [handle, author, text, now().isoformat()]
    )
    commit(db, request, f"wall:{handle}")
    return _back_to(handle)


@router.post("/people/{handle}/photos")
def add_photo(handle: Handle, request: Request, db: Database) -> Response:
    """A new picture, out of a hat."""
    seed, caption = random.randrange(10**6), random.choice(CAPTIONS)  # noqa: S311 - a picture is no secret
    db.execute("INSERT INTO photo (owner, seed, caption) VALUES (?, ?, ?)", [handle, seed, caption])
    commit(db, request, f"photos:{handle}")
    return _back_to(handle)


@router.post("/people/{handle}/visits")
def count_visit(handle: Handle, form: Fields, request: Request, db: Database) -> Response:
    """A page that is kept cannot count how often it is seen, so a visit is a request of its own."""
    db.execute(
        "INSERT INTO visit VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE SET times = times + 1, last = excluded.last",
        [handle, form.person(other_than=handle), now().isoformat()],
    )
    commit(db, request, f"visitors:{handle}")
    return _back_to(handle)


# --- around it --------------------------------------------------------------------------------------------------------


@router.get("/events")
async def events(request: Request) -> Response:
    """What the cache does, live: a response without an end, which the cache passes on line by line."""
    return StreamingResponse(
        request.app.state.activity.stream(), media_type="text/event-stream", headers={"cache-control": "no-store"}
    )


def _page(template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a template. It gets nothing of the request: what is kept has to be the same for everybody."""
    return HTMLResponse(templates.get_template(template).render(context), status)


async def _show_refusal(request: Request, refused: RefusedError) -> Response:
    """Give the form back as it was filled in, with the reason."""
    handle, form = request.path_params["handle"], request.url.path.rpartition("/")[2]
    return _page("refused.html", 422, handle=handle, form=form, problem=refused.problem, values=refused.values)


async def _show_error(_request: Request, error: HTTPException) -> Response:
    return _page("error.html", error.status_code, code=error.status_code, detail=error.detail)


async def _show_missing(_request: Request, _error: RequestValidationError) -> Response:
    return _page("error.html", 404, code=404, detail="Nobody of that name lives here.")


class ServerTiming:
    """Say in `Server-Timing` how long an answer took, cache and all, and repeat there what the cache said of it.

    It stands around the cache, so it is never stored. Scripts can read this field even of the page they came with.

    Args:
        app: the application.
        worker: which of several workers this is.
    """

    def __init__(self, app: ASGIApp, worker: int | None = None) -> None:
        self._app = app
        self._told = [] if worker is None else [b'worker;desc="%d"' % worker]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with one more line."""
        started = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = [b"total;dur=%.3f" % ((time.perf_counter() - started) * 1000), *self._told]
                for name, value in message["headers"]:
                    if name in {b"cache-status", b"age"}:
                        told.append(b'%s;desc="%s"' % (name, value.replace(b'"', b"'")))
                message["headers"] = [*message["headers"], (b"server-timing", b", ".join(told))]
            await send(message)

        await self._app(scope, receive, timed)


def create_site(database: Path, *, slowness: float = 1.0) -> FastAPI:
    """Make the site, with a cache of its own.

    Args:
        database: what `create` made.
        slowness: by what to multiply the delays of the sources; 0 for none.
    """
    activity = Activity()
    site = _site(database, slowness, activity)
    site.add_middleware(ASGIAccelerator, store=MemoryStore(), on_event=activity.see)  # this line is all the set-up
    site.add_middleware(ServerTiming)
    return site


def create_worker(database: Path, redis: str, *, slowness: float = 1.0) -> FastAPI:
    """Make the site as one of several workers, which share a cache.

    Args:
        database: what `create` made.
        redis: the URL of the Redis.
        slowness: as for `create_site`.
    """
    from accelerator import RedisStore
    from accelerator.demo.shared import SharedActivity

    activity = SharedActivity(redis)
    store = RedisStore(redis, deadline=1)  # workers that start at the same moment keep a small machine busy

    @asynccontextmanager
    async def lifespan(_site: FastAPI) -> AsyncIterator[None]:
        async with activity.shared():
            yield
        await store.aclose()

    site = _site(database, slowness, activity, lifespan=lifespan)
    site.add_middleware(ASGIAccelerator, store=store, on_event=activity.see)
    site.add_middleware(ServerTiming, worker=os.getpid())
    return site


def _site(database: Path, slowness: float, activity: Activity, **options: Any) -> FastAPI:
    """Make the site without its cache."""
    site = FastAPI(
        openapi_url=None,
        exception_handlers={
            RefusedError: _show_refusal,
            RequestValidationError: _show_missing,
            HTTPException: _show_error,
        },
        **options,
    )
    site.state.database, site.state.slowness, site.state.activity = database, slowness, activity
    site.include_router(router)
    site.mount("/static", StaticFiles(packages=[("accelerator.demo", "static")]))
    return site
