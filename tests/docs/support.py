"""What the tests of the pages in docs/ share: their code, and how answers are read."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from tests.wsgi.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

PAGE = (ROOT / "docs" / "whole-site.md").read_text()
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


def blocks_of(page: str) -> list[str]:
    """The blocks of Python of a page; a test names each, so that none is added without being tried."""
    return BLOCK.findall((ROOT / "docs" / page).read_text())


def run(code: str, notes: dict[str, Any]) -> None:
    """Run a block of code after what the blocks above it said."""
    exec(compile(dedent(code), "docs", "exec"), notes)  # noqa: S102 - our own page


def code_of(heading: str) -> list[str]:
    """The blocks of code below a heading of docs/whole-site.md, as they stand there."""
    return BLOCK.findall(PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0])


def is_hit(response: httpx.Response) -> bool:
    return "; hit" in response.headers["cache-status"]


def send_form(client: httpx.Client, url: str, **fields: str) -> httpx.Response:
    """Fill in Django's form at a URL and send it."""
    token = TOKEN.search(client.get(url).text)
    assert token is not None
    return client.post(url, data={"csrfmiddlewaretoken": token[1], **fields})


def log_in(client: httpx.Client, name: str) -> None:
    """Log in at the admin's form, by the password that the sites of these tests give their users."""
    assert send_form(client, "/admin/login/", username=name, password=f"{name}'s").status_code == 302
    assert "sessionid" in client.cookies


def append(file: Path, code: str) -> None:
    """Write code to the end of a file, which need not be there."""
    with file.open("a") as stream:
        stream.write("\n" + code)
