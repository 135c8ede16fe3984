"""Where it is not sure what it stands in, the door stays shut, says so once, and uvicorn goes on as ever."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import accelerator.servers.uvicorn as door
from accelerator import ASGIAccelerator
from accelerator.servers.hits import HitsFirstProtocol
from tests.servers.serving import DOOR, Site, connected, cycles_begun, make_ready, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tests.support import Receive, Scope, Send


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """The module, to be read anew; afterwards it is what it was."""
    yield door
    importlib.reload(door)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "accelerator"]


def test_a_known_uvicorn_gets_the_door(module: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert importlib.reload(module).AcceleratedProtocol is HitsFirstProtocol
    assert said(caplog) == []


@pytest.mark.parametrize("version", ["0.39.9", "0.55.0", "1.0.0", "0.54.0.dev1", "unheard of"])
def test_an_unknown_version_of_uvicorn_gets_its_own_protocol(
    module: Any, version: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(uvicorn, "__version__", version)
        assert importlib.reload(module).AcceleratedProtocol is HttpToolsProtocol
    assert said(caplog) == [
        "AcceleratedProtocol is off, hits take the ordinary way: it knows uvicorn 0.40 to 0.54, and this is " + version
    ]


@pytest.mark.parametrize("version", ["0.40.0", "0.54.99"])
def test_versions_are_known_from_the_oldest_to_the_newest(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn, "__version__", version)
    assert door.unknown() is None


@pytest.mark.parametrize(
    ("owner", "name"), [(httptools_impl, "STATUS_LINE"), (HttpToolsProtocol, "timeout_keep_alive_handler")]
)
def test_a_uvicorn_that_lacks_what_the_door_needs_gets_its_own_protocol(
    module: Any, owner: Any, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.delattr(owner, name)
        assert importlib.reload(module).AcceleratedProtocol is HttpToolsProtocol
    assert said(caplog) == [
        f"AcceleratedProtocol is off, hits take the ordinary way: this uvicorn {uvicorn.__version__} lacks {name}"
    ]


def test_so_does_one_whose_connections_have_no_such_attribute(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_message_begin(self: Any) -> None:
        self.target = b""

    monkeypatch.setattr(HttpToolsProtocol, "on_message_begin", on_message_begin)
    assert str(door.unknown()).endswith(" lacks url")


@pytest.mark.parametrize("missing", ["uvicorn", "httptools"])
def test_without_uvicorn_or_httptools_it_says_what_to_install(
    module: Any, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "uvicorn.protocols.http.httptools_impl")
        patch.delattr("uvicorn.protocols.http.httptools_impl")
        patch.setitem(sys.modules, missing, None)
        with pytest.raises(
            ImportError, match=r'needs uvicorn and httptools: pip install "asgi-accelerator\[uvicorn\]"'
        ):
            importlib.reload(module)


class Own(ASGIAccelerator):
    """One that does something before each request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)


def wrapped(cached: ASGIAccelerator) -> Any:
    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        await cached(scope, receive, send)

    return middleware


def forwarded_twice(cached: ASGIAccelerator) -> Any:
    inner: Any = cached
    return ProxyHeadersMiddleware(inner)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("make", "name"),
    [(wrapped, "function"), (lambda cached: Own(cached.app), "Own"), (forwarded_twice, "ProxyHeadersMiddleware")],
)
async def test_what_sees_a_request_before_the_accelerator_sees_each(
    make: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(app=make(ASGIAccelerator(Site()))) as served:
        await make_ready(served, "/page")
        async with connected(served.port) as peer:
            with cycles_begun() as begun:
                assert b"accelerator; hit" in await peer.ask("/page")
    assert len(begun) == 1
    (line,) = said(caplog)
    assert line == (
        f"AcceleratedProtocol is off, hits take the ordinary way: uvicorn serves a {name}. Have it serve the"
        " accelerator itself: site = ASGIAccelerator(app, store=store), in place of"
        " app.add_middleware(ASGIAccelerator, …)."
    )


@pytest.mark.anyio
@pytest.mark.parametrize("options", [{"proxy_headers": False}, {"proxy_headers": True}], ids=str)
async def test_uvicorns_own_middleware_for_proxies_may_be_there(options: dict[str, Any]) -> None:
    async with serving(**options) as served:
        await make_ready(served, "/page")
        async with connected(served.port) as peer:
            with cycles_begun() as begun:
                await peer.ask("/page")
    assert begun == []


@pytest.mark.anyio
async def test_an_application_of_uvicorns_traces_sees_each_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(5, "uvicorn.error")
    caplog.set_level(5, "uvicorn.asgi")
    async with serving() as served:
        await make_ready(served, "/page")
        caplog.clear()
        async with connected(served.port) as peer:
            await peer.ask("/page")
    assert any(" ASGI [3] Completed" in record.getMessage() for record in caplog.records)


@pytest.mark.anyio
async def test_an_accelerator_without_a_shortcut_answers_the_ordinary_way() -> None:
    async with serving(app=ASGIAccelerator(Site(), enabled=False)) as served, connected(served.port) as peer:
        assert (await peer.ask("/page")).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.anyio
async def test_a_failure_is_logged_where_uvicorn_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    async with serving(app=ASGIAccelerator(Site(), clock=clock)) as served:
        await make_ready(served, "/page")
        clock.is_broken = True
        async with connected(served.port) as peer:
            assert (await peer.ask("/page")).startswith(b"HTTP/1.1 500 ")
    assert "the clock is broken" in caplog.text


class Clock:
    """A clock that breaks."""

    def __init__(self) -> None:
        self.is_broken = False

    def __call__(self) -> float:
        if self.is_broken:
            raise ValueError("the clock is broken")
        return 1.0


def test_the_door_is_named_as_the_documentation_names_it() -> None:
    config = uvicorn.Config(ASGIAccelerator(Site()), http=DOOR, log_config=None)
    config.load()
    made: Any = config.http_protocol_class
    assert made is HitsFirstProtocol
