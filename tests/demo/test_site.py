from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from accelerator import ASGIAccelerator, MemoryStore
from accelerator.demo.database import HANDLES, connect
from accelerator.demo.pictures import landscape
from accelerator.demo.site import create_site
from tests.support import ask

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.anyio

PAGES = ("/", *(f"/people/{handle}" for handle in HANDLES))


async def made_anew(browser: httpx.AsyncClient) -> set[str]:
    """Look at every page, and return those that were no hits."""
    return {path for path in PAGES if "; hit" not in (await browser.get(path)).headers["cache-status"]}


def tags_of(html: str) -> set[str]:
    """Return the tags that a page shows."""
    return set(re.findall(r"<li [^>]*>([a-z]+:[a-z]+)</li>", html))


async def test_the_first_view_is_a_miss_and_the_second_a_hit_with_the_same_bytes(browser: httpx.AsyncClient) -> None:
    first, second = await browser.get("/people/ada"), await browser.get("/people/ada")
    assert first.headers["cache-status"] == "accelerator; fwd=uri-miss; stored"
    assert second.headers["cache-status"].startswith("accelerator; hit; ttl=")
    assert first.content == second.content
    assert ("age" in first.headers, second.headers["age"]) == (False, "0")


async def test_what_is_kept_is_the_same_for_everybody(browser: httpx.AsyncClient) -> None:
    first = await browser.get("/people/ada", headers={"cookie": "who=ben", "user-agent": "one", "accept": "text/html"})
    second = await browser.get("/people/ada", headers={"cookie": "who=cleo", "user-agent": "two", "accept": "*/*"})
    assert "; hit" in second.headers["cache-status"]
    assert first.content == second.content


async def test_every_page_is_kept(browser: httpx.AsyncClient) -> None:
    assert await made_anew(browser) == set(PAGES)
    assert await made_anew(browser) == set()


@pytest.mark.parametrize(
    ("change", "fields", "expected"),
    [
        pytest.param("ada/status", {"text": "Awake."}, ["/", "ada"], id="status line"),
        pytest.param("ada/name", {"text": "Ada M."}, ["/", "ada", "ben", "cleo"], id="name: friends show it, too"),
        pytest.param("eli/name", {"text": "E."}, ["/", "dara", "eli", "fay"], id="name: so do walls and visitors"),
        pytest.param("ada/wall", {"text": "Hello", "person": "ben"}, ["/", "ada"], id="wall post"),
        pytest.param("ada/wall", {"text": "Hello", "person": "fay"}, ["/", "ada"], id="wall post of a stranger"),
        pytest.param("ada/friends", {"person": "dara"}, ["ada", "dara"], id="new friend: two lists"),
        pytest.param("ada/friends/ben/remove", {}, ["ada", "ben"], id="removed friend: two lists"),
        pytest.param("ada/photos", {}, ["ada"], id="photo"),
        pytest.param("ada/visits", {"person": "fay"}, ["ada"], id="visit"),
    ],
)
async def test_a_change_takes_back_the_pages_made_from_it_and_no_other(
    browser: httpx.AsyncClient, change: str, fields: dict[str, str], expected: Iterable[str]
) -> None:
    await made_anew(browser)
    answer = await browser.post(f"/people/{change}", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/people/{change.partition('/')[0]}")
    assert await made_anew(browser) == {"/" if name == "/" else f"/people/{name}" for name in expected}
    assert await made_anew(browser) == set()


@pytest.mark.parametrize(
    ("change", "fields", "shown"),
    [
        pytest.param("status", {"text": "Asleep."}, "<bdi>Asleep.</bdi>", id="status line"),
        pytest.param("name", {"text": "Ada M."}, "<bdi>Ada M.</bdi>", id="name"),
        pytest.param("wall", {"text": "Good\r\nnight", "person": "fay"}, "<bdi>Good\nnight</bdi>", id="wall post"),
        pytest.param("friends", {"person": "fay"}, "Remove Fay Okoro", id="friend"),
        pytest.param("visits", {"person": "ben"}, "15 \u00d7", id="visit of one who came before"),
        pytest.param("visits", {"person": "fay"}, ">1 \u00d7", id="visit of a new one"),
    ],
)
async def test_the_page_shows_a_change_at_once(
    browser: httpx.AsyncClient, change: str, fields: dict[str, str], shown: str
) -> None:
    assert shown not in (await browser.get("/people/ada")).text
    await browser.post(f"/people/ada/{change}", data=fields)
    assert shown in (await browser.get("/people/ada")).text


async def test_a_photo_is_added_to_the_album(browser: httpx.AsyncClient) -> None:
    before = (await browser.get("/people/ada")).text.count("<figure>")
    await browser.post("/people/ada/photos")
    assert (await browser.get("/people/ada")).text.count("<figure>") == before + 1


async def test_a_friend_who_was_removed_can_be_added_again(browser: httpx.AsyncClient) -> None:
    await browser.post("/people/ada/friends/ben/remove")
    assert "Remove Ben Castel" not in (await browser.get("/people/ada")).text
    assert "Remove Ada Marlow" not in (await browser.get("/people/ben")).text
    for _ in range(2):  # the second time nothing changes
        await browser.post("/people/ada/friends", data={"person": "ben"})
    assert (await browser.get("/people/ada")).text.count("Remove Ben Castel") == 1


async def test_who_is_friends_with_everybody_is_offered_nobody(browser: httpx.AsyncClient) -> None:
    for handle in HANDLES[1:]:
        await browser.post("/people/ada/friends", data={"person": handle})
    page = (await browser.get("/people/ada")).text
    assert "Friends with everybody." in page
    assert "Add friend" not in page


async def test_who_has_no_friends_is_offered_all_the_others(browser: httpx.AsyncClient) -> None:
    await browser.post("/people/fay/friends/eli/remove")
    page = (await browser.get("/people/fay")).text
    assert "Nobody yet." in page
    form = page.partition('id="friends-form"')[2].partition("</form>")[0]
    assert re.findall(r"<option >(\w+)</option>", form) == ["ada", "ben", "cleo", "dara", "eli"]


async def test_the_cache_is_told_after_the_commit(
    browser: httpx.AsyncClient, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def invalidate_tag(_self: object, *_tags: object) -> None:
        with closing(connect(database)) as other_connection:
            seen.append(other_connection.execute("SELECT status FROM person WHERE handle = 'ada'").fetchone()[0])

    monkeypatch.setattr(ASGIAccelerator, "invalidate_tag", invalidate_tag)
    await browser.post("/people/ada/status", data={"text": "Committed."})
    assert seen == ["Committed."]


async def test_a_page_shows_its_sources_with_their_costs_and_tags(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/people/ada")).text
    assert len(re.findall(r"\d\.\d ms query \+ 0 ms delay", page)) == 5
    assert "from 5 sources" in page
    assert tags_of(page) == {
        *(f"{source}:ada" for source in ("profile", "friends", "wall", "photos", "visitors")),
        *("name:ada", "name:ben", "name:cleo"),
    }


async def test_the_front_page_shows_the_tags_of_everybody(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/")).text
    assert tags_of(page) == {f"{source}:{handle}" for source in ("profile", "name", "wall") for handle in HANDLES}


async def test_the_delays_that_a_page_shows_are_those_it_had(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("accelerator.demo.sources.time.sleep", slept.append)
    page = (await ask(create_site(database), "/people/ada")).body.decode()
    shown = [int(delay) / 1000 for delay in re.findall(r"ms query \+ (\d+) ms delay", page)]
    assert sorted(shown) == sorted(slept) == [0.04, 0.07, 0.09, 0.12, 0.18]


async def test_server_timing_tells_of_every_answer_once_and_is_not_kept(browser: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await browser.get("/people/ada")
        (line,) = answer.headers.get_list("server-timing")
        assert re.fullmatch(rf'total;dur=[\d.]+, .*cache-status;desc="{answer.headers["cache-status"]}"', line)
    assert ', age;desc="0"' in line


async def test_server_timing_quotes_no_quotes(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/people/nobody")
    assert answer.headers["cache-status"].endswith('; detail="no explicit time"')
    assert answer.headers["server-timing"].endswith("""detail='no explicit time'\"""")


@pytest.mark.parametrize("path", ["/people/nobody", "/people/%00%F0", "/nothing"])
async def test_who_is_not_here_is_not_found_and_not_kept(browser: httpx.AsyncClient, path: str) -> None:
    for _ in range(2):
        answer = await browser.get(path)
        assert (answer.status_code, "; hit" in answer.headers["cache-status"]) == (404, False)
        assert "<h1>404</h1>" in answer.text


@pytest.mark.parametrize(
    ("name", "kind"), [("style.css", "text/css"), ("demo.js", "text/javascript"), ("icon.svg", "image/svg+xml")]
)
async def test_everything_a_page_needs_comes_from_here(browser: httpx.AsyncClient, name: str, kind: str) -> None:
    page = (await browser.get("/")).text
    assert f"/static/{name}" in page
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", page)
    answer = await browser.get(f"/static/{name}")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", answer.text)


@pytest.mark.parametrize(
    ("insert", "count", "kept"),
    [
        ("INSERT INTO post (wall, author, text) VALUES ('ada', 'ben', 'x')", "post WHERE wall = 'ada'", 50),
        ("INSERT INTO photo (owner, seed, caption) VALUES ('ada', 1, 'x')", "photo WHERE owner = 'ada'", 12),
    ],
    ids=["wall", "album"],
)
def test_nothing_grows_for_ever(database: Path, insert: str, count: str, kept: int) -> None:
    with closing(connect(database)) as db:
        for _ in range(60):
            db.execute(insert)
        assert db.execute(f"SELECT COUNT(*) FROM {count}").fetchone()[0] == kept  # noqa: S608 - from the table above
        others = "SELECT COUNT(*) FROM post WHERE wall = 'eli'", "SELECT COUNT(*) FROM photo WHERE owner = 'eli'"
        assert [db.execute(other).fetchone()[0] for other in others] == [1, 2]


def test_a_number_always_gives_the_same_picture_and_its_caption_is_escaped() -> None:
    assert landscape(7, "x") == landscape(7, "x") != landscape(8, "x")
    assert 'aria-label="&#34;&lt;b&gt;"' in landscape(7, '"<b>')


async def test_the_store_is_closed_when_the_server_ends(database: Path) -> None:
    closed: list[MemoryStore] = []

    class Noting(MemoryStore):
        async def aclose(self) -> None:
            closed.append(self)

    store = Noting()
    site = create_site(database, store=store)
    async with site.router.lifespan_context(site):
        assert closed == []
    assert closed == [store]
