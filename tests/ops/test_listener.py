"""`gateway --ops`: an address of its own, which nobody can guess and no other site can use."""

from __future__ import annotations

import logging
import re
import runpy
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
import uvicorn
from click.testing import CliRunner

import accelerator.ops
from accelerator import ASGIAccelerator
from accelerator.__main__ import main
from accelerator.ops.listener import Listener
from tests.gateway.test_command import origin_of_pages
from tests.ops.support import JSON, GivenFigures, GivenStore, order, said, websocket
from tests.support import Client, app_saying, ask
from tests.wsgi.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.asgi_types import Receive, Scope, Send

PORT = 8081
ORIGIN = "http://127.0.0.1:9"


def listener(host: str = "127.0.0.1") -> tuple[Listener, GivenStore]:
    store = GivenStore()
    cached = GivenFigures(app_saying(), store=store)
    return Listener(cached, cached, host, PORT), store


async def visit(
    site: Listener, path: str, *, host: str | None = "127.0.0.1:8081", port: int = PORT, **more: Any
) -> Any:
    headers = [("host", host), *more.pop("headers", ())] if host is not None else [("host", "a"), ("host", "b")]
    return await ask(site, path, headers=headers, server=("127.0.0.1", port), **more)


@pytest.mark.anyio
async def test_who_knows_the_address_may_operate() -> None:
    site, store = listener()
    assert (await visit(site, site.path)).get("content-type") == "text/html; charset=utf-8"
    assert (await visit(site, f"{site.path}figures")).status == 200
    headers = [JSON, ("host", "localhost:8081")]
    answer = await order(
        site, {"tags": ["a"]}, url=f"{site.path}invalidate", headers=headers, server=("127.0.0.1", PORT)
    )
    assert (said(answer), store.taken_back) == ({"done": True}, [({"a"}, False)])
    assert (await visit(site, f"{site.path}https://example.org/p", method="PURGE")).status == 200
    assert store.taken_back[1:] == [({"@url:example.org/p"}, False)]


@pytest.mark.anyio
async def test_without_the_slash_the_address_leads_to_the_page() -> None:
    site, _ = listener()
    answer = await visit(site, site.path.rstrip("/"))
    assert (answer.status, answer.get("location")) == (307, site.path)


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PURGE"])
async def test_without_the_address_every_way_in_is_closed(method: str) -> None:
    site, store = listener()
    key = site.path.strip("/")
    wrong = ["", "/", "//", "/figures", "/invalidate", f"/{key[:-1]}/figures", f"/{key}x/figures", f"//{key}/figures"]
    wrong += [f"/x/{key}/figures", f"/{key.swapcase()}/figures", "/é/", "/https://example.org/p", f"/?{key}"]
    for path in wrong:
        answer = await visit(site, path, method=method, raw_path=b"/")
        assert answer.status == 403
        assert answer.get("cache-control") == "no-store"
        assert key.encode() not in answer.body
    assert (store.taken_back, store.asked) == ([], [])


@pytest.mark.anyio
async def test_a_websocket_is_refused_on_the_port_of_operators_and_is_the_sites_on_any_other() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    cached = ASGIAccelerator(app)
    site = Listener(cached, cached, "127.0.0.1", PORT)
    for port, answered in ((PORT, "websocket.close"), (PORT + 1, "websocket.accept")):
        for path in ("/", site.path, f"{site.path}figures"):
            client = Client()
            scope = {**websocket(path), "headers": [(b"host", b"127.0.0.1:8081")], "server": ("127.0.0.1", port)}
            await site(scope, client.receive, client.send)
            assert [message["type"] for message in client.answer.messages] == [answered]


@pytest.mark.anyio
async def test_each_start_has_an_address_of_its_own() -> None:
    (one, _), (other, _) = listener(), listener()
    assert one.path != other.path
    assert re.fullmatch(r"/[\w-]{43}/", one.path)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8081",
        "10.0.0.7:8081",
        "[::1]",
        "[::1]:8081",
        "localhost",
        "LOCALHOST:8081",
        "ops.lan:8081",
    ],
)
async def test_an_address_and_the_operators_own_name_are_answered(host: str) -> None:
    site, _ = listener("Ops.lan")
    assert (await visit(site, site.path, host=host)).status == 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8081",
        "127.0.0.1.evil.example:8081",
        "localhost.evil.example",
        "evil.example:127.0.0.1",
        "0x7f000001",
        "",
        ":8081",
        "[evil]",
        "user@127.0.0.1",
        None,
    ],
)
async def test_a_name_that_another_site_lets_mean_this_machine_is_not(host: str | None) -> None:
    site, store = listener()
    for method, path in (
        ("GET", site.path),
        ("GET", f"{site.path}figures"),
        ("PURGE", f"{site.path}https://a.example/"),
    ):
        answer = await visit(site, path, method=method, host=host)
        assert (answer.status, said(answer)["error"][:44]) == (403, "ask for this by its IP address or as localho")
    assert store.taken_back == []


@pytest.mark.anyio
async def test_the_port_of_the_site_knows_nothing_of_it() -> None:
    site, store = listener()
    assert (await visit(site, site.path, port=8080)).body == b"answer 1"
    assert (await visit(site, f"{site.path}https://a.example/", port=8080, method="PURGE")).body == b"answer 2"
    assert (await ask(site, site.path, server=None)).body == b"answer 3"
    assert ({"@url:a.example/"}, False) not in store.taken_back


# --- the command ------------------------------------------------------------------------------------------------------


class Ran(NamedTuple):
    """What the command had: the site's address and the operators', and what it wrote."""

    site: str
    ops: str
    written: list[str]
    server: subprocess.Popen[str]


@contextmanager
def gateway(*arguments: str) -> Iterator[Ran]:
    with origin_of_pages() as origin:
        command = [sys.executable, "-m", "accelerator", "gateway", origin, "--port", "0", *arguments]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:  # noqa: S603 - ours
            try:
                assert server.stderr is not None
                written: list[str] = []
                found: dict[str, str] = {}
                while len(found) < 2:
                    line = server.stderr.readline()
                    assert line, written
                    written.append(line)
                    for name, pattern in (("site", r"running on (\S+)"), ("ops", r"operate the cache: (\S+)")):
                        if match := re.search(pattern, line):
                            found[name] = match[1]
                yield Ran(found["site"], found["ops"], written, server)
            finally:
                server.kill()


def test_the_command_says_where_operators_are_listened_to() -> None:
    with gateway("--ops", "0") as ran, httpx.Client(trust_env=False) as client:
        statuses = [client.get(f"{ran.site}/p").headers["cache-status"].split(";")[1] for _ in range(2)]
        assert statuses == [" fwd=uri-miss", " hit"]
        assert client.get(ran.ops).headers["content-type"] == "text/html; charset=utf-8"
        purged = client.request("PURGE", f"{ran.ops}{ran.site}/q")
        assert (purged.json(), purged.headers["cache-control"]) == ({"done": True}, "no-store")
        taken = client.post(f"{ran.ops}invalidate", json={"urls": [f"{ran.site}/p"]})
        assert taken.json() == {"done": True}
        assert " fwd=" in client.get(f"{ran.site}/p").headers["cache-status"]
        elsewhere = httpx.URL(ran.ops).copy_with(path="/")
        assert client.get(elsewhere).status_code == 403
        ran.server.send_signal(signal.SIGINT)
        _, rest = ran.server.communicate(timeout=60)
    assert f"taken back by 'who has the address': URL '{ran.site}/p'" in rest
    assert "Traceback" not in rest
    assert httpx.URL(ran.ops).host == "127.0.0.1"


@pytest.fixture
def quiet() -> Iterator[None]:
    """What uvicorn makes of the log ends with the test."""
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "accelerator.ops")]
    before = [(logger, logger.level, logger.propagate, [*logger.handlers]) for logger in loggers]
    yield
    for logger, level, propagate, handlers in before:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("address", "url"), [("0", "http://127.0.0.1:"), ("localhost:0", "http://localhost:"), ("[::1]:0", "http://[::1]:")]
)
def test_both_are_served_by_one_server(address: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[uvicorn.Config, list[int]]] = []

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        served.append((server.config, [listening.getsockname()[1] for listening in sockets]))
        raise KeyboardInterrupt  # as it does when it has ended by Ctrl-C

    monkeypatch.setattr(uvicorn.Server, "run", run)
    answer = CliRunner().invoke(main, ["gateway", ORIGIN, "--port", "0", "--ops", address])
    assert (answer.exit_code, answer.exception) == (0, None)
    ((config, (_, port)),) = served
    assert isinstance(config.app, Listener)
    assert f"Whoever knows this address may operate the cache: {url}{port}{config.app.path}\n" in answer.output
    assert config.access_log is False


@pytest.mark.parametrize("address", ["x", "", "65536", "localhost:", "localhost:x", "-1", "8081/", "٣"])
def test_an_address_that_is_none_is_said_in_a_sentence(address: str) -> None:
    answer = CliRunner().invoke(main, ["gateway", ORIGIN, "--ops", address])
    assert answer.exit_code == 2
    assert "a port is a number from 0 to 65535, as in 8081 or localhost:8081, not" in " ".join(answer.output.split())


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = CliRunner().invoke(main, ["gateway", ORIGIN, "--ops", str(port)])
    words = f"Error: cannot listen on 127.0.0.1, port {port}: Address already in use. Say another --ops.\n"
    assert (answer.exit_code, answer.output) == (1, words)


@pytest.mark.usefixtures("quiet")
def test_the_port_of_the_site_on_another_address_is_no_port_for_operators() -> None:
    port = free_port()
    answer = CliRunner().invoke(main, ["gateway", ORIGIN, "--host", "127.0.0.2", "--port", port, "--ops", port])
    words = f"Error: cannot listen on 127.0.0.1, port {port}: that is the port of the site. Say another --ops.\n"
    assert answer.exit_code == 1
    assert answer.output.endswith(words)


def test_a_missing_extra_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette", None)
    answer = CliRunner().invoke(main, ["gateway", ORIGIN, "--ops", "0"])
    words = 'The gateway with --ops needs starlette: pip install "asgi-accelerator[gateway,ops]"\n'
    assert (answer.exit_code, answer.output) == (2, words)


def test_without_its_extra_the_module_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(ImportError, match=r'page needs an extra: pip install "asgi-accelerator\[ops\]"$'):
        runpy.run_path(str(accelerator.ops.__file__))
