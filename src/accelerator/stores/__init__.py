"""Where entries live: the protocol of stores, the types that a store is handed, and a package for each store."""

from accelerator.http.request import Request, Vary
from accelerator.rules.entry import Entry, Mark
from accelerator.stores.protocol import (
    InvalidationError,
    KnowsReadyEntries,
    LooksUpInThreads,
    Lookup,
    ReadyEntry,
    Store,
)

__all__ = [
    "Entry",
    "InvalidationError",
    "KnowsReadyEntries",
    "LooksUpInThreads",
    "Lookup",
    "Mark",
    "ReadyEntry",
    "Request",
    "Store",
    "Vary",
]
