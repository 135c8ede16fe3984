"""What OpenTelemetry is shown: the metrics of a process, and on the span of a request what was done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader, Sum
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, use_span

from accelerator import ASGIAccelerator, CacheEvent, WSGIAccelerator
from accelerator.metrics.catalogue import METRICS
from accelerator.metrics.opentelemetry import describe_span, instrument
from accelerator.testing import ManualClock
from tests.support import App as AnyApp
from tests.support import Lines, Scope, app_saying, ask
from tests.wsgi.support import environ_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.metrics.export import Metric, NumberDataPoint

    from accelerator.asgi_types import Application

pytestmark = pytest.mark.anyio


class Read:
    """Metrics as a reader gets them."""

    def __init__(self, *accelerators: Any) -> None:
        self.reader = InMemoryMetricReader()
        provider = MeterProvider([self.reader], shutdown_on_exit=False)
        for accelerator in accelerators:
            instrument(accelerator, provider)

    def metrics(self) -> dict[str, Metric]:
        found = self.reader.get_metrics_data()
        assert found is not None
        (of_resource,) = found.resource_metrics
        (of_scope,) = of_resource.scope_metrics
        assert of_scope.scope.name == "accelerator"
        return {metric.name: metric for metric in of_scope.metrics}

    def points(self, name: str) -> list[NumberDataPoint]:
        data = self.metrics()[name].data
        assert isinstance(data, Sum | Gauge)
        return list(data.data_points)

    def value(self, name: str, attributes: Mapping[str, str] | None = None) -> float:
        (found,) = [point.value for point in self.points(name) if point.attributes == (attributes or {})]
        return found


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def traced(app: Application, spans: InMemorySpanExporter) -> Application:
    """An application in the middleware that makes spans."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    middleware: Any = OpenTelemetryMiddleware(app, tracer_provider=provider, meter_provider=MeterProvider())
    return middleware  # type: ignore[no-any-return]


def said_of(spans: InMemorySpanExporter) -> list[dict[str, Any]]:
    """What the accelerator has said on the spans of requests, first come first."""
    served = [span for span in spans.get_finished_spans() if span.kind is SpanKind.SERVER]
    return [
        {
            name: value
            for name, value in (span.attributes or {}).items()
            if name.startswith(("accelerator", "http.route"))
        }
        for span in served
    ]


async def test_metrics_say_what_was_counted() -> None:
    clock = ManualClock()
    cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60"), body=b"12345"), clock=clock)
    read = Read(cached)
    await ask(cached)
    clock.advance(5)
    for _ in range(3):
        await ask(cached)
    await cached.invalidate_url("https://example.org/")
    assert read.value("accelerator.requests", {"accelerator.outcome": "hit"}) == 3
    stored = {"accelerator.outcome": "miss", "accelerator.reason": "stored"}
    assert read.value("accelerator.requests", stored) == 1
    assert read.value("accelerator.served") == 15
    assert read.value("accelerator.hit.age.count") == 3
    assert read.value("accelerator.hit.age.sum") == 15
    assert read.value("accelerator.invalidations", {"accelerator.target": "url", "accelerator.kind": "hard"}) == 1
    await ask(cached, method="POST")
    passed = {"accelerator.outcome": "pass", "accelerator.reason": "method"}
    assert read.value("accelerator.requests", passed) == 1


def test_each_metric_has_its_type_unit_and_meaning() -> None:
    read = Read(ASGIAccelerator(app_saying()))
    found = read.metrics()
    for metric in METRICS:
        if metric.type == "histogram":
            assert found[f"accelerator.{metric.name}.sum"].unit == metric.unit
            assert found[f"accelerator.{metric.name}.count"].unit == "1"
        elif shown := found.get(f"accelerator.{metric.name}"):
            assert (shown.unit, shown.description) == (metric.unit or "1", metric.help)
            assert isinstance(shown.data, Gauge if metric.type == "gauge" else Sum)
            assert not isinstance(shown.data, Sum) or shown.data.is_monotonic is (metric.type == "counter")
    assert "accelerator.store.entries" in found
    assert "accelerator.near.lease" not in found


def test_figures_are_read_once_for_a_collection() -> None:
    cached = ASGIAccelerator(app_saying())
    times = 0

    class Watched:
        listen = cached.listen

        def figures(self) -> object:
            nonlocal times
            times += 1
            return cached.figures()

    read = Read(Watched())
    for collection in range(1, 4):
        read.metrics()
        assert times == collection


async def test_the_span_of_a_request_says_what_was_done_with_it(spans: InMemorySpanExporter) -> None:
    clock = ManualClock()

    async def handle(scope: Scope) -> tuple[int, Lines, bytes]:
        scope["accelerator.route"] = "/users/{id}"
        return 200, [("cache-control", "s-maxage=60, stale-while-revalidate=60")], b"page"

    cached = ASGIAccelerator(AnyApp(handle), clock=clock)
    instrument(cached, MeterProvider())
    site = traced(cached, spans)
    await ask(site, "/users/1")
    clock.advance(7)
    await ask(site, "/users/1")  # a plain hit
    await ask(site, "/users/1", headers=[("range", "bytes=0-1")])  # a hit of the engine
    await ask(site, "/users/1", method="POST")
    hit = {"accelerator.outcome": "hit", "accelerator.age": 7.0, "http.route": "/users/{id}"}
    assert said_of(spans) == [
        {"accelerator.outcome": "miss", "accelerator.reason": "stored", "http.route": "/users/{id}"},
        hit,
        hit,
        {"accelerator.outcome": "pass"},
    ]


async def test_a_response_in_several_parts_is_described_before_its_span_ends(spans: InMemorySpanExporter) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    cached = ASGIAccelerator(app)
    instrument(cached, MeterProvider())
    await ask(traced(cached, spans))
    await ask(traced(cached, spans), method="POST")
    assert [said["accelerator.outcome"] for said in said_of(spans)] == ["miss", "pass"]


async def test_a_stale_answer_stays_one_while_its_page_is_refreshed(spans: InMemorySpanExporter) -> None:
    clock = ManualClock()
    lines = ("cache-control", "s-maxage=10, stale-while-revalidate=60")
    cached = ASGIAccelerator(app_saying(lines), clock=clock)
    instrument(cached, MeterProvider())
    site = traced(cached, spans)
    await ask(site)
    clock.advance(20)
    events: list[CacheEvent] = []
    cached.listen(events.append)
    await ask(site)
    while not any(event.background for event in events):
        await anyio.lowlevel.checkpoint()
    assert [said["accelerator.outcome"] for said in said_of(spans)] == ["miss", "stale"]


def test_refreshes_and_invalidations_change_no_span(spans: InMemorySpanExporter) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    with provider.get_tracer("test").start_as_current_span("a request", kind=SpanKind.SERVER) as span:
        describe_span(CacheEvent("stale", age=3.0))
        describe_span(CacheEvent("miss", detail="stored", background=True))
        describe_span(CacheEvent("invalidate", detail="hard"))
    with use_span(span):
        describe_span(CacheEvent("miss"))  # it has ended
    assert said_of(spans) == [{"accelerator.outcome": "stale", "accelerator.age": 3.0}]


def test_a_hit_of_a_wsgi_application_is_described_too(spans: InMemorySpanExporter) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["accelerator.route"] = "/<name>"
        start_response("200 OK", [("Cache-Control", "s-maxage=60")])
        return [b"page"]

    cached = WSGIAccelerator(app, clock=ManualClock())
    instrument(cached, MeterProvider())
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    for _ in range(2):
        with provider.get_tracer("test").start_as_current_span("a request", kind=SpanKind.SERVER):
            assert b"".join(cached(environ_of("/ada"), lambda *_: lambda _: None)) == b"page"
    assert said_of(spans) == [
        {"accelerator.outcome": "miss", "accelerator.reason": "stored", "http.route": "/<name>"},
        {"accelerator.outcome": "hit", "accelerator.age": 0.0, "http.route": "/<name>"},
    ]


async def test_it_stands_beside_the_sites_own_listener() -> None:
    heard: list[tuple[str, str]] = []
    cached = ASGIAccelerator(app_saying(), on_event=lambda event: heard.append(("own", event.kind)))
    cached.listen(lambda event: heard.append(("other", event.kind)))
    await ask(cached)
    assert heard == [("own", "miss"), ("other", "miss")]


async def test_a_listener_that_fails_keeps_no_other_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: CacheEvent) -> None:
        raise ValueError("no")

    heard: list[str] = []
    cached = ASGIAccelerator(app_saying(), on_event=fails)
    cached.listen(lambda event: heard.append(event.kind))
    await ask(cached)
    assert heard == ["miss"]
    assert [record.getMessage() for record in caplog.records] == ["on_event failed"]
