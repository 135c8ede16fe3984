"""`uvicorn --http accelerator.servers.uvicorn:AcceleratedProtocol`: plain hits are answered where they are parsed."""

from __future__ import annotations

import logging
import re
from typing import Final

try:
    import uvicorn
    from uvicorn.protocols.http import httptools_impl
except ImportError as error:
    raise ImportError(
        'AcceleratedProtocol needs uvicorn and httptools: pip install "asgi-accelerator[uvicorn]"'
    ) from error

logger = logging.getLogger("accelerator")

OLDEST: Final = (0, 40)
NEWEST: Final = (0, 54)
"""The versions of uvicorn that the tests have passed with. `hits` uses what uvicorn promises to nobody."""

_NAMES: Final = frozenset({"HEADER_RE", "HEADER_VALUE_RE", "RequestResponseCycle", "STATUS_LINE"})
_METHODS: Final = frozenset(
    {"data_received", "on_headers_complete", "on_message_begin", "timeout_keep_alive_handler"}
    | {"_unset_keepalive_if_required"}
)
_ATTRIBUTES: Final = frozenset(
    {"access_log", "access_logger", "connections", "cycle", "expect_100_continue", "flow", "headers"}
    | {"limit_concurrency", "loop", "parser", "root_path", "scope", "server_state", "tasks", "timeout_keep_alive"}
    | {"timeout_keep_alive_task", "transport", "url"}
)


def unknown() -> str | None:
    """Return what makes the installed uvicorn one that is not known here, None if nothing does."""
    numbers = re.fullmatch(r"(\d+)\.(\d+)(\.\d+)*", uvicorn.__version__)
    if numbers is None or not OLDEST <= (int(numbers[1]), int(numbers[2])) <= NEWEST:
        known = " to ".join(f"{major}.{minor}" for major, minor in (OLDEST, NEWEST))
        return f"it knows uvicorn {known}, and this is {uvicorn.__version__}"
    protocol = httptools_impl.HttpToolsProtocol
    missing = {*_NAMES.difference(vars(httptools_impl)), *_METHODS.difference(dir(protocol))}
    if not missing:  # attributes are there only once these have run
        makers = protocol.__init__, protocol.on_message_begin
        missing = {*_ATTRIBUTES.difference(*(maker.__code__.co_names for maker in makers))}
    return f"this uvicorn {uvicorn.__version__} lacks {', '.join(sorted(missing))}" if missing else None


def _chosen() -> type[httptools_impl.HttpToolsProtocol]:
    if (reason := unknown()) is not None:
        logger.warning("AcceleratedProtocol is off, hits take the ordinary way: %s", reason)
        return httptools_impl.HttpToolsProtocol
    from accelerator.servers.hits import HitsFirstProtocol

    return HitsFirstProtocol


AcceleratedProtocol: Final = _chosen()
"""What answers plain hits of the `ASGIAccelerator` that uvicorn serves; uvicorn's own where that is not known here."""
