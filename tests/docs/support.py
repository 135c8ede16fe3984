"""What the tests of docs/whole-site.md share: its code, and how its answers are read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.wsgi.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

PAGE = (ROOT / "docs" / "whole-site.md").read_text()
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


def code_of(heading: str) -> list[str]:
    """The blocks of code below a heading, as they stand there."""
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
