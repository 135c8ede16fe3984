"""Nothing is lost whatever a cache downstream does, the store never waits for it, and no secret is shown."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from accelerator import MemoryStore
from accelerator.fanout import Cloudflare, FanOut, Fastly, Target, Varnish, sender, waiting
from accelerator.fanout import fan_out as fan_out_module
from accelerator.rules.sent_tags import MORE
from accelerator.tags import ALL
from tests.asgi.servers import Connection, end, started, wait_until_it_listens
from tests.fanout.conftest import SERVICE
from tests.fanout.edges import PATIENCE, TOKEN, Answer, Edge, VarnishEdge
from tests.stores.test_contract import FarStore
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from accelerator.fanout.waiting import Purge

every_kind = pytest.mark.parametrize("kind", ["fastly", "cloudflare", "varnish"], indirect=True)
one_kind = pytest.mark.parametrize("kind", ["varnish"], indirect=True)


def until(what: Callable[[], object]) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < ends
        time.sleep(0.005)


def figures(fan_out: FanOut) -> Any:
    (told,) = fan_out.figures().values()
    return told


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "accelerator"]


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("accelerator fan-out")]


# --- many at once -----------------------------------------------------------------------------------------------------


@every_kind
def test_what_comes_while_a_call_runs_goes_together_each_key_once(fan_out: FanOut, edge: Edge, kind: str) -> None:
    edge.held.clear()
    fan_out.take_back(["first"], soft=False)
    edge.wait_until(lambda: edge.attempts == 1)
    for _ in range(2):
        fan_out.take_back([f"tag:{number}" for number in range(500)], soft=False)
    edge.held.set()
    edge.wait_until(lambda: len(edge.keys()) == 501)
    assert {*edge.keys()} == {"first", *(f"tag:{number}" for number in range(500))}
    most = {"fastly": 256, "cloudflare": 100, "varnish": 60}[kind]
    assert len(edge.calls) == 1 + -(-500 // (most - 1))
    assert all(MORE in call.keys for call in edge.calls)


@one_kind
def test_too_many_that_wait_become_one_purge_of_everything(
    fan_out: FanOut, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_WAITING", 20)
    edge.held.clear()
    fan_out.take_back(["first"], soft=False)
    edge.wait_until(lambda: edge.attempts == 1)
    fan_out.take_back([f"tag:{number}" for number in range(30)], soft=True)
    assert figures(fan_out)["waiting"] == 2
    edge.held.set()
    edge.wait_until(lambda: len(edge.calls) == 2)
    assert edge.calls[1] == ((), False)


@one_kind
def test_where_everything_is_invalidated_no_tag_is_told_apart(fan_out: FanOut, edge: Edge) -> None:
    fan_out.take_back([], soft=False)
    fan_out.take_back(["a", ALL], soft=True)
    edge.wait_until(lambda: len(edge.calls) == 1)
    assert edge.calls == [((), False)]


# --- failures ---------------------------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("status", [500, 503, 429, 401, 403, 404])
def test_a_call_that_fails_is_repeated_until_it_succeeds(
    status: int, fan_out: FanOut, edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    edge.failing = Answer(status)
    fan_out.take_back(["a"], soft=True)
    edge.wait_until(lambda: edge.attempts >= 3)
    fan_out.take_back(["b"], soft=True)
    assert figures(fan_out)["waiting"] == 2
    edge.failing = None
    edge.wait_until(lambda: len(edge.keys()) == 2)
    until(lambda: figures(fan_out)["sent"] == 2)
    told = figures(fan_out)
    assert told["failed"] >= 2
    assert told["waiting"] == 0
    name = next(iter(fan_out.figures()))
    until(lambda: len(said(caplog)) == 2)
    assert said(caplog) == [
        f"{name} takes no purges, and is asked again until it does: it answered {status}",
        f"{name} takes purges again",
    ]


@pytest.mark.parametrize("kind", ["cloudflare"], indirect=True)
@pytest.mark.parametrize("body", [b'{"success": false, "errors": [{"code": 1}]}', b"<html>", b"[true]", b"\xff"])
def test_an_answer_200_that_does_not_say_success_is_a_failure(body: bytes, fan_out: FanOut, edge: Edge) -> None:
    edge.failing = Answer(200, {}, body)
    fan_out.take_back(["a"], soft=False)
    until(lambda: figures(fan_out)["failed"] >= 2)
    edge.failing = None
    edge.wait_until(lambda: edge.keys() == ["a"])


@every_kind
def test_a_cache_that_refuses_keys_purges_everything(
    fan_out: FanOut, edge: Edge, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = edge._done

    def refuse_keys(handler: Any, content: bytes) -> Answer:
        before = len(edge.calls)
        answer = done(handler, content)
        if edge.calls[before].keys:
            del edge.calls[before]
            return Answer(400)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(edge, "_done", refuse_keys)
        for number in range(1, 3):
            fan_out.take_back(["a"], soft=False)
            edge.wait_until(lambda number=number: edge.calls == [((), False)] * number)  # type: ignore[misc]
            until(lambda number=number: figures(fan_out)["sent"] == number)  # type: ignore[misc]
    name = next(iter(fan_out.figures()))
    assert said(caplog) == [f"{name} refuses to purge by keys, it answered 400: everything is purged each time"]
    fan_out.take_back(["a"], soft=False)
    edge.wait_until(lambda: edge.keys() == ["a"])
    assert figures(fan_out)["failed"] == 2


@one_kind
def test_a_purge_of_everything_that_is_refused_is_repeated_as_well(fan_out: FanOut, edge: Edge) -> None:
    edge.failing = Answer(400)
    fan_out.take_back([ALL], soft=False)
    until(lambda: figures(fan_out)["failed"] >= 2)
    edge.failing = None
    edge.wait_until(lambda: edge.calls == [((), False)])


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7), ("9999", 300), ("9" * 500, 300), ("", 0.5), ("Wed, 21 Oct 2015", 0.5), ("\xb2", 0.5)],
)
def test_a_cache_is_left_alone_for_as_long_as_it_asks(
    said: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "FIRST_PAUSE", 0.5)
    asked = httpx.Headers([(b"retry-after", said.encode("latin-1"))])

    class Busy(Target):
        def send(self, client: httpx.Client, purge: Purge) -> httpx.Response:
            return httpx.Response(429, headers=asked)

    one = sender.Sender(Busy("busy"), None)
    purge = waiting.Purge(("a",), soft=False)
    with httpx.Client() as client:
        failure = one._call(client, purge)
    assert one._after(purge, 0.0, is_second=False, failure=failure) == seconds


def test_pauses_grow_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    one = sender.Sender(Varnish("http://127.0.0.1:9"), None)
    pause, pauses = 0.0, []
    for _ in range(10):
        pause = one._after(waiting.EVERYTHING, pause, is_second=False, failure=sender._Failure("it is off"))
        pauses.append(pause)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_cache_that_is_not_there_is_asked_again_and_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VarnishEdge() as edge:
        gone = edge.url
    fan_out = FanOut(Varnish(gone), again_after=None)
    fan_out.take_back(["a"], soft=False)
    until(lambda: figures(fan_out)["failed"] >= 2)
    assert said(caplog)[0] == "Varnish takes no purges, and is asked again until it does: ConnectError"
    assert figures(fan_out)["waiting"] == 1
    monkeypatch.setattr(fan_out_module, "CLOSE_SECONDS", 0.0)
    fan_out.close()
    until(lambda: not threads())


def test_whatever_a_target_of_ones_own_raises_counts_as_a_failure() -> None:
    class Odd(Target):
        calls = 0

        def send(self, client: httpx.Client, purge: Purge) -> httpx.Response:
            self.calls += 1
            if self.calls < 3:
                raise KeyError(TOKEN)
            return httpx.Response(204)

    odd = Odd("odd")
    fan_out = FanOut(odd, again_after=None)
    fan_out.take_back(["a"], soft=False)
    until(lambda: figures(fan_out)["sent"] == 1)
    assert figures(fan_out)["failed"] == 2
    fan_out.close()


# --- the store and its callers ----------------------------------------------------------------------------------------


@one_kind
def test_an_invalidation_neither_waits_for_a_cache_that_hangs_nor_fails_by_it(fan_out: FanOut, edge: Edge) -> None:
    store = MemoryStore()
    fan_out.follow(store)
    edge.held.clear()
    for number in range(100):
        drive(store.invalidate_tag(f"{number}"))  # without a loop: it cannot suspend
    assert figures(fan_out)["waiting"] == 100
    assert edge.calls == []


def test_where_no_thread_can_be_started_the_store_goes_on_and_the_next_one_sends_all(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with VarnishEdge() as edge:
        fan_out = FanOut(Varnish(edge.url), again_after=None)
        store = MemoryStore()
        fan_out.follow(store)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            drive(store.invalidate_tag("a"))
        assert said(caplog) == ["Varnish is not told what was taken back: no thread can be started"]
        assert figures(fan_out)["waiting"] == 1
        drive(store.invalidate_tag("b"))
        fan_out.close()
        assert sorted(edge.keys()) == ["a", "b"]


def test_where_no_client_can_be_made_the_keys_wait_for_the_next_try(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with VarnishEdge() as edge:
        fan_out = FanOut(Varnish(edge.url), again_after=None)
        with monkeypatch.context() as patch:
            patch.setenv("ALL_PROXY", f"gopher://user:{TOKEN}@127.0.0.1:1")
            fan_out.take_back(["a"], soft=False)
            until(lambda: said(caplog) and not threads())
        assert said(caplog) == ["Varnish is not told what was taken back: ValueError"]
        fan_out.take_back(["b"], soft=False)
        fan_out.close()
        assert sorted(edge.keys()) == ["a", "b"]


def test_a_store_that_does_not_tell_is_refused() -> None:
    fan_out = FanOut(Varnish("http://127.0.0.1:9"))
    with pytest.raises(TypeError, match="a FarStore does not tell what it takes back"):
        fan_out.follow(FarStore())


# --- a second time ----------------------------------------------------------------------------------------------------


def test_each_purge_is_made_a_second_time_and_no_third_one() -> None:
    with VarnishEdge() as edge:
        fan_out = FanOut(Varnish(edge.url), again_after=0.05)
        fan_out.take_back(["a"], soft=True)
        fan_out.take_back(["b"], soft=True)
        edge.wait_until(lambda: sorted(edge.keys()) == ["a", "a", "b", "b"])
        fan_out.take_back(["c"], soft=False)
        edge.wait_until(lambda: edge.keys().count("c") == 2)
        fan_out.close()
        assert sorted(edge.keys()) == ["a", "a", "b", "b", "c", "c"]
        assert figures(fan_out)["sent"] == 3


def test_second_calls_of_about_the_same_time_are_one() -> None:
    with VarnishEdge() as edge:
        fan_out = FanOut(Varnish(edge.url), again_after=600)
        for number in range(20):
            fan_out.take_back([f"{number % 5}"], soft=False)
            edge.wait_until(lambda number=number: len(edge.keys()) == number + 1)  # type: ignore[misc]
        until(lambda: figures(fan_out)["sent"] == 20)
        fan_out.close()  # at the end the second calls do not wait for their time
        assert len(edge.calls) == 21
        assert sorted(edge.calls[-1].keys) == ["0", "1", "2", "3", "4", MORE]


def test_a_second_call_that_fails_is_repeated_and_counts_no_more_keys() -> None:
    with VarnishEdge() as edge:
        edge.failing_calls = {2: Answer(503), 3: Answer(503)}
        fan_out = FanOut(Varnish(edge.url), again_after=0.05)
        fan_out.take_back(["a"], soft=False)
        edge.wait_until(lambda: edge.attempts >= 4)
        fan_out.close()
        assert edge.keys() == ["a", "a"]
        assert figures(fan_out) == {"sent": 1, "failed": 2, "waiting": 0}


# --- the end ----------------------------------------------------------------------------------------------------------


@one_kind
def test_closing_waits_until_all_was_told_and_leaves_no_thread(fan_out: FanOut, edge: Edge) -> None:
    fan_out.take_back([f"{number}" for number in range(200)], soft=False)
    asyncio.run(fan_out.aclose())
    assert len(edge.keys()) == 200
    assert not threads()
    fan_out.take_back(["later"], soft=False)
    fan_out.close()
    assert edge.keys()[-1] == "later"


@one_kind
@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "fails"])
def test_closing_waits_for_no_longer_than_it_may_and_says_what_is_left(
    hangs: bool, fan_out: FanOut, edge: Edge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fan_out_module, "CLOSE_SECONDS", 0.2)
    edge.failing = Answer(503)
    if hangs:
        edge.held.clear()
    fan_out.take_back(["a", "b"], soft=False)
    edge.wait_until(lambda: edge.attempts >= 1)
    fan_out.close()
    assert said(caplog)[-1] == "Varnish was not told all in time: 2 keys wait"
    edge.failing = None
    edge.held.set()
    until(lambda: not threads())
    fan_out.take_back(["c"], soft=False)
    edge.wait_until(lambda: {"a", "b", "c"} <= {*edge.keys()})


@one_kind
def test_a_thread_without_work_ends_and_the_next_key_starts_another(
    fan_out: FanOut, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "IDLE_SECONDS", 0.0)
    for number in range(3):
        fan_out.take_back([f"{number}"], soft=False)
        until(lambda: not threads())
    assert edge.keys() == ["0", "1", "2"]


SCRIPT = """
import sys
from accelerator import MemoryStore, SyncStore
from accelerator.fanout import FanOut, Varnish, fan_out

fan_out.CLOSE_SECONDS = 30.0  # on a busy machine
store = MemoryStore()
FanOut(Varnish(sys.argv[1])).follow(store)
SyncStore(store).invalidate_tag("a")
"""


def test_at_the_end_of_a_process_each_fan_out_is_closed() -> None:
    with VarnishEdge() as edge:
        fan_outs = [FanOut(Varnish(edge.url), again_after=None) for _ in range(3)]
        for fan_out in fan_outs:
            fan_out.take_back(["a"], soft=False)
        fan_out_module._close_all()
        assert edge.keys() == ["a", "a", "a"]


def test_a_process_that_ends_tells_the_caches_first() -> None:
    with VarnishEdge() as edge:
        subprocess.run([sys.executable, "-c", SCRIPT, edge.url], check=True, timeout=4 * PATIENCE)  # noqa: S603 - our own
        assert edge.keys() == ["a", "a"]


def test_a_server_that_ends_by_a_signal_tells_the_caches_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with VarnishEdge() as edge:
        monkeypatch.setenv("EDGE", edge.url)
        server = started("uvicorn --port {port} --lifespan on {app}", "tests.fanout.served:app", tmp_path / "log")
        try:
            wait_until_it_listens(server)
            with Connection(server.port) as connection:
                assert connection.ask("/page", method="POST").status == 200
        finally:
            end(server)
        assert edge.keys() == ["@url:x/page", "@url:x/page"]


@one_kind
def test_a_child_process_tells_what_it_was_asked_for_and_its_parent_the_rest(fan_out: FanOut, edge: Edge) -> None:
    edge.held.clear()
    fan_out.take_back(["of the parent"], soft=False)
    edge.wait_until(lambda: edge.attempts == 1)
    child = os.fork()
    if child == 0:  # pragma: no cover - coverage does not see this process
        try:
            fan_out.take_back(["of the child"], soft=False)
            fan_out.close()
        finally:
            os._exit(0)
    edge.wait_until(lambda: edge.attempts == 2)
    edge.held.set()
    os.waitpid(child, 0)
    edge.wait_until(lambda: len(edge.calls) == 2)
    fan_out.close()
    assert sorted(edge.keys()) == ["of%20the%20child", "of%20the%20parent"]
    assert figures(fan_out)["sent"] == 1


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, Answer(401), Answer(400), Answer(302, {"location": "http://127.0.0.1:9/"})])
def test_no_token_is_logged_or_shown(
    answer: Answer | None, target: Target, fan_out: FanOut, edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    edge.failing = answer
    fan_out.take_back(["a"], soft=False)
    until(lambda: figures(fan_out)["sent" if answer is None else "failed"] > 0)
    texts = [caplog.text, repr(target), repr(fan_out), str(target), *map(repr, fan_out._present().values())]
    assert not [text for text in texts if TOKEN in text]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Fastly(SERVICE, None), TypeError, "token is a str, not NoneType"),  # type: ignore[arg-type]
        (lambda: Fastly(None, TOKEN), TypeError, "service is a str, not NoneType"),  # type: ignore[arg-type]
        (lambda: Fastly(SERVICE, f"{TOKEN}\n"), ValueError, "token is of visible ASCII characters, without blanks"),
        (lambda: Fastly(f"{TOKEN}/../x", TOKEN), ValueError, "service is an identifier of letters and digits"),
        (lambda: Cloudflare("", TOKEN), ValueError, "zone is an identifier of letters and digits"),
        (lambda: Cloudflare("a", ""), ValueError, "token is of visible ASCII characters, without blanks"),
        (lambda: Varnish(7), TypeError, "url is a str, not int"),  # type: ignore[arg-type]
        *(
            (lambda url=url: Varnish(url), ValueError, "url is that of a server, such as http://10.0.0.7:6081")
            for url in (
                "",
                "10.0.0.7",
                f"ftp://u:{TOKEN}@h",
                f"http://u:{TOKEN}@h/p",
                "http://h/?x",
                f"http://u:{TOKEN}@h:x",
                "http://",
            )
        ),
        (lambda: FanOut(), ValueError, "there is at least one cache, and each has a name of its own"),
        (lambda: FanOut(Varnish("http://a"), Varnish("http://b")), ValueError, "each has a name of its own"),
        (lambda: FanOut("http://a"), TypeError, "not by a str"),  # type: ignore[arg-type]
        (lambda: FanOut(Varnish("http://a"), again_after=0), ValueError, "again_after is a positive number of seconds"),
        (lambda: FanOut(Varnish("http://a"), again_after="1"), TypeError, "again_after"),  # type: ignore[arg-type]
    ],
)
def test_what_is_wrong_is_said_at_once_and_without_a_secret(
    make: Callable[[], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        make()
    assert TOKEN not in str(raised.value)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("accelerator.fanout")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ImportError, match=r'pip install "asgi-accelerator\[fanout\]"'):
        importlib.import_module("accelerator.fanout")


def test_names_tell_caches_of_one_kind_apart() -> None:
    fan_out = FanOut(Varnish("http://a", name="a"), Varnish("http://b", name="b"))
    assert repr(fan_out) == "<FanOut: a, b>"
    assert repr(Varnish(f"http://user:{TOKEN}@a")) == "<Varnish: Varnish>"
    assert fan_out.figures() == {name: {"sent": 0, "failed": 0, "waiting": 0} for name in "ab"}
