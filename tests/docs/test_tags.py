"""docs/tags.md: what it says is kept is kept, and what it says is taken back is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tests.docs.support import blocks_of, is_hit, run

if TYPE_CHECKING:
    from collections.abc import Iterator

VIEWS, FIELDS, SCOPE, MIDDLEWARE, RENAME, SESSION, ASYNC_SESSION, LISTING = blocks_of("tags.md")

pytestmark = pytest.mark.anyio


@pytest.fixture
def page() -> dict[str, Any]:
    """What the page's site has, by name."""
    notes: dict[str, Any] = {}
    for block in (VIEWS, FIELDS, SCOPE, MIDDLEWARE, RENAME):
        run(block, notes)
    return notes


@pytest.fixture
def page_with_session(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same with SQLAlchemy's listeners, which are every session's until they are removed."""
    run(SESSION, page)
    yield page
    event.remove(Session, "after_commit", page["take_back"])
    event.remove(Session, "after_soft_rollback", page["forget"])


async def ask(page: dict[str, Any], url: str, method: str = "GET", **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(page["app"]), base_url="https://example.org") as client:
        return await client.request(method, url, **more)


async def is_kept(page: dict[str, Any], url: str) -> bool:
    return is_hit(await ask(page, url))


@pytest.mark.parametrize("url", ["/users/1", "/users", "/news", "/imprint/"])
async def test_each_way_to_say_it_keeps_the_response(page: dict[str, Any], url: str) -> None:
    assert [await is_kept(page, url) for _ in range(2)] == [False, True]


@pytest.mark.parametrize(("url", "tag"), [("/users", "users"), ("/news", "frontpage"), ("/imprint/", "imprint")])
async def test_each_way_to_say_it_names_the_data(page: dict[str, Any], url: str, tag: str) -> None:
    assert "surrogate-key" not in (await ask(page, url)).headers
    await page["store"].invalidate_tag(tag)
    assert not await is_kept(page, url)


async def test_a_new_name_is_on_the_page_and_on_the_list_at_once(page: dict[str, Any]) -> None:
    for url in ("/users/1", "/users/2", "/users"):
        await ask(page, url)
    await ask(page, "/users/1", "PUT", params={"name": "Ada L."})
    assert (await ask(page, "/users/1")).json() == "Ada L."
    assert (await ask(page, "/users")).json() == ["Ada L.", "Bob"]
    assert await is_kept(page, "/users/2")
    assert (await ask(page, "/users/3", "PUT", params={"name": "Carl"})).status_code == 404


async def test_a_commit_takes_back_what_the_session_changed_and_a_rollback_does_not(
    page_with_session: dict[str, Any],
) -> None:
    page, engine = page_with_session, create_engine("sqlite://")
    await ask(page, "/users/1")
    with Session(engine) as session:
        session.execute(text("select 1"))
        page["changes"](session, "user:1")
        session.rollback()
        session.execute(text("select 1"))
        session.commit()
        assert await is_kept(page, "/users/1")
        page["changes"](session, "user:1")
        session.execute(text("select 1"))
        assert await is_kept(page, "/users/1")
        session.commit()
    assert not await is_kept(page, "/users/1")
    engine.dispose()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # of SQLAlchemy
async def test_an_async_session_takes_back_after_its_commit(page: dict[str, Any]) -> None:
    run(ASYNC_SESSION, page)
    await ask(page, "/users/1")
    engine = create_async_engine("sqlite+aiosqlite://")
    async with AsyncSession(engine) as session:
        await session.execute(text("select 1"))
        await page["commit"](session, "user:1")
    await engine.dispose()
    assert not await is_kept(page, "/users/1")


async def test_what_hangs_on_a_tag_is_listed(page: dict[str, Any]) -> None:
    run(LISTING, page)
    for url in ("/users/1", "/users/2", "/users", "/news"):
        await ask(page, url)
    site = "https://example.org"
    assert await page["taken_by"]("user:1") == [f"{site}/users", f"{site}/users/1"]
    assert await page["taken_by"]("frontpage") == [f"{site}/news"]
    assert await page["taken_by"]("nobody has it") == []
