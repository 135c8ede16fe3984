"""A server and near stores in which tasks are held up where one wants to, and all others go on at once."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.consistency.history import History, Made, RuleBrokenError
from tests.consistency.near_tasks import NEVER, Task, Waiting

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from types import ModuleType

    from tests.consistency.near_tasks import Command

SERVER: Final = "one server"
SENTINELS: Final = "the primary that Sentinel names"
CLUSTER: Final = "a cluster"

HOLDS: Final = (0, 1, 1, 1, 1, 2, 2, 3)
MAX_PROCESSES: Final = 4
LEASE_TICKS: Final = 100
"""How long a lease is for the slower of two clocks."""


class World:
    """A server and processes, in which one thing happens after another.

    Args:
        seed: of the schedule.
        model: the module of the model.
    """

    def __init__(self, seed: int, model: ModuleType) -> None:
        self.random = Random(seed)  # noqa: S311 - it has to be the same each time
        self.model = model
        self.now = 1000
        self.history = History()
        self.servers: list[Any] = [model.Server()]  # the former primaries, and the one that Sentinel names
        self.has_sentinels = self.is_cluster = False
        self.processes: list[Any] = []
        self.tasks: dict[int, list[Task]] = {}
        self.stopped: set[int] = set()
        self.longest_wait = 0
        self.tags = "xy"
        self._numbers = 0
        self._replica: tuple[Any, Any, Any] = (None, None, {})

    # --- what the processes need --------------------------------------------------------------------------------------

    @property
    def server(self) -> Any:
        return self.servers[-1]

    def primary(self) -> Any:
        """Return the server that Sentinel names now, if there is one, or else the only one."""
        return self.server

    def make(self, tag: str) -> Made:
        """The application begins to make a response."""
        begun = self.history.tick()
        return Made(begun, frozenset([tag]), begun)

    def check(self, process: Any, made: Made, arrived: int) -> None:
        """Hold an answer against the promise."""
        self.history.check(made, arrived, stale=False)
        process.failed.check(made, arrived, stale=False)

    def note_wait(self, waited: int) -> None:
        """An invalidation returns, this long after the server's answer."""
        self.longest_wait = max(self.longest_wait, waited)

    # --- processes and their tasks ------------------------------------------------------------------------------------

    def number(self) -> int:
        """Return a number that nothing else has."""
        self._numbers += 1
        return self._numbers

    def add(self, process: Any) -> None:
        self.processes.append(process)
        self.tasks[process.number] = []

    def anyone(self) -> int:
        return self.random.randrange(len(self.processes))

    def start(self, process: Any, name: str, work: Generator[Any, None, None]) -> Task:
        task = Task(name, work)
        self.tasks[process.number].append(task)
        return task

    def begin(self, who: int, name: str, tag: str = "x", *, hold_in: int = NEVER, holds_command: bool = False) -> None:
        """Begin with a task of one process, to be held up when it has gone on so often."""
        process = self.one(who)
        if name == "heartbeat" and not self.can_beat(process):
            return
        work = {
            "answer": lambda: process.answer(tag, self.history.tick()),
            "invalidate": lambda: process.invalidate(tag),
            "heartbeat": process.heartbeat,
            "leave": lambda: process.leave(self.number()),
        }[name]
        task = self.start(process, name, work())
        task.hold(hold_in, holds_command=holds_command)

    def begin_any(self, name: str, holds: float = 0.3) -> None:
        """Begin with a task of any process, and maybe hold it up somewhere."""
        hold_in = self.random.choice(HOLDS) if self.random.random() < holds else NEVER
        who, tag = self.anyone(), self.random.choice(self.tags)
        self.begin(who, name, tag, hold_in=hold_in, holds_command=self.random.random() < 0.5)

    def all_tasks(self) -> list[Task]:
        return [task for tasks in self.tasks.values() for task in tasks]

    def tasks_of(self, who: int) -> list[Task]:
        return self.tasks[self.one(who).number]

    def one(self, who: int) -> Any:
        return self.processes[who % len(self.processes)]

    def runs(self, process: Any, name: str) -> bool:
        return any(task.name == name for task in self.tasks[process.number])

    def settle(self) -> None:
        """Let everything happen that nothing holds up, and that needs no time."""
        for _ in range(1000):
            went_on = False
            for process in self.processes:
                if process.number not in self.stopped:
                    tasks = self.tasks[process.number]
                    for task in tasks:
                        went_on |= task.go_on()
                    tasks[:] = [task for task in tasks if not task.has_ended]
            if not went_on:
                return
        raise RuleBrokenError("it never comes to rest")

    def probe(self) -> None:
        """Ask every process what it would answer to a request that arrives now; that changes nothing."""
        arrived = self.history.tick()
        for process in self.processes:
            for tag in self.tags:
                hit = process.hit(tag)
                if hit is not None:
                    self.check(process, hit, arrived)

    # --- what usually happens -----------------------------------------------------------------------------------------

    def request_everywhere(self) -> None:
        self.request_everywhere_for(self.random.choice(self.tags))

    def to_any(self, name: str) -> None:
        """Do to any process what is done to one."""
        getattr(self, name)(self.anyone())

    def request_everywhere_for(self, tag: str) -> None:
        for who in range(len(self.processes)):
            self.begin(who, "answer", tag)
            self.settle()

    def beat_all(self) -> None:
        for who in range(len(self.processes)):
            self.begin(who, "heartbeat")

    def can_beat(self, process: Any) -> bool:
        return process.subscription is not None and self.follows(process) and not self.runs(process, "heartbeat")

    def connect(self) -> None:
        for process in self.processes:
            if process.subscription is None and not self.runs(process, "follow"):
                self.start(process, "follow", process.follow())
            if process.pending and not self.runs(process, "repeat"):
                self.start(process, "repeat", process.repeat())
            self.follows(process)

    def follows(self, process: Any) -> bool:
        """Tell whether it is this process that follows; it takes the role if nobody has it."""
        if process.near.followed_by not in self.tasks:
            process.near.followed_by = process.number
            process.begin_to_follow()
        return bool(process.follows)

    def wait(self) -> None:
        """Time goes on, above all to where something ends."""
        self.pass_time(self.random.choice((1, 2, 25, 97, 99, 101)) if self.random.random() < 0.3 else self.to_an_end())

    def pass_time(self, ticks: int) -> None:
        self.now += ticks
        self.server.clock += ticks
        for process in self.processes:
            process.slept += ticks * process.near.rate if process.number in self.stopped else 0

    def to_an_end(self) -> int:
        ends = [one.near.lease_until / one.near.rate for one in self.processes]
        for one in self.processes:
            ends += [
                task.waits.until / one.near.rate for task in self.tasks[one.number] if isinstance(task.waits, Waiting)
            ]
        ends = [end for end in ends if end >= self.now - 1]
        return max(0, int(self.random.choice(ends)) + self.random.randrange(3) - self.now) if ends else 1

    def drop(self, who: int, tag: str = "x") -> None:
        """A near store drops what it likes."""
        self.one(who).near.entries.pop(tag, None)

    def hold(self, who: int, hold_in: int = 0) -> None:
        """Messages to this process are late, or what it does with the first."""
        for task in self.tasks_of(who):
            if task.name == "follow":
                task.hold(hold_in, holds_command=False)

    def hold_any(self) -> None:
        """Messages are late, or the acknowledgement of one of them."""
        for task in self.tasks_of(self.anyone()):
            if task.name == "follow":
                task.hold(self.random.choice((0, 0, 1)), holds_command=self.random.random() < 0.5)

    def let(self, who: int, name: str) -> None:
        """Let such tasks of this process go on."""
        for task in self.tasks_of(who):
            if task.name == name:
                task.let()

    def release(self) -> None:
        if held := self.held():
            self.random.choice(held).let()

    def release_and_hold_later(self) -> None:
        if held := self.held():
            self.random.choice(held).hold(self.random.randrange(1, 3), holds_command=self.random.random() < 0.5)

    def held(self) -> list[Task]:
        return [task for task in self.all_tasks() if task.is_held]

    # --- faults -------------------------------------------------------------------------------------------------------

    def lose_a_command(self) -> None:
        if sent := self.sent(self.all_tasks()):
            self.lose(self.random.choice(sent))

    def lose_unexecuted(self) -> None:
        for command in self.sent(self.all_tasks()):
            command.lose()

    def sent(self, tasks: Iterable[Task]) -> list[Command]:
        return [command for task in tasks if (command := task.sent()) is not None]

    def lose(self, command: Command) -> None:
        """It is lost, before or after it was executed."""
        if self.random.random() < 0.5:
            command.execute()
        command.lose()

    def disconnect(self, who: int) -> None:
        subscription = self.one(who).subscription
        if subscription is not None:
            subscription.disconnect()
            self.forget(subscription)

    def deafen(self, who: int) -> None:
        """The server has given the connection up, and the process does not know."""
        subscription = self.one(who).subscription
        if subscription is not None:
            self.forget(subscription)

    def forget(self, subscription: Any) -> None:
        for server in self.servers:
            server.subscriptions = [one for one in server.subscriptions if one is not subscription]

    def lose_messages(self, who: int) -> None:
        subscription = self.one(who).subscription
        if subscription is not None:
            subscription.messages.clear()

    def duplicate_messages(self) -> None:
        for one in self.server.subscriptions:
            one.messages += one.messages

    def reorder_messages(self) -> None:
        for one in self.server.subscriptions:
            self.random.shuffle(one.messages)

    def disconnect_all(self) -> None:
        for server in self.servers:
            for one in server.subscriptions:
                one.disconnect()
            server.subscriptions = []
        self.lose_unexecuted()

    def restart_empty(self) -> None:
        self.disconnect_all()
        self.server.key = self.server.far = None
        self.server.identity += 1

    def replicate(self) -> None:
        self._replica = self.server.kept()

    def promote(self) -> None:
        """A replica takes over that may have missed what came last, and nobody hears of the server before again."""
        self.disconnect_all()
        self.server.key, self.server.far, self.server.entries = self._replica
        self.server.identity += 1
        self.replicate()

    def fail_over(self) -> None:
        """Sentinel names a replica that may have missed what came last. The former primary works on as before."""
        self.servers.append(self.server.successor())
        self.server.key, self.server.far, self.server.entries = self._replica
        self.replicate()

    def restart_near_server(self) -> None:
        """The server of a cluster begins anew that has the key of the near stores."""
        self.disconnect_all()
        self.server.key = None

    def restart_partition(self) -> None:
        """The server of a cluster begins anew that has the positions."""
        self.lose_unexecuted()
        self.server.far = None

    def evict_key(self) -> None:
        self.server.key = None

    def evict_far(self) -> None:
        self.server.far = None

    def stop(self, who: int) -> None:
        """It is stopped, or its machine sleeps."""
        self.stopped.add(self.one(who).number)

    def let_go_on(self) -> None:
        """Who was stopped answers what is asked before anything else."""
        self.stopped.clear()

    def kill(self, who: int) -> None:
        if len(self.processes) > 1:
            process = self.one(who)
            self.processes.remove(process)
            for command in self.sent(self.tasks.pop(process.number)):
                self.lose(command)
            if process.subscription is not None:
                self.forget(process.subscription)

    def fork(self, who: int) -> None:
        if len(self.processes) < MAX_PROCESSES:
            self.add(self.one(who).fork(self.number(), self.number()))
            self.connect()

    def take_over(self, who: int) -> None:
        """Another process follows for a near store while the one before does not know."""
        process = self.one(who)
        process.near.followed_by = process.number
        process.begin_to_follow()

    def set_servers_clock(self) -> None:
        self.server.clock += LEASE_TICKS

    # --- a whole fleet ------------------------------------------------------------------------------------------------

    def populate(self, rates: Sequence[int], *, is_shared: bool, kind: str = SERVER) -> None:
        """Begin with processes of as many machines, or with all but the last on one machine.

        Args:
            rates: of their clocks.
            is_shared: those of one machine have the same near store.
            kind: of the server.
        """
        self.has_sentinels, self.is_cluster = kind == SENTINELS, kind == CLUSTER
        nears = [self.model.Near(self.number(), rate, is_shared=is_shared) for rate in rates]
        if is_shared:
            nears[:-1] = [nears[0]] * (len(rates) - 1)
        for near in nears:
            self.add(self.model.Process(self, self.number(), near))

    def warm_up(self) -> None:
        """All follow and have answers, and it is long since the server began."""
        self.server.read_key().is_settled = True
        self.follow()
        for tag in self.tags:
            self.request_everywhere_for(tag)

    def follow(self) -> None:
        """All that have not yet begin to follow."""
        self.connect()
        self.settle()
        self.beat_all()
        self.settle()

    def be_quiet(self) -> None:
        """Without faults, all that was called returns, all near stores are used again, and nobody waits any more."""
        self.stopped.clear()
        for task in self.all_tasks():
            task.let()
        self.follow_for_long()
        for _ in range(2):
            self.longest_wait = 0
            self.begin(0, "invalidate")
            self.follow_for_long()
        if any(task.name != "follow" for task in self.all_tasks()):
            raise RuleBrokenError("what was called does not return")
        if any(one.near.lease_until <= one.clock() for one in self.processes):
            raise RuleBrokenError("a near store is not used again")
        if self.longest_wait > 0:
            raise RuleBrokenError("an invalidation waits for a follower that is not there")

    def follow_for_long(self) -> None:
        for _ in range(3 * 4 + 2):
            self.follow()
            self.pass_time(LEASE_TICKS // 4)
