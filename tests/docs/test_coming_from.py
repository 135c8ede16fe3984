"""The pages for those who come from another cache: what stands there as "after" works, on the site of "before"."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from accelerator import RedisStore, WSGIAccelerator
from tests.docs.support import blocks_of, is_hit, run
from tests.support import app_saying
from tests.wsgi.support import site_saying

PAGES = ["flask-caching", "fastapi-cache2", "django", "varnish"]


def after(name: str, **notes: Any) -> dict[str, Any]:
    """What the blocks named "after" of a page define."""
    for block in blocks_of(f"coming-from-{name}.md"):
        if block.startswith("# after"):
            run(block, notes)
    return notes


def visitor(app: Any, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://example.org", **options)


@pytest.mark.parametrize("name", PAGES)
def test_each_block_is_named_and_is_python(name: str) -> None:
    blocks = blocks_of(f"coming-from-{name}.md")
    for block in blocks:
        compile(block, name, "exec")
    assert {block.split()[1].rstrip(":") for block in blocks} == {"before", "after"}


def test_the_flask_site_keeps_its_pages_and_takes_back_what_was_saved() -> None:
    client = after("flask-caching", __name__=__name__)["app"].test_client()
    for page in ("/posts/1", "/posts?a=1", "/posts?a=2"):
        assert [is_hit(client.get(page)) for _ in range(2)] == [False, True]
    client.post("/posts/1")
    assert [client.get(page).text for page in ("/posts/1", "/posts?a=1", "/posts?a=2")] == ["Changed"] * 3


@pytest.mark.anyio
async def test_the_fastapi_application_takes_back_one_item_and_leaves_the_others() -> None:
    notes = after("fastapi-cache2")
    notes["items"][2] = "jam"
    async with visitor(notes["app"]) as client:
        for page in ("/items/1", "/items/2"):
            assert [is_hit(await client.get(page)) for _ in range(2)] == [False, True]
        await client.put("/items/1", params={"name": "coffee"})
        assert (await client.get("/items/1")).json() == {"name": "coffee"}
        assert is_hit(await client.get("/items/2"))


def test_the_django_application_is_made_as_its_page_says() -> None:
    notes = after("django", application=site_saying())
    assert isinstance(notes["application"], WSGIAccelerator)
    assert isinstance(notes["application"].store, RedisStore)


@pytest.mark.anyio
async def test_what_was_made_for_varnish_is_kept_by_its_xkey_and_without_its_cookies() -> None:
    app = app_saying(("cache-control", "s-maxage=3600"), ("xkey", "product:42 category:7"))
    notes = after("varnish", app=app)
    async with visitor(notes["app"], cookies={"a": "b"}) as client:
        urls = ("/?utm_source=mail&page=1", "/?page=1&gclid=2")
        assert [is_hit(await client.get(url)) for url in urls] == [False, True]
        assert "cookie" not in dict(app.scope["headers"])
        await notes["take_back"]("product:42", "product:43")
        assert not is_hit(await client.get("/?page=1"))
