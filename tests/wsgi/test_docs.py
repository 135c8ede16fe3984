"""The code in the pages about WSGI does what they say."""

from __future__ import annotations

import re
from typing import Any

import pytest

import accelerator
from accelerator.wsgi import WSGIAccelerator
from tests.support import ask as ask_asgi
from tests.wsgi.servers import ROOT
from tests.wsgi.support import ask

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / "docs" / page).read_text())


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # of a2wsgi
@pytest.mark.anyio
async def test_the_page_about_wsgi() -> None:
    notes: dict[str, Any] = {}
    start, take_back, mount = blocks("wsgi.md")
    exec(start, notes)  # noqa: S102 - our own page
    assert [ask(notes["app"]).is_hit, ask(notes["app"]).is_hit] == [False, True]
    exec(take_back, notes)  # noqa: S102
    assert not ask(notes["app"]).is_hit
    exec(mount, notes)  # noqa: S102
    statuses = [(await ask_asgi(notes["site"], "/old/")).get("cache-status") for _ in range(2)]
    assert statuses == ["accelerator; fwd=uri-miss", "accelerator; hit; ttl=4"]
    await notes["site"].middleware_stack.app.invalidate_tag("bar")
    assert "hit" not in str((await ask_asgi(notes["site"], "/old/")).get("cache-status"))


def test_the_page_about_flask() -> None:
    notes: dict[str, Any] = {"__name__": __name__}
    for block in blocks("flask.md"):
        exec(block, notes)  # noqa: S102
    app = notes["app"]
    pages = ["/", "/posts/1"]
    assert [ask(app, page).body for page in pages] == [b"Hello", b"Hello"]
    assert [ask(app, page).is_hit for page in pages] == [True, True]
    assert ask(app, "/posts/1", method="POST").code == 204
    assert [(ask(app, page).body, ask(app, page).is_hit) for page in pages] == [(b"Changed", True), (b"Changed", True)]


def test_the_page_about_django() -> None:
    """Its code belongs into a project; the example is one, and is tested as a whole."""
    example = (ROOT / "examples" / "django_site.py").read_text()
    for block in blocks("django.md"):
        compile(block, "django.md", "exec")
    for what in (
        "WSGIAccelerator(get_wsgi_application())",
        "transaction.on_commit(lambda: application.invalidate_tag(",
    ):
        assert what in example
        assert any(what in block for block in blocks("django.md"))


def test_the_accelerator_is_there_to_import() -> None:
    assert accelerator.WSGIAccelerator is WSGIAccelerator
