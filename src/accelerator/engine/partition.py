"""The partition of a request: requests of the same partition share stored responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.asgi_types import Scope
    from accelerator.engine.report import Reporter


def partition_of(says: Callable[[Scope], object], scope: Scope, reporter: Reporter) -> str | None:
    """Return the partition that the option `partition` gives a request: text for its key, or None for a bypass.

    Any other value would let requests share responses that they must not share, so such a request bypasses the cache.

    Args:
        says: the function given as the option.
        scope: the ASGI scope of the request.
        reporter: logs one warning if the function returns another value.
    """
    partition = says(scope)
    if partition is None or isinstance(partition, str):
        return partition
    wrong = TypeError(f"partition returned {partition!r:.80}: it returns a str, or None to pass the request by")
    reporter.warn_once("partition", "the request passes by: %r", wrong)
    return None
