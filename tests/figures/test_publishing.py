"""Each process tells the others what it has counted, and sums up what they have."""

from __future__ import annotations

import itertools
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator, LMDBStore, MemoryStore, WSGIAccelerator
from accelerator.figures.board import Board, Note
from accelerator.stores import publishers
from accelerator.stores import publishing as publishing_module
from accelerator.stores.publishing import DIRECTORY, Publishing, sum_of
from tests.figures.test_requests import Plain
from tests.scripts import run_script
from tests.support import BROWSER, app_saying, ask, drive

if TYPE_CHECKING:
    from pathlib import Path

START = publishers._start  # before a fixture puts another one in its place
STORED = ("cache-control", "max-age=600")


moments = itertools.count(1000.0, 1000.0)


def publish(cache: ASGIAccelerator) -> None:
    """Do what the thread of a process does when its time has come."""
    cache._publishing.turn(next(moments))


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
    moment = next(moments)
    cache._publishing.turn(moment)
    with note.open("rb") as kept:  # so that its number is not given to another file
        cache._publishing.turn(moment + 2)
        assert os.path.samestat(os.fstat(kept.fileno()), note.stat())
        drive(ask(cache))
        cache._publishing.turn(moment + 4)
        assert not os.path.samestat(os.fstat(kept.fileno()), note.stat())


def test_a_note_that_says_nothing_new_is_written_again_each_minute_so_its_process_is_known_to_be_alive(
    tmp_path: Path,
) -> None:
    cache = cache_at(tmp_path)
    drive(ask(cache))
    publish(cache)
    for note in (tmp_path / "figures").iterdir():
        note.unlink()
    publish(cache)
    assert counted(drive(cache_at(tmp_path).all_figures())) == 1


def test_a_note_is_brought_up_to_date_once_a_second(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    for now, number in ((100.0, 1), (100.5, 1), (101.0, 3)):
        drive(ask(cache))
        cache._publishing.turn(now)
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
        self.name = "none"
        self.begun = 0
        self.notes = notes
        self.error: Exception | None = None
        self.error_of_publish: Exception | None = None
        self.dies_at = ""
        self.published = 0
        self.claimed: list[str] = []

    async def publish(self, text: str) -> None:
        if self.dies_at == "publish":
            raise KeyboardInterrupt
        if (error := self.error or self.error_of_publish) is not None:
            raise error
        self.published += 1
        self.notes[self.name] = Note(text, is_alive=True)

    async def read(self) -> dict[str, Note]:
        if self.error is not None:
            raise self.error
        return dict(self.notes)

    async def claim(self, name: str) -> bool:
        self.claimed.append(name)
        return name in self.notes

    async def release(self, name: str) -> None:
        self.claimed.remove(name)

    def begin(self) -> None:
        self.begun += 1
        self.name = "own" if self.begun == 1 else f"own {self.begun}"

    async def remove(self, name: str) -> None:
        if self.dies_at == "remove":
            raise KeyboardInterrupt
        del self.notes[name]


def at(place: Place) -> tuple[ASGIAccelerator, Publishing]:
    cache = ASGIAccelerator(app_saying(STORED))
    return cache, Publishing(cache.figures, cache._engine.counts, cache.store, place)


def note_of(requests: int, *, is_alive: bool, adopted: tuple[str, ...] = ()) -> Note:
    place = Place({})
    cache, publishing = at(place)
    for _ in range(requests):
        drive(ask(cache))
    drive(place.publish(publishing._note(publishing._adopted._replace(names=adopted))))
    return place.notes[place.name]._replace(is_alive=is_alive)


def counted(figures: Any) -> int:
    return sum(sum(reasons.values()) for reasons in figures["requests"].values())


def test_what_a_process_that_has_ended_had_counted_is_added_to_ones_own_and_its_note_is_removed() -> None:
    place = Place({"ended": note_of(5, is_alive=False), "alive": note_of(7, is_alive=True)})
    cache, publishing = at(place)
    drive(ask(cache))
    assert counted(drive(publishing.total())) == 13
    publishing.turn(1.0)
    for _ in range(2):
        figures = drive(publishing.total())
        assert (counted(figures), figures["workers"]) == (13, 2)
    assert set(place.notes) == {"own", "alive"}
    _, other = at(place)
    place.name = "other"
    assert counted(drive(other.total())) == 13


def test_whoever_only_asks_changes_nothing() -> None:
    place = Place({"ended": note_of(5, is_alive=False)})
    _, publishing = at(place)
    assert counted(drive(publishing.total())) == 5
    assert (place.claimed, set(place.notes)) == ([], {"ended"})


def test_one_note_is_written_however_many_have_ended() -> None:
    place = Place({f"ended {number}": note_of(1, is_alive=False) for number in range(30)})
    cache, publishing = at(place)
    drive(ask(cache))
    publishing.turn(1.0)
    assert place.published == 2
    assert set(place.notes) == {"own"}
    assert counted(drive(publishing.total())) == 31


@pytest.mark.parametrize("step", ["publish", "remove"])
def test_a_process_that_ends_at_any_step_of_adding_leaves_each_count_there_once(step: str) -> None:
    place = Place({"first": note_of(5, is_alive=False), "second": note_of(7, is_alive=False)})
    cache, publishing = at(place)
    drive(ask(cache))
    publishing._look_at = 10.0
    publishing.turn(1.0)  # it has said what it has counted itself
    drive(ask(cache))
    place.dies_at = step
    publishing._published, publishing._repeat_at = publishing._counts.number(), 1000.0
    with pytest.raises(KeyboardInterrupt):
        publishing.turn(20.0)
    place.dies_at = ""
    place.notes["own"] = place.notes["own"]._replace(is_alive=False)
    left = 13 if step == "publish" else 14  # its last request had not been told to anybody
    for name in ("heir", "heir of the heir"):
        _, heir = at(place)
        heir._process, place.name = os.getpid(), name
        assert counted(drive(heir.total())) == left
        heir.turn(1.0)
        assert counted(drive(heir.total())) == left
        place.notes[name] = place.notes[name]._replace(is_alive=False)
    assert set(place.notes) == {"heir of the heir"}


def test_a_claimed_note_that_could_not_be_added_is_left_to_others() -> None:
    place = Place({})
    cache, publishing = at(place)
    drive(ask(cache))
    publishing.turn(1.0)
    place.notes["later"] = note_of(2, is_alive=False)
    place.error_of_publish = OSError("no space left")
    publishing._repeat_at = 1000.0
    publishing.turn(100.0)
    assert place.claimed == []
    assert counted(drive(publishing.total())) == 3
    place.error_of_publish = None
    publishing.turn(200.0)
    assert (counted(drive(publishing.total())), set(place.notes)) == (3, {"own"})


def test_a_note_whose_counts_others_have_is_removed_and_not_added_again() -> None:
    place = Place({"ended": note_of(5, is_alive=False), "heir": note_of(7, is_alive=True, adopted=("ended",))})
    cache, publishing = at(place)
    assert counted(drive(publishing.total())) == 7
    drive(ask(cache))
    publishing.turn(1.0)
    assert set(place.notes) == {"own", "heir"}
    assert counted(drive(publishing.total())) == 8


def test_who_is_counted_by_another_is_left_out_even_if_it_seems_to_be_alive() -> None:
    place = Place({"claimed": note_of(5, is_alive=True), "heir": note_of(7, is_alive=True, adopted=("claimed",))})
    _, publishing = at(place)
    figures = drive(publishing.total())
    assert (counted(figures), figures["workers"]) == (7, 2)


def test_a_process_that_was_taken_for_one_that_has_ended_begins_anew_under_another_name() -> None:
    place = Place({})
    cache, publishing = at(place)
    drive(ask(cache))
    drive(ask(cache))
    publishing.turn(1.0)
    del place.notes["own"]
    place.notes["heir"] = note_of(2, is_alive=True, adopted=("own",))
    publishing.turn(100.0)
    drive(ask(cache))
    publishing.turn(200.0)
    assert counted(drive(publishing.total())) == 3
    assert "own 2" in place.notes


def test_what_another_process_claims_is_counted_and_left_to_it() -> None:
    class Claimed(Place):
        async def claim(self, name: str) -> bool:
            return False

    place = Claimed({"ended": note_of(5, is_alive=False)})
    cache, publishing = at(place)
    drive(ask(cache))
    publishing.turn(1.0)
    assert counted(drive(publishing.total())) == 6
    assert set(place.notes) == {"ended", "own"}


def test_figures_of_the_ended_that_cannot_be_read_are_given_up_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    place = Place({"bad": Note("no json", is_alive=False)})
    cache, publishing = at(place)
    drive(ask(cache))
    assert not drive(publishing.total())["complete"]
    with caplog.at_level(logging.WARNING, "accelerator"):
        publishing.turn(1.0)
    assert drive(publishing.total())["complete"]
    assert [record.getMessage() for record in caplog.records] == [
        "figures of a process that has ended cannot be read, and are given up: 'bad'"
    ]


def test_a_store_of_several_accelerators_in_one_process_is_counted_once(tmp_path: Path) -> None:
    store = LMDBStore(tmp_path)
    caches = [ASGIAccelerator(app_saying(STORED), store=store) for _ in range(2)]
    idle = ASGIAccelerator(app_saying(STORED), store=store)
    for cache in caches:
        drive(ask(cache))
    drive(caches[1].invalidate_tag("a"))
    for cache in caches:
        publish(cache)
    for cache in (*caches, idle):
        figures = drive(cache.all_figures())
        assert figures["invalidations"]["tag"] == {"hard": 1, "soft": 0}
        assert counted(figures) == 2
    assert caches[0].figures()["invalidations"]["tag"]["hard"] == 1


def test_while_a_note_is_being_written_the_end_of_the_process_waits_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing_module, "LAST_SECONDS", 0.01)
    place = Place({})
    cache, publishing = at(place)
    drive(ask(cache))
    with publishing._turning:
        publishing.turn(float("inf"))
    assert place.published == 0
    publishing.turn(float("inf"))
    assert place.published == 1


def test_of_no_note_there_is_no_sum_and_of_ended_ones_no_worker() -> None:
    assert sum_of({}) is None
    assert sum_of({"bad": Note("", is_alive=True)}) is None
    figures = sum_of({name: note_of(2, is_alive=False) for name in ("a", "b")})
    assert figures is not None
    assert (counted(figures), figures["workers"]) == (4, 0)


@pytest.mark.parametrize("text", ["", "no json", "[]", '"text"', "{}", '{"figures": 1}'])
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
            publishing.turn(now)
        figures = drive(publishing.total())
    assert (counted(figures), figures["complete"]) == (1, False)
    assert [record.getMessage() for record in caplog.records] == [
        "the figures of this process cannot be shared with others: OSError: no space left"
    ]
    place.error = None
    publishing.turn(5.0)
    assert set(place.notes) == {"own"}


def test_while_the_place_is_away_numbers_do_not_fall() -> None:
    place = Place({"other": note_of(7, is_alive=True)})
    cache, publishing = at(place)
    drive(ask(cache))
    assert counted(drive(publishing.total())) == 8
    place.error = OSError("away")
    drive(ask(cache))
    figures = drive(publishing.total())
    assert (counted(figures), figures["workers"], figures["complete"]) == (9, 2, False)


def test_a_child_process_begins_with_nothing_counted_and_a_note_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place({})
    cache, publishing = at(place)
    for _ in range(5):
        drive(ask(cache, headers=BROWSER))
    publishing.turn(1.0)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    publishing.begin()
    assert cache.figures()["requests"] == {}
    drive(ask(cache, headers=BROWSER))
    publishing.turn(1.0)
    assert counted(drive(publishing.total())) == 6
    assert set(place.notes) == {"own", "own 2"}


def test_of_a_store_that_counts_no_invalidations_requests_are_told_all_the_same() -> None:
    place = Place({})
    cache = ASGIAccelerator(app_saying(STORED), store=Plain())
    publishing = Publishing(cache.figures, cache._engine.counts, cache.store, place)
    drive(ask(cache))
    publishing.turn(1.0)
    assert counted(sum_of(place.notes)) == 1


def test_a_server_that_forks_without_a_word_is_noticed_by_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place({})
    cache, publishing = at(place)
    drive(ask(cache))
    publishing.turn(1.0)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    publishers._page[0] = 0  # the page of memory is a new one in each child
    drive(ask(cache))
    assert counted(cache.figures()) == 1
    assert place.name == "own 2"


def test_a_process_that_can_start_no_thread_answers_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(publishers, "_start", START)
    monkeypatch.setattr(publishers, "_has_warned", set())
    monkeypatch.setattr(threading, "Thread", refuse)
    publishers._page[0] = 0
    cache, publishing = at(Place({}))
    with caplog.at_level(logging.WARNING, "accelerator"):
        for number in range(3):
            assert drive(ask(cache, f"/{number}")).is_complete
    assert counted(cache.figures()) == 3
    assert len(caplog.records) == 1
    publishers._page[0] = 1
    del publishing


PRELOADED = """
import os
from accelerator import ASGIAccelerator, LMDBStore
from accelerator.stores import publishers
from tests.support import BROWSER, app_saying, ask, drive

store = LMDBStore(os.environ["WHERE"])
cache = ASGIAccelerator(app_saying(("cache-control", "max-age=600")), store=store)
drive(store.clear())
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        drive(ask(cache, f"/{number}"))
        publishers._publish_last()
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
figures = drive(cache.all_figures())
print(sum(sum(reasons.values()) for reasons in figures["requests"].values()), figures["invalidations"]["all"]["hard"])
"""


def test_each_worker_that_was_forked_before_any_request_has_a_note_of_its_own(tmp_path: Path) -> None:
    assert run_script(PRELOADED, WHERE=str(tmp_path)).split() == ["3", "1"]


CROWDED = """
import os, threading
from accelerator import LMDBStore, WSGIAccelerator

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]

cache = WSGIAccelerator(app, store=LMDBStore(os.environ["WHERE"]))
begin = threading.Barrier(16)

def work():
    begin.wait()
    asked = {"REQUEST_METHOD": "GET", "SERVER_NAME": "a", "SERVER_PORT": "80", "PATH_INFO": "/"}
    asked["wsgi.url_scheme"] = "http"
    answer = cache(asked, lambda *_: None)
    list(answer)
    answer.close()

threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
names = [thread.name for thread in threading.enumerate()]
print(cache.figures()["requests"], names.count("accelerator figures"))
"""


def test_the_first_requests_of_many_threads_are_all_counted_and_start_one_thread(tmp_path: Path) -> None:
    assert run_script(CROWDED, WHERE=str(tmp_path)).strip() == "{'miss': {'no explicit time': 16}} 1"


SERVING = """
import os, time
from pathlib import Path
from accelerator import ASGIAccelerator, LMDBStore
from tests.support import BROWSER, app_saying, ask, drive

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
from tests.support import BROWSER, app_saying, ask, drive

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
