"""The page of what is known of a near store: one of its own is wiped by forks, one in a file is of all processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from accelerator import LMDBStore, MemoryStore
from accelerator.stores.lmdb.page import PAGE, FilePage
from accelerator.stores.lmdb.system import boot_id
from accelerator.stores.redis import fleet
from accelerator.stores.tiered.page import OwnPage, Page, page_for
from accelerator.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORKS = """
import os, sys
from accelerator.stores.redis import fleet
from accelerator.stores.tiered.page import OwnPage, Page
page = Page(OwnPage().memory)
page.begin(b"f:1")
page.join(b"a", 7)
page.extend(fleet.clock() + 60)
if child := os.fork():
    os.waitpid(child, 0)
print(page.follower, page.incarnation, page.applied, page.is_good, flush=True)
"""

HOLDS = """
import os, signal, sys
from pathlib import Path
from accelerator.stores.lmdb.page import FilePage
from accelerator.stores.tiered.page import Page
held = FilePage(Path(sys.argv[1]))
page = Page(held.memory)
page.begin(b"f:1")
page.join(b"a", 7)
assert held.acquire()
if "fork" in sys.argv and not os.fork():
    sys.stdin.read()  # a child that goes on
    sys.exit()
print("held", flush=True)
signal.pause()
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock(1000)
    monkeypatch.setattr(fleet, "clock", clock)
    return clock


def test_a_page_of_zeros_is_of_nobody(clock: ManualClock) -> None:
    page = Page(OwnPage().memory)
    assert (page.follower, page.incarnation, page.applied, page.is_good) == (None, None, 0, False)


def test_a_lease_is_good_before_it_has_passed_and_is_never_shortened(clock: ManualClock) -> None:
    page = Page(OwnPage().memory)
    page.extend(1002)
    page.extend(1001)
    clock.advance(1.99)
    assert page.is_good
    clock.advance(0.01)
    assert not page.is_good


def test_what_was_applied_is_never_taken_back(clock: ManualClock) -> None:
    page = Page(OwnPage().memory)
    page.join(b"a", 7)
    page.advance(9)
    page.advance(8)
    assert page.applied == 9


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (Page.forget, (b"f:longer than the next", None)),
        (Page.leave, (None, None)),
        (lambda page: page.begin(b"f:2"), (b"f:2", None)),
        (lambda page: page.join(b"b", 3), (b"f:longer than the next", b"b")),
    ],
    ids=["forget", "leave", "begin", "join"],
)
def test_no_lease_outlives_the_order_that_it_is_of(
    change: Callable[[Page], None], left: tuple[bytes | None, bytes | None], clock: ManualClock
) -> None:
    page = Page(OwnPage().memory)
    page.begin(b"f:longer than the next")
    page.join(b"longer than the next", 7)
    page.extend(2000)
    change(page)
    assert not page.is_good
    assert (page.follower, page.incarnation) == left


def test_a_child_has_nothing_of_the_page_of_its_parent() -> None:
    said = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own
    assert said.splitlines() == ["None None 0 False", "b'f:1' b'a' 7 True"]


def test_a_memory_store_has_a_page_of_its_own() -> None:
    assert isinstance(page_for(MemoryStore(), "far"), OwnPage)
    assert OwnPage().acquire()


def test_stores_of_one_path_have_one_page_and_other_boots_leave_none(tmp_path: Path) -> None:
    store = LMDBStore(tmp_path / "store")
    (tmp_path / "store" / f"{PAGE}of-another-boot.far").touch()
    page = page_for(store, "far")
    assert page is page_for(LMDBStore(tmp_path / "store"), "far")
    (path,) = (tmp_path / "store").glob(f"{PAGE}*")
    assert path.name.startswith(f"{PAGE}{boot_id()}.")


def test_a_path_is_in_front_of_one_far_store_until_it_is_removed(tmp_path: Path) -> None:
    """A page that another one has made would be answered, and what is taken back here would not be taken back there."""
    page_for(LMDBStore(tmp_path / "store"), "far")
    for _ in range(2):
        with pytest.raises(ValueError, match="in front of another server, database or prefix: name another directory"):
            page_for(LMDBStore(tmp_path / "store"), "another")
    assert len([*(tmp_path / "store").glob(f"{PAGE}*")]) == 1
    shutil.rmtree(tmp_path / "store")
    page_for(LMDBStore(tmp_path / "store"), "another")


@pytest.mark.parametrize("forked", [[], ["fork"]], ids=["alone", "with a child that lives on"])
def test_one_process_has_a_page_and_another_one_goes_on_from_there_when_it_has_ended(
    tmp_path: Path, forked: list[str]
) -> None:
    page = FilePage(tmp_path / "page")
    with subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-c", HOLDS, str(tmp_path / "page"), *forked],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert not page.acquire()
        other.kill()
        other.wait()
        assert page.acquire()
        known = Page(page.memory)
        assert (known.follower, known.incarnation, known.applied) == (b"f:1", b"a", 7)
        page.release()
