"""A process with a store, which does what it is told: pickled calls come in, pickled results go out."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import math
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import lmdb

from accelerator import LMDBStore
from accelerator.http.request import Request
from accelerator.testing import make_request
from tests.stores.lmdb.support import fill, state
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType

    from accelerator import Lookup
    from accelerator.rules.entry import Entry

ROOT = Path(__file__).parents[3]


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


class Desk:
    """What can be asked for."""

    store: LMDBStore
    held: list[object]
    turn: Any
    last: Callable[[], object] = staticmethod(lambda: None)
    openings: int = 0

    def open(self, path: Path, max_bytes: int) -> None:
        """Make a store."""
        self.store = LMDBStore(path, max_bytes)

    def close(self) -> None:
        """Close it."""
        self.store.close()

    def look_up(self, *request: Any) -> Lookup:
        """Look up what `make_request` makes of these arguments."""
        found: Lookup = drive(self.store.lookup(make_request(*request)))
        return found

    def ready(self, *arguments: Any) -> Entry | None:
        """Return what is ready."""
        request = make_request(*arguments)
        ready = self.store.ready_entry(request.key, request, Request.selecting_values)
        return ready.entry if ready is not None else None

    def commit(self, entry: Entry) -> bool:
        """Commit."""
        stored: bool = drive(self.store.commit(entry))
        return stored

    def invalidate(self, tags: Collection[str], soft: bool = False) -> None:
        """Invalidate."""
        drive(self.store.invalidate(tags, soft=soft))

    def in_turn(self, *calls: tuple[Any, ...]) -> list[Any]:
        """Call one method after the other, each with its arguments, and return what they returned."""
        return [getattr(self, name)(*arguments) for name, *arguments in calls]

    def settle(self) -> None:
        """Give up what could not be taken back, and try to get the lock again."""
        file = self.store._file
        file.pending.settle(file.pending.kept)
        file._left_alone_until = file._unwaited_until = 0.0

    def set(self, module: str, name: str, value: object) -> None:
        """Give a constant of the package another value."""
        setattr(importlib.import_module(f"accelerator.stores.{module}"), name, value)

    def state(self, *request: Any) -> str:
        """Tell what a lookup finds: a body, `stale` before it if it is, or nothing."""
        return state(self.store, make_request(*request))

    def fill(self, url: str, tags: Collection[str], body: bytes) -> bool:
        """Store an entry as a fill does."""
        return fill(self.store, url, *tags, body=body)

    def lease(self, name: bytes) -> str:
        """Ask for a lease, and tell what kind of turn was got."""
        self.turn = drive(self.store.lease(name))
        return type(self.turn).__name__

    def end_lease(self, unstorable_seconds: float = 0.0) -> None:
        """End the lease that was got last."""
        self.turn.end(unstorable_seconds)

    def take_places(self) -> None:
        """Take all places among the readers that are left."""
        env = self.store._file.present()._env
        with contextlib.suppress(lmdb.ReadersFullError):
            self.held = []
            while True:
                self.held.append(env.begin())

    def trust(self) -> None:
        """Trust in the files that are open, without a look at them."""
        self.store._file.present().trusted_until = math.inf

    def number_of_openings(self) -> int:
        """Return how often this process, and those it was forked from, have opened the file."""
        opened = self.store._file.present()
        if opened is not self.last():
            self.last, self.openings = weakref.ref(opened), self.openings + 1
        return self.openings

    def readers(self) -> int:
        """Return how many processes have a place among the readers."""
        self.store._file.present()._env.reader_check()
        return int(self.store._file.present()._env.info()["num_readers"])

    def fail_to_write(self, max_bytes: int) -> None:
        """Let no file of this process grow beyond this size, as on a full disk."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))

    def stop_with_the_lock(self) -> None:
        """Stop at once, as by SIGSTOP, with the lock held; go on and release it when continued."""
        self.store._file.present()._lock.run(_stop, 5)

    def stop_while_reading(self) -> None:
        """Stop at once within a transaction that reads."""
        self.store._file.present().read(lambda opened, view: _stop())

    def in_a_fork_from_c(self, name: str, *arguments: Any) -> Any:
        """Do something in a child that Python was not told of."""
        with mock.patch("os.fork", ctypes.PyDLL(None).fork):
            return self.in_a_fork(name, *arguments)

    def in_a_fork_amid_a_read(self, name: str, *arguments: Any) -> Any:
        """Do the same while another thread of this process, which the child has not, is within a transaction."""
        begun, over = threading.Event(), threading.Event()

        def wait(*_: object) -> None:
            begun.set()
            over.wait()

        reading = threading.Thread(target=self.store._file.present().read, args=(wait,))
        reading.start()
        begun.wait()
        try:
            return self.in_a_fork_from_c(name, *arguments)
        finally:
            over.set()
            reading.join()

    def in_a_fork(self, name: str, *arguments: Any) -> Any:
        """Do something in a child, which has what this process had opened."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.write(writer, _outcome(getattr(self, name), arguments))
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            answer = file.read()
        os.waitpid(child, 0)
        return _result(answer)


def _outcome(call: Callable[..., object], arguments: Collection[object]) -> bytes:
    try:
        return pickle.dumps((True, call(*arguments)))
    except Exception as error:  # noqa: BLE001 - raised again where it was asked for
        return pickle.dumps((False, error))


def _result(answer: bytes) -> Any:
    succeeded, value = pickle.loads(answer)  # noqa: S301 - from our own process
    if not succeeded:
        raise value
    return value


class Here:
    """A `Desk` in this process, to be asked as a `Worker` is."""

    def __init__(self) -> None:
        self._desk = Desk()

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call a method of the desk."""
        return getattr(self._desk, name)(*arguments)


class Worker:
    """A process with a `Desk`. It works until it is closed."""

    def __init__(self, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.stores.lmdb.worker"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **options,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call a method of the desk, and return what it returned, or raise what it raised."""
        self.tell(name, *arguments)
        return self.answer()

    def tell(self, name: str, *arguments: Any) -> None:
        """Call a method, and do not wait for it."""
        assert self.process.stdin is not None
        pickle.dump((name, arguments), self.process.stdin)
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Wait for what was called."""
        assert self.process.stdout is not None
        size = int.from_bytes(self.process.stdout.read(8), "big")
        return _result(self.process.stdout.read(size))

    def wait_until_stopped(self) -> None:
        """Wait until it has stopped itself."""
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def main() -> None:
    desk = Desk()
    with contextlib.suppress(EOFError):
        while True:
            name, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process
            answer = _outcome(getattr(desk, name), arguments)
            sys.stdout.buffer.write(len(answer).to_bytes(8, "big") + answer)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
