"""The test suite that a store which grants leases has to pass."""

from __future__ import annotations

import math
from typing import Any, Final

import anyio

from accelerator.stores.protocol import GrantsLeases, Lease, Store, TakenLease
from accelerator.testing.fixtures import imported_pytest
from accelerator.testing.samples import make_entry, make_request

PATIENCE: Final = 10.0
"""Seconds within which the end of a lease has to be known, and those that wait have to go on."""

SOON: Final = 0.1
"""Seconds of waiting in vain, and for which nobody is to wait for an unstorable response."""

ONE: Final = b"the name of one.".ljust(16)
OTHER: Final = b"the other's name"


async def gained(store: GrantsLeases, name: bytes = ONE) -> Lease:
    """Return the lease of a name as soon as it is to be had: a store may end one a moment after it was told."""
    with anyio.fail_after(PATIENCE):
        while not isinstance(turn := await store.lease(name), Lease):  # noqa: ASYNC110 - no store tells when it is done
            await anyio.sleep(0.001)
    return turn


async def taken(store: GrantsLeases, name: bytes = ONE) -> TakenLease:
    """Return the lease that another fill has."""
    turn = await store.lease(name)
    assert isinstance(turn, TakenLease)
    return turn


async def told_unstorable(store: GrantsLeases) -> bool:
    """Tell whether those who ask are told, in time, that nobody is to wait."""
    with anyio.move_on_after(PATIENCE):
        while (turn := await store.lease(ONE)) is not None:
            if isinstance(turn, Lease):
                turn.end()
            await anyio.sleep(0.001)
        return True
    return False


class LeaseContract:
    """The tests that a store has to pass which grants leases. Derive from it as from `StoreContract`.

    The fixture `store` returns a new store. What processes do is done by one here: each call of `lease` is another
    fill. The tests use only the methods of `Store` and `GrantsLeases`.
    """

    pytestmark: Any = ()

    def __init_subclass__(cls, **more: Any) -> None:
        """Mark the tests as async. This imports pytest, which only subclasses need."""
        super().__init_subclass__(**more)
        LeaseContract.pytestmark = imported_pytest().mark.anyio

    async def test_one_fill_at_a_time_has_the_lease(self, store: GrantsLeases) -> None:
        """Who asks for it while another fill has it is given what that one has."""
        lease = await gained(store)
        for _ in range(3):
            await taken(store)
        lease.end()
        await gained(store)
        await taken(store)

    async def test_of_many_that_ask_at_once_one_gets_it(self, store: GrantsLeases) -> None:
        """Between asking and getting nobody else gets it."""
        turns: list[object] = []

        async def ask() -> None:
            turns.append(await store.lease(ONE))

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask)
        assert sorted(isinstance(turn, Lease) for turn in turns) == [False] * 49 + [True]

    async def test_names_do_not_wait_for_each_other(self, store: GrantsLeases) -> None:
        """Each name has a lease of its own."""
        one, other = await gained(store, ONE), await gained(store, OTHER)
        one.end()
        await gained(store, ONE)
        await taken(store, OTHER)
        other.end()
        await gained(store, OTHER)

    async def test_who_waits_goes_on_when_the_lease_ends(self, store: GrantsLeases) -> None:
        """All that wait go on, with the time that is left to them."""
        lease, left = await gained(store), list[float]()

        async def wait(turn: TakenLease) -> None:
            left.append(await turn.wait(PATIENCE, anyio.sleep))

        async with anyio.create_task_group() as group:
            for turn in [await taken(store) for _ in range(5)]:
                group.start_soon(wait, turn)
            await anyio.sleep(SOON)
            assert left == []
            lease.end()
        assert len(left) == 5
        assert all(0 < seconds < PATIENCE for seconds in left)

    async def test_who_waits_goes_on_though_another_fill_has_got_the_lease(self, store: GrantsLeases) -> None:
        """Each end is a reason to look up again."""
        lease = await gained(store)
        waited_for = await taken(store)
        lease.end()
        await gained(store)
        assert 0 < await waited_for.wait(PATIENCE, anyio.sleep) < PATIENCE

    async def test_who_waits_in_vain_is_told_so_in_time(self, store: GrantsLeases) -> None:
        """There is no time left then, and the lease is still another fill's."""
        await gained(store)
        with anyio.fail_after(PATIENCE):
            assert await (await taken(store)).wait(SOON, anyio.sleep) == 0
        await taken(store)

    async def test_who_stops_waiting_disturbs_nobody(self, store: GrantsLeases) -> None:
        """One that is cancelled leaves the lease, and the others that wait, alone."""
        lease, left = await gained(store), list[float]()

        async def wait(turn: TakenLease) -> None:
            left.append(await turn.wait(PATIENCE, anyio.sleep))

        async with anyio.create_task_group() as patient:
            patient.start_soon(wait, await taken(store))
            async with anyio.create_task_group() as hasty:
                hasty.start_soon(wait, await taken(store))
                await anyio.sleep(SOON)
                hasty.cancel_scope.cancel()
            await taken(store)
            assert left == []
            lease.end()
        assert len(left) == 1

    async def test_a_lease_that_has_ended_is_not_ended_again(self, store: GrantsLeases) -> None:
        """The second end does not end the lease that another fill has by then."""
        first = await gained(store)
        first.end()
        await gained(store)
        first.end()
        first.end(math.inf)
        await anyio.sleep(SOON)
        await taken(store)

    async def test_what_is_not_storable_is_not_waited_for(self, store: GrantsLeases) -> None:
        """Who waits goes on, and who asks is told so, until the time is over. Another name is none of it."""
        lease = await gained(store)
        waited_for = await taken(store)
        lease.end(3600)
        assert await told_unstorable(store)
        assert 0 < await waited_for.wait(PATIENCE, anyio.sleep) < PATIENCE
        assert await store.lease(ONE) is None
        await gained(store, OTHER)

    async def test_what_was_not_storable_is_waited_for_again_after_a_while(self, store: GrantsLeases) -> None:
        """The time that was given runs out by itself."""
        (await gained(store)).end(SOON)
        await gained(store)
        await taken(store)

    async def test_a_lease_says_nothing_of_entries(self, store: Store) -> None:
        """Fills with and without it are committed, found and taken back by the same rules."""
        assert isinstance(store, GrantsLeases)
        request = make_request()
        lease = await gained(store)
        for tags in (["x"], ["x", "y"]):
            mark = (await store.lookup(request)).mark
            assert await store.commit(make_entry(request, mark, tags))
            assert (await store.lookup(request)).entry is not None
            await store.invalidate_tag("x")
            assert (await store.lookup(request)).entry is None
            assert not await store.commit(make_entry(request, mark, tags))
            await taken(store)
        lease.end()

    async def test_a_store_that_says_so_never_suspends(self, store: Store) -> None:
        """If `suspends` is False, asking and waiting need no event loop, but for `sleep`."""
        assert isinstance(store, GrantsLeases)
        if store.suspends:
            return
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            lease.end()

        with imported_pytest().raises(StopIteration) as granted:
            store.lease(ONE).send(None)
        lease = granted.value.value
        with imported_pytest().raises(StopIteration) as refused:
            store.lease(ONE).send(None)
        with imported_pytest().raises(StopIteration):
            refused.value.value.wait(PATIENCE, sleep).send(None)
