"""What is stale, made anew in the background; by a request itself where the background could not (RFC 5861 §3)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from accelerator.engine.flight import place_of
from accelerator.rules import reuse
from accelerator.rules.reuse import Decision

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from accelerator.engine.exchange import Exchange
    from accelerator.engine.fill import Fill
    from accelerator.engine.flight import Flight, Flights, Place
    from accelerator.engine.guard import Guard
    from accelerator.engine.runtime import Runtime
    from accelerator.rules.entry import Entry
    from accelerator.stores.protocol import Lookup

REFRESH_SECONDS: Final = 60.0
"""How long a fill on nobody's behalf may take."""

REFRESHES: Final = 3
"""How often one refresh starts over because what it read was softly invalidated meanwhile."""

FAILING_SECONDS: Final = 60.0
"""For how long no other request is made to wait for an application that has failed for one."""

MAX_FAILURES: Final = 10_000


class FailedRefreshError(Exception):
    """What the application answered a refresh with is of no use to anybody."""


class Failures:
    """The places where refreshes failed, and from when on a request is to make the entry itself.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # by hashes, so that long keys take no room: a collision only changes who makes what
        self._due: OrderedDict[int, float] = OrderedDict()

    def add(self, place: Place) -> None:
        """Remember a failure: the next request makes the entry itself."""
        with self._lock:
            self._due.setdefault(hash(place[:3]), self._clock())
            if len(self._due) > MAX_FAILURES:
                self._due.popitem(last=False)

    def put_off(self, place: Place) -> None:
        """Remember that it failed for a request, too: for a while no other one is made to wait for that."""
        with self._lock:
            self._due[hash(place[:3])] = self._clock() + FAILING_SECONDS

    def discard(self, place: Place) -> None:
        """Forget a failure."""
        with self._lock:
            self._due.pop(hash(place[:3]), None)

    def is_due(self, place: Place) -> bool:
        """Tell whether a request is to make the entry itself."""
        due = self._due.get(hash(place[:3]))
        return due is not None and self._clock() >= due


class Refreshes:
    """Stale entries, made anew while they are served. Threads may share it.

    A refresh runs after the request that began it, when middlewares outside of the cache have closed what is theirs: an
    application that needs it fails. So where a refresh failed, the next request fills instead: it has everything.

    Args:
        guard: the store.
        flights: the running fills.
        runtime: where refreshes run.
        clock: seconds since the epoch.
        fill: calls the application for an exchange, a lookup and a decision, and lands the flight. The last argument
            says whether an error may be hidden behind an entry, at a time.
    """

    def __init__(
        self,
        guard: Guard,
        flights: Flights,
        runtime: Runtime,
        clock: Callable[[], float],
        fill: Callable[[Exchange, Lookup, Decision, Flight, Callable[[Entry, float], bool]], Awaitable[Fill]],
    ) -> None:
        self._guard = guard
        self._flights = flights
        self._runtime = runtime
        self._failures = Failures(clock)
        self._fill = fill

    async def answer(self, exchange: Exchange, found: Lookup) -> bool:
        """Have a stale entry made anew, unless that is under way; return whether the request was answered with it."""
        request = exchange.request
        flight = self._flights.lead_if_none(place_of(request, found))
        if flight is None:
            return False
        decision = reuse.forwarding_decision(request, found.entry, found.invalidated)
        if decision is Decision.PASS or not self._failures.is_due(flight.place):
            name = f"refresh of {request.url!r}"
            self._runtime.spawn(name, REFRESH_SECONDS, self._refresh, exchange.detached(), found, flight)
            return False
        self._failures.discard(flight.place)
        fill = await self._fill(exchange, found, decision, flight, reuse.serves_after_refresh)
        if fill.answered_stale:
            self._failures.put_off(flight.place)
        elif fill.failure:
            self._failures.add(flight.place)
        return True

    async def _refresh(self, exchange: Exchange, found: Lookup, flight: Flight) -> None:
        """Make an entry anew on nobody's behalf. Whatever keeps that from coming to its end, it has failed."""
        try:
            await self._fill_alone(exchange, found, flight)
        except BaseException:
            self._failures.add(flight.place)
            raise
        self._failures.discard(flight.place)

    async def _fill_alone(self, exchange: Exchange, found: Lookup, flight: Flight) -> None:
        """Fill on nobody's behalf. One that began before a soft invalidation is not the one refresh after it."""
        for _ in range(REFRESHES):
            decision = reuse.forwarding_decision(exchange.request, found.entry, found.invalidated)
            fill = await self._fill(exchange, found, decision, flight, reuse.serves_nobody)
            if fill.failure:
                raise FailedRefreshError(fill.failure)
            before, again = found.entry, await self._guard.look_up(exchange.request)
            if again is None or again.entry is None or not again.invalidated or again.entry == before:
                return
            successor = self._flights.lead_if_none(flight.place)
            if successor is None:
                return
            found, flight = again, successor
        flight.land()
