"""A cache downstream of each kind, and a fan-out to it that is closed when a test is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator.fanout import Cloudflare, FanOut, Fastly, Varnish, sender
from accelerator.fanout import fan_out as fan_out_module
from tests.fanout.edges import PATIENCE, TOKEN, CloudflareEdge, Edge, FastlyEdge, GuardedVarnishEdge, VarnishEdge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from accelerator.fanout import Target

SERVICE = "SU1Z0isxPaozGVKXdv0eY"

KINDS: dict[str, tuple[Callable[[], Edge], Callable[[str], Target]]] = {
    "fastly": (FastlyEdge, lambda url: Fastly(SERVICE, TOKEN, api=url)),
    "cloudflare": (CloudflareEdge, lambda url: Cloudflare(CloudflareEdge.zone, TOKEN, api=f"{url}/client/v4")),
    "varnish": (VarnishEdge, Varnish),
    "guarded varnish": (GuardedVarnishEdge, lambda url: Varnish(url.replace("//", f"//purger:{TOKEN}@"))),
}


@pytest.fixture(autouse=True)
def _in_test_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is repeated soon, and on a busy machine the end waits for longer."""
    monkeypatch.setattr(sender, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(sender, "MAX_PAUSE", 0.05)
    monkeypatch.setattr(fan_out_module, "CLOSE_SECONDS", PATIENCE)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of cache in turn, unless a test names one."""
    name: str = request.param
    return name


@pytest.fixture
def edge(kind: str) -> Iterator[Edge]:
    with KINDS[kind][0]() as edge:
        yield edge
        assert edge.wrong == []


@pytest.fixture
def target(kind: str, edge: Edge) -> Target:
    return KINDS[kind][1](edge.url)


@pytest.fixture
def fan_out(target: Target, edge: Edge) -> Iterator[FanOut]:
    """Tells the cache, each purge once."""
    fan_out = FanOut(target, again_after=None)
    yield fan_out
    edge.held.set()
    edge.failing = None
    fan_out.close()
