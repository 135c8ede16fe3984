"""Other workers of the server that runs this process, as far as this process can see them.

An invalidation reaches one process's `MemoryStore`. Nobody tells a worker how many there are; but what servers hand to
their workers shows it, to each of them (uvicorn, hypercorn) or to all but the first (gunicorn, granian), which do no
harm before a second one has something in store.
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
    " called in, and the others go on with what was taken back. Give them a RedisStore, or run one worker."
)


class _Once:
    """Something that a process does once; a process that is forked from it, too."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Begin anew."""
        self._taken = threading.Lock()

    def is_now(self) -> bool:
        """Tell the first who asks that it is to be done, and nobody else."""
        return self._taken.acquire(blocking=False)


_once: Final = _Once()


def warn_once() -> None:
    """Log that other workers have stores of their own, if some can be seen. Only a process's first call looks."""
    if _once.is_now() and (server := server_of_several()):
        logger.warning(_WARNING, server)


def server_of_several() -> str:
    """Return the name of the server that runs other workers beside this process, `""` if none can be seen."""
    return _by_multiprocessing(multiprocessing.current_process()) or _by_gunicorn()


def _by_multiprocessing(process: BaseProcess) -> str:
    """Look at what a server started this process with: one worker that is reloaded is a child of another, too."""
    config = vars(process).get("_kwargs", {}).get("config")
    server = type(config).__module__.partition(".")[0]
    if server in {"uvicorn", "hypercorn"} and config.workers > 1 and not getattr(config, "should_reload", False):
        return server
    number: Any = (*vars(process).get("_args", ()), None)[0]
    is_another = process.name == "granian-worker" and isinstance(number, int) and number > 1
    return "granian" if is_another else ""


def _by_gunicorn() -> str:
    """Look at the workers that the arbiter had when it forked this one: one that is replaced may be among them."""
    arbiter = sys.modules.get("gunicorn.arbiter")
    workers = arbiter.Arbiter.WORKERS.values() if arbiter is not None else ()
    return "gunicorn" if any(worker.cfg.workers > 1 for worker in workers) else ""
