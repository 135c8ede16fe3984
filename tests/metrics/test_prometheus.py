"""What Prometheus is shown: valid families with the figures of now, whatever stands in the reasons."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest as as_text
from prometheus_client.openmetrics.exposition import generate_latest as as_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as families_of
from prometheus_client.parser import text_string_to_metric_families as plain_families_of

from accelerator import ASGIAccelerator, MemoryStore, Store, WSGIAccelerator
from accelerator.metrics.catalogue import METRICS
from accelerator.metrics.prometheus import Collector
from accelerator.metrics.values import MAX_LENGTH, MAX_VALUES, OTHER
from accelerator.testing import ManualClock
from tests.support import app_saying, ask
from tests.wsgi.support import environ_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric as Family

    from accelerator.figures.snapshot import Figures
    from accelerator.metrics.prometheus import Accelerator


def scraped(accelerator: Accelerator, **more: Any) -> dict[str, Family]:
    """What a scrape shows, by the names of the families, as a strict parser of OpenMetrics reads it."""
    registry = CollectorRegistry()
    registry.register(Collector(accelerator, **more))
    return {family.name: family for family in families_of(as_openmetrics(registry).decode())}  # type: ignore[no-untyped-call]


def value(families: dict[str, Family], sample: str, **labels: str) -> float:
    """The value of a sample."""
    found = [each.value for family in families.values() for each in family.samples if each[:2] == (sample, labels)]
    (only,) = found
    return only


class Figured:
    """What a collector asks, with figures that a test has changed."""

    def __init__(self, **changed: Any) -> None:
        self.store: Store = MemoryStore()
        self.said = cast("Figures", {**ASGIAccelerator(app_saying(), store=self.store).figures(), **changed})

    def figures(self) -> Figures:
        return cast("Figures", {**self.said, "workers": 1})

    def all_figures(self) -> Figures:
        return self.said


@pytest.mark.anyio
async def test_a_scrape_shows_what_was_counted() -> None:
    clock = ManualClock()
    cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60"), body=b"12345"), clock=clock)
    await ask(cached)
    clock.advance(5)
    for _ in range(3):
        await ask(cached)
    await ask(cached, method="POST")
    await cached.invalidate_tag("a", "b", soft=True)
    shown = scraped(cached)
    assert value(shown, "accelerator_requests_total", outcome="hit", reason="") == 3
    assert value(shown, "accelerator_requests_total", outcome="miss", reason="stored") == 1
    assert value(shown, "accelerator_requests_total", outcome="pass", reason="method") == 1
    assert value(shown, "accelerator_served_bytes_total") == 15
    assert value(shown, "accelerator_invalidations_total", target="tag", kind="soft") == 2
    assert value(shown, "accelerator_hit_age_seconds_count") == 3
    assert value(shown, "accelerator_hit_age_seconds_sum") == 15
    assert value(shown, "accelerator_hit_age_seconds_bucket", le="4.0") == 0
    assert value(shown, "accelerator_hit_age_seconds_bucket", le="8.0") == 3
    assert value(shown, "accelerator_hit_age_seconds_bucket", le="16.0") == 3
    assert value(shown, "accelerator_hit_age_seconds_bucket", le="+Inf") == 3
    assert value(shown, "accelerator_store_entries") == 1
    assert value(shown, "accelerator_workers") == 1


def test_a_wsgi_application_is_scraped_in_the_same_way() -> None:
    def app(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Cache-Control", "s-maxage=60")])
        return [b"page"]

    cached = WSGIAccelerator(app)
    for _ in range(3):
        body = cached(environ_of(), lambda *_: lambda _: None)
        assert b"".join(body) == b"page"
    assert value(scraped(cached), "accelerator_requests_total", outcome="hit", reason="") == 2


def test_outcomes_have_a_value_before_the_first_request() -> None:
    shown = scraped(ASGIAccelerator(app_saying()))
    assert value(shown, "accelerator_requests_total", outcome="hit", reason="") == 0
    assert value(shown, "accelerator_requests_total", outcome="miss", reason="stored") == 0


def test_a_collector_says_all_its_names_before_anything_is_counted() -> None:
    cached = ASGIAccelerator(app_saying())
    described = {(family.name, family.type) for family in Collector(cached).describe()}
    assert len(described) == len(METRICS)
    assert {(family.name, family.type) for family in Collector(cached).collect()} <= described
    registry = CollectorRegistry()
    registry.register(Collector(cached))
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(Collector(cached))
    registry.register(Collector(cached, namespace="other"))
    assert b"other_requests_total" in as_text(registry)


def test_what_is_not_known_is_not_shown() -> None:
    shown = scraped(Figured(store={"kind": "Plain", "shared": False}))
    assert not [name for name in shown if name.startswith(("accelerator_store", "accelerator_near", "accelerator_fan"))]


def test_a_near_store_and_caches_downstream_are_shown() -> None:
    near = {"follower": "f", "lease": 1.5, "behind": 2, "heartbeat": None, "lapsed": 1, "waiting": 0.5}
    fanout = {"Fastly": {"sent": 3, "failed": 1, "waiting": 2}}
    store = {"kind": "TieredStore", "shared": False, "breaker_open": True, "near": near, "fanout": fanout}
    shown = scraped(Figured(store=store))
    assert value(shown, "accelerator_near_lease_seconds") == 1.5
    assert value(shown, "accelerator_near_lapses_total") == 1
    assert value(shown, "accelerator_near_waiting_seconds_total") == 0.5
    assert "accelerator_near_heartbeat_seconds" not in shown
    assert value(shown, "accelerator_fanout_sent_total", downstream="Fastly") == 3
    assert value(shown, "accelerator_fanout_waiting", downstream="Fastly") == 2
    assert value(shown, "accelerator_store_breaker_open") == 1


HOSTILE = [
    '"} 1\naccelerator_requests_total{outcome="hit"',
    "a\\",
    "\ud800",
    "\r\n\x00\x1b[31m",
    "\u2028",
    "é" * 500,
    "",
]


@pytest.mark.parametrize("reason", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_reason_is_the_value_of_a_label_and_nothing_else(reason: str) -> None:
    registry = CollectorRegistry()
    registry.register(Collector(Figured(requests={"miss": {reason: 7}})))
    for families in (
        list(families_of(as_openmetrics(registry).decode())),  # type: ignore[no-untyped-call]
        list(plain_families_of(as_text(registry).decode())),
    ):
        found = [sample for family in families for sample in family.samples if sample.value == 7]
        ((name, labels, *_),) = found
        assert name == "accelerator_requests_total"
        assert labels["outcome"] == "miss"
        assert labels["reason"].isprintable()
        assert len(labels["reason"]) <= MAX_LENGTH


def test_reasons_that_look_the_same_are_added_up() -> None:
    shown = scraped(Figured(requests={"miss": {"a\n": 1, "a\r": 2}}))
    assert value(shown, "accelerator_requests_total", outcome="miss", reason="a?") == 3


def test_however_many_reasons_there_are_so_many_are_told_apart_and_no_counter_falls() -> None:
    figured = Figured()
    collector = Collector(figured)
    before: dict[str, float] = {}
    for number in range(3):
        reasons = {f"reason {each}": 1 + number for each in reversed(range(50 * (number + 1)))}
        figured.said = cast("Figures", {**figured.said, "requests": {"miss": reasons}})
        (requests,) = [family for family in collector.collect() if family.name == "accelerator_requests"]
        now = {sample.labels["reason"]: sample.value for sample in requests.samples}
        assert sum(now.values()) == sum(reasons.values())
        assert all(now[reason] >= number for reason, number in before.items())
        assert len(now) <= MAX_VALUES + 1
        before = now
    assert OTHER in before


def test_a_collector_shows_all_processes_or_its_own_only() -> None:
    figured = Figured(workers=4)
    assert value(scraped(figured), "accelerator_workers") == 4
    assert value(scraped(figured, processes="own"), "accelerator_workers") == 1
    with pytest.raises(ValueError, match='"all" or "own", not \'mine\''):
        Collector(figured, processes=cast("Any", "mine"))


@pytest.mark.anyio
async def test_a_store_that_waits_for_a_server_is_asked_from_the_thread_of_a_loop_too() -> None:
    class Waiting(MemoryStore):
        suspends = True

    cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60")), store=Waiting())
    await ask(cached)
    assert value(scraped(cached), "accelerator_requests_total", outcome="miss", reason="stored") == 1


WORKER = """
import asyncio, sys
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from accelerator import ASGIAccelerator
from accelerator.metrics.prometheus import Collector
from tests.support import app_saying, ask

cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60")))
orders = Counter("orders", "Orders of the site.")
registry = CollectorRegistry()
MultiProcessCollector(registry)
registry.register(Collector(cached))
for command in sys.stdin:
    if command == "ask\\n":
        asyncio.run(ask(cached))
        orders.inc()
        print("asked", flush=True)
    else:
        print(generate_latest(registry).decode() + "# end", flush=True)
"""


class Worker:
    """A process of a site with metrics of its own, which shares a directory with others."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a test's own script
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)},
        )

    def ask(self) -> None:
        """Let it ask for the page once."""
        assert self._say("ask") == "asked"

    def scrape(self) -> dict[str, Family]:
        """Return what a scrape of it shows."""
        said = self._say("scrape")
        lines = []
        while said != "# end":
            lines.append(said)
            said = self._line()
        return {family.name: family for family in plain_families_of("\n".join(lines) + "\n")}

    def _say(self, command: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def stop(self) -> None:
        """End it, and wait until it has."""
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    made = [Worker(tmp_path) for _ in range(2)]
    try:
        yield made
    finally:
        for worker in made:
            worker.stop()


def test_a_scrape_of_any_worker_shows_the_sum_of_all_once_beside_the_metrics_of_the_site(workers: list[Worker]) -> None:
    for worker, times in zip(workers, (3, 5), strict=True):
        for _ in range(times):
            worker.ask()
    deadline = monotonic() + 60
    for worker in workers:
        shown = worker.scrape()
        while value(shown, "accelerator_workers") < 2 or hits_in(shown) < 6:
            assert monotonic() < deadline, "the workers do not see each other"
            shown = worker.scrape()
        assert hits_in(shown) == 6
        assert value(shown, "accelerator_requests_total", outcome="miss", reason="stored") == 2
        assert value(shown, "accelerator_complete") == 1
        assert value(shown, "orders_total") == 8


def hits_in(shown: dict[str, Family]) -> float:
    return value(shown, "accelerator_requests_total", outcome="hit", reason="")
