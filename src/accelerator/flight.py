"""Collapsing: requests for the same thing wait for one running fill, where that can be of use to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.entry import Key, Request
    from accelerator.stores import Lookup

PATIENCE: Final = 5.0
"""Seconds for which a request waits for others' fills, in all."""

ROUNDS: Final = 3
"""Fills for which a request waits before it goes on its own."""

UNSTORABLE_SECONDS: Final = 60.0
"""For how long requests do not wait for a response that could not be stored."""

MAX_VERDICTS: Final = 10_000


class Place(NamedTuple):
    """Where fills would make the same entry.

    Attributes:
        key: the key.
        audience: whose answer it would be.
        selected_by: the values that choose the variant, None as long as nothing is known of it.
        is_stored: an entry is stored there, so waiting for the next one is of use.
    """

    key: Key
    audience: str
    selected_by: tuple[bytes | None, ...] | None
    is_stored: bool


def place_of(request: Request, found: Lookup) -> Place:
    """Return the place of a request, as far as the lookup knows it."""
    selected_by = None if found.vary is None else request.selects(found.vary)
    is_stored = found.entry is not None and found.entry.open_to(request)
    return Place(request.key, request.audience, selected_by, is_stored)


class Patience:
    """What is left of a request's readiness to wait."""

    __slots__ = ("deadline", "rounds")

    def __init__(self) -> None:
        self.rounds = ROUNDS
        self.deadline: float | None = None  # by the loop's clock


class Flight:
    """One running fill."""

    __slots__ = ("_flights", "_has_landed", "_landing", "place")

    def __init__(self, flights: Flights, place: Place) -> None:
        self._flights = flights
        self._landing: anyio.Event | None = None
        self._has_landed = False
        self.place = place

    async def wait(self, patience: Patience) -> bool:
        """Wait until it has landed; False if the request's patience ended before."""
        if not patience.rounds:
            return False
        patience.rounds -= 1
        if patience.deadline is None:
            patience.deadline = anyio.current_time() + PATIENCE
        self._landing = self._landing or anyio.Event()
        with anyio.move_on_at(patience.deadline):
            await self._landing.wait()
        if not self._has_landed:
            self._flights.judge(self.place, storable=False)
        return self._has_landed

    def land(self) -> None:
        """Let the waiting requests look up again: the fill has ended, or is of no use to them."""
        if not self._has_landed:
            self._has_landed = True
            self._flights.forget(self)
            if self._landing is not None:
                self._landing.set()


class Flights:
    """The running fills, and what is worth waiting for.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._running: dict[tuple[object, ...], Flight] = {}
        # by the hash of key and audience, so that long keys take no room: a collision only changes who waits
        self._verdicts: dict[int, tuple[bool, float]] = {}

    def running(self, place: Place) -> Flight | None:
        """Return the running fill of a place, if there is one."""
        return self._running.get(place[:3])

    def joinable(self, place: Place) -> Flight | None:
        """Return the running fill if waiting for it is of use.

        It may be where responses could be stored so far; where nothing is known, for requests without credentials.
        """
        return self.running(place) if self.is_storable(place, if_unknown=not place.audience) else None

    def lead(self, place: Place) -> Flight:
        """Return a new flight. If one is running already, nobody will wait for the new one."""
        flight = Flight(self, place)
        self._running.setdefault(place[:3], flight)
        return flight

    def forget(self, flight: Flight) -> None:
        """Take a flight off."""
        if self._running.get(flight.place[:3]) is flight:
            del self._running[flight.place[:3]]

    def judge(self, place: Place, *, storable: bool) -> None:
        """Remember whether a response for this key and audience could be stored; that it could not, for a while."""
        verdict = hash(place[:2])
        self._verdicts.pop(verdict, None)
        self._verdicts[verdict] = (storable, self._clock() + UNSTORABLE_SECONDS)
        if len(self._verdicts) > MAX_VERDICTS:
            del self._verdicts[next(iter(self._verdicts))]

    def is_storable(self, place: Place, *, if_unknown: bool) -> bool:
        """Tell whether responses for this key and audience could be stored so far."""
        storable, until = self._verdicts.get(hash(place[:2]), (True, 0.0))
        if storable:
            return until > 0 or place.is_stored or if_unknown
        return self._clock() >= until and (place.is_stored or if_unknown)
