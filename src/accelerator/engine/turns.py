"""One fill for all processes: the leader of a flight takes the lease of its place, or waits for who has it."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from accelerator.engine.flight import lease_name_of
from accelerator.stores.protocol import TakenLease

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.engine.flight import Flight, Patience
    from accelerator.engine.guard import Guard, LeaseGuard
    from accelerator.engine.runtime import Runtime
    from accelerator.http.request import Request
    from accelerator.stores.protocol import Lookup


class Turns:
    """The turns at filling of the processes that have the same store.

    Only the leader of a flight asks for a turn, and only where others may wait for its response. Whoever gets one looks
    up once more, since another process may have ended its fill just before.

    Args:
        store: the store.
        leases: its leases.
        runtime: how to wait.
    """

    def __init__(self, store: Guard, leases: LeaseGuard, runtime: Runtime) -> None:
        self._store = store
        self._leases = leases
        self._sleep = runtime.sleep

    async def take(self, request: Request, found: Lookup, flight: Flight, patience: Patience) -> Lookup | None:
        """Take the turn of a flight, or wait as long as the request has patience.

        Args:
            request: the request.
            found: what was found for it.
            flight: the flight that it leads. It ends here if the request does not fill now.
            patience: how much longer the request waits.

        Returns:
            The lookup to fill from, None if the request is to look up again.
        """
        if not patience.is_left:
            return found
        with _landing_on_error(flight):
            taken = await self._ask(flight)
            if taken is None:
                again = await self._found_again(request, found, flight)
                if again is None:
                    patience.count_round()
                return again
            if await patience.wait(partial(self._leases.wait, taken, sleep=self._sleep)):
                flight.land()
            else:
                flight.remember(storable=False)
        return None

    async def take_to_refresh(self, request: Request, found: Lookup, flight: Flight, pause: float) -> Lookup | None:
        """Take the turn of a flight that refreshes what is stale.

        Args:
            request: the request.
            found: what was found for it.
            flight: the flight. It ends here if there is nothing to do.
            pause: seconds, at most, for which the flight goes on if another process has the turn, so that meanwhile no
                request asks again.

        Returns:
            The lookup to fill from, None if another process is at it, or was.
        """
        with _landing_on_error(flight):
            taken = await self._ask(flight)
            if taken is None:
                return await self._found_again(request, found, flight)
            if pause:
                await self._leases.wait(taken, pause, self._sleep)
            flight.land()
        return None

    async def _ask(self, flight: Flight) -> TakenLease | None:
        """Give the flight the lease of its place, unless that would be of no use; return it if another fill has it."""
        if not flight.may_share:
            return None
        turn = await self._leases.lease(lease_name_of(flight.place))
        if isinstance(turn, TakenLease):
            return turn
        if turn is None:
            flight.remember(storable=False)
        else:
            flight.hold(partial(self._leases.end, turn))
        return None

    async def _found_again(self, request: Request, found: Lookup, flight: Flight) -> Lookup | None:
        """Look up once more after a lease was gained. If something has changed, end the flight and return None.

        The mark of this lookup is not earlier than the lease.
        """
        if not flight.has_lease:
            return found
        again = await self._store.look_up(request)
        if again is None:  # the store fails
            return found
        if again._replace(mark=found.mark) == found:
            return again
        flight.land()
        return None


@contextmanager
def _landing_on_error(flight: Flight) -> Iterator[None]:
    """End a flight if the request that leads it is cancelled."""
    try:
        yield
    except BaseException:
        flight.land()
        raise
