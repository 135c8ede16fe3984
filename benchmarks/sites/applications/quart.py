"""The site, written as people write them. It knows nothing of the cache."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from quart import Quart, abort, flash, redirect, render_template_string, request, send_file, session, url_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BASE: Final = """<!doctype html><title>{{ title }}</title><link rel="stylesheet" href="/static/style.css">
{% for message in get_flashed_messages() %}<p>{{ message }}</p>{% endfor %}
{% for name, link in links %}<a href="{{ link }}">{{ name }}</a>{% endfor %}
"""
HELLO: Final = """<!doctype html><title>hello</title>
{% if session.name %}Hello, {{ session.name }}{% else %}
<form method="post" action="/sign-in"><input name="name"></form>{% endif %}
"""
LINKS: Final = ("/posts", "/hello", "/feed", "/file", "/data", "/moved", "/missing", "/mine", "/expires", "/private")
POSTS: Final = range(1, 9)

site = Quart(__name__)
site.secret_key = "for the site only"  # noqa: S105 - made up


def prepare(home: Path) -> None:
    """Write the files."""
    for name, content in {"style.css": b"p { color: red }\n" * 300, "report.pdf": bytes(range(256)) * 200}.items():
        path = home / "static" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_000_000_000, 1_000_000_000))


def application(home: Path) -> Quart:
    """Return the site."""
    site.config["FOLDER"] = home / "static"
    site.static_folder = str(home / "static")
    return site


@site.get("/")
async def home() -> str:
    """Lead to everything, and show what was flashed."""
    return await render_template_string(BASE, title="home", links=[(link, link) for link in LINKS])


@site.get("/posts")
async def posts() -> str:
    """Lead to the posts."""
    links = [(f"post {number}", url_for("post", number=number)) for number in POSTS]
    return await render_template_string(
        "{% for name, link in links %}<a href='{{ link }}'>{{ name }}</a>{% endfor %}", links=links
    )


@site.get("/posts/<int:number>")
async def post(number: int) -> str:
    """Show a post."""
    if number not in POSTS:
        abort(404)
    return await render_template_string("<!doctype html><p>{{ words }}</p>", words=f"post {number}, " * 100)


@site.post("/sign-in")
async def sign_in() -> Any:
    """Begin a session."""
    session["name"] = (await request.form)["name"]
    await flash("You are in.")
    return redirect(url_for("home"))


@site.get("/hello")
async def hello() -> str:
    """Greet the user, or show the form."""
    return await render_template_string(HELLO)


@site.get("/mine")
async def mine() -> Any:
    """Show what is the user's."""
    if "name" not in session:
        return redirect(url_for("hello"))
    return {"letters to": session["name"]}


@site.get("/feed")
async def feed() -> Any:
    """Stream a feed."""

    async def parts() -> AsyncIterator[bytes]:
        for number in POSTS:
            yield f"<entry>{number}</entry>\n".encode() * 50

    return parts(), {"Content-Type": "application/xml", "X-Feed": "one", "Link": "</>; rel=alternate"}


@site.get("/file")
async def file() -> Any:
    """Send a file, which knows ranges and conditions."""
    return await send_file(site.config["FOLDER"] / "report.pdf", conditional=True, as_attachment=True)


@site.get("/data")
async def data() -> dict[str, Any]:
    """Show data."""
    return {"query": request.args.to_dict(flat=False), "post": list(POSTS)}


@site.get("/moved")
async def moved() -> Any:
    """Send elsewhere."""
    return redirect(url_for("posts", _external=True), 308)


@site.get("/expires")
async def expires() -> Any:
    """Say for how long, to browsers."""
    return "for a minute", {"Cache-Control": "max-age=60"}


@site.get("/private")
async def private() -> Any:
    """Say that it is for one user, without a word on cookies."""
    return f"for {request.cookies.get('session', 'nobody')[:5]}", {"Cache-Control": "private, max-age=60"}
