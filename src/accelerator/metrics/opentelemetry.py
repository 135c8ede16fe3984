"""The figures of an accelerator for OpenTelemetry, and what it did with a request on the span of that request."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

from accelerator.metrics.catalogue import METRICS, PREFIX
from accelerator.metrics.values import Few, labelled, printable

try:
    from opentelemetry.metrics import Observation, get_meter
    from opentelemetry.trace import get_current_span
except ImportError as error:
    raise ImportError('instrument needs an extra: pip install "asgi-accelerator[opentelemetry]"') from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider

    from accelerator.events import CacheEvent
    from accelerator.figures.histogram import HistogramFigures
    from accelerator.figures.snapshot import Figures
    from accelerator.metrics.catalogue import Metric

OUTCOME: Final = f"{PREFIX}.outcome"
REASON: Final = f"{PREFIX}.reason"
AGE: Final = f"{PREFIX}.age"
ROUTE: Final = "http.route"


class Accelerator(Protocol):
    """An `ASGIAccelerator` or a `WSGIAccelerator`."""

    def figures(self) -> Figures:
        """Return what this process has counted."""
        ...

    def listen(self, listener: Callable[[CacheEvent], None]) -> None:
        """Call a function with each event."""
        ...


def instrument(accelerator: Accelerator, meter_provider: MeterProvider | None = None) -> None:
    """Show the figures of an accelerator as metrics, and what it does with a request on the request's span.

    The metrics are those of this process: a backend adds up what processes send. The span is the current one when the
    accelerator answers, that of a middleware outside of it.

    Args:
        accelerator: the middleware. It is to be given once.
        meter_provider: where the metrics go; None for the global one.
    """
    meter = get_meter("accelerator", meter_provider=meter_provider)
    readings = _Readings(accelerator)
    for metric in chain.from_iterable(map(_instruments, METRICS)):
        _observe(meter, metric, readings)
    accelerator.listen(describe_span)


def describe_span(event: CacheEvent) -> None:
    """Say on the current span what was done with a request."""
    span = get_current_span()
    if event.kind == "invalidate" or event.background or not span.is_recording():
        return
    span.set_attribute(OUTCOME, event.kind)
    if event.detail:
        span.set_attribute(REASON, printable(event.detail))
    if event.age is not None:
        span.set_attribute(AGE, event.age)
    if event.route:
        span.set_attribute(ROUTE, event.route)


class _Readings:
    """Figures for a collection of metrics: read once for all instruments, and again when one of them asks again."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._lock = Lock()
        self._asked: set[str] = set()
        self._figures: Figures | None = None

    def of(self, name: str) -> Figures:
        """Return the figures for an instrument."""
        with self._lock:
            if self._figures is None or name in self._asked:
                self._figures = self._accelerator.figures()
                self._asked.clear()
            self._asked.add(name)
            return self._figures


def _instruments(metric: Metric) -> list[Metric]:
    """Return what is observed of a metric: of a histogram, how many values there are and what they add up to.

    The interface has no histograms that are observed.
    """
    if metric.type != "histogram":
        return [metric]
    return [
        _part(metric, "sum", metric.unit, itemgetter("sum")),
        _part(metric, "count", "1", lambda histogram: sum(histogram["counts"])),
    ]


def _part(metric: Metric, part: str, unit: str, of: Callable[[HistogramFigures], float]) -> Metric:
    """Return what is observed of a histogram as one number."""
    return metric._replace(
        name=f"{metric.name}.{part}",
        unit=unit,
        type="counter",
        read=lambda figures: {labels: of(histogram) for labels, histogram in metric.read(figures).items()},
    )


def _observe(meter: Meter, metric: Metric, readings: _Readings) -> None:
    """Let a meter observe a metric."""
    few = [Few() for _ in metric.labels]

    def observations(_: CallbackOptions) -> Iterator[Observation]:
        for values, number in labelled(metric, readings.of(metric.name), few).items():
            named = zip(metric.labels, values, strict=True)
            yield Observation(number, {f"{PREFIX}.{label}": value for label, value in named if value})

    create = {
        "counter": meter.create_observable_counter,
        "gauge": meter.create_observable_gauge,
        "sum": meter.create_observable_up_down_counter,
    }[metric.type]
    create(f"{PREFIX}.{metric.name}", [observations], metric.unit or "1", metric.help)
