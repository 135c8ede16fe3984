"""A fork waits until nothing is half done in a store of this process, and leaves no lock held."""

from __future__ import annotations

import threading

from accelerator import MemoryStore, forks
from tests.scripts import run_script


def test_while_a_process_forks_no_thread_changes_a_store() -> None:
    store = MemoryStore()
    assert store._lock in forks._locks
    forks._hold()
    try:
        changed = threading.Thread(target=store._lock.acquire)
        changed.start()
        assert store._lock.locked()
        assert forks._held
    finally:
        forks._release()
    changed.join()
    assert not forks._held
    store._lock.release()


def test_a_child_uses_a_store_that_another_thread_of_its_parent_changes_all_the_time() -> None:
    script = """
import os, threading, warnings
from accelerator import MemoryStore, SyncStore

store, is_over = MemoryStore(), threading.Event()

def change():
    while not is_over.is_set():
        SyncStore(store).invalidate_tag("x")

thread = threading.Thread(target=change)
thread.start()
for _ in range(50):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of just this
        child = os.fork()
    if not child:
        SyncStore(store).invalidate_tag("y")
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
is_over.set()
thread.join()
"""
    assert run_script(script) == ""
