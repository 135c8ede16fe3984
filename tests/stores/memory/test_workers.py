"""Several workers, each with a `MemoryStore`: the log says so where a second one can be seen, and nowhere else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest
import uvicorn
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]  # it ships no types
from gunicorn.config import Config as GunicornConfig  # type: ignore[import-untyped]  # nor here
from hypercorn.config import Config as HypercornConfig

from accelerator import MemoryStore
from accelerator.demo.redis_server import free_port
from accelerator.stores.memory import workers
from accelerator.testing import make_entry, make_request
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PATIENCE = 30.0
ROUNDS = 50
SAID = "runs several workers, each with a MemoryStore of its own"

UVICORN = "uvicorn --host 127.0.0.1 --port {port} tests.stores.served:app"
HYPERCORN = "hypercorn --bind 127.0.0.1:{port} tests.stores.served:app"
GRANIAN = "granian --interface asgi --host 127.0.0.1 --port {port} tests.stores.served:app"
GUNICORN = "gunicorn --no-control-socket --bind 127.0.0.1:{port}"


class Server:
    """A server in a process of its own, that ends with its workers."""

    def __init__(self, command: str, log: Path, **environment: str) -> None:
        self.port = free_port()
        self._log = log
        self._open = build_opener(ProxyHandler({})).open
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the commands are those of the tests
                [sys.executable, "-m", *command.format(port=self.port).split()],
                cwd=ROOT,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ask(self, page: int | str) -> str:
        """Ask for a page on a connection of its own, once the server listens; return its Cache-Status."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with self._open(f"http://127.0.0.1:{self.port}/{page}", timeout=PATIENCE) as answer:
                    return str(answer.headers["cache-status"])
            except (URLError, ConnectionError):
                assert self._process.poll() is None, self.log
                assert time.monotonic() < until, self.log
                time.sleep(0.05)  # a port says nothing before it listens

    def end(self) -> None:
        if self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    started: list[Server] = []

    def make(command: str, **environment: str) -> Server:
        started.append(Server(command, tmp_path / "log", **environment))
        return started[-1]

    yield make
    for server in started:
        server.end()


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (f"{UVICORN} --workers 2", {}),
        (f"{HYPERCORN} --workers 2", {}),
        (f"{GRANIAN} --workers 2", {}),
        (f"{GUNICORN} tests.stores.served:wsgi_app", {"WEB_CONCURRENCY": "2"}),
        (f"{GUNICORN} --preload --threads 2 --workers 2 tests.stores.served:wsgi_app", {}),
        (f"{GUNICORN} --worker-class asgi --workers 2 tests.stores.served:app", {}),
    ],
    ids=[
        "uvicorn",
        "hypercorn",
        "granian",
        "gunicorn",
        "gunicorn preload",
        "gunicorn ASGI",
    ],
)
def test_of_several_workers_with_memory_stores_the_log_tells_once_a_process_with_the_way_out(
    command: str, environment: dict[str, str], start: Any
) -> None:
    server = start(command, **environment)
    with ThreadPoolExecutor(4) as clients:
        for number in range(ROUNDS):
            assert all("stored" in status for status in clients.map(server.ask, range(4 * number, 4 * number + 4)))
            if SAID in server.log:
                break
    name = command.partition(" ")[0]
    assert f"{name} {SAID}" in server.log
    for number in range(8):
        server.ask(1000 + number)
    server.end()
    assert 1 <= server.log.count(SAID) <= 2
    assert "Give them an LMDBStore, such as store='lmdb:///dev/shm/site', or a RedisStore if they are on" in server.log


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (UVICORN, {}),
        (f"{UVICORN} --reload --reload-dir tests/stores", {"WEB_CONCURRENCY": "4"}),
        (GRANIAN, {}),
        (f"{GUNICORN} --workers 1 --threads 4 tests.stores.served:wsgi_app", {}),
    ],
    ids=["uvicorn", "uvicorn --reload", "granian", "gunicorn"],
)
def test_of_one_worker_the_log_says_nothing(command: str, environment: dict[str, str], start: Any) -> None:
    server = start(command, **environment)
    assert all("stored" in server.ask(number) for number in range(4))
    server.end()
    assert SAID not in server.log


# --- what can be seen -------------------------------------------------------------------------------------------------


class OfTheUser:
    """What somebody's own process may be started with."""

    workers = 4


def started_with(name: str = "SpawnProcess-2", *args: Any, **kwargs: Any) -> Any:
    """The process as a child of `multiprocessing` sees itself."""
    return multiprocessing.get_context("spawn").Process(name=name, args=args, kwargs=kwargs)


def hypercorn_config(workers: int) -> HypercornConfig:
    config = HypercornConfig()
    config.workers = workers
    return config


@pytest.mark.parametrize(
    ("process", "server"),
    [
        (multiprocessing.current_process(), ""),
        (started_with(), ""),
        (started_with(config=uvicorn.Config("app", workers=1)), ""),
        (started_with(config=uvicorn.Config("app", workers=2)), "uvicorn"),
        (started_with(config=hypercorn_config(1)), ""),
        (started_with(config=hypercorn_config(2)), "hypercorn"),
        (started_with(config=OfTheUser()), ""),
        (started_with("granian-worker", 1), ""),
        (started_with("granian-worker", 2), "granian"),
        (started_with("granian-worker", "2"), ""),
        (started_with("granian-worker"), ""),
        (started_with("a name of one's own", 2), ""),
    ],
)
def test_what_multiprocessing_starts_a_worker_with_shows_others(
    process: Any, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing, "current_process", lambda: process)
    assert workers.server_of_several() == server


def test_one_worker_that_is_reloaded_is_not_several(monkeypatch: pytest.MonkeyPatch) -> None:
    process = started_with(config=uvicorn.Config("app", workers=2, reload=True))
    monkeypatch.setattr(multiprocessing, "current_process", lambda: process)
    assert workers.server_of_several() == ""


@pytest.mark.parametrize(
    ("started_before", "of", "server"),
    [(0, 2, ""), (1, 2, "gunicorn"), (1, 1, "")],
    ids=["the first of two", "the second of two", "the only one, that replaces another"],
)
def test_what_gunicorn_forked_before_a_worker_shows_others(
    started_before: int, of: int, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = GunicornConfig()
    config.set("workers", of)
    monkeypatch.setattr(Arbiter, "WORKERS", {pid: SimpleNamespace(cfg=config) for pid in range(started_before)})
    assert workers.server_of_several() == server


def put(store: MemoryStore, number: int) -> None:
    request = make_request(f"https://example.org/{number}")
    assert drive(store.commit(make_entry(request, drive(store.lookup(request)).mark)))


def test_it_is_told_once_a_process_when_something_is_stored(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    once = workers._Once()
    monkeypatch.setattr(workers, "_once", once)
    monkeypatch.setattr(workers, "server_of_several", lambda: "a server")
    stores = [MemoryStore(), MemoryStore()]
    for store in stores:
        drive(store.lookup(make_request()))
        drive(store.invalidate_tag("x"))
    assert not caplog.messages
    for number in range(3):
        for store in stores:
            put(store, number)
    assert len(caplog.messages) == 1
    once.renew()  # as in a process that is forked now
    put(stores[0], 4)
    assert len(caplog.messages) == 2


def test_nothing_is_told_where_no_other_worker_is_seen(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers, "_once", workers._Once())
    put(MemoryStore(), 1)
    assert not caplog.messages
