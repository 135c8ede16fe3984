"""The measured constants, which `constants.toml` has."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("constants.toml")


@dataclass(frozen=True)
class Constants:
    """What one of each costs. Tags have names of 12 characters, followers those that the store gives them.

    Attributes:
        date: when it was measured.
        versions: of what.
        machine: its kind.
        entry_bytes: bytes in Redis of an entry without tags, beyond its body of about 10 KB, with the record of its URL
            and what the allocator rounds up.
        tag_bytes: more for each tag of an entry.
        record_bytes: of a tag's record.
        cluster_entry_bytes: the same as `entry_bytes` on a cluster, by three primaries.
        meta_bytes: of the order of positions of a partition.
        place_bytes: of a place in the log.
        follower_bytes: of a follower in the list.
        variant_bytes: more for each variant of a URL, beside its entry.
        memory_bytes: of an entry in a `MemoryStore` beyond its body, as it counts, with five tags.
        lmdb_bytes: the same in the file of an `LMDBStore`.
        hit_cpu: µs of the server's main thread for the read of a hit with five tags.
        fill_cpu: µs for a fill without tags.
        fill_tag_cpu: more for each tag.
        invalidation_cpu: µs for the invalidation of a tag that nobody follows.
        told_cpu: more for each follower, who is listed and told.
        acknowledgement_cpu: µs for an acknowledgement, received and passed on.
        heartbeat_cpu: µs for a heartbeat.
        identity_cpu: µs to say who the server is.
        cluster_hit_cpu: µs of all nodes of a cluster for the read of a hit with five tags.
        cluster_miss_cpu: µs of all nodes for a miss of what nobody has.
        bus_sent_cpu: more µs of a node for each other node that a message goes to.
        bus_taken_cpu: µs of a node for a message that another one sends.
        follower_cpu: µs of a follower's process for an invalidation that it hears, applies and acknowledges.
        writer_cpu: µs of the process that invalidates, without followers.
        heard_cpu: more for each acknowledgement.
        told_bytes: bytes to a follower for the invalidation of one tag.
        listed_bytes: bytes of a follower in the answer to who invalidates.
        acknowledgement_bytes: bytes of an acknowledgement to and from the server, with the server's answer.
        heartbeat_bytes: bytes of a heartbeat and its answer.
        bus_bytes: bytes of an acknowledgement between two nodes of a cluster.
        connections: connections of a process with a near store that also invalidates, one request at a time.
    """

    date: str
    versions: str
    machine: str
    entry_bytes: float
    tag_bytes: float
    record_bytes: float
    cluster_entry_bytes: float
    meta_bytes: float
    place_bytes: float
    follower_bytes: float
    variant_bytes: float
    memory_bytes: float
    lmdb_bytes: float
    hit_cpu: float
    fill_cpu: float
    fill_tag_cpu: float
    invalidation_cpu: float
    told_cpu: float
    acknowledgement_cpu: float
    heartbeat_cpu: float
    identity_cpu: float
    cluster_hit_cpu: float
    cluster_miss_cpu: float
    bus_sent_cpu: float
    bus_taken_cpu: float
    follower_cpu: float
    writer_cpu: float
    heard_cpu: float
    told_bytes: float
    listed_bytes: float
    acknowledgement_bytes: float
    heartbeat_bytes: float
    bus_bytes: float
    connections: float

    def write(self) -> None:
        """Write them to their file."""
        lines = [f"{name} = {_toml(value)}" for name, value in asdict(self).items()]
        FILE.write_text("# written by python -m benchmarks.scaling --measure\n" + "\n".join(lines) + "\n")


def _toml(value: str | float) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:.1f}"


def read() -> Constants:
    """Return those of the file."""
    found = tomllib.loads(FILE.read_text())
    return Constants(**{field.name: found[field.name] for field in fields(Constants)})
