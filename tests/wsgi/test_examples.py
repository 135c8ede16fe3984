"""The examples, as a visitor of the site sees them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.scripts import run_script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from tests.wsgi.servers import Server

FIELD = re.compile(r'name="(token|csrfmiddlewaretoken)" value="(\w+)"')


def is_hit(response: httpx.Response) -> bool:
    return "; hit" in response.headers["cache-status"]


def sign(client: httpx.Client, name: str, text: str) -> httpx.Response:
    """Fill in the form and send it."""
    form = client.get("/sign")
    assert 'detail="Set-Cookie"' in form.headers["cache-status"]
    found = FIELD.search(form.text)
    assert found is not None
    return client.post("/sign", data={found[1]: found[2], "name": name, "text": text})


@pytest.mark.parametrize("kind", ["cheroot", "wsgiref"])
def test_the_bare_application_counts_what_reaches_it(kind: str, serve: Callable[..., Server]) -> None:
    with serve(kind, "examples.bare_wsgi:app").client() as client:
        first = [client.get("/café").text for _ in range(3)]
        client.post("/reset")
        second = client.get("/café")
        third = client.get("/café")
    assert set(first) == {"<p>The application was asked for /café 1 times."}
    assert (is_hit(second), is_hit(third), third.text) == (False, True, first[0])


@pytest.mark.parametrize("kind", ["gunicorn gthread", "granian"])
def test_the_flask_site_shows_each_message_at_once(kind: str, serve: Callable[..., Server]) -> None:
    with serve(kind, "examples.flask_site:app").client() as client:
        pages = ["/", "/by/ada", "/by/bob"]
        for page in pages:
            client.get(page)
        assert [is_hit(client.get(page)) for page in pages] == [True, True, True]
        assert sign(client, "ada", "hello").status_code == 303
        again = [client.get(page) for page in pages]
        assert [is_hit(page) for page in again] == [False, False, True]
        assert ["hello" in page.text for page in again] == [True, True, False]
        assert [client.get("/export").text for _ in range(2)] == ["ada\thello\n"] * 2
        assert not is_hit(client.get("/sign"))
        assert client.post("/sign", data={"token": "wrong", "name": "eve", "text": "spam"}).status_code == 403
        assert "spam" not in client.get("/").text


@pytest.mark.parametrize("kind", ["waitress", "gunicorn gthread"])
def test_the_django_site_takes_back_when_the_transaction_is_committed(
    kind: str, serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve(kind, "examples.django_site:application", GUESTBOOK=str(tmp_path / "guestbook.sqlite3"))
    with server.client() as client:
        client.get("/")
        assert is_hit(client.get("/"))
        assert sign(client, "ada", "hello").status_code == 303
        after = client.get("/")
        assert (is_hit(after), "ada: hello" in after.text) == (False, True)
        assert is_hit(client.get("/"))


def test_the_django_site_takes_nothing_back_when_the_transaction_is_rolled_back(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve("cheroot", "examples.django_site:application", GUESTBOOK=str(tmp_path / "guestbook.sqlite3"))
    with server.client() as client:
        client.get("/")
        assert sign(client, "eve", "").status_code == 500
        after = client.get("/")
        assert (is_hit(after), "eve" in after.text) == (True, False)


def test_djangos_connections_neither_leak_nor_cross_threads(tmp_path: Path) -> None:
    """Django's SQLite connections refuse to work in another thread than their own."""
    script = """
import os, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from accelerator.testing import ManualClock
from accelerator.wsgi import WSGIAccelerator
from examples.django_site import application, Message
from django.db import connection
from django.db.backends.signals import connection_created
from tests.scripts import run_script
from tests.wsgi.support import Exchange, ask, environ_of

made, clock = [], ManualClock()
connection_created.connect(lambda connection, **_: made.append(threading.current_thread()), weak=False)
Message.objects.create(name="ada", text="hello")
connection.close()
app = WSGIAccelerator(application.app, clock=clock, stale_while_revalidate=600)

def visit(number):
    if number % 3:
        reply = ask(app, f"/?{number % 50}")
        assert reply.code == 200 and b"ada: hello" in reply.body
    else:  # leaves before the body
        Exchange(app, environ_of(f"/?{number % 50}")).close()

for _ in range(2):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(visit, range(200)))
    clock.advance(601)  # the second round refreshes beside the requests
for thread in set(threading.enumerate()) - {threading.main_thread()}:
    thread.join(30)
names = {thread.name.split(" ")[0].split("-")[0] for thread in made}
opened = [link for link in Path("/proc/self/fd").iterdir() if link.exists() and "guestbook" in os.readlink(link)]
print(sorted(names), opened)
"""
    printed = run_script(script, GUESTBOOK=str(tmp_path / "guestbook.sqlite3"))
    assert printed == "['MainThread', 'ThreadPoolExecutor', 'refresh'] []\n"
