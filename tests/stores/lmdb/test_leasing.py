"""What a process does with leases: it keeps its own alive, waits for those of others, and is replaced if it is lost."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import LMDBStore
from accelerator.stores import Lease, TakenLease
from accelerator.stores.lmdb import file, leases, leasing, system
from accelerator.stores.lmdb.leases import Leases
from accelerator.stores.lmdb.lock import LockTimeoutError
from accelerator.stores.lmdb.place import DATA
from accelerator.stores.lmdb.system import start_of
from tests.stores.lmdb.support import URL, body_at, fill, locked
from tests.stores.lmdb.worker import Worker
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from accelerator.stores.lmdb.leases import Held

NAME = b"the name of one."
PATIENCE = 30.0


def granted(store: LMDBStore, name: bytes = NAME) -> Lease:
    turn = drive(store.lease(name))
    assert isinstance(turn, Lease)
    return turn


def taken(store: LMDBStore, name: bytes = NAME) -> TakenLease:
    turn = drive(store.lease(name))
    assert isinstance(turn, TakenLease)
    return turn


def held_in(store: LMDBStore, name: bytes = NAME) -> Held | None:
    """Return the lease as it stands in the file."""
    return store._file.read(lambda opened, view: Leases(opened.room.size).find(view.txn.get, name, time.monotonic()))


def wait(turn: TakenLease, seconds: float = PATIENCE, meanwhile: Callable[[], object] | None = None) -> float:
    """Wait in this thread, and do something else in the first pause."""
    to_do = [meanwhile] if meanwhile is not None else []

    async def sleep(seconds: float) -> None:
        if to_do:
            to_do.pop()()
        else:
            threading.Event().wait(seconds)

    left: float = drive(turn.wait(seconds, sleep))
    return left


def wait_until(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.002)
    return is_so()


class Renewers:
    """The threads that renew leases, but for those that were there before."""

    def __init__(self) -> None:
        self.before = {*threading.enumerate()}

    def __len__(self) -> int:
        return len([one for one in {*threading.enumerate()} - self.before if one.name == "accelerator leases"])


@pytest.fixture
def renewers() -> Renewers:
    return Renewers()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed at once."""
    monkeypatch.setattr(leasing, "RENEWAL_SECONDS", 0.001)


# --- the lease of another process -------------------------------------------------------------------------------------


def test_a_lease_is_one_for_all_processes(store: LMDBStore, other: Worker) -> None:
    other.ask("set", "lmdb.leasing", "LEASE_SECONDS", 3600.0)
    assert other.ask("lease", NAME) == "OwnLease"
    turn = taken(store)
    assert 0 < wait(turn, meanwhile=lambda: other.ask("end_lease")) < PATIENCE
    granted(store)
    assert other.ask("lease", NAME) == "OthersLease"


def test_what_turns_out_not_to_be_storable_is_told_to_other_processes(store: LMDBStore, other: Worker) -> None:
    other.ask("lease", NAME)
    assert wait(taken(store), meanwhile=lambda: other.ask("end_lease", 3600)) > 0
    assert drive(store.lease(NAME)) is None
    assert other.ask("lease", NAME) == "NoneType"


def test_two_stores_of_one_process_wait_for_each_other(store: LMDBStore, path: Path) -> None:
    lease, second = granted(store), LMDBStore(path)
    assert wait(taken(second), meanwhile=lease.end) > 0


class Clock:
    """A clock in the place of the module `time`, which goes on with each pause of who waits."""

    sleep = staticmethod(time.sleep)  # of other threads

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        monkeypatch.setattr(leasing, "time", self)

    def monotonic(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def test_who_waits_looks_again_at_growing_pauses(store: LMDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    granted(store)
    turn, clock = taken(store), Clock(monkeypatch)
    clock.now = 0.0
    assert drive(turn.wait(1.0, clock.pause)) == 0
    pauses = clock.pauses
    assert pauses[:3] == pytest.approx([0.001, 0.0015, 0.00225])
    assert pauses == [*sorted(pauses[:-1]), pauses[-1]]
    assert max(pauses) == leasing.LONGEST_PAUSE
    assert sum(pauses) == pytest.approx(1.0)
    assert len(pauses) < 35


def test_who_waits_looks_only_now_and_then_whether_the_owner_lives(
    store: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known to live when the lease is found. Whether it has died since is asked again as soon as that is old."""
    granted(store)
    clock = Clock(monkeypatch)
    clock.now = 0.0
    turn, asked = taken(store), list[float]()

    def start_of(pid: int) -> int | None:
        asked.append(clock.now)
        return system.start_of(pid) if clock.now < 0.7 else None

    monkeypatch.setattr(leases, "start_of", start_of)
    assert drive(turn.wait(1.0, clock.pause)) > 0.19
    assert all(0.049 < second - first < 0.101 for first, second in itertools.pairwise([0.0, *asked]))
    assert 0.7 <= asked[-1] < 0.801


def test_a_lease_that_runs_out_is_over_whoever_lives(store: LMDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "LIFE_SECONDS", 3600.0)
    monkeypatch.setattr(leasing, "LEASE_SECONDS", 0.5)
    clock = Clock(monkeypatch)
    granted(store)
    turn = taken(store)
    clock.now += 0.4
    assert drive(turn.wait(0.09, clock.pause)) == 0
    assert drive(turn.wait(5.0, clock.pause)) > 0
    assert clock.now < 1000.6


def test_who_waits_waits_to_the_end_of_a_lease_that_was_renewed(
    store: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store._leasing, "_is_renewing", True)  # there is no thread: it is done here
    clock = Clock(monkeypatch)
    granted(store)
    turn = taken(store)
    clock.now += 2
    store._leasing.renew([*store._leasing._held.values()])
    assert drive(turn.wait(0.5, clock.pause)) == 0
    clock.now += 2
    assert drive(turn.wait(0.4, clock.pause)) == 0
    assert clock.now == pytest.approx(1004.9)
    assert 0.8 < drive(turn.wait(1.0, clock.pause)) < 0.95, "it runs out three seconds after it was renewed"


def test_other_writes_end_no_waiting(store: LMDBStore, other: Worker) -> None:
    other.ask("lease", NAME)
    turn = taken(store)
    for number in range(3):
        assert wait(turn, 0.01, meanwhile=lambda: other.ask("fill", f"{URL}{number}", [], b"1")) == 0  # noqa: B023 - called at once
    assert body_at(store, f"{URL}2") == "1"


def test_between_looking_and_taking_another_process_may_come_first(
    store: LMDBStore, other: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = type(store._file).write

    def come_first(self: Any, work: Any) -> Any:
        assert other.ask("lease", NAME) == "OwnLease"
        return write(self, work)

    monkeypatch.setattr(type(store._file), "write", come_first)
    taken(store)


# --- an owner that is lost --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_reaped", [True, False], ids=["reaped", "zombie"])
def test_a_process_that_dies_is_replaced_at_once(is_reaped: bool, store: LMDBStore, other: Worker) -> None:
    other.ask("set", "lmdb.leasing", "LEASE_SECONDS", 3600.0)
    other.ask("lease", NAME)

    def kill() -> None:
        other.process.kill()
        os.waitid(os.P_PID, other.process.pid, os.WEXITED | (0 if is_reaped else os.WNOWAIT))

    assert wait(taken(store), meanwhile=kill) > 0
    granted(store)


def test_a_process_that_is_stopped_is_replaced_when_its_lease_runs_out(store: LMDBStore, other: Worker) -> None:
    other.ask("set", "lmdb.leasing", "LEASE_SECONDS", 0.1)
    other.ask("lease", NAME)
    other.process.send_signal(signal.SIGSTOP)
    assert wait(taken(store)) > 0
    lease = granted(store)
    other.process.send_signal(signal.SIGCONT)
    other.ask("end_lease", 3600)
    assert isinstance(drive(store.lease(NAME)), TakenLease), "that one is not its own any more"
    lease.end()
    granted(store)


def test_a_child_does_not_end_the_leases_of_its_parent(store: LMDBStore, other: Worker) -> None:
    other.ask("lease", NAME)
    other.ask("in_a_fork", "end_lease")
    assert other.ask("in_a_fork", "lease", NAME) == "OthersLease"
    taken(store)


def test_leases_from_before_a_fork_are_not_those_of_the_child(
    store: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = granted(store)
    monkeypatch.setattr(store._leasing, "_pid", os.getppid())  # as it stands there when a child begins
    lease.end()
    taken(store)
    granted(store, b"the other's name").end()
    granted(store, b"the other's name")


def test_a_child_has_leases_of_its_own(store: LMDBStore, other: Worker) -> None:
    other.ask("lease", NAME)
    assert other.ask("in_a_fork", "lease", b"the other's name") == "OwnLease"
    granted(store, b"the other's name")


# --- renewal ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_a_lease_is_renewed_until_it_ends_and_nothing_runs_on_after_that(store: LMDBStore, renewers: Renewers) -> None:
    both = granted(store), granted(store, b"the other's name")
    first = held_in(store)
    assert first is not None
    assert wait_until(lambda: (held_in(store) or first).until > first.until)
    assert len(renewers) == 1
    for lease in both:
        lease.end()
    assert wait_until(lambda: not renewers)
    granted(store).end()
    assert wait_until(lambda: not renewers)


@pytest.mark.usefixtures("quick")
def test_a_lease_that_was_lost_is_not_renewed(store: LMDBStore, other: Worker, path: Path, renewers: Renewers) -> None:
    granted(store)
    (path / DATA).unlink()
    assert wait_until(lambda: not renewers), "the new file does not have it"
    assert other.ask("lease", NAME) == "OwnLease"


@pytest.mark.usefixtures("quick")
def test_the_lease_of_a_fill_that_hangs_runs_out(
    store: LMDBStore, renewers: Renewers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leasing, "RENEWED_SECONDS", 0.0)
    monkeypatch.setattr(leasing, "LEASE_SECONDS", 0.01)
    lease = granted(store)
    assert wait_until(lambda: not renewers)
    assert wait_until(lambda: held_in(store) is None)
    monkeypatch.setattr(leasing, "LEASE_SECONDS", 60.0)
    granted(store)
    lease.end()
    taken(store)


def test_a_lease_that_cannot_be_renewed_runs_out(
    store: LMDBStore, other: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "WRITE_SECONDS", 0)
    monkeypatch.setattr(leasing, "LEASE_SECONDS", 0.05)
    granted(store)
    other.tell("stop_with_the_lock")
    other.wait_until_stopped()
    store._leasing.renew([*store._leasing._held.values()])
    assert wait_until(lambda: held_in(store) is None)
    other.process.send_signal(signal.SIGCONT)
    other.answer()


@pytest.mark.parametrize("seconds", [0.0, 3600.0], ids=["over", "unstorable"])
@pytest.mark.usefixtures("quick")
def test_the_end_of_a_lease_is_written_later_if_the_lock_is_not_to_be_had(
    seconds: float, store: LMDBStore, other: Worker, renewers: Renewers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "WRITE_SECONDS", 0.01)
    monkeypatch.setattr(leasing, "LEASE_SECONDS", 3600.0)
    lease = granted(store)
    with locked(store), pytest.raises(LockTimeoutError):
        lease.end(seconds)
    assert wait_until(lambda: not renewers)
    assert other.ask("lease", NAME) == ("NoneType" if seconds else "OwnLease")


@pytest.mark.usefixtures("quick")
def test_the_end_of_a_lease_is_not_repeated_when_it_has_run_out(
    store: LMDBStore, renewers: Renewers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "WRITE_SECONDS", 0.01)
    monkeypatch.setattr(leasing, "LEASE_SECONDS", 3600.0)
    lease = granted(store)
    with locked(store):
        monkeypatch.setattr(leasing, "LEASE_SECONDS", 0.0)  # within the lock: a renewal would write it otherwise
        with pytest.raises(LockTimeoutError):
            lease.end()
        assert wait_until(lambda: not renewers)
    assert held_in(store) is not None


@pytest.mark.usefixtures("quick")
def test_a_store_that_is_closed_keeps_no_lease_alive(store: LMDBStore, renewers: Renewers) -> None:
    lease = granted(store)
    store.close()
    assert wait_until(lambda: not renewers)
    lease.end()
    taken(store)


# --- a file that cannot be used ---------------------------------------------------------------------------------------


def test_where_the_lock_is_not_to_be_had_there_is_no_lease(
    store: LMDBStore, other: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "WRITE_SECONDS", 0.01)
    assert body_at(store) == ""
    other.tell("stop_with_the_lock")
    other.wait_until_stopped()
    with pytest.raises(LockTimeoutError, match="may have been stopped"):
        drive(store.lease(NAME))
    other.process.send_signal(signal.SIGCONT)
    other.answer()


def test_in_a_file_that_takes_the_place_of_another_nobody_has_a_lease(
    store: LMDBStore, other: Worker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelerator.stores.lmdb.opened.TRUST_SECONDS", 0.0)
    other.ask("lease", NAME)
    assert wait(taken(store), meanwhile=(path / DATA).unlink) > 0
    granted(store)
    other.ask("end_lease")
    taken(store)


def test_where_all_leases_of_a_record_are_had_a_fill_goes_on_without_one(store: LMDBStore) -> None:
    opened = store._file.present()
    records = Leases(opened.room.size)._records
    names = [(number * records).to_bytes(16) for number in range(9)]
    had = [granted(store, name) for name in names]
    assert [held_in(store, name) is not None for name in names] == [True] * 8 + [False]
    for lease in had:
        lease.end()
    granted(store, names[8])
    taken(store, names[8])


def test_leases_take_no_room_of_entries(tmp_path: Path) -> None:
    small = LMDBStore(tmp_path / "small", 1_000_000)
    for number in range(2000):
        granted(small, number.to_bytes(16)).end(3600)
    assert fill(small, URL, body=bytes(20_000))
    assert body_at(small)
    small.close()


# --- processes --------------------------------------------------------------------------------------------------------


def test_when_a_process_started_tells_it_from_others() -> None:
    mine = start_of(os.getpid())
    assert mine is not None
    assert start_of(os.getpid()) == mine
    with Worker() as worker:
        theirs = start_of(worker.process.pid)
        assert theirs is not None
        assert theirs >= mine
        worker.process.kill()
        os.waitid(os.P_PID, worker.process.pid, os.WEXITED | os.WNOWAIT)
        assert start_of(worker.process.pid) is None, "a zombie has ended"
    assert start_of(worker.process.pid) is None


def test_a_process_that_ends_while_it_is_looked_at_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker()
    read = os.read

    def end_first(descriptor: int, size: int) -> bytes:
        worker.end()
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", end_first)
    assert start_of(worker.process.pid) is None
