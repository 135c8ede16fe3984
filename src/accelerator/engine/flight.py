"""Collapsing: requests for the same thing wait for one running fill, where that can be of use to them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.engine.runtime import Runtime, Signal
    from accelerator.http.request import Key, Request
    from accelerator.stores.protocol import Lookup

PATIENCE: Final = 5.0
"""Seconds for which a request waits for others' fills, in all."""

ROUNDS: Final = 3
"""Fills for which a request waits before it goes on its own."""

UNSTORABLE_SECONDS: Final = 60.0
"""For how long requests do not wait for a response that could not be stored."""

MAX_VERDICTS: Final = 10_000
MAX_LANDINGS: Final = 1000


class Place(NamedTuple):
    """Where fills would make the same entry.

    Attributes:
        key: the key.
        audience: whose answer it would be.
        selected_by: the values that choose the variant, None as long as nothing is known of it.
        is_stored: an entry is stored there, so waiting for the next one is of use.
    """

    key: Key
    audience: tuple[str, ...]
    selected_by: tuple[bytes | None, ...] | None
    is_stored: bool


def place_of(request: Request, found: Lookup) -> Place:
    """Return the place of a request, as far as the lookup knows it."""
    selected_by = None if found.vary is None else request.selecting_values(found.vary)
    is_stored = found.entry is not None and found.entry.may_answer(request)
    return Place(request.key, request.audience, selected_by, is_stored)


class Patience:
    """How much longer a request waits for the fills of others.

    Args:
        rounds: for how many fills it waits.

    Attributes:
        has_waited: it waited for one.
    """

    __slots__ = ("_has_looked_again", "_rounds", "has_waited", "seconds")

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self.seconds = PATIENCE
        self.has_waited = False
        self._has_looked_again = False

    @property
    def is_left(self) -> bool:
        """Whether the request still waits."""
        return self._rounds > 0 and self.seconds > 0

    async def wait(self, landing: Signal) -> bool:
        """Wait for a fill; return whether it ended in time."""
        self._rounds -= 1
        self.has_waited = True
        self.seconds = await landing.wait(self.seconds)
        return self.seconds > 0

    def looks_again(self) -> bool:
        """Return whether the request looks up once more because a fill ended just after its lookup: it does so once."""
        has_looked, self._has_looked_again = self._has_looked_again, True
        return not has_looked


class Flight:
    """One running fill, for which requests may wait.

    Attributes:
        place: where it would store its entry.
    """

    __slots__ = ("_flights", "_has_landed", "_landing", "place")

    def __init__(self, flights: Flights, place: Place) -> None:
        self._flights = flights
        self._landing: Signal | None = None
        self._has_landed = False
        self.place = place

    def landing(self) -> Signal:
        """Return what its landing will set; the first request that waits makes it."""
        if self._landing is None:
            self._landing = self._flights.runtime.signal()
        return self._landing

    @property
    def is_known_storable(self) -> bool:
        """Whether a response like the one that is made was stored before."""
        return self.place.is_stored or self._flights.is_storable(self.place, if_unknown=False)

    def judge(self, *, storable: bool) -> None:
        """Remember whether the response could be stored; if it cannot, nobody is to wait for it."""
        self._flights.judge(self.place, storable=storable)
        if not storable:
            self.land()

    def land(self) -> None:
        """Let the waiting requests look up again: the fill has ended, or is of no use to them."""
        if not self._has_landed:
            self._has_landed = True
            self._flights.take_off_the_list(self)
            if self._landing is not None:
                self._landing.set()


class Flights:
    """The running fills, and what is worth waiting for. Threads may share it.

    Args:
        runtime: where requests wait.
        clock: seconds since the epoch.

    Attributes:
        landings: how many flights have landed.
    """

    def __init__(self, runtime: Runtime, clock: Callable[[], float]) -> None:
        self.runtime = runtime
        self.landings = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[tuple[object, ...], Flight] = {}
        self._last_landings: dict[int, int] = {}
        # by hashes, so that long keys take no room: a collision only changes who waits or looks again
        self._verdicts: OrderedDict[int, tuple[bool, float]] = OrderedDict()

    async def join_or_lead(self, place: Place, patience: Patience, landings: int) -> Flight | None:
        """Lead a new flight, or wait for the running one if that is of use.

        It may be of use where responses could be stored so far; and where nothing is known, for requests without
        credentials. If a flight is running and not waited for, nobody will wait for the new one either.

        Args:
            place: where the fill would store its entry.
            patience: how much longer the request waits.
            landings: how many flights had landed when the request was looked up.

        Returns:
            The flight to lead, or None if a flight has landed since: then another lookup may find what it stored.
        """
        with self._lock:
            running = self._running.get(place[:3])
            if running is not None and patience.is_left and self.is_storable(place, if_unknown=not place.audience):
                landing = running.landing()
            else:
                running, flight = None, self._lead(place)
        if running is not None:
            if not await patience.wait(landing):
                self.judge(place, storable=False)
                self.take_off_the_list(running)  # it may hang for ever: nobody else is to wait for it
            return None
        if self._has_landed_since(place, landings) and patience.looks_again():
            flight.land()
            return None
        return flight

    def _has_landed_since(self, place: Place, landings: int) -> bool:
        return self._last_landings.get(hash(place[:3]), 0) > landings

    def lead_if_none(self, place: Place) -> Flight | None:
        """Lead a new flight unless one is running."""
        with self._lock:
            return None if place[:3] in self._running else self._lead(place)

    def _lead(self, place: Place) -> Flight:
        flight = Flight(self, place)
        self._running.setdefault(place[:3], flight)
        return flight

    def take_off_the_list(self, flight: Flight) -> None:
        """Forget a flight that lands."""
        with self._lock:
            self.landings += 1
            self._last_landings.pop(hash(flight.place[:3]), None)
            self._last_landings[hash(flight.place[:3])] = self.landings
            if len(self._last_landings) > MAX_LANDINGS:
                del self._last_landings[next(iter(self._last_landings))]
            if self._running.get(flight.place[:3]) is flight:
                del self._running[flight.place[:3]]

    def judge(self, place: Place, *, storable: bool) -> None:
        """Remember whether a response for this key and audience could be stored; that it could not, for a while."""
        verdict = hash(place[:2])
        with self._lock:
            self._verdicts.pop(verdict, None)
            self._verdicts[verdict] = (storable, self._clock() + UNSTORABLE_SECONDS)
            if len(self._verdicts) > MAX_VERDICTS:
                self._verdicts.popitem(last=False)

    def is_storable(self, place: Place, if_unknown: bool) -> bool:
        """Tell whether responses for this key and audience could be stored so far."""
        storable, until = self._verdicts.get(hash(place[:2]), (None, 0.0))
        if storable is False and self._clock() < until:
            return False
        return storable or place.is_stored or if_unknown
