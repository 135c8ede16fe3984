from __future__ import annotations

import errno
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, cast

import httpx
import pytest
from click.testing import CliRunner

from accelerator import open_store
from accelerator.__main__ import main
from accelerator.demo import serve
from accelerator.demo.site import create_site
from tests.demo.test_site import PAGES, made_anew

if TYPE_CHECKING:
    from pathlib import Path

HINT = 'pip install "asgi-accelerator[demo]"'


def test_the_commands_are_listed() -> None:
    answer = CliRunner().invoke(main, ["--help"])
    assert answer.exit_code == 0
    assert "demo" in answer.output


def test_a_missing_extra_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fastapi", "uvicorn"):
        monkeypatch.setitem(sys.modules, name, None)
    answer = CliRunner().invoke(main, ["demo"])
    assert (answer.exit_code, answer.output) == (2, f"The demo needs fastapi, uvicorn: {HINT}\n")


def test_without_click_there_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "click", None)
    monkeypatch.delitem(sys.modules, "accelerator.__main__")
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("accelerator", run_name="__main__")
    assert (stop.value.code, *capsys.readouterr()) == (
        2,
        "",
        'The command line needs click: pip install "asgi-accelerator[cli]", or [demo], [gateway]\n',
    )


def test_the_package_runs_as_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["accelerator", "demo", "--help"])
    monkeypatch.delitem(sys.modules, "accelerator.__main__")
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("accelerator", run_name="__main__")
    assert stop.value.code == 0
    assert "Usage: python -m accelerator demo [OPTIONS]" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["65536", "-1", "eighty"])
def test_a_bad_port_is_refused(port: str) -> None:
    answer = CliRunner().invoke(main, ["demo", "--port", port])
    assert answer.exit_code == 2
    assert "Invalid value for '--port'" in answer.output


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = CliRunner().invoke(main, ["demo", "--port", str(port)])
    reason = os.strerror(errno.EADDRINUSE)
    advice = "Choose others with --host and --port."
    assert answer.exit_code == 1
    assert answer.output == f"Error: cannot listen on 127.0.0.1, port {port}: {reason}. {advice}\n"


@pytest.mark.parametrize("host", ["192.0.2.1", "no..such.host"], ids=["not ours", "not a name"])
def test_a_host_that_cannot_be_had_is_named(host: str) -> None:
    answer = CliRunner().invoke(main, ["demo", "--host", host, "--port", "0"])
    assert answer.exit_code == 1
    assert answer.output.startswith(f"Error: cannot listen on {host}, port 0: ")
    assert answer.output.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "url"),
    [(("127.0.0.1", 8000), "http://127.0.0.1:8000/"), (("::1", 8000, 0, 0), "http://[::1]:8000/")],
)
def test_the_url_is_one_to_click_on(address: tuple[object, ...], url: str) -> None:
    class Listening:
        def getsockname(self) -> tuple[object, ...]:
            return address

    assert serve.url_of(cast("socket.socket", Listening())) == url


@pytest.mark.usefixtures("_handlers_come_back")
def test_the_command_serves_until_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    listening = serve.listen("127.0.0.1", 0)
    url = serve.url_of(listening)
    monkeypatch.setattr(serve, "listen", lambda _host, _port: listening)
    seen: list[str] = []

    def look_and_interrupt() -> None:
        try:
            with httpx.Client(base_url=url, trust_env=False) as browser, browser.stream("GET", "/events"):
                seen.extend(browser.get("/people/ada").headers["cache-status"] for _ in range(2))
                os.kill(os.getpid(), signal.SIGINT)
        except httpx.HTTPError as error:
            seen.append(repr(error))

    browser = threading.Thread(target=look_and_interrupt)
    browser.start()  # it waits in the socket's queue until the server is there
    answer = CliRunner().invoke(main, ["demo"])
    browser.join()
    assert (answer.exit_code, answer.output) == (0, f"The demo is at {url} (Ctrl-C ends it)\n")
    assert [status.partition(";")[2].partition(";")[0] for status in seen] == [" fwd=uri-miss", " hit"]


@pytest.mark.anyio
async def test_an_earlier_run_left_nothing_in_the_store_that_is_shown(database: Path, tmp_path: Path) -> None:
    url = f"lmdb://{tmp_path}/store"
    site = create_site(database, store=open_store(url), slowness=0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=site), base_url="http://porch.example") as browser:
        assert await made_anew(browser) == set(PAGES)
        await serve.begin_anew(open_store(url))
        assert await made_anew(browser) == set(PAGES)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--store", "nowhere"], 1, "Error: the URL of a store begins with "),
        (["--workers", "2", "--store", "nowhere"], 1, "Error: the URL of a store begins with "),
        (["--workers", "2", "--store", "memory:"], 1, "Error: memory: is a store in the memory of one process"),
        (["--store", "redis://127.0.0.1:1"], 1, "Error: nothing is known to be taken back: Redis at 127.0.0.1:1: "),
        (
            ["--workers", "2", "--store", "redis://127.0.0.1:1"],
            1,
            "Error: nothing is known to be taken back: Redis at ",
        ),
        (["--redis", "--store", "memory:"], 2, "Error: --redis starts a Redis, and --store names another store"),
    ],
    ids=["no URL", "no URL for workers", "memory", "Redis is down", "Redis is down for workers", "two stores"],
)
@pytest.mark.usefixtures("_handlers_come_back")
def test_a_store_that_cannot_be_used_is_named(
    arguments: list[str], status: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("serve", "serve_by_workers"):
        monkeypatch.setattr(serve, name, lambda *_arguments: pytest.fail("it serves"))
    answer = CliRunner().invoke(main, ["demo", "--port", "0", *arguments])
    assert (answer.exit_code, says in answer.output.splitlines()[-1]) == (status, True)


@pytest.mark.usefixtures("_handlers_come_back")
def test_a_mistake_in_the_environment_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATOR_STORE", "nowhere")
    for command in (["demo", "--port", "0"], ["purge", "x"], ["gateway", "http://127.0.0.1:9"]):
        answer = CliRunner().invoke(main, command)
        assert (answer.exit_code, answer.output.count("\n")) == (1, 1)
        assert answer.output.startswith("Error: ACCELERATOR_STORE: the URL of a store begins with ")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda how: how.name)
def test_the_real_server_answers_and_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-m", "accelerator", "demo", "--port", "0"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:  # noqa: S603 - ours
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[4]
            with httpx.Client(base_url=url, trust_env=False) as browser:
                first, second = browser.get("/people/ada"), browser.get("/people/ada")
                assert ("; stored" in first.headers["cache-status"], "; hit" in second.headers["cache-status"]) == (
                    True,
                    True,
                )
                assert first.content == second.content
                assert len(list(tmp_path.iterdir())) == 1
                with browser.stream("GET", "/events") as stream:
                    lines = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
                    assert {next(lines)["kind"] for _ in range(2)} == {"miss", "hit"}
                    server.send_signal(how)
                    assert list(lines) == []
            assert server.wait(10) == 0
        finally:
            server.kill()
    assert list(tmp_path.iterdir()) == []
