"""Signal handlers that raise, as Celery's soft time limit does, and ones that invalidate: neither leaves a lock behind.

The interpreter lets a handler run after a call, and when a function begins. Just there a profile function is called.
"""

from __future__ import annotations

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import InvalidationError, LMDBStore
from accelerator.stores.lmdb import file, lock, opened, opening
from tests.stores.lmdb.support import URL, begun, body_at, fill
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from tests.stores.lmdb.worker import Worker

FILES = {module.__file__ for module in (file, lock, opened, opening)}


class SoftLimitError(Exception):
    """What a signal handler raises."""


def is_interrupted(work: Callable[[], object], number: int) -> bool:
    """Do some work, and raise where a signal handler can, at the place with this number, if there are so many."""

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal number
        if event in {"call", "c_return"} and frame.f_code.co_filename in FILES:
            number -= 1
            if number < 0:
                raise SoftLimitError

    outer = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    except SoftLimitError:
        return True
    finally:
        sys.setprofile(outer)
    return False


def fork() -> None:
    """Do what is done in a process that forks."""
    for hook in (file._before_fork, file._after_fork_in_parent, file._after_fork_in_parent):
        hook()


def in_another_thread(work: Callable[[], object]) -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit(work).result()


def open_again(store: LMDBStore) -> None:
    store.close()
    body_at(store)


WORK = {
    "invalidate": lambda store: drive(store.invalidate_tag("y")),
    "commit": lambda store: fill(store, f"{URL}2"),
    "look up": body_at,
    "open again": open_again,
}


@pytest.mark.parametrize("do", WORK)
def test_a_handler_that_raises_leaves_no_lock_behind(do: str, store: LMDBStore, other: Worker) -> None:
    number = 0
    while is_interrupted(lambda: WORK[do](store), number):
        in_another_thread(lambda: drive(store.invalidate_tag("x")))
        other.ask("invalidate", ["x"])
        fork()
        store.close()
        number += 1
    assert number > 5


@pytest.mark.parametrize("hook", [0, 1])
def test_a_handler_that_raises_in_a_fork_leaves_no_lock_behind(hook: int, store: LMDBStore, path: Any) -> None:
    number, interrupted = 0, True
    while interrupted:
        body_at(store)
        hooks = [file._before_fork, file._after_fork_in_parent, file._after_fork_in_parent]
        interrupted = [is_interrupted(each, number if at == hook else 1000) for at, each in enumerate(hooks)][hook]
        in_another_thread(lambda: open_again(LMDBStore(path)))
        number += 1
    assert number > 3


@pytest.fixture
def handler(store: LMDBStore) -> Any:
    """A signal handler that invalidates; returns what that raised."""
    raised: list[BaseException | None] = []

    def handle(*_: object) -> None:
        try:
            drive(store.invalidate_tag("z"))
        except InvalidationError as error:
            raised.append(error)
        else:
            raised.append(None)

    before = signal.signal(signal.SIGUSR1, handle)
    yield raised
    signal.signal(signal.SIGUSR1, before)


def strike(*_: object) -> None:
    signal.raise_signal(signal.SIGUSR1)


def test_a_handler_invalidates_while_what_it_interrupts_reads(
    store: LMDBStore, handler: list[BaseException | None]
) -> None:
    fill(store, URL, "z", body=b"1")
    store._file.present().trusted_until = 0.0
    store._file.read(strike)
    assert handler == [None]
    assert body_at(store) == ""


def test_what_a_handler_interrupts_reads_again_if_the_handler_has_closed_the_file(
    store: LMDBStore, handler: list[BaseException | None]
) -> None:
    fill(store, URL, "x", body=b"1")
    to_do = [store.close, strike]

    def work(opened: Any, view: Any) -> bool:
        while to_do:
            to_do.pop(0)()
        return bool(view.txn.id())

    assert store._file.read(work)
    assert body_at(store) == "1"
    assert handler == [None]


def test_an_invalidation_by_a_handler_within_a_write_is_kept_and_repeated(
    store: LMDBStore, handler: list[BaseException | None]
) -> None:
    fill(store, URL, "z", body=b"1")
    store._file.write(strike)
    assert "a signal handler has interrupted who has the lock" in str(handler[0])
    assert body_at(store) == "", "it holds in this process at once"
    entry = begun(store, f"{URL}2")
    assert drive(store.commit(entry)), "the lock is had by nobody"


def test_an_invalidation_by_a_handler_while_the_file_is_opened_is_kept_and_repeated(
    store: LMDBStore, handler: list[BaseException | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    open_files = opening.open_files

    def interrupted(*arguments: Any) -> Any:
        monkeypatch.undo()
        strike()
        return open_files(*arguments)

    monkeypatch.setattr(file, "open_files", interrupted)
    assert body_at(store) == ""
    assert "a signal handler has interrupted who opens the files" in str(handler[0])
