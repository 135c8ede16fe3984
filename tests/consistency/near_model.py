"""A model of near stores: a server, and processes that keep copies of what it has and answer from them.

A generator is what one task does; wherever it yields, any other task, the server, time or a fault may come between. A
script of the server is one step, and so is all that a process does between two yields. Near stores stand for those
in the memory of a process and for those in a file that all processes of a machine share, one of which follows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.consistency.history import History, Invalidation
from tests.consistency.near_tasks import SWITCH, Command, LostError, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.consistency.history import Made
    from tests.consistency.near_world import World

LEASE = 10_000
"""How long an invalidation waits for a follower at most, on the clock of whoever waits."""

SHARE = 9_800
"""How long a follower trusts in a heartbeat: less, since the rates of two clocks may differ by 2 %."""

NEVER = -1


# --- the server -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Key:
    """All that followers depend on, in one key: it is lost as a whole, or not at all."""

    incarnation: int
    identity: int
    sequence: int = 0
    beats: int = 0
    is_settled: bool = False
    followers: dict[int, int] = field(default_factory=dict)
    """The number of each one's last heartbeat. No number is given twice."""


@dataclass(slots=True)
class Far:
    """The entries, and the positions of the tags."""

    incarnation: int
    identity: int
    position: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    entries: dict[str, Made] = field(default_factory=dict)


class Taken(NamedTuple):
    """The answer to an invalidation."""

    incarnation: int
    sequence: int
    is_settled: bool
    followers: dict[int, int]


class Beat(NamedTuple):
    """The answer to a heartbeat."""

    incarnation: int
    sequence: int
    is_settled: bool


class Message(NamedTuple):
    """What an invalidation tells the followers."""

    incarnation: int
    sequence: int
    tag: str
    origin: int


class Ack(NamedTuple):
    """What a follower tells an invalidator: all up to here is applied."""

    follower: int
    incarnation: int
    applied: int


@dataclass(slots=True)
class Subscription:
    """What the server sends to a process, in order, until the connection breaks."""

    process: int
    messages: list[Message | Ack] = field(default_factory=list)
    is_broken: bool = False

    def is_ready(self) -> bool:
        return self.is_broken or bool(self.messages)

    def disconnect(self) -> None:
        """The connection breaks, with what was on its way."""
        self.is_broken = True
        self.messages.clear()


class Server:
    """The scripts that the server runs, and what it keeps. It trusts only in what was written under its identity."""

    def __init__(self) -> None:
        self.identity = 0
        self.clock = 0
        self.subscriptions: list[Subscription] = []
        self._incarnations = 0
        self.key: Key | None = None
        self.far: Far | None = None

    def read_key(self) -> Key:
        if self.key is None or self.key.identity != self.identity:
            self._incarnations += 1
            self.key = Key(self._incarnations, self.identity)
        return self.key

    def read_far(self) -> Far:
        if self.far is None or self.far.identity != self.identity:
            self._incarnations += 1
            self.far = Far(self._incarnations, self.identity)
        return self.far

    def read(self, tag: str) -> tuple[Made | None, tuple[int, int]]:
        """Return the entry with this tag, if it is usable, and a mark."""
        far = self.read_far()
        return far.entries.get(tag), (far.incarnation, far.position)

    def commit(self, tag: str, made: Made, mark: tuple[int, int]) -> None:
        far = self.read_far()
        if mark[0] == far.incarnation and far.positions.get(tag, 0) <= mark[1]:
            far.entries[tag] = made

    def invalidate(self, tag: str, origin: int) -> Taken:
        self.move(tag)
        return self.publish(tag, origin)

    def move(self, tag: str) -> None:
        far = self.read_far()
        far.position += 1
        far.positions[tag] = far.position
        far.entries.pop(tag, None)

    def publish(self, tag: str, origin: int) -> Taken:
        key = self.read_key()
        key.sequence += 1
        for one in self.subscriptions:
            one.messages.append(Message(key.incarnation, key.sequence, tag, origin))
        return Taken(key.incarnation, key.sequence, key.is_settled, dict(key.followers))

    def heartbeat(self, follower: int, settled: int) -> Beat:
        key = self.read_key()
        key.is_settled |= settled == key.incarnation
        key.beats += 1
        key.followers[follower] = key.beats
        return Beat(key.incarnation, key.sequence, key.is_settled)

    def remove(self, silent: dict[int, int], incarnation: int, settled: int) -> None:
        """Take out followers of which nothing was heard since."""
        key = self.read_key()
        key.is_settled |= settled == key.incarnation
        for follower, beat in silent.items():
            if key.incarnation == incarnation and key.followers.get(follower) == beat:
                del key.followers[follower]

    def leave(self, follower: int) -> None:
        self.read_key().followers.pop(follower, None)

    def acknowledge(self, origin: int, ack: Ack) -> None:
        for one in self.subscriptions:
            if one.process == origin:
                one.messages.append(ack)

    def subscribe(self, process: int) -> Subscription:
        subscription = Subscription(process)
        self.subscriptions.append(subscription)
        return subscription


# --- a process --------------------------------------------------------------------------------------------------------


class Near:
    """A near store: its entries, and how far it is with the invalidations of others.

    Args:
        follower: a number that no other near store has had.
        rate: of the machine's clock.
        is_shared: all processes of its machine use it.
    """

    def __init__(self, follower: int, rate: int, *, is_shared: bool) -> None:
        self.follower = follower
        self.rate = rate
        self.is_shared = is_shared
        self.incarnation = 0
        self.applied = 0
        self.lease_until = NEVER
        self.followed_by = 0  # the process that has this role
        self.position = 0
        self.floor = 0
        self.positions: dict[str, int] = {}
        self.entries: dict[str, Made] = {}

    def invalidate(self, tag: str) -> None:
        self.position += 1
        self.positions[tag] = self.position
        self.entries.pop(tag, None)

    def empty(self) -> None:
        """Take back everything, which also refuses what is on its way into the store."""
        self.position += 1
        self.floor = self.position
        self.entries.clear()

    def commit(self, tag: str, made: Made, mark: int) -> None:
        if mark >= self.floor and mark >= self.positions.get(tag, 0):
            self.entries[tag] = made


class Process:
    """What one process does: it answers, takes back, and may be the one that follows for its near store."""

    def __init__(self, world: World, number: int, near: Near) -> None:
        self.world = world
        self.number = number
        self.near = near
        self.pending: dict[str, int] = {}  # the tags whose invalidation failed, and the last call of each
        self.failed = History()  # of these the promise holds within this process
        self.subscription: Subscription | None = None
        self._acks: dict[tuple[int, int], int] = {}
        self._is_fresh = False
        self._awaited: tuple[int, int] | None = None  # when the last heartbeat was sent, and the sequence it found
        self._born = (0, 0)  # the incarnation, and a time when it was there
        self._is_settled = False

    def clock(self) -> int:
        return self.near.rate * self.world.now

    def call(self, script: Callable[..., Any], *arguments: Any) -> Generator[Command, None, Any]:
        command = Command(script, arguments)
        yield command
        if command.is_lost:
            raise LostError
        return command.reply

    # --- requests -----------------------------------------------------------------------------------------------------

    def hit(self, tag: str) -> Made | None:
        """Return what a request that has arrived is answered with at once."""
        has_lease = self.clock() < self.near.lease_until
        return self.near.entries.get(tag) if has_lease and tag not in self.pending else None

    def answer(self, tag: str, arrived: int) -> Generator[Any, None, None]:
        near, server = self.near, self.world.server
        hit = self.hit(tag)
        if hit is not None:
            self.world.check(self, hit, arrived)
            return
        kept = frozenset(self.pending)
        mark = near.position
        found, far_mark = yield from self.call(server.read, tag)
        if found is not None and tag not in kept:
            near.commit(tag, found, mark)
            self.world.check(self, found, arrived)
            return
        made = self.world.make(tag)
        yield SWITCH  # the application runs
        near.commit(tag, made, mark)
        if tag not in self.pending:
            yield Command(server.commit, (tag, made, far_mark))

    # --- invalidations ------------------------------------------------------------------------------------------------

    def invalidate(self, tag: str) -> Generator[Any, None, None]:
        call = self.world.history.call(frozenset([tag]), soft=False)
        try:
            taken, since = yield from self._take_back(tag)
        except LostError:
            self.pending[tag] = call.called
            self.near.invalidate(tag)
            self.failed.invalidations.append(Invalidation(call.tags, False, call.called, self.world.history.tick()))
            return
        silent = yield from self._wait(taken, since)
        call.returned = self.world.history.tick()
        self.world.note_wait(self.clock() - since)
        settled = taken.incarnation if not taken.is_settled else 0
        if silent or settled:
            yield from self.call(self.world.server.remove, silent, taken.incarnation, settled)

    def _take_back(self, tag: str) -> Generator[Any, None, tuple[Taken, int]]:
        self.near.invalidate(tag)
        taken = yield from self.call(self.world.server.invalidate, tag, self.number)
        since = self.clock()
        self.near.invalidate(tag)
        return taken, since

    def _wait(self, taken: Taken, since: int) -> Generator[Any, None, dict[int, int]]:
        """Wait for the acknowledgements, or as long as a lease lasts; return the followers that stayed silent."""
        others = {follower: beat for follower, beat in taken.followers.items() if follower != self.near.follower}

        def silent() -> dict[int, int]:
            applied, incarnation = self._acks, taken.incarnation
            return {one: others[one] for one in others if applied.get((one, incarnation), -1) < taken.sequence}

        yield Waiting(self.clock, since + LEASE, lambda: taken.is_settled and not silent())
        return silent()

    def repeat(self) -> Generator[Any, None, None]:
        """Repeat what failed; nobody waits for it any more."""
        for tag, call in list(self.pending.items()):
            yield from self._take_back(tag)
            if self.pending.get(tag) == call:
                del self.pending[tag]

    # --- following ----------------------------------------------------------------------------------------------------

    @property
    def follows(self) -> bool:
        return self.near.followed_by == self.number

    def follow(self) -> Generator[Any, None, None]:
        """Receive messages until the connection breaks."""
        subscription = yield from self.call(self.world.server.subscribe, self.number)
        self.subscription = subscription
        self.begin_to_follow()
        while not subscription.is_broken:
            yield subscription
            if subscription.messages:
                message = subscription.messages.pop(0)
                if isinstance(message, Ack):
                    self._note(message)
                elif self.follows:
                    yield from self._receive(message)
        self.subscription = None

    def begin_to_follow(self) -> None:
        """Messages may have been missed before."""
        self._is_fresh, self._awaited = True, None

    def _note(self, ack: Ack) -> None:
        one = ack.follower, ack.incarnation
        self._acks[one] = max(self._acks.get(one, 0), ack.applied)

    def _receive(self, message: Message) -> Generator[Any, None, None]:
        near = self.near
        if message.incarnation != near.incarnation:
            return
        if message.sequence == near.applied + 1:
            near.invalidate(message.tag)
        elif message.sequence > near.applied:
            near.empty()
        near.applied = max(near.applied, message.sequence)
        self._renew()
        yield from self._acknowledge(message)

    def _acknowledge(self, message: Message) -> Generator[Any, None, None]:
        near = self.near
        ack = Ack(near.follower, near.incarnation, near.applied)
        yield Command(self.world.server.acknowledge, (message.origin, ack))

    def heartbeat(self) -> Generator[Any, None, None]:
        near = self.near
        incarnation, since = self._born
        has_waited = not self._is_settled and self.clock() >= since + LEASE
        sent, follower = self.clock(), near.follower
        beat = yield from self.call(self.world.server.heartbeat, follower, incarnation if has_waited else 0)
        if near.follower != follower:
            return
        if self._born[0] != beat.incarnation:
            self._born = beat.incarnation, self.clock()
        self._is_settled = beat.is_settled
        self._take_up(beat)
        self._is_fresh, self._awaited = False, (sent, beat.sequence)
        self._renew()

    def _take_up(self, beat: Beat) -> None:
        """Begin anew if messages were missed that no message tells of."""
        near = self.near
        was_missed = self._is_fresh or (self._awaited is not None and self._awaited[1] > near.applied)
        if near.incarnation != beat.incarnation:
            near.empty()
            near.lease_until = NEVER
            near.incarnation, near.applied = beat.incarnation, beat.sequence
        elif beat.sequence > near.applied and was_missed:
            near.empty()
            near.applied = beat.sequence
            if not self._is_fresh and self.subscription is not None:
                self.subscription.is_broken = True  # it may have been deaf for long

    def _renew(self) -> None:
        """Trust in the last heartbeat once all is applied that the server had sent before it."""
        near = self.near
        if self._awaited is not None and self._awaited[1] <= near.applied:
            near.lease_until = max(near.lease_until, self._awaited[0] + SHARE)
            self._awaited = None

    # --- comings and goings -------------------------------------------------------------------------------------------

    def leave(self, successor: int) -> Generator[Any, None, None]:
        """Stop to follow; whoever follows again does so under another number."""
        near = self.near
        follower, near.follower = near.follower, successor
        near.lease_until = NEVER
        near.incarnation = 0
        yield from self.call(self.world.server.leave, follower)

    def fork(self, number: int, follower: int) -> Process:
        """Return the child, which has nothing of its parent but a file that both use."""
        near = self.near if self.near.is_shared else Near(follower, self.near.rate, is_shared=False)
        return Process(self.world, number, near)
