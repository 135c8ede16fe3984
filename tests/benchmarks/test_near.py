"""A tiny run of what near stores cost: that it is complete and near hits send nothing, not how fast anything is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redis import Redis

from accelerator.demo.redis_server import RedisServer
from accelerator.stores.redis.keys import Keys
from accelerator.stores.redis.scripts import BEAT
from benchmarks.near import BARE, EVENTUAL, FOLLOWING, KINDS, STRICT, WAYS, Sent, main, sent_meanwhile

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NAMES = [BARE, EVENTUAL, STRICT, FOLLOWING]


def test_each_table_is_complete_and_near_hits_send_nothing_to_redis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program itself ends with an error where a follower has not followed."""
    assert main(["--path", str(tmp_path), "--followers", "1", "--rounds", "2", "--seconds", "0.05"]) == 0
    _, *tables = capsys.readouterr().out.split("\n\n")
    *measured, commands = [table.splitlines() for table in tables]
    for _, _, *rows in measured[: len(KINDS)]:
        assert [row[:45].strip() for row in rows] == [f"1  {name}" for name in NAMES]
        assert all(float(figure) > 0 for row in rows for figure in row[45:].split())
    for _, *rows in measured[len(KINDS) :]:
        assert [row.split(",")[0] for row in rows] == [way for way in WAYS for _ in range(2)]
    _, far, *near, verdict = commands
    assert float(far.split()[-2]) >= 1
    assert len(near) == len(KINDS) * len(WAYS)
    assert all(int(row.split()[-3]) == 0 for row in near)
    assert verdict == "no near hit has sent anything to Redis"
    assert list(tmp_path.iterdir()) == []


def test_heartbeats_are_told_from_what_else_is_sent() -> None:
    with RedisServer() as server, Redis.from_url(server.tcp_url) as beating, Redis.from_url(server.tcp_url) as another:
        beating.ping()
        another.ping()

        async def work() -> None:
            beating.info("server", "replication")
            beating.eval(BEAT.text, 1, Keys(b"x:").near, "0" * 16, "run", 1000, "f:1", "")
            beating.evalsha(BEAT.sha, 1, Keys(b"x:").near, "0" * 16, "run", 1000, "f:1", "")
            another.info("server", "replication")
            another.mget("a", "b")

        assert asyncio.run(sent_meanwhile(server, work)) == Sent(heartbeats=1, others=3)
