"""The partition of a request: who shares what is stored for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.asgi_types import Scope
    from accelerator.engine.report import Reporter


def partition_of(says: Callable[[Scope], object], scope: Scope, reporter: Reporter) -> str | None:
    """Return what the option `partition` says of a request: the text that joins its key, None for one that passes by.

    What is neither a text nor None would let requests share that must not, so it passes the request by.
    """
    partition = says(scope)
    if partition is None or isinstance(partition, str):
        return partition
    wrong = TypeError(f"partition returned {partition!r:.80}: it returns a str, or None to pass the request by")
    reporter.warn_once("partition", "the request passes by: %r", wrong)
    return None
