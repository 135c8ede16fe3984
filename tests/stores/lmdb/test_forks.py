"""Whoever forks, and however: what was opened before is not used after it, and the parent's goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import InvalidationError
from accelerator.stores.lmdb import file
from accelerator.stores.lmdb.lock import LockTimeoutError
from tests.stores.lmdb.support import URL, begun, body_at, fill, locked
from tests.support import drive

if TYPE_CHECKING:
    from accelerator import LMDBStore
    from tests.stores.lmdb.worker import Worker

HOW = ["in_a_fork", "in_a_fork_from_c"]


@pytest.mark.parametrize("how", HOW)
def test_a_child_and_its_parent_both_go_on(how: str, store: LMDBStore, other: Worker) -> None:
    other.ask("fill", URL, ["x"], b"of the parent")
    assert other.ask(how, "state", URL) == "of the parent"
    assert other.ask("state", URL) == "of the parent"
    assert other.ask(how, "fill", URL, ["x"], b"of the child")
    assert other.ask("state", URL) == "of the child" == body_at(store)


def test_a_child_of_a_process_that_was_reading_takes_nothing_from_anybody(store: LMDBStore, other: Worker) -> None:
    other.ask("fill", URL, ["x"], b"of the parent")
    assert body_at(store) == "of the parent"
    identity = store._file.present().identity
    assert other.ask(
        "in_a_fork_amid_a_read", "in_turn", ("fill", f"{URL}other", ["x"], b"of the child"), ("state", URL)
    ) == [
        True,
        "of the parent",
    ]
    assert (other.ask("state", f"{URL}other"), body_at(store)) == ("of the child", "of the parent")
    assert store._file.present().identity == identity


def test_of_the_threads_of_a_child_one_forgets_what_its_parent_had(store: LMDBStore) -> None:
    """The others come when that is done, as here, and go on with what was opened since."""
    opened = store._file.present()
    file._after_fork_in_child()
    assert store._file.present() is opened


@pytest.mark.parametrize("how", HOW)
def test_what_a_child_takes_back_is_taken_back_everywhere(how: str, store: LMDBStore, other: Worker) -> None:
    other.ask("fill", URL, ["x"], b"1")
    assert body_at(store) == "1"
    other.ask(how, "invalidate", ["x"])
    assert (other.ask("ready", URL), other.ask("state", URL), body_at(store)) == (None, "", "")


@pytest.mark.parametrize("how", HOW)
def test_a_child_that_does_nothing_leaves_its_parent_its_place_among_the_readers(how: str, other: Worker) -> None:
    other.ask("fill", URL, ["x"], b"1")
    before = other.ask("readers")
    other.ask(how, "close")
    assert other.ask("state", URL) == "1"
    assert other.ask("readers") == before == 1


def test_a_child_goes_on_to_act_upon_what_its_parent_could_not_take_back(store: LMDBStore, other: Worker) -> None:
    fill(store, URL, "x", body=b"1")
    other.ask("set", "lmdb.file", "WRITE_SECONDS", 0)
    other.ask("set", "lmdb.repeating", "REPEAT_SECONDS", (60.0,))
    with locked(store), pytest.raises(InvalidationError, match="not known to be taken back"):
        other.ask("invalidate", ["x"])
    assert (other.ask("in_a_fork", "state", URL), body_at(store)) == ("", "1")


def test_a_fork_after_a_write_that_waited_in_vain_costs_no_lookup(
    store: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelerator.stores.lmdb.file.BREAK_SECONDS", 3600.0)
    fill(store, URL, "x", body=b"1")
    entry = begun(store, f"{URL}2")
    with locked(store), pytest.raises(LockTimeoutError):
        drive(store.commit(entry))
    file._before_fork()
    file._after_fork_in_parent()
    assert body_at(store) == "1"
