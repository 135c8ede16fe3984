"""Detection of other workers of the same server, as far as this process can see them.

An invalidation reaches the `MemoryStore` of one process only. No server tells a worker how many workers there are, but
what it hands to its workers shows it: to each of them (uvicorn, hypercorn), or to all but the first (gunicorn,
granian). The first does no harm before a second one has stored something.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

logger = logging.getLogger("accelerator")
_WARNING: Final = (
    "%s runs several workers, each with a MemoryStore of its own: an invalidation reaches only the worker that it is"
    " called in, and the others go on with what was taken back. Give them an LMDBStore, such as"
    " store='lmdb:///dev/shm/site', or a RedisStore if they are on several machines, or run one worker."
)


class _Once:
    """Something that each process does once, a forked process included."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Let it be done again."""
        self._taken = threading.Lock()

    def is_now(self) -> bool:
        """Return True to the first caller, which is to do it, and False to all others."""
        return self._taken.acquire(blocking=False)


_once: Final = _Once()


def warn_once() -> None:
    """Log a warning if other workers with stores of their own can be seen. Only the first call of a process looks."""
    if _once.is_now() and (server := server_of_several()):
        logger.warning(_WARNING, server)


def server_of_several() -> str:
    """Return the name of the server if it runs other workers beside this process, `""` if none can be seen."""
    return _by_multiprocessing(multiprocessing.current_process()) or _by_gunicorn()


def _by_multiprocessing(process: BaseProcess) -> str:
    """Look at the arguments with which a server has started this process.

    A single worker with automatic reloading is a child process, too, and does not count.
    """
    config = vars(process).get("_kwargs", {}).get("config")
    server = type(config).__module__.partition(".")[0]
    if server in {"uvicorn", "hypercorn"} and config.workers > 1 and not getattr(config, "should_reload", False):
        return server
    number: Any = (*vars(process).get("_args", ()), None)[0]
    is_another = process.name == "granian-worker" and isinstance(number, int) and number > 1
    return "granian" if is_another else ""


def _by_gunicorn() -> str:
    """Look at the configured number of workers, which gunicorn's arbiter had with its workers when it forked this one.

    Counting those workers would include one that is being replaced.
    """
    arbiter = sys.modules.get("gunicorn.arbiter")
    workers = arbiter.Arbiter.WORKERS.values() if arbiter is not None else ()
    return "gunicorn" if any(worker.cfg.workers > 1 for worker in workers) else ""
