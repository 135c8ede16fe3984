"""A Redis cluster on this machine, and what happens to one: primaries die, replicas take over, slots move."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal

from redis.crc import key_slot
from redis.exceptions import RedisError, ResponseError

from accelerator.demo.redis_server import STARTS, RedisServer, Started, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SLOTS: Final = 16384

PATIENCE: Final = 60.0
"""Seconds within which the servers have to agree."""

PAUSE: Final = 0.03
"""Seconds between two looks at the servers."""

CALM: Final = 30_000
"""Milliseconds after which a silent node counts as failed: so many that a busy machine lets none fail."""

ALERT: Final = 1_000
"""The same while a primary is to be replaced."""

VOTES_COUNT: Final = 5.0
"""Seconds for which Redis counts the votes of an election, also if the next one has begun: it may elect nobody then."""

LAPSE: Final = 10.0
"""Seconds after which an order to take over has lapsed."""

OPTIONS: Final = (
    "--cluster-enabled", "yes", "--cluster-node-timeout", str(CALM), "--cluster-replica-validity-factor", "0",
    "--cluster-allow-replica-migration", "no", "--repl-diskless-sync-delay", "0", "--appendonly", "no",
)  # fmt: skip

Way = Literal["", "FORCE", "TAKEOVER"]
"""How a replica takes over: agreed with its primary, without the primary, or without any other node."""


class Node(RedisServer):
    """A server of a cluster. It keeps its `id` when it is started again."""

    id: str = ""

    def start(self, *more: str) -> None:
        """Start the server, with a port for the other nodes that is free.

        Raises:
            RuntimeError: it does not answer.
        """
        for attempt in range(STARTS):
            try:
                super().start("--cluster-port", str(free_port()), *more)
            except RuntimeError:
                if attempt == STARTS - 1:
                    raise
            else:
                self.id = self.ask("CLUSTER MYID").decode()
                return

    def ask(self, *command: str | int | bytes) -> Any:  # redis-py parses replies
        """Return the reply to a command."""
        with self.client() as client:
            return client.execute_command(*command)

    def known(self) -> dict[str, dict[str, Any]]:
        """Return what it knows of all nodes, by their ids."""
        return {node["node_id"]: node for node in self.ask("CLUSTER NODES").values()}

    def is_replica(self) -> bool:
        """Tell whether it takes itself for a replica."""
        return bool(self.ask("INFO", "replication")["role"] == "slave")


class RedisCluster(Started):
    """A cluster of Redis servers on 127.0.0.1. A context manager that starts and stops it.

    All that happens in it has happened, and is known to all of its nodes, when a method returns. The methods block.

    Args:
        primaries: number of primaries, among which the slots are shared out. One that was killed is replaced only where
            there are three or more.
        replicas: number of replicas of each.
        options: further command line options of each server.
    """

    def __init__(self, *options: str, primaries: int = 3, replicas: int = 1) -> None:
        self.nodes = [Node(*OPTIONS, *options) for _ in range(primaries * (1 + replicas))]
        self._primaries = primaries
        self._moves: dict[int, tuple[Node, Node]] = {}
        self._elections: dict[Node, float] = {}

    @property
    def url(self) -> str:
        """The URL of the cluster, by a node that runs."""
        return f"redis+cluster://127.0.0.1:{self.running()[0].port}"

    def start(self) -> None:
        """Start all servers, and return when they are a cluster.

        Raises:
            RuntimeError: they do not become one.
        """
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(Node.start, self.nodes))
        primaries, replicas = self.nodes[: self._primaries], self.nodes[self._primaries :]
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for number, node in enumerate(primaries):
            first, end = (SLOTS * of // len(primaries) for of in (number, number + 1))
            node.ask("CLUSTER ADDSLOTSRANGE", first, end - 1)
        self._introduce()
        with self._alert():
            for number, node in enumerate(replicas):
                node.ask("CLUSTER REPLICATE", primaries[number % len(primaries)].id)
            self.settled()

    def _introduce(self) -> None:
        """Let each node know each other one: by hearsay alone that takes seconds."""
        for number, node in enumerate(self.nodes):
            for other in self.nodes[:number]:
                # redis-py knows no bus port here
                node.ask(
                    "CLUSTER MEET", "127.0.0.1", other.port, other.ask("CONFIG GET", "cluster-port")["cluster-port"]
                )
        ids = {node.id for node in self.nodes}
        _wait(lambda: all(node.known().keys() == ids for node in self.nodes), "the nodes do not know each other")

    def stop(self) -> None:
        """Kill all servers, and remove their folders."""
        with ExitStack() as stack:
            for node in self.nodes:
                stack.callback(node.stop)

    def running(self) -> list[Node]:
        """Return the nodes that run."""
        return [node for node in self.nodes if node.process is not None]

    def primaries(self) -> list[Node]:
        """Return the primaries that run."""
        return [node for node in self.running() if not node.is_replica()]

    def replicas_of(self, primary: Node) -> list[Node]:
        """Return the replicas of a primary that run, as they themselves see it."""
        return [node for node in self.running() if node.known()[node.id]["master_id"] == primary.id]

    def owner_of(self, key: str | bytes | int) -> Node:
        """Return the primary of a key, or of the slot with that number."""
        slot = key if isinstance(key, int) else slot_of(key)
        for node_id, node in self.running()[0].known().items():
            if any(int(part[0]) <= slot <= int(part[-1]) for part in node["slots"]):
                return self._node(node_id)
        raise LookupError(f"nobody has slot {slot}")

    def _node(self, node_id: str) -> Node:
        return next(node for node in self.nodes if node.id == node_id)

    def promote(self, primary: Node, way: Way = "") -> Node:
        """Let a replica take over from its primary, and return the replica.

        Args:
            primary: whose replica it is. It need not run, except if both are to agree.
            way: how. Only `TAKEOVER` asks nobody.
        """
        replica = self.replicas_of(primary)[0]
        if way != "TAKEOVER":  # which needs no election
            self._rest([replica])
        with self._alert():
            self._order(replica, way)
            self._hear(replica)
            self._elected(primary, replica)
        return replica

    @staticmethod
    def _order(replica: Node, way: Way) -> None:
        for last in (False, False, True):  # on a busy machine the order may lapse
            try:
                replica.ask("CLUSTER FAILOVER", *([way] if way else []))
                _wait(lambda: not replica.is_replica(), "a replica does not take over", LAPSE)
            except (RuntimeError, ResponseError):
                if last:
                    raise
            else:
                return

    def _rest(self, replicas: Sequence[Node]) -> None:
        """Wait until their last election is over for good."""
        time.sleep(max(0.0, max(self._elections.get(node, 0.0) for node in replicas) + VOTES_COUNT - time.monotonic()))

    def _elected(self, primary: Node, successor: Node) -> None:
        """Wait until all know a new primary. Slots that were moving go on to do so, as somebody would see to."""
        moves = {
            slot: tuple(successor if node is primary else node for node in move)
            for slot, move in self._moves.items()
            if primary in move
        }
        for slot, move in moves.items():
            for node in move:  # one that imports a slot takes it for that of the former primary, whatever others say
                node.ask("CLUSTER SETSLOT", slot, "STABLE")
        self.settled()
        for slot, (source, to) in moves.items():
            self._begin(slot, source, to)
        self._elections[successor] = time.monotonic()

    def kill(self, primary: Node) -> Node:
        """Kill a primary, and return the replica that the other nodes have made a primary in its place."""
        replicas = self.replicas_of(primary)
        self._rest(replicas)
        with self._alert():
            primary.kill()
            _wait(lambda: any(not node.is_replica() for node in replicas), "no replica is made a primary")
            successor = next(node for node in replicas if not node.is_replica())
            self._elected(primary, successor)
        return successor

    def revive(self) -> None:
        """Start who was killed again, without data, as replicas of the primaries that have the fewest."""
        killed = [node for node in self.nodes if node.process is None]
        for node in killed:
            node.start()
            _wait(lambda node=node: not node.known()[node.id]["slots"], "a node goes on with what it had")  # type: ignore[misc]  # mypy infers no type of a default
            primaries = [other for other in self.primaries() if other is not node]
            fewest = min(primaries, key=lambda primary: len(set(self.replicas_of(primary)) - {node}))
            _wait(lambda node=node, fewest=fewest: self._replicate(node, fewest), "a node becomes no replica")  # type: ignore[misc]
        self.settled()

    @staticmethod
    def _replicate(node: Node, primary: Node) -> bool:
        with suppress(ResponseError):  # it has not heard of the other one yet
            node.ask("CLUSTER REPLICATE", primary.id)
            return True
        return False

    def isolate(self, replica: Node) -> None:
        """Let a replica miss all that its primary writes from now on, until one of both is promoted."""
        replica.ask("CONFIG SET", "masteruser", "nobody", "masterauth", "nothing")
        replica.ask("CLIENT KILL", "TYPE", "master")

    @staticmethod
    def _hear(replica: Node) -> None:
        replica.ask("CONFIG SET", "masteruser", "", "masterauth", "")

    def move_slot(self, slot: int, to: Node) -> None:
        """Move a slot, with its keys, to another primary."""
        self.begin_move(slot, to)
        self.end_move(slot)

    def begin_move(self, slot: int, to: Node) -> None:
        """Begin to move a slot: from now on its owner sends those who ask for keys that it lacks to the other one."""
        self._begin(slot, self.owner_of(slot), to)

    def _begin(self, slot: int, source: Node, to: Node) -> None:
        to.ask("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
        source.ask("CLUSTER SETSLOT", slot, "MIGRATING", to.id)
        self._moves[slot] = source, to

    def move_some_keys(self, slot: int, count: int) -> int:
        """Move so many keys of a slot that is moving, or as many as there are, and return how many that were."""
        source, to = self._moves[slot]
        keys: list[bytes] = source.ask("CLUSTER GETKEYSINSLOT", slot, count)
        if keys:
            # it fails if its connection is cut, and may be repeated
            _wait(lambda: _migrate(source, to, keys), "keys do not move")
        return len(keys)

    def end_move(self, slot: int) -> None:
        """Move the keys that are left of a slot that is moving, and let all nodes know its new owner."""
        while self.move_some_keys(slot, 100):
            pass
        source, to = self._moves.pop(slot)
        others = [node for node in self.primaries() if node not in {source, to}]
        for node in (to, source, *others):
            node.ask("CLUSTER SETSLOT", slot, "NODE", to.id)
        self.settled()

    def settled(self) -> None:
        """Wait until all nodes that run agree on who has what, and each replica hears its primary.

        Raises:
            RuntimeError: they do not.
        """
        _wait(self._agree, "the nodes do not agree")

    def _agree(self) -> bool:
        nodes = self.running()
        views = [_view(node, {other.id for other in nodes}) for node in nodes]
        return (
            all(view == views[0] and len(view) == len(nodes) for view in views)
            and all(node.ask("CLUSTER INFO")["cluster_state"] == "ok" for node in nodes)
            and all(node.ask("INFO", "replication").get("master_link_status", "up") == "up" for node in nodes)
        )

    @contextmanager
    def _alert(self) -> Iterator[None]:
        """Let the nodes notice at once who is away."""
        self._set_timeout(ALERT)
        try:
            yield
        finally:
            self._set_timeout(CALM)

    def _set_timeout(self, milliseconds: int) -> None:
        for node in self.running():
            node.ask("CONFIG SET", "cluster-node-timeout", milliseconds)


def slot_of(key: str | bytes) -> int:
    """Return the number of the slot of a key."""
    return key_slot(key.encode() if isinstance(key, str) else key)


def _migrate(source: Node, to: Node, keys: Sequence[bytes]) -> bool:
    """Move keys. If both have one, as where a primary was replaced meanwhile, clients have seen that of the source."""
    source.ask("MIGRATE", "127.0.0.1", to.port, "", 0, int(PATIENCE * 1000), "REPLACE", "KEYS", *keys)
    return True


def _view(node: Node, ids: set[str]) -> set[tuple[str, str, str]]:
    """Return who has which slots and which primary, of these nodes, as one of them sees it."""
    known = node.known()
    return {
        (one, known[one]["master_id"], str(known[one]["slots"]))
        for one in ids & known.keys()
        if not {"handshake", "fail", "fail?"} & {*known[one]["flags"].split(",")}
    }


def _wait(condition: Callable[[], bool], otherwise: str, patience: float = PATIENCE) -> None:
    """Wait until it holds. A server that does not answer now may do so later.

    Raises:
        RuntimeError: it does not hold in time.
    """
    until = time.monotonic() + patience
    failure: RedisError | None = None
    while time.monotonic() < until:
        try:
            if condition():
                return
        except RedisError as error:
            failure = error
        time.sleep(PAUSE)
    raise RuntimeError(otherwise) from failure
