"""`python -m accelerator stats` writes what all workers have counted, once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import LMDBStore
from accelerator.figures.total import total
from tests.commands.support import HOSTILE, cache_at, is_shown_as_text, publish, run, visit
from tests.support import drive

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"lmdb:{tmp_path}"


def test_what_all_workers_have_counted_is_written(tmp_path: Path, url: str) -> None:
    caches = [cache_at(tmp_path) for _ in range(2)]
    visit(caches[0], "/a", "/b", "/a", "/a", "/private")
    visit(caches[1], "/a")
    drive(caches[1].invalidate_tag("pages"))
    visit(caches[1], "/a")
    publish(caches[0])  # of the store that both have, the first one tells
    text = run("stats", "--store", url)
    lines = text.splitlines()
    assert re.fullmatch(rf"<LMDBStore: {tmp_path}>, counting for .+", lines[0])
    for line in (
        "workers                2",
        "requests               7",
        "hit ratio              42.9 %",
        "from the cache         5.9 KiB",
        "failed invalidations   0",
        "              3   42.9 %  hit",
        "              3   42.9 %  miss, stored",
        "              1   14.3 %  miss, private",
        "              1  tag, hard",
        "  kind       LMDBStore",
        "  shared     yes",
        "              3  https://example.org/a",
        "              3  page:a",
        "              1  private: https://example.org/private",
    ):
        assert line in lines, text
    assert re.search(r"^time of fills +[\d.]+ ms in the mean, 50 % below [\d.]+ ms, 95 % below ", text, re.MULTILINE)
    assert "time of invalidations  " in text


def test_ten_of_the_hottest_are_written_and_what_was_not_stored_comes_first(tmp_path: Path, url: str) -> None:
    visit(cache_at(tmp_path), *[f"/{number}" for number in range(12)] * 2, *[f"/private/{n}" for n in range(11)])
    text = run("stats", "--store", url)
    _, unstored, urls, tags = re.split(r"^(?=Not stored|Hot URLs|Hot tags)", text, flags=re.MULTILINE)
    assert [len(re.findall(r"^ +\d+  ", part, re.MULTILINE)) for part in (unstored, urls, tags)] == [10, 10, 10]
    for part, number in ((unstored, 1), (urls, 2), (tags, 3)):  # twelve pages have a tag each, and one together
        assert part.rstrip().endswith(f"  and {number} more: --json has them")
    assert tags.splitlines()[1].endswith("12  pages")


def test_json_says_what_figures_say(tmp_path: Path, url: str) -> None:
    cache = cache_at(tmp_path)
    visit(cache, "/a", "/a")
    said = json.loads(run("stats", "--store", url, "--json"))
    assert said == json.loads(
        json.dumps({**drive(cache.all_figures()), "until": said["until"], "store": said["store"]})
    )


def test_processes_that_have_ended_still_count_and_their_notes_stay(tmp_path: Path, url: str) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.commands.support import cache_at, visit;"
        " visit(cache_at(Path(sys.argv[1])), '/a', '/a', '/a')"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)  # noqa: S603 - ours
    (left,) = (tmp_path / "figures").iterdir()
    before = left.read_bytes(), left.stat().st_ino
    for _ in range(2):
        said = json.loads(run("stats", "--store", url, "--json"))
        assert (said["workers"], said["filling"], said["complete"]) == (0, 0, True)
        assert said["requests"] == {"miss": {"stored": 1}, "hit": {"": 2}}
        assert said["urls"] == [["https://example.org/a", 2]]
    alive = cache_at(tmp_path)
    visit(alive, "/a")
    said = json.loads(run("stats", "--store", url, "--json"))
    assert (said["workers"], said["requests"]) == (1, {"hit": {"": 3}, "miss": {"stored": 1}})
    assert (left.read_bytes(), left.stat().st_ino) == before


def test_hostile_urls_and_tags_show_as_text(tmp_path: Path, url: str) -> None:
    visit(cache_at(tmp_path), *[f"/{HOSTILE}\x1b[31m?hostile"] * 2, f"/private/{HOSTILE}\n")
    text = run("stats", "--store", url)
    assert "  1  \\u202e[red]\\u2066[/]" in text
    assert is_shown_as_text(text)


def test_some_notes_that_cannot_be_read_are_said_to_be_missing(tmp_path: Path, url: str) -> None:
    visit(cache_at(tmp_path), "/a")
    (tmp_path / "figures" / "1-abc.figures").write_text("{}")
    assert "The figures of some workers are missing, for they cannot be read." in run("stats", "--store", url)


def test_what_nobody_has_counted_is_said_in_one_line(tmp_path: Path, url: str) -> None:
    LMDBStore(tmp_path).store_figures()
    words = "yet: a worker does within seconds of its first request. Is it the store, and the prefix, that the workers"
    assert f"nobody has put figures in <LMDBStore: {tmp_path}> {words}" in run("stats", "--store", url, fails=1)


@pytest.mark.parametrize("note", ["{}", "no JSON", None])
def test_figures_of_another_version_are_said_to_be_that(tmp_path: Path, url: str, note: str | None) -> None:
    cache = cache_at(tmp_path)
    LMDBStore(tmp_path).store_figures()
    figures: Any = total([cache.figures()])
    written = json.dumps({"figures": {**figures, "since": "x"}, "adopted": []})
    (tmp_path / "figures" / "1-abc.figures").write_text(written if note is None else note)
    words = f"another version of this software has put its figures in <LMDBStore: {tmp_path}>: install the one here"
    assert words in run("stats", "--store", url, fails=1)


def test_figures_of_which_none_can_be_read_are_said_in_one_line(tmp_path: Path, url: str) -> None:
    LMDBStore(tmp_path).store_figures()
    (tmp_path / "figures" / "1-abc.figures").mkdir()
    words = f"another version of this software has put its figures in <LMDBStore: {tmp_path}>: "
    assert words in run("stats", "--store", url, fails=1)


def test_a_store_says_what_it_knows_of_itself() -> None:
    from accelerator.commands.stats import _spread, _store

    near: dict[str, Any] = {"lease": 1.5, "heartbeat": 0.00071, "behind": None, "follower": "x", "max_bytes": 2**20}
    fanout = {"Fastly": {"sent": 1200, "waiting": 3}}
    figures = {"entries": 12345, "breaker_open": None, "near": near, "errors": {}, "bytes": 2048, "fanout": fanout}
    lines = [*_store(figures)]
    assert lines == [
        "",
        "Store",
        "  entries       12,345",
        "  breaker open  -",
        "  near          lease 1.5 s, heartbeat 0.71 ms, behind -, follower x, max bytes 1.0 MiB",
        "  errors        -",
        "  bytes         2.0 KiB",
        "  fanout        Fastly sent 1,200, waiting 3",
    ]
    assert [*_store({"near": {"lease": "soon"}})][-1] == "  near  lease soon"
    assert [*_store({})] == ["", "Store"]
    assert _spread({"bounds": [1, 2], "counts": [0, 1, 3], "sum": 40}) == (
        "10 s in the mean, 50 % below any time, 95 % below any time, 99 % below any time"
    )
