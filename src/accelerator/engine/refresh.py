"""Refreshes of stale entries: in the background, or by a request if one in the background has failed (RFC 5861 §3)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from accelerator.engine.flight import place_of
from accelerator.rules.reuse import Decision, Purpose, forwarding_decision

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.engine.exchange import Exchange
    from accelerator.engine.filling import Filler
    from accelerator.engine.flight import Flight, Place
    from accelerator.engine.runtime import Runtime
    from accelerator.engine.services import Services
    from accelerator.stores.protocol import Lookup

REFRESH_SECONDS: Final = 60.0
"""Seconds that a refresh in the background may take."""

REFRESHES: Final = 3
"""Number of fills in one refresh, at most: it fills again if a soft invalidation came during a fill."""

OTHERS_SECONDS: Final = 1.0
"""Seconds for which a process leaves a place alone, at most, where it finds that another process is refreshing it."""

FAILING_SECONDS: Final = 60.0
"""Seconds for which other requests are served stale, after the application has failed for a request that waited."""

MAX_FAILURES: Final = 10_000
"""Number of places whose failed refreshes are remembered."""


class FailedRefreshError(Exception):
    """The application answered a refresh with an error, or with an incomplete response."""


class Failures:
    """The places whose refresh has failed, and from when on a request is to fill them itself.

    Args:
        clock: returns seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # by hash, so that long keys take no memory: a collision only changes which request fills
        self._due: OrderedDict[int, float] = OrderedDict()

    def add(self, place: Place) -> None:
        """Remember a failed refresh in the background: the next request fills itself."""
        with self._lock:
            self._due.setdefault(hash(place[:3]), self._clock())
            if len(self._due) > MAX_FAILURES:
                self._due.popitem(last=False)

    def put_off(self, place: Place) -> None:
        """Remember that a request failed to fill, too: for `FAILING_SECONDS` no other one tries."""
        with self._lock:
            self._due[hash(place[:3])] = self._clock() + FAILING_SECONDS

    def discard(self, place: Place) -> None:
        """Forget the failure of a place."""
        with self._lock:
            self._due.pop(hash(place[:3]), None)

    def is_due(self, place: Place) -> bool:
        """Tell whether a request is to fill itself, instead of being served stale."""
        due = self._due.get(hash(place[:3]))
        return due is not None and self._clock() >= due


class Refreshes:
    """The refreshes of stale entries that are served meanwhile. Threads may share it.

    A refresh runs after the request that started it, when outer middlewares have closed their resources. An application
    that needs those fails. So after a failed refresh, the next request calls the application itself.

    Args:
        filler: calls the application.
        services: what all requests of the accelerator share.
        runtime: runs the refreshes.
    """

    def __init__(self, filler: Filler, services: Services, runtime: Runtime) -> None:
        self._filler = filler
        self._store = services.store
        self._flights = services.flights
        self._turns = services.turns
        self._runtime = runtime
        self._failures = Failures(services.options.clock)

    async def answer(self, exchange: Exchange, found: Lookup) -> bool:
        """Refresh a stale entry; return whether that answered the request, else it is to be served stale."""
        request = exchange.request
        flight = self._flights.lead_if_none(place_of(request, found))
        if flight is None:
            return False
        decision = forwarding_decision(request, found.entry, found.invalidated)
        if decision is Decision.PASS or not self._failures.is_due(flight.place):
            name = f"refresh of {request.url!r}"
            self._runtime.spawn(name, REFRESH_SECONDS, self._refresh, exchange.detached(), found, flight)
            return False
        if self._turns is not None:
            turn = await self._turns.take_to_refresh(request, found, flight, pause=0)
            if turn is None:
                return False
            found = turn
        self._failures.discard(flight.place)
        fill = await self._filler.fill(exchange, found, decision, flight, Purpose.OVERDUE_REFRESH)
        if fill.answered_stale:
            self._failures.put_off(flight.place)
        elif fill.failure:
            self._failures.add(flight.place)
        return True

    async def _refresh(self, exchange: Exchange, found: Lookup, flight: Flight) -> None:
        """Refresh an entry in the background. Whatever it raises, a cancellation included, the refresh has failed."""
        try:
            await self._fill_in_background(exchange, found, flight)
        except BaseException:
            self._failures.add(flight.place)
            raise
        self._failures.discard(flight.place)

    async def _fill_in_background(self, exchange: Exchange, found: Lookup, flight: Flight) -> None:
        """Fill without a client, and again if a soft invalidation came after the fill had begun."""
        for _ in range(REFRESHES):
            if self._turns is not None:
                turn = await self._turns.take_to_refresh(exchange.request, found, flight, OTHERS_SECONDS)
                if turn is None:
                    return
                found = turn
            decision = forwarding_decision(exchange.request, found.entry, found.invalidated)
            fill = await self._filler.fill(exchange, found, decision, flight, Purpose.BACKGROUND_REFRESH)
            if fill.failure:
                raise FailedRefreshError(fill.failure)
            before, again = found.entry, await self._store.look_up(exchange.request)
            if again is None or again.entry is None or not again.invalidated or again.entry == before:
                return
            successor = self._flights.lead_if_none(flight.place)
            if successor is None:
                return
            found, flight = again, successor
        flight.land()
