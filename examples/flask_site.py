"""A guest book by Flask.

    gunicorn --threads 8 examples.flask_site:app

The list of messages is cached until somebody signs. The form sets a session cookie, so it is never cached.
"""

from __future__ import annotations

import os
import secrets
from threading import Lock
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, redirect, render_template_string, request, session

from accelerator import WSGIAccelerator, cache_for, cached, tag

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

app = Flask(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or secrets.token_bytes(32)

cache = WSGIAccelerator(app.wsgi_app)
app.wsgi_app = cache  # type: ignore[method-assign]  # as Flask's documentation does

messages: list[tuple[str, str]] = []  # your database
changing = Lock()

LIST = """<h1>{{ messages|length }} messages</h1>
<ul>{% for name, text in messages %}<li><a href="/by/{{ name }}">{{ name }}</a>: {{ text }}</li>{% endfor %}</ul>
<a href="/sign">Sign</a>"""

FORM = """<form method="post"><input type="hidden" name="token" value="{{ token }}">
<input name="name"><input name="text"><button>Sign</button></form>"""


@app.get("/")
@cached(600, tags=["messages"])
def show_all() -> str:
    """Show all messages."""
    return render_template_string(LIST, messages=messages)


@app.get("/by/<name>")
def show_some(name: str) -> str:
    """Show the messages of one person."""
    cache_for(600)
    tag(f"by:{name}")
    return render_template_string(LIST, messages=[message for message in messages if message[0] == name])


@app.get("/sign")
def form() -> str:
    """Show the form. Its token lives in the session, so the response sets a cookie and is not stored."""
    token = session.setdefault("token", secrets.token_hex())
    return render_template_string(FORM, token=token)


@app.post("/sign")
def sign() -> ResponseReturnValue:
    """Take a message: change the data first, then take back what was made from it."""
    if "token" not in session or not secrets.compare_digest(session["token"], request.form["token"]):
        abort(403)
    name = request.form["name"]
    with changing:
        messages.append((name, request.form["text"]))
    cache.invalidate_tag("messages", f"by:{name}")
    return redirect("/", 303)


@app.get("/export")
def export() -> Response:
    """Send the messages as they are, and never from the cache: nothing says that they may be stored."""
    return Response((f"{name}\t{text}\n" for name, text in list(messages)), mimetype="text/tab-separated-values")
