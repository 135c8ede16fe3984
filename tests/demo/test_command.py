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

from accelerator.__main__ import main
from accelerator.demo import serve

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
