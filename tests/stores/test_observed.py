"""What stores take back is counted by its kind, each once, with the seconds that it took."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from accelerator import InvalidationError, LMDBStore, MemoryStore
from accelerator.figures.invalidations import InvalidationCounts
from accelerator.stores.lmdb.file import File
from accelerator.stores.observed import Invalidated, observed
from accelerator.stores.pending import Pending
from accelerator.tags import group_tag
from accelerator.testing import make_entry, make_request
from tests.stores.downstream import Noting
from tests.stores.lmdb.test_waiting import wait_for_repetition
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


@pytest.fixture(params=["memory", "lmdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryStore | LMDBStore]:
    if request.param == "memory":
        yield MemoryStore()
    else:
        store = LMDBStore(tmp_path / "store", 4_000_000)
        yield store
        store.close()


def test_each_tag_counts_by_its_kind_and_how_it_was_invalidated(store: MemoryStore | LMDBStore) -> None:
    drive(store.invalidate_tag("a", "b", "url:c"))
    drive(store.invalidate_tag("a", soft=True))
    drive(store.invalidate_url("https://example.org/p"))
    drive(store.invalidate([group_tag("example.org", "g")], soft=True))
    drive(store.clear())
    figures = store.invalidated.as_figures()
    assert figures["invalidations"] == {
        "tag": {"hard": 3, "soft": 2},
        "url": {"hard": 1, "soft": 0},
        "all": {"hard": 1, "soft": 0},
    }
    assert figures["invalidations_failed"] == 0


def test_each_call_has_its_seconds_in_the_histogram(store: MemoryStore | LMDBStore) -> None:
    for _ in range(3):
        drive(store.invalidate_tag("a", "b"))
    seconds = store.invalidated.as_figures()["invalidating"]
    assert sum(seconds["counts"]) == 3
    assert 0 < seconds["sum"] < 60


def test_lookups_and_commits_count_nothing() -> None:
    assert MemoryStore().invalidated.as_figures() == InvalidationCounts().as_figures()


def test_a_call_that_raises_counts_as_failed_and_counts_by_kind_and_is_told_again_when_it_was_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, noting = LMDBStore(tmp_path / "store", 4_000_000), Noting()
    store.invalidated.follow(noting)

    def fail(*_: object) -> None:
        raise OSError("no room")

    repaired = threading.Event()
    monkeypatch.setattr("accelerator.stores.lmdb.repeating.sleep", lambda _: repaired.wait(60))
    with monkeypatch.context() as patch:
        patch.setattr(File, "take_back", fail)
        with pytest.raises(InvalidationError):
            drive(store.invalidate_tag("a"))
        with pytest.raises(InvalidationError):
            drive(store.invalidate_tag("a", "b", soft=True))
        told = [(("a",), False), (("a", "b"), True)]
        assert noting.told == told  # it holds in this process
    figures = store.invalidated.as_figures()
    assert figures["invalidations_failed"] == 2
    assert figures["invalidations"]["tag"] == {"hard": 0, "soft": 0}
    assert sum(figures["invalidating"]["counts"]) == 0
    assert caplog.messages == ["an invalidation failed and will be repeated: no room"] * 2
    repaired.set()
    wait_for_repetition()
    assert noting.told == [*told, (("a",), False), (("b",), True)]  # others have answered from it until now
    figures = store.invalidated.as_figures()
    assert figures["invalidations_failed"] == 2
    assert figures["invalidations"]["tag"] == {"hard": 1, "soft": 1}
    assert sum(figures["invalidating"]["counts"]) == 0, "nobody has waited for it"
    assert caplog.messages[2:] == ["invalidations that had failed hold now (tags: 2)"]
    store.close()


def test_of_what_was_asked_for_again_meanwhile_nothing_is_said_until_it_holds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pending, invalidated = Pending(), Invalidated()
    pending.add(["a", "b"], soft=False)
    done = pending.kept
    pending.add(["a", "b"], soft=False)
    invalidated.settled(*pending.settle(done))
    assert (invalidated.number(), caplog.messages) == (0, [])
    invalidated.settled(*pending.settle(pending.kept))
    assert (invalidated.number(), len(caplog.messages), dict(pending.kept)) == (2, 1, {})


def test_who_is_downstream_is_told_what_was_taken_back_after_it_is(store: MemoryStore | LMDBStore) -> None:
    request = make_request()
    drive(store.commit(make_entry(request, drive(store.lookup(request)).mark, ["a"])))
    found: list[object] = []

    class Looking(Noting):
        def take_back(self, tags: Collection[str], *, soft: bool) -> None:
            super().take_back(tags, soft=soft)
            found.append(drive(store.lookup(request)).entry)

    looking = Looking()
    store.invalidated.follow(looking)
    drive(store.invalidate_tag("a"))
    drive(store.invalidate_tag("b", "c", soft=True))
    drive(store.aclose())
    assert looking.told == [(("a",), False), (("b", "c"), True)]
    assert found == [None, None]
    assert looking.is_closed
    assert store.store_figures()["fanout"] == looking.figures()


def test_all_stores_of_one_file_in_a_process_count_together(tmp_path: Path) -> None:
    one, other = LMDBStore(tmp_path / "store", 4_000_000), LMDBStore(tmp_path / "store")
    drive(one.invalidate_tag("a"))
    drive(other.invalidate_tag("a"))
    assert one.invalidated.as_figures()["invalidations"]["tag"]["hard"] == 2
    one.close()


def test_threads_count_together_and_lose_nothing() -> None:
    store = MemoryStore()

    def invalidate() -> None:
        for _ in range(500):
            drive(store.invalidate_tag("a"))

    threads = [threading.Thread(target=invalidate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.invalidated.as_figures()["invalidations"]["tag"]["hard"] == 2000


def test_the_method_keeps_its_name_and_what_is_said_of_it() -> None:
    class Store:
        invalidated = Invalidated()

        @observed
        async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
            """Take something back."""

    drive(Store().invalidate(["a"], soft=True))
    assert Store.invalidated.as_figures()["invalidations"]["tag"]["soft"] == 1
    assert (Store.invalidate.__name__, Store.invalidate.__doc__) == ("invalidate", "Take something back.")
