"""Whatever processes do, and whenever they die: one at a time fills a place, and none waits for the dead or late."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import lmdb
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from accelerator.stores.lmdb import leases
from accelerator.stores.lmdb.layout import without_sum
from accelerator.stores.lmdb.leases import PER_RECORD, UNSTORABLE, Held, Leases, Owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEASE = 3.0
MEMORY = 60.0
NAMES = [b"%16d" % number for number in range(PER_RECORD + 2)]
PIDS = [100, 200, 300]


@pytest.fixture
def txn(tmp_path: Path) -> Iterator[Any]:
    with lmdb.open(str(tmp_path)) as env, env.begin(write=True) as txn:
        yield txn


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """When the processes that live started."""
    starts = dict.fromkeys(PIDS, 1)
    monkeypatch.setattr(leases, "start_of", starts.get)
    return starts


class Memory(dict[bytes, bytes]):
    """A table in memory, with the methods of a transaction that are used."""

    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value

    def delete(self, key: bytes) -> None:
        self.pop(key, None)


class Processes(RuleBasedStateMachine):
    """Processes with one record of leases: they take, renew and end them, die and are started again, as time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.txn: Any = Memory()
        self.table = Leases(1)
        self.now = 1000.0
        self.starts = dict.fromkeys(PIDS, 1)
        self.numbers = itertools.count(1)
        self.valid: dict[bytes, Held] = {}  # what each name's last owner was told, as long as it has not given it back
        self.handles: list[Held] = []  # all that anybody ever got, to be ended late
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(leases, "start_of", lambda pid: self.starts.get(pid))

    def teardown(self) -> None:
        self.patch.undo()

    def holds(self, held: Held | None) -> bool:
        """Tell whether others have to leave a lease alone, by the rules as they are said."""
        if held is None or self.now >= held.until:
            return False
        return held.owner == UNSTORABLE or self.starts.get(held.owner.pid) == held.owner.start

    @rule(name=st.sampled_from(NAMES[:2]) | st.sampled_from(NAMES), pid=st.sampled_from(PIDS))
    def take(self, name: bytes, pid: int) -> None:
        if pid not in self.starts:
            return
        before = self.valid.get(name)
        wanted = Held(name, Owner(pid, self.starts[pid], next(self.numbers)), self.now + LEASE)
        seen = self.table.find(self.txn.get, name, self.now)
        got = self.table.take(self.txn, wanted, self.now)
        if self.holds(before) and before is not None and before.owner != UNSTORABLE:
            assert got == seen == before, "another fill has it"
        elif got is None:
            assert seen is None
            running = [held for held in self.valid.values() if self.holds(held) and held.owner != UNSTORABLE]
            assert len(running) == PER_RECORD, "there was room"
        elif got.owner == UNSTORABLE:
            assert got == seen == before
            assert self.holds(before)
        else:
            assert (got, seen) == (wanted, None)
            self.valid[name] = wanted
            self.handles.append(wanted)

    def last(self, held: Held) -> bool:
        """Tell whether nobody has got the lease of this name after this owner."""
        return self.valid.get(held.name, held._replace(owner=UNSTORABLE)).owner == held.owner

    @rule(data=st.data(), seconds=st.sampled_from([0.0, MEMORY]))
    def end(self, data: st.DataObject, seconds: float) -> None:
        if not self.handles:
            return
        held = data.draw(st.sampled_from(self.handles))
        if held.owner.pid not in self.starts:
            return
        left = Held(held.name, UNSTORABLE, self.now + seconds) if seconds else None
        before = {**self.txn}
        changed = self.table.change(self.txn, held, left)
        if not self.last(held):
            assert (changed, before) == (False, self.txn), "it is another's by now"
        elif changed and left is not None:
            self.valid[held.name] = left
        else:
            self.valid.pop(held.name)

    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        if not self.handles:
            return
        held = data.draw(st.sampled_from(self.handles))
        if self.starts.get(held.owner.pid) != held.owner.start:
            return
        renewed = held._replace(until=self.now + LEASE)
        if self.table.change(self.txn, held, renewed):
            assert self.last(held)
            self.valid[held.name] = renewed
        else:
            assert not (self.last(held) and self.holds(self.valid[held.name])), "it was lost"

    @rule(pid=st.sampled_from(PIDS), again=st.booleans())
    def kill(self, pid: int, again: bool) -> None:
        start = self.starts.pop(pid, 0)
        if again or not start:
            self.starts[pid] = start + 1 + next(self.numbers)

    @rule(seconds=st.sampled_from([0.5, 1.0, LEASE, MEMORY]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def there_is_one_record_with_a_bounded_number_of_leases_and_no_name_twice(self) -> None:
        assert len(self.txn) <= 1
        for value in self.txn.values():
            found = leases._unpacked(value)
            assert 0 < len(found) <= PER_RECORD
            assert len({held.name for held in found}) == len(found)


TestProcesses = Processes.TestCase
TestProcesses.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# --- single rules -----------------------------------------------------------------------------------------------------


def wanted(number: int, pid: int = PIDS[0], *, until: float = LEASE) -> Held:
    return Held(NAMES[number], Owner(pid, 1, number), until)


@pytest.mark.usefixtures("starts")
def test_where_all_of_a_record_are_had_the_next_name_has_no_lease(txn: Any) -> None:
    table = Leases(1)
    for number in range(PER_RECORD):
        assert table.take(txn, wanted(number), 0.0) == wanted(number)
    assert table.take(txn, wanted(PER_RECORD), 0.0) is None
    assert table.find(txn.get, NAMES[PER_RECORD], 0.0) is None


def test_what_is_not_storable_and_the_dead_make_room_and_the_running_do_not(txn: Any, starts: dict[int, int]) -> None:
    table = Leases(1)
    for number in range(PER_RECORD):
        table.take(txn, wanted(number, PIDS[1] if number == 3 else PIDS[0], until=50.0), 0.0)
    assert table.change(txn, wanted(5), Held(NAMES[5], UNSTORABLE, 40.0))
    assert table.take(txn, wanted(8, until=50.0), 0.0), "in the room of what is not storable"
    assert table.take(txn, wanted(9), 0.0) is None
    del starts[PIDS[1]]
    assert table.take(txn, wanted(9), 0.0), "in the room of the dead"
    left = {number for number in range(10) if table.find(txn.get, NAMES[number], 0.0)}
    assert left == {0, 1, 2, 4, 6, 7, 8, 9}


@pytest.mark.usefixtures("starts")
def test_a_lease_is_anothers_until_the_moment_it_runs_out(txn: Any) -> None:
    table = Leases(1)
    table.take(txn, wanted(0), 0.0)
    assert table.find(txn.get, NAMES[0], LEASE - 0.001) == wanted(0)
    assert table.find(txn.get, NAMES[0], LEASE) is None


@pytest.mark.usefixtures("starts")
def test_what_has_run_out_is_dropped_by_the_next_write(txn: Any) -> None:
    table = Leases(1)
    for number in range(3):
        table.take(txn, wanted(number, until=1.0 + number), 0.0)
    table.take(txn, wanted(5, until=9.0), 2.5)
    [(_, value)] = txn.cursor()
    assert [held.name for held in leases._unpacked(value)] == [NAMES[2], NAMES[5]]


@pytest.mark.usefixtures("starts")
def test_a_record_that_is_damaged_has_no_leases(txn: Any) -> None:
    table = Leases(1)
    table.take(txn, wanted(0), 0.0)
    [(key, value)] = txn.cursor()
    txn.put(key, value[:-1] + b"?")
    assert without_sum(txn.get(key)) is None
    assert table.find(txn.get, NAMES[0], 0.0) is None
    assert table.take(txn, wanted(1), 0.0)


@pytest.mark.parametrize(("size", "records"), [(1, 1), (200_000, 12), (2**40, leases.MAX_RECORDS)])
@pytest.mark.usefixtures("starts")
def test_a_larger_file_has_more_records_and_names_are_spread_over_them(size: int, records: int, txn: Any) -> None:
    table = Leases(size)
    for number in range(20 * records):
        table.take(txn, Held(number.to_bytes(16), Owner(PIDS[0], 1, number), LEASE), 0.0)
    assert txn.stat()["entries"] == records
