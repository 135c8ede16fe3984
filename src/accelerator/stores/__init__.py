"""Where entries live: the protocol of stores, the types that a store is handed, and a package for each store."""

from accelerator.http.request import Request, Vary
from accelerator.rules.entry import Entry, Mark
from accelerator.stores.listing import EntryFacts, Listed, ListsEntries
from accelerator.stores.protocol import (
    GrantsLeases,
    InvalidationError,
    KnowsReadyEntries,
    Lease,
    LooksUpInThreads,
    Lookup,
    ReadyEntry,
    Store,
    TakenLease,
)

__all__ = [
    "Entry",
    "EntryFacts",
    "GrantsLeases",
    "InvalidationError",
    "KnowsReadyEntries",
    "Lease",
    "Listed",
    "ListsEntries",
    "LooksUpInThreads",
    "Lookup",
    "Mark",
    "ReadyEntry",
    "Request",
    "Store",
    "TakenLease",
    "Vary",
]
