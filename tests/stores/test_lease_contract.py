"""The contract of leases itself: it asks no more than the protocol does, and what breaks the protocol fails it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from accelerator.stores import Lease, TakenLease
from accelerator.testing import LeaseContract, contract_leases
from tests.stores.leasing import Granted, LeasingStore, MemoryLease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class TestLeasingStore(LeaseContract):
    @pytest.fixture
    def store(self) -> Waiting:
        return Waiting()


class Waiting(LeasingStore):
    """A lease is waited for by an event, without `sleep`."""

    suspends = True


class Late(LeasingStore):
    """A store that is told of the end of a lease some steps later, as one behind a network is."""

    suspends = True

    def __init__(self) -> None:
        super().__init__()
        self.to_do: list[tuple[int, Callable[[], None]]] = []
        self.steps = 0

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        self.step()
        turn = await super().lease(name)
        if isinstance(turn, MemoryLease):
            return Polling(self, turn)
        return Told(self, turn) if isinstance(turn, Lease) else None

    def step(self) -> None:
        self.steps += 1
        while self.to_do and self.to_do[0][0] <= self.steps:
            self.to_do.pop(0)[1]()


class Told(Lease):
    def __init__(self, store: Late, lease: Lease) -> None:
        self.store = store
        self.lease = lease

    def end(self, unstorable_seconds: float = 0.0) -> None:
        self.store.to_do.append((self.store.steps + 3, lambda: self.lease.end(unstorable_seconds)))


class Polling(TakenLease):
    def __init__(self, store: Late, lease: MemoryLease) -> None:
        self.store = store
        self.lease = lease

    async def wait(self, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> float:
        deadline = anyio.current_time() + seconds
        while not self.lease.ended.is_set() and anyio.current_time() < deadline:
            await sleep(0.001)
            self.store.step()
        return max(0.0, deadline - anyio.current_time())


class TestLate(LeaseContract):
    @pytest.fixture
    def store(self) -> Late:
        return Late()


# --- faults -----------------------------------------------------------------------------------------------------------


class GrantsToAll(LeasingStore):
    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        return Granted(MemoryLease(self, name))


class AsksBeforeItGrants(LeasingStore):
    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        is_free = name not in self.leases
        await checkpoint()
        return Granted(self.leases.setdefault(name, MemoryLease(self, name))) if is_free else self.leases[name]


class HasOneLease(LeasingStore):
    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        return await super().lease(b"")


class WakesNobody(LeasingStore):
    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        turn = await super().lease(name)
        return Deaf(turn) if isinstance(turn, MemoryLease) else turn


class Deaf(TakenLease):
    def __init__(self, lease: MemoryLease) -> None:
        self.lease = lease

    async def wait(self, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> float:
        await sleep(seconds)
        return 0.0


class WaitsForTheName(WakesNobody):
    """Who waits goes on when nobody has the lease of the name."""

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        turn = await LeasingStore.lease(self, name)
        return OfTheName(turn) if isinstance(turn, MemoryLease) else turn


class OfTheName(Deaf):
    async def wait(self, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> float:
        deadline = anyio.current_time() + seconds
        while self.lease.name in self.lease.store.leases and anyio.current_time() < deadline:
            await sleep(0.001)
        return max(0.0, deadline - anyio.current_time())


class GivesNoTime(LeasingStore):
    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        turn = await super().lease(name)
        return Hasty(turn) if isinstance(turn, MemoryLease) else turn


class Hasty(Deaf):
    async def wait(self, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> float:
        return seconds


class EndsWithWhoWaits(LeasingStore):
    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        turn = await super().lease(name)
        return Fragile(turn) if isinstance(turn, MemoryLease) else turn


class Fragile(Deaf):
    async def wait(self, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> float:
        try:
            return await self.lease.wait(seconds, sleep)
        except BaseException:
            self.lease.end(0.0)
            raise


class EndsByName(LeasingStore):
    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        turn = await super().lease(name)
        return turn if turn is None or isinstance(turn, TakenLease) else ByName(self, name)


class ByName(Lease):
    def __init__(self, store: LeasingStore, name: bytes) -> None:
        self.store = store
        self.name = name

    def end(self, unstorable_seconds: float = 0.0) -> None:
        if self.name in self.store.leases:
            self.store.leases[self.name].end(unstorable_seconds)


class ForgetsWhatIsUnstorable(LeasingStore):
    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        self.unstorable.clear()
        return await super().lease(name)


class NeverForgetsWhatIsUnstorable(LeasingStore):
    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        return None if self.unstorable.get(name) else await super().lease(name)


class EndsWithACommit(LeasingStore):
    async def commit(self, entry: Any) -> bool:
        for lease in [*self.leases.values()]:
            lease.end(0.0)
        return await super().commit(entry)


FAULTS: list[tuple[Callable[[], LeasingStore], str]] = [
    (GrantsToAll, "one_fill_at_a_time_has_the_lease"),
    (AsksBeforeItGrants, "of_many_that_ask_at_once_one_gets_it"),
    (HasOneLease, "names_do_not_wait_for_each_other"),
    (WakesNobody, "who_waits_goes_on_when_the_lease_ends"),
    (GivesNoTime, "who_waits_goes_on_when_the_lease_ends"),
    (WaitsForTheName, "who_waits_goes_on_though_another_fill_has_got_the_lease"),
    (GivesNoTime, "who_waits_in_vain_is_told_so_in_time"),
    (EndsWithWhoWaits, "who_stops_waiting_disturbs_nobody"),
    (EndsByName, "a_lease_that_has_ended_is_not_ended_again"),
    (ForgetsWhatIsUnstorable, "what_is_not_storable_is_not_waited_for"),
    (WakesNobody, "what_is_not_storable_is_not_waited_for"),
    (NeverForgetsWhatIsUnstorable, "what_was_not_storable_is_waited_for_again_after_a_while"),
    (EndsWithACommit, "a_lease_says_nothing_of_entries"),
    (LeasingStore, "a_store_that_says_so_never_suspends"),
]


@pytest.mark.parametrize(("store", "test"), FAULTS, ids=[f"{store.__name__}-{test}" for store, test in FAULTS])
def test_the_contract_finds_the_fault(
    store: Callable[[], LeasingStore], test: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract_leases, "PATIENCE", 0.2)
    monkeypatch.setattr(contract_leases, "SOON", 0.02)

    async def run() -> None:
        await getattr(LeaseContract(), f"test_{test}")(store())

    with pytest.raises((AssertionError, TimeoutError, pytest.fail.Exception, ExceptionGroup)):
        anyio.run(run)


def test_each_test_of_the_contract_finds_a_fault() -> None:
    names = {name.removeprefix("test_") for name in dir(LeaseContract) if name.startswith("test_")}
    assert {test for _, test in FAULTS} == names
