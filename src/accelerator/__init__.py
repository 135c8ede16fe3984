"""An HTTP response cache inside a Python application: what a response was made from takes it back when it changes."""

from accelerator.asgi import ASGIAccelerator
from accelerator.options import CacheEvent
from accelerator.stores import Lookup, Store
from accelerator.stores.memory import MemoryStore
from accelerator.stores.sync import SyncStore
from accelerator.tagging import cache_for, cached, no_store, tag

__all__ = [
    "ASGIAccelerator",
    "CacheEvent",
    "Lookup",
    "MemoryStore",
    "Store",
    "SyncStore",
    "cache_for",
    "cached",
    "no_store",
    "tag",
]
