"""A path that leads through a link: it means what it means to the other processes, also when the link is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import LMDBStore
from accelerator.stores.lmdb import file
from tests.stores.lmdb.conftest import MAX_BYTES
from tests.stores.lmdb.support import URL, body_at, fill
from tests.stores.lmdb.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path


def turn(link: Path, target: str) -> None:
    """Let a link lead to another directory beside it, in one step."""
    (link.parent / target).mkdir(exist_ok=True)
    new = link.with_name("new")
    new.symlink_to(target)
    new.replace(link)


@pytest.fixture
def link(tmp_path: Path) -> Path:
    turn(tmp_path / "current", "release 1")
    return tmp_path / "current"


@pytest.fixture
def linked(link: Path) -> LMDBStore:
    """A store by way of the link."""
    return LMDBStore(link / "cache", MAX_BYTES)


def test_a_link_that_leads_elsewhere_hides_no_invalidation(link: Path, linked: LMDBStore) -> None:
    fill(linked, URL, "x", body=b"1")
    assert body_at(linked) == "1"
    turn(link, "release 2")
    with Worker() as other:
        other.ask("open", link / "cache", MAX_BYTES)
        other.ask("invalidate", ["x"])
        assert body_at(linked) == ""
        assert fill(linked, URL, "x", body=b"2")
        assert other.ask("state", URL) == "2"


def test_after_that_a_fork_closes_the_file_once(link: Path, linked: LMDBStore) -> None:
    turn(link, "release 2")
    assert fill(linked, URL, body=b"1")
    file._before_fork()
    file._after_fork_in_parent()
    assert body_at(linked) == "1"


def test_what_one_store_has_open_is_not_opened_by_another_that_comes_to_it(link: Path, linked: LMDBStore) -> None:
    second = LMDBStore(link.parent / "release 2" / "cache", MAX_BYTES)
    fill(second, URL, body=b"2")
    turn(link, "release 2")
    with pytest.raises(OSError, match=r"current/cache or .*release 2/cache was changed, .*: restart it"):
        fill(linked, URL, body=b"1")
    assert body_at(second) == "2"


def test_what_a_store_has_left_may_still_be_open_and_is_not_opened_by_a_new_one(link: Path, linked: LMDBStore) -> None:
    fill(linked, URL, body=b"1")
    turn(link, "release 2")
    with pytest.raises(OSError, match=r"release 1/cache or .*current/cache was changed, .*: restart it"):
        LMDBStore(link.parent / "release 1" / "cache", MAX_BYTES)
