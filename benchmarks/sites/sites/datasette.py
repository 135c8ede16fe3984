"""Datasette with users who sign in by password, and a table that only one of them may see."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.sites.site import NEWCOMER, Site, Visitor

if TYPE_CHECKING:
    import httpx


def sign_in(name: str, client: httpx.Client) -> None:
    """Sign in by the form of datasette-auth-passwords."""
    client.get("/-/login")
    token = client.cookies["ds_csrftoken"]
    said = {"username": name, "password": f"of {name}", "csrftoken": token}
    assert client.post("/-/login", data=said).status_code == 302


SITE = Site(
    name="datasette",
    about="two databases, one of them immutable, and a table for ann alone; ann and bob sign in by password",
    requires=("datasette==0.65.5", "datasette-auth-passwords==1.1.1"),
    server="uvicorn",
    options={"ignore_cookies": ("_ga*",)},
    start=("/", "/data/plants", "/data/letters", "/fixed/numbers", "/data/plants.json", "/-/login", "/-/actor.json"),
    limit=20,
    visitors={
        "ann": Visitor(arrive=partial(sign_in, "ann"), uncounted="_ga=GA1.1.1"),
        "bob": Visitor(arrive=partial(sign_in, "bob")),
        NEWCOMER: Visitor(uncounted="_ga=GA1.1.7"),
    },
    never_hit=("/data/letters*", "/-/actor.json"),
)
