"""The figures of an accelerator for Prometheus, as a collector of `prometheus-client`."""

from __future__ import annotations

from collections.abc import Coroutine
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from accelerator.metrics.catalogue import METRICS, PREFIX
from accelerator.metrics.values import Few, labelled
from accelerator.stores.finish import finish_now
from accelerator.stores.loop_thread import loop_thread

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    from prometheus_client.registry import Collector as AnyCollector
    from prometheus_client.utils import floatToGoString
except ImportError as error:
    raise ImportError('Collector needs an extra: pip install "asgi-accelerator[prometheus]"') from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric as Family

    from accelerator.figures.histogram import HistogramFigures
    from accelerator.figures.snapshot import Figures
    from accelerator.metrics.catalogue import Metric
    from accelerator.stores.protocol import Store

_FAMILIES: Final[dict[str, Any]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "sum": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


class Accelerator(Protocol):
    """An `ASGIAccelerator` or a `WSGIAccelerator`."""

    store: Store

    def figures(self) -> Figures:
        """Return what this process has counted."""
        ...

    def all_figures(self) -> Figures | Coroutine[Any, Any, Figures]:
        """Return the sum of what all processes have counted."""
        ...


class Collector(AnyCollector):
    """Shows the figures of an accelerator to Prometheus. To be registered with a registry of `prometheus-client`.

    Where all workers share a store, or the directory that PROMETHEUS_MULTIPROC_DIR names, each of them shows the sum
    of all: then one of them is to be scraped, or the largest value to be taken of several. Any thread may collect. With
    a store on a server it waits for that, so in an application on an event loop a thread should.

    Args:
        accelerator: the middleware.
        namespace: what the names begin with, another one for each accelerator of a registry.
        processes: `"all"`, or `"own"` to show what this process alone has counted.

    Raises:
        ValueError: `processes` is neither.
        ImportError: the extra `prometheus` is not installed.
    """

    def __init__(
        self, accelerator: Accelerator, *, namespace: str = PREFIX, processes: Literal["all", "own"] = "all"
    ) -> None:
        if processes not in {"all", "own"}:
            raise ValueError(f'processes is "all" or "own", not {processes!r}')
        self._accelerator = accelerator
        self._namespace = namespace
        self._is_of_all = processes == "all"
        self._few = {metric.name: [Few() for _ in metric.labels] for metric in METRICS}

    def describe(self) -> list[Family]:
        """Return all families without values, so that they can be registered before anything is counted."""
        return [self._family(metric) for metric in METRICS]

    def collect(self) -> Iterator[Family]:
        """Return all families with the values of now."""
        figures = self._figures()
        for metric in METRICS:
            family = self._family(metric)
            if metric.type == "histogram":
                for labels, histogram in metric.read(figures).items():
                    family.add_metric(labels, _buckets(histogram), histogram["sum"])
            else:
                for labels, value in labelled(metric, figures, self._few[metric.name]).items():
                    family.add_metric(labels, value)
            if family.samples:
                yield family

    def _figures(self) -> Figures:
        if not self._is_of_all:
            return self._accelerator.figures()
        found = self._accelerator.all_figures()
        if not isinstance(found, Coroutine):
            return found
        return loop_thread.run(found) if self._accelerator.store.suspends else finish_now(found)

    def _family(self, metric: Metric) -> Any:
        name = f"{self._namespace}_{metric.family}"
        return _FAMILIES[metric.type](name, metric.help, labels=metric.labels, unit=metric.word)


def _buckets(histogram: HistogramFigures) -> list[tuple[str, int]]:
    """Return the buckets as Prometheus has them: each with all values up to its bound."""
    bounds = [*map(floatToGoString, histogram["bounds"]), "+Inf"]
    return list(zip(bounds, accumulate(histogram["counts"]), strict=True))
