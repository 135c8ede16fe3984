"""Each process tells the others what it has counted, and sums up what they have."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator, LMDBStore, MemoryStore, WSGIAccelerator
from accelerator.figures.board import Board, Note
from accelerator.stores.publishing import DIRECTORY, Publishing
from tests.scripts import run_script
from tests.support import app_saying, ask, drive

if TYPE_CHECKING:
    from pathlib import Path

STORED = ("cache-control", "max-age=600")


def publish(cache: ASGIAccelerator) -> None:
    """Do what the thread of a process does when its time has come."""
    cache._publishing.publish_if_due(float("inf"))
    cache._publishing._due = 0.0


def cache_at(path: Path) -> ASGIAccelerator:
    return ASGIAccelerator(app_saying(STORED), store=LMDBStore(path))


def test_figures_of_all_are_the_sum_of_what_each_has_told(tmp_path: Path) -> None:
    caches = [cache_at(tmp_path) for _ in range(3)]
    for cache in caches:
        drive(ask(cache))
        publish(cache)
    drive(ask(caches[0]))
    for cache in caches:
        figures = drive(cache.all_figures())
        assert figures["workers"] == 3
        assert figures["complete"]
        assert figures["requests"]["miss"] == {"stored": 1}
    assert drive(caches[0].all_figures())["requests"]["hit"] == {"": 3}  # one's own are those of now
    assert drive(caches[1].all_figures())["requests"]["hit"] == {"": 2}
    publish(caches[0])
    assert drive(caches[1].all_figures())["requests"]["hit"] == {"": 3}


def test_where_nothing_was_counted_nothing_is_written(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    publish(cache)
    assert not list((tmp_path / "figures").iterdir())
    drive(ask(cache))
    publish(cache)
    (note,) = (tmp_path / "figures").iterdir()
    written = note.stat()
    publish(cache)
    assert note.stat().st_ino == written.st_ino
    drive(ask(cache))
    publish(cache)
    assert note.stat().st_ino != written.st_ino


def test_a_note_is_brought_up_to_date_once_a_second(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    for now, number in ((100.0, 1), (100.5, 1), (101.0, 3)):
        drive(ask(cache))
        cache._publishing.publish_if_due(now)
        seen = drive(ASGIAccelerator(app_saying(), store=cache.store).all_figures())["requests"]
        assert sum(sum(reasons.values()) for reasons in seen.values()) == number


def test_wsgi_and_asgi_sum_up_alike(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    drive(ask(cache))
    publish(cache)
    wsgi = WSGIAccelerator(lambda environ, start_response: [], store=cache.store)
    assert wsgi.all_figures()["requests"] == {"miss": {"stored": 1}}
    assert wsgi.figures()["requests"] == {}


def test_workers_with_memories_of_their_own_share_the_directory_of_prometheus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    caches = [ASGIAccelerator(app_saying(STORED), store=MemoryStore()) for _ in range(2)]
    for cache in caches:
        drive(ask(cache))
        publish(cache)
    figures = drive(caches[0].all_figures())
    assert figures["requests"] == {"miss": {"stored": 2}}
    assert figures["store"]["entries"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["accelerator"]


def test_alone_with_its_memory_a_process_is_all_there_is() -> None:
    cache = ASGIAccelerator(app_saying(STORED))
    drive(ask(cache))
    assert drive(cache.all_figures())["requests"] == cache.figures()["requests"] == {"miss": {"stored": 1}}


class Place(Board):
    """Notes in a dict, which may fail, with processes that have ended."""

    suspends = False
    seconds = 1.0

    def __init__(self, notes: dict[str, Note]) -> None:
        self.name = "own"
        self.notes = notes
        self.error: Exception | None = None
        self.claimed: list[str] = []

    async def publish(self, text: str) -> None:
        if self.error is not None:
            raise self.error
        self.notes[self.name] = Note(text, is_alive=True)

    async def read(self) -> dict[str, Note]:
        if self.error is not None:
            raise self.error
        return dict(self.notes)

    async def claim(self, name: str) -> bool:
        self.claimed.append(name)
        return name in self.notes

    def forget(self) -> None:
        self.name = "child"

    async def remove(self, name: str) -> None:
        del self.notes[name]


def at(place: Place) -> tuple[ASGIAccelerator, Publishing]:
    cache = ASGIAccelerator(app_saying(STORED))
    return cache, Publishing(cache.figures, cache._engine.counts, place)


def note_of(requests: int, *, is_alive: bool, adopted: tuple[str, ...] = ()) -> Note:
    place = Place({})
    cache, publishing = at(place)
    for _ in range(requests):
        drive(ask(cache))
    publishing._adopted = publishing._adopted._replace(names=adopted)
    publishing.publish_if_due(1.0)
    return place.notes["own"]._replace(is_alive=is_alive)


def counted(figures: Any) -> int:
    return sum(sum(reasons.values()) for reasons in figures["requests"].values())


def test_what_a_process_that_has_ended_had_counted_is_added_to_ones_own_and_its_note_is_removed() -> None:
    place = Place({"ended": note_of(5, is_alive=False), "alive": note_of(7, is_alive=True)})
    cache, publishing = at(place)
    drive(ask(cache))
    for _ in range(2):
        figures = drive(publishing.total())
        assert (counted(figures), figures["workers"]) == (13, 2)
    assert set(place.notes) == {"own", "alive"}
    place.name = "other"
    _, other = at(place)
    assert counted(drive(other.total())) == 13


def test_a_process_that_ends_between_adding_and_removing_leaves_nothing_counted_twice() -> None:
    place = Place({"ended": note_of(5, is_alive=False), "heir": note_of(7, is_alive=True, adopted=("ended",))})
    _, publishing = at(place)
    assert counted(drive(publishing.total())) == 7


def test_what_another_process_claims_is_counted_and_left_to_it() -> None:
    class Claimed(Place):
        async def claim(self, name: str) -> bool:
            return False

    place = Claimed({"ended": note_of(5, is_alive=False)})
    _, publishing = at(place)
    assert counted(drive(publishing.total())) == 5
    assert set(place.notes) == {"ended"}


def test_while_one_thread_adds_what_has_ended_another_leaves_it_alone() -> None:
    place = Place({"ended": note_of(5, is_alive=False)})
    _, publishing = at(place)
    with publishing._adopting:
        assert counted(drive(publishing.total())) == 5
    assert place.claimed == []


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", '"text"', "{}", '{"figures": {}, "adopted": []}', '{"figures": 1}']
)
def test_a_note_that_cannot_be_read_is_left_out_and_the_sum_is_not_complete(text: str) -> None:
    place = Place({"bad": Note(text, is_alive=True), "good": note_of(3, is_alive=True)})
    _, publishing = at(place)
    figures = drive(publishing.total())
    assert counted(figures) == 3
    assert not figures["complete"]


def test_a_place_that_fails_costs_no_figure_of_ones_own_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    place = Place({})
    cache, publishing = at(place)
    drive(ask(cache))
    place.error = OSError("no space left")
    with caplog.at_level(logging.WARNING, "accelerator"):
        for now in (1.0, 3.0):
            publishing.publish_if_due(now)
        figures = drive(publishing.total())
    assert (counted(figures), figures["complete"]) == (1, False)
    assert [record.getMessage() for record in caplog.records] == [
        "the figures of this process cannot be shared with others: no space left"
    ]
    place.error = None
    publishing.publish_if_due(5.0)
    assert set(place.notes) == {"own"}


def test_a_child_process_begins_with_nothing_counted_and_a_note_of_its_own() -> None:
    place = Place({})
    cache, publishing = at(place)
    drive(ask(cache))
    drive(ask(cache))
    publishing.publish_if_due(1.0)
    publishing.after_fork()
    assert cache.figures()["requests"] == {}
    drive(ask(cache))
    publishing.publish_if_due(1.0)
    assert counted(drive(publishing.total())) == 3
    assert set(place.notes) == {"own", "child"}


SERVING = """
import os, time
from pathlib import Path
from accelerator import ASGIAccelerator, LMDBStore
from tests.support import app_saying, ask, drive

cache = ASGIAccelerator(app_saying(("cache-control", "max-age=600")), store=LMDBStore(os.environ["WHERE"]))
drive(ask(cache))
deadline = time.monotonic() + 60
while not list(Path(os.environ["WHERE"], "figures").glob("*.figures")) and time.monotonic() < deadline:
    time.sleep(0.02)
child = os.fork()
if child == 0:
    for _ in range(4):
        drive(ask(cache))
    while len(list(Path(os.environ["WHERE"], "figures").glob("*.figures"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os._exit(0)
os.waitpid(child, 0)
figures = drive(cache.all_figures())
print(sorted(figures["requests"].items()), figures["workers"])
"""


def test_a_thread_of_each_process_publishes_even_after_a_fork_and_what_a_child_counted_stays(tmp_path: Path) -> None:
    said = run_script(SERVING, WHERE=str(tmp_path)).strip()
    assert said == "[('hit', {'': 4}), ('miss', {'stored': 1})] 1"


LAST = """
import os
from accelerator import ASGIAccelerator, LMDBStore
from tests.support import app_saying, ask, drive

cache = ASGIAccelerator(app_saying(("cache-control", "max-age=600")), store=LMDBStore(os.environ["WHERE"]))
for _ in range(3):
    drive(ask(cache))
"""


def test_what_was_counted_last_is_published_when_the_process_ends(tmp_path: Path) -> None:
    run_script(LAST, WHERE=str(tmp_path))
    assert counted(drive(cache_at(tmp_path).all_figures())) == 3


def test_many_threads_that_read_and_publish_at_once_do_each_other_no_harm(tmp_path: Path) -> None:
    caches = [cache_at(tmp_path) for _ in range(3)]
    for cache in caches:
        drive(ask(cache))
        publish(cache)
    sums: list[int] = []

    def work(cache: ASGIAccelerator) -> None:
        for _ in range(10):
            publish(cache)
            sums.append(counted(drive(cache.all_figures())))

    threads = [threading.Thread(target=work, args=(cache,)) for cache in caches for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [3] * 60
