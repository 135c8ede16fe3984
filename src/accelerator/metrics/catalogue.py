"""All metrics: what each is called, and where it stands in the figures. Prometheus and OpenTelemetry show the same.

Names and units are those of OpenTelemetry. In Prometheus `fill.duration` in `s` is `accelerator_fill_duration_seconds`:
the way from one to the other is that of OpenTelemetry's own exporters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from accelerator.figures.snapshot import Figures

PREFIX: Final = "accelerator"
"""What every name begins with."""

Labels: TypeAlias = tuple[str, ...]
Type: TypeAlias = Literal["counter", "gauge", "sum", "histogram"]

_UNITS: Final = {"s": "seconds", "By": "bytes"}
_START: Final = (("hit", ""), ("stale", ""), ("validated", "stored"), ("miss", "stored"))
"""Outcomes with a value from the beginning, since rates need one before the first request."""


class Metric(NamedTuple):
    """A metric.

    Attributes:
        name: its name in OpenTelemetry, without the prefix.
        unit: its unit in UCUM, such as `s`, `By` or `{request}`; `""` for a truth value.
        type: `counter` only grows; `gauge` is where something stands; a `sum` is a gauge that may be added up over
            processes; `histogram`.
        help: what it is.
        read: returns its values in figures by those of the labels. What is not known is missing.
        labels: the names of its labels.
    """

    name: str
    unit: str
    type: Type
    help: str
    read: Callable[[Figures], Mapping[Labels, Any]]
    labels: Labels = ()

    @property
    def word(self) -> str:
        """The unit as Prometheus says it at the end of a name, `""` for a number."""
        return _UNITS.get(self.unit, "")

    @property
    def family(self) -> str:
        """The name in Prometheus, without the prefix and `_total`."""
        return "_".join([*self.name.split("."), *([self.word] if self.word else [])])


def _figure(name: str) -> Callable[[Figures], dict[Labels, Any]]:
    """Return what reads a figure that all have."""
    return lambda figures: {(): figures[name]}  # type: ignore[literal-required]


def _by_name(counted: Mapping[str, int]) -> dict[Labels, int]:
    return {(name,): number for name, number in counted.items()}


def _requests(figures: Figures) -> dict[Labels, int]:
    counted = figures["requests"]
    values: dict[Labels, int] = dict.fromkeys(_START, 0)
    return values | {(outcome, reason): n for outcome, reasons in counted.items() for reason, n in reasons.items()}


def _invalidations(figures: Figures) -> dict[Labels, int]:
    return {(what, kind): n for what, kinds in figures["invalidations"].items() for kind, n in kinds.items()}


def _store(name: str) -> Callable[[Figures], dict[Labels, Any]]:
    """Return what reads a number of the store, if it knows that."""

    def read(figures: Figures) -> dict[Labels, Any]:
        value = figures["store"].get(name)
        return {} if value is None else {(): value}

    return read


def _near(name: str) -> Callable[[Figures], dict[Labels, Any]]:
    """Return what reads a number of the near store, if there is one."""

    def read(figures: Figures) -> dict[Labels, Any]:
        value = (figures["store"].get("near") or {}).get(name)
        return {} if value is None else {(): value}

    return read


def _fanout(name: str) -> Callable[[Figures], dict[Labels, Any]]:
    """Return what reads a number of each cache downstream."""

    def read(figures: Figures) -> dict[Labels, Any]:
        downstream: Mapping[str, Mapping[str, int]] = figures["store"].get("fanout") or {}  # type: ignore[assignment]
        return {(to,): counted[name] for to, counted in downstream.items()}

    return read


METRICS: Final = (
    Metric(
        "requests",
        "{request}",
        "counter",
        "Requests, by outcome and by why the store did not answer them or what became of the response.",
        _requests,
        ("outcome", "reason"),
    ),
    Metric(
        "collapsed_requests",
        "{request}",
        "counter",
        "Requests that waited for the fill of another one, and were then answered from the store.",
        _figure("collapsed"),
    ),
    Metric(
        "refreshes",
        "{refresh}",
        "counter",
        "Refreshes in the background, by what became of the response.",
        lambda figures: _by_name(figures["refreshes"]),
        ("reason",),
    ),
    Metric("served", "By", "counter", "Bytes of bodies that were sent from the store.", _figure("bytes_served")),
    Metric(
        "saved",
        "s",
        "counter",
        "Seconds that the application took to make what was sent from the store, for each request.",
        _figure("seconds_saved"),
    ),
    Metric("hit.age", "s", "histogram", "Age of responses from the store.", _figure("ages")),
    Metric(
        "fill.duration",
        "s",
        "histogram",
        "Seconds that the application took for each complete response that could be stored.",
        _figure("fills"),
    ),
    Metric(
        "fills.active",
        "{fill}",
        "sum",
        "Calls of the application that are under way and whose response may be stored.",
        _figure("filling"),
    ),
    Metric(
        "invalidations",
        "{invalidation}",
        "counter",
        "What was taken back, by what it was and how: a tag, a URL or all, hard or soft.",
        _invalidations,
        ("target", "kind"),
    ),
    Metric(
        "invalidation.duration",
        "s",
        "histogram",
        "Seconds until an invalidation held everywhere.",
        _figure("invalidating"),
    ),
    Metric(
        "failed_invalidations",
        "{invalidation}",
        "counter",
        "Invalidations that raised. They are kept and repeated.",
        _figure("invalidations_failed"),
    ),
    Metric("store.entries", "{entry}", "gauge", "Entries in the store.", _store("entries")),
    Metric("store.size", "By", "gauge", "Bytes that the entries take.", _store("bytes")),
    Metric("store.limit", "By", "gauge", "Bytes that the entries may take.", _store("max_bytes")),
    Metric(
        "store.evictions",
        "{entry}",
        "counter",
        "Entries that gave way to others before their time.",
        _store("evictions"),
    ),
    Metric(
        "store.errors",
        "{error}",
        "counter",
        "Calls of the store for requests that failed, by what was asked. The request was answered without it.",
        lambda figures: _by_name(figures["store"].get("errors", {})),
        ("operation",),
    ),
    Metric(
        "store.breaker.open",
        "",
        "gauge",
        "1 while the store is left alone because it failed, else 0.",
        _store("breaker_open"),
    ),
    Metric("near.lease", "s", "gauge", "Seconds for which the near store may answer from now on.", _near("lease")),
    Metric(
        "near.behind",
        "{invalidation}",
        "gauge",
        "Invalidations that the near store lacked at the last heartbeat.",
        _near("behind"),
    ),
    Metric("near.heartbeat", "s", "gauge", "Seconds until the last heartbeat was answered.", _near("heartbeat")),
    Metric("near.lapses", "{lapse}", "counter", "How often the lease of the near store ran out.", _near("lapsed")),
    Metric(
        "near.emptied",
        "{time}",
        "counter",
        "How often the near store was emptied, since it may have missed invalidations.",
        _near("emptied"),
    ),
    Metric(
        "near.applied",
        "{invalidation}",
        "counter",
        "Invalidations of whatever process that were made in the near store.",
        _near("applied"),
    ),
    Metric(
        "near.waited",
        "{invalidation}",
        "counter",
        "Invalidations that waited for near stores of other processes.",
        _near("waited"),
    ),
    Metric("near.waiting", "s", "counter", "Seconds that those waited.", _near("waiting")),
    Metric(
        "near.silent",
        "{follower}",
        "counter",
        "Near stores of other processes that let an invalidation wait for the length of a lease.",
        _near("silent"),
    ),
    Metric(
        "fanout.sent",
        "{key}",
        "counter",
        "Keys that a cache downstream has taken back; everything counts as one.",
        _fanout("sent"),
        ("downstream",),
    ),
    Metric(
        "fanout.failed",
        "{call}",
        "counter",
        "Calls of a cache downstream that failed. What they were for is sent again.",
        _fanout("failed"),
        ("downstream",),
    ),
    Metric(
        "fanout.waiting",
        "{key}",
        "sum",
        "Keys that a cache downstream has yet to take back; everything counts as one.",
        _fanout("waiting"),
        ("downstream",),
    ),
    Metric("workers", "{worker}", "sum", "Processes whose figures these are.", _figure("workers")),
    Metric("complete", "", "gauge", "1 if the figures of all processes could be read, else 0.", _figure("complete")),
    Metric("start.time", "s", "gauge", "When counting began, in seconds since the epoch.", _figure("since")),
)
