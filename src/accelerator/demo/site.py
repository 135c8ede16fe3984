"""The demo site. Whole pages are cached, and invalidated as soon as data that they were made from changes."""

from __future__ import annotations

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

    from accelerator import Store

FRESH_SECONDS: Final = 30
"""Freshness lifetime of a page in seconds."""

STALE_SECONDS: Final = 300
"""Seconds for which a page may be served stale while it is refreshed."""

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


# --- reading: set a freshness lifetime and tags -----------------------------------------------------------------------


@router.get("/")
def home(request: Request, db: Database) -> Response:
    """Show all people and the latest posts."""
    cache_for(FRESH_SECONDS, stale_while_revalidate=STALE_SECONDS)
    sources = Sources(db, request.app.state.slowness)
    return _page("home.html", people=sources.people(), posts=sources.latest(), **_making(request, sources))


@router.get("/people/{handle}")
def profile(handle: Handle, request: Request, db: Database) -> Response:
    """Show one person. The view sets the freshness lifetime, and each source sets its tags."""
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
        **_making(request, sources),
    )


def _making(request: Request, sources: Sources) -> dict[str, Any]:
    """Return what a page says of how it was made: from what, when, and by which worker, None if there is only one."""
    return {"sources": sources, "made_at": now(), "worker": request.app.state.activity.worker}


# --- writing: commit, then invalidate ---------------------------------------------------------------------------------


def commit(db: sqlite3.Connection, request: Request, *tags: str) -> None:
    """Commit, then invalidate every page that was made from the changed data.

    The order matters: a page that is made after the invalidation and before the commit would be kept with the old data.
    """
    db.commit()
    from_thread.run(request.scope["accelerator"].invalidate_tag, tags)


def _back_to(handle: str) -> Response:
    return RedirectResponse(f"/people/{handle}", status_code=303)


@router.post("/people/{handle}/status")
def change_status(handle: Handle, form: Fields, request: Request, db: Database) -> Response:
    """Change a person's status, which only the profile and the front page show."""
    db.execute("UPDATE person SET status = ? WHERE handle = ?", [form.text(LONGEST["status"]), handle])
    commit(db, request, f"profile:{handle}")
    return _back_to(handle)


@router.post("/people/{handle}/name")
def change_name(handle: Handle, form: Fields, request: Request, db: Database) -> Response:
    """Change a person's name.

    It is shown on the front page, and on the pages of friends, of people visited, and of those whose wall has a post by
    the person.
    """
    db.execute("UPDATE person SET name = ? WHERE handle = ?", [form.text(LONGEST["name"]), handle])
    commit(db, request, f"name:{handle}")
    return _back_to(handle)


@router.post("/people/{handle}/friends")
def add_friend(handle: Handle, form: Fields, request: Request, db: Database) -> Response:
    """Add a friend. Friendship is mutual, so two lists of friends change in one commit."""
    friend = form.person(other_than=handle)
    db.executemany("INSERT OR IGNORE INTO friendship VALUES (?, ?)", [(handle, friend), (friend, handle)])
    commit(db, request, f"friends:{handle}", f"friends:{friend}")
    return _back_to(handle)


@router.post("/people/{handle}/friends/{friend}/remove")
def remove_friend(handle: Handle, friend: Handle, request: Request, db: Database) -> Response:
    """Remove a friend, from both lists of friends."""
    db.executemany("DELETE FROM friendship WHERE one = ? AND other = ?", [(handle, friend), (friend, handle)])
    commit(db, request, f"friends:{handle}", f"friends:{friend}")
    return _back_to(handle)


@router.post("/people/{handle}/wall")
def write_on_wall(handle: Handle, form: Fields, request: Request, db: Database) -> Response:
    """Write on a wall. The front page shows the latest posts, so it has this tag, too."""
    text, author = form.text(LONGEST["wall"]), form.person()
    db.execute(
        "INSERT INTO post (wall, author, text, at) VALUES (?, ?, ?, ?)", [handle, author, text, now().isoformat()]
    )
    commit(db, request, f"wall:{handle}")
    return _back_to(handle)


@router.post("/people/{handle}/photos")
def add_photo(handle: Handle, request: Request, db: Database) -> Response:
    """Add a random picture."""
    seed, caption = random.randrange(10**6), random.choice(CAPTIONS)  # noqa: S311 - a picture is no secret
    db.execute("INSERT INTO photo (owner, seed, caption) VALUES (?, ?, ?)", [handle, seed, caption])
    commit(db, request, f"photos:{handle}")
    return _back_to(handle)


@router.post("/people/{handle}/visits")
def count_visit(handle: Handle, form: Fields, request: Request, db: Database) -> Response:
    """Count a visit. A cached page cannot count its own views, so each visit is a request of its own."""
    db.execute(
        "INSERT INTO visit VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE SET times = times + 1, last = excluded.last",
        [handle, form.person(other_than=handle), now().isoformat()],
    )
    commit(db, request, f"visitors:{handle}")
    return _back_to(handle)


# --- other parts of the site ------------------------------------------------------------------------------------------


@router.get("/events")
async def events(request: Request) -> Response:
    """Stream what the cache does. The response does not end, and the cache passes it on line by line."""
    return StreamingResponse(
        request.app.state.activity.stream(), media_type="text/event-stream", headers={"cache-control": "no-store"}
    )


def _page(template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a template. It gets nothing of the request, since a cached page has to be the same for all users."""
    return HTMLResponse(templates.get_template(template).render(context), status)


async def _show_refusal(request: Request, refused: RefusedError) -> Response:
    """Show the form again as it was filled in, with the reason why it was refused."""
    handle, form = request.path_params["handle"], request.url.path.rpartition("/")[2]
    return _page("refused.html", 422, handle=handle, form=form, problem=refused.problem, values=refused.values)


async def _show_error(_request: Request, error: HTTPException) -> Response:
    return _page("error.html", error.status_code, code=error.status_code, detail=error.detail)


async def _show_missing(_request: Request, _error: RequestValidationError) -> Response:
    return _page("error.html", 404, code=404, detail="Nobody of that name lives here.")


class ServerTiming:
    """A middleware that adds `Server-Timing` with the duration of each response, and with what the cache reports.

    It is outside of the cache, so the field is never stored. Scripts can read this field even of the page that loads
    them.

    Args:
        app: the application.
        worker: the number of this worker if there are several, else None.
    """

    def __init__(self, app: ASGIApp, worker: int | None = None) -> None:
        self._app = app
        self._told = [] if worker is None else [b'worker;desc="%d"' % worker]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass all messages on, and add the field to each response."""
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


def create_site(
    database: Path, *, store: Store | None = None, activity: Activity | None = None, slowness: float = 1.0
) -> FastAPI:
    """Make the site.

    Args:
        database: the file that `create` made.
        store: the store of the cache, by default one in memory.
        activity: the live list, that of one process unless told.
        slowness: a factor for the delays of the sources, 0 for none.
    """
    store = MemoryStore() if store is None else store
    activity = Activity() if activity is None else activity

    @asynccontextmanager
    async def lifespan(_site: FastAPI) -> AsyncIterator[None]:
        async with activity.shared():
            yield
        await store.aclose()

    site = FastAPI(
        openapi_url=None,
        exception_handlers={
            RefusedError: _show_refusal,
            RequestValidationError: _show_missing,
            HTTPException: _show_error,
        },
        lifespan=lifespan,
    )
    site.state.database, site.state.slowness, site.state.activity = database, slowness, activity
    site.include_router(router)
    site.mount("/static", StaticFiles(packages=[("accelerator.demo", "static")]))
    site.add_middleware(ASGIAccelerator, store=store, on_event=activity.see)  # the whole set-up of the cache
    site.add_middleware(ServerTiming, worker=activity.worker)
    return site
