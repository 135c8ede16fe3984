"""Collapsed forwarding: requests for the same entry wait for one running fill, if its response may answer them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from accelerator.engine.runtime import Runtime, Signal
    from accelerator.http.request import Key, Request
    from accelerator.stores.protocol import Lookup

PATIENCE: Final = 5.0
"""Seconds that a request waits for the fills of other requests, in all."""

ROUNDS: Final = 3
"""Number of fills that a request waits for, before it calls the application itself."""

UNSTORABLE_SECONDS: Final = 60.0
"""Seconds for which requests do not wait for a fill, after a response for their key and audience was not storable."""

MAX_STORABLE: Final = 10_000
"""Number of keys and audiences of which it is remembered whether their responses were storable."""

MAX_LANDINGS: Final = 1000
"""Number of places of which it is remembered when a flight last ended there."""


class Place(NamedTuple):
    """What fills that would store the same entry have in common.

    Attributes:
        key: the key of the entry.
        audience: the credentials that the request carries, by kind; empty for none.
        selected_by: the values of the selecting header fields, None if nothing is known of this URL.
        is_stored: an entry is stored that may answer the request, so the next response is likely to be storable.
    """

    key: Key
    audience: tuple[str, ...]
    selected_by: tuple[bytes | None, ...] | None
    is_stored: bool


def place_of(request: Request, found: Lookup) -> Place:
    """Return the place of a request, as far as the lookup shows it."""
    selected_by = None if found.vary is None else request.selecting_values(found.vary)
    is_stored = found.entry is not None and found.entry.may_answer(request)
    return Place(request.key, request.audience, selected_by, is_stored)


def name_of(place: Place) -> int:
    """Return the hash of all that tells running flights apart. A collision only changes which requests wait."""
    return hash(place[:3])


def lease_name_of(place: Place) -> bytes:
    """Return the same hash as `name_of`, but one that is the same in all processes."""
    return blake2b(ascii(place[:3]).encode(), digest_size=16).digest()


class Patience:
    """How much longer one request waits for the fills of other requests.

    Args:
        rounds: the number of fills that it waits for, at most.

    Attributes:
        seconds: the seconds that it still waits, at most.
        has_waited: whether it has waited for a fill.
    """

    __slots__ = ("_has_looked_again", "_rounds", "has_waited", "seconds")

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self.seconds = PATIENCE
        self.has_waited = False
        self._has_looked_again = False

    @property
    def is_left(self) -> bool:
        """Whether the request may still wait."""
        return self._rounds > 0 and self.seconds > 0

    async def wait(self, wait: Callable[[float], Awaitable[float]]) -> bool:
        """Wait for a fill by `wait`, as `Signal.wait` does it; return whether the fill ended in time."""
        self.count_round()
        self.has_waited = True
        self.seconds = await wait(self.seconds)
        return self.seconds > 0

    def count_round(self) -> None:
        """Count a fill that the request has waited for, or would have."""
        self._rounds -= 1

    def looks_again(self) -> bool:
        """Return True once: if a fill ended just after the lookup, the request looks up again, but only one time."""
        has_looked, self._has_looked_again = self._has_looked_again, True
        return not has_looked


class Flight:
    """One running fill that other requests may wait for.

    Attributes:
        place: the key, audience and selecting values of the entry that it would store.
        name: what tells running flights apart, see `name_of`.
    """

    __slots__ = ("_end_lease", "_flights", "_has_landed", "_landing", "name", "place")

    def __init__(self, flights: Flights, place: Place) -> None:
        self._flights = flights
        self._landing: Signal | None = None
        self._has_landed = False
        self._end_lease: Callable[[float], None] | None = None
        self.place = place
        self.name = name_of(place)

    def landing(self) -> Signal:
        """Return the signal that is set when the flight ends. The first request that waits creates it."""
        if self._landing is None:
            self._landing = self._flights.runtime.signal()
        return self._landing

    @property
    def may_share(self) -> bool:
        """Whether others may wait for its response: they may unless it is known, or likely, not to be storable."""
        return self._flights.is_storable(self.place, if_unknown=not self.place.audience)

    @property
    def has_lease(self) -> bool:
        """Whether no other process is to fill meanwhile."""
        return self._end_lease is not None

    def hold(self, end_lease: Callable[[float], None]) -> None:
        """Hold a lease until the flight ends: `end_lease` gets the seconds for which such fills are not waited for."""
        self._end_lease = end_lease

    @property
    def is_known_storable(self) -> bool:
        """Whether a response for this key and audience is known to be storable, because one was before."""
        return self.place.is_stored or self._flights.is_storable(self.place, if_unknown=False)

    def remember(self, *, storable: bool) -> None:
        """Remember whether the response was storable. If it was not, end the flight, since waiting is useless."""
        self._flights.remember(self.place, storable=storable)
        if not storable:
            self.land(UNSTORABLE_SECONDS)

    def land(self, unstorable_seconds: float = 0.0) -> None:
        """End the flight: requests that wait look up again, because the fill has ended, or cannot answer them.

        Args:
            unstorable_seconds: for how long other processes are not to wait for such fills.
        """
        if not self._has_landed:
            self._has_landed = True
            self._flights.remove(self)
            if self._landing is not None:
                self._landing.set()
            if self._end_lease is not None:
                self._end_lease(unstorable_seconds)


class Flights:
    """The running fills of one accelerator, and which responses were storable before. Threads may share it.

    Args:
        runtime: makes the signals that requests wait for.
        clock: returns seconds since the epoch.

    Attributes:
        runtime: the same.
        landings: the number of flights that have ended.
    """

    def __init__(self, runtime: Runtime, clock: Callable[[], float]) -> None:
        self.runtime = runtime
        self.landings = 0
        self._clock = clock
        self._lock = threading.Lock()
        # by hash, so that long keys take no memory: a collision only changes which requests wait or look up again
        self._running: dict[int, Flight] = {}
        self._last_landings: dict[int, int] = {}
        self._storable: OrderedDict[int, tuple[bool, float]] = OrderedDict()

    async def join_or_lead(self, place: Place, patience: Patience, landings: int) -> Flight | None:
        """Wait for the running flight of a place if that may help, else start a new one.

        Waiting may help where responses were storable before. Where nothing is known, it may help requests without
        credentials. If a request does not wait for a running flight, nobody will wait for its new one either.

        Args:
            place: the place of the entry that the fill would store.
            patience: how much longer the request waits.
            landings: the number of flights that had ended before the request was looked up.

        Returns:
            The new flight, or None if the request is to look up again: it has waited, or a flight of this place has
            ended since its lookup.
        """
        flight = Flight(self, place)
        landing = None
        with self._lock:
            running = self._running.setdefault(flight.name, flight)
            if running is not flight and patience.is_left and flight.may_share:
                landing = running.landing()
        if landing is not None:
            if not await patience.wait(landing.wait):
                self.remember(place, storable=False)
                self.remove(running)  # it may hang for ever: nobody else waits for it
            return None
        if self.landings > landings and self._has_landed_since(flight, landings) and patience.looks_again():
            flight.land()
            return None
        return flight

    def _has_landed_since(self, flight: Flight, landings: int) -> bool:
        return self._last_landings.get(flight.name, 0) > landings

    def lead_if_none(self, place: Place) -> Flight | None:
        """Start a new flight for a place; return None if one is running there."""
        with self._lock:
            flight = Flight(self, place)
            return flight if self._running.setdefault(flight.name, flight) is flight else None

    def remove(self, flight: Flight) -> None:
        """Count a flight as ended, and remove it from the running ones."""
        name = flight.name
        with self._lock:
            self.landings += 1
            self._last_landings.pop(name, None)
            self._last_landings[name] = self.landings
            if len(self._last_landings) > MAX_LANDINGS:
                del self._last_landings[next(iter(self._last_landings))]
            if self._running.get(name) is flight:
                del self._running[name]

    def remember(self, place: Place, *, storable: bool) -> None:
        """Remember whether a response for this key and audience was storable; "not" holds for `UNSTORABLE_SECONDS`."""
        verdict = hash(place[:2])
        with self._lock:
            self._storable.pop(verdict, None)
            self._storable[verdict] = (storable, self._clock() + UNSTORABLE_SECONDS)
            if len(self._storable) > MAX_STORABLE:
                self._storable.popitem(last=False)

    def is_storable(self, place: Place, if_unknown: bool) -> bool:
        """Return whether responses for this key and audience were storable before, `if_unknown` if nothing is known."""
        storable, until = self._storable.get(hash(place[:2]), (None, 0.0))
        if storable is False and self._clock() < until:
            return False
        return storable or place.is_stored or if_unknown
