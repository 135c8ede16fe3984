"""An HTTP response cache inside a Python application: a change of data invalidates all responses made from it."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from accelerator.asgi import ASGIAccelerator
from accelerator.events import CacheEvent, NearEvent
from accelerator.http.credentials import CREDENTIALS
from accelerator.notes import cache_for, no_store, tag, vary
from accelerator.options import UNSTORED_FIELDS
from accelerator.stores.extras import EXTRAS, store_class
from accelerator.stores.memory import MemoryStore
from accelerator.stores.protocol import InvalidationError, Lookup, Store
from accelerator.stores.sync import SyncStore
from accelerator.stores.urls import open_store
from accelerator.views import cached
from accelerator.wsgi import WSGIAccelerator

if TYPE_CHECKING:
    from accelerator.stores.lmdb import LMDBStore
    from accelerator.stores.redis import RedisStore
    from accelerator.stores.tiered import TieredStore

__all__ = [
    "CREDENTIALS",
    "UNSTORED_FIELDS",
    "ASGIAccelerator",
    "CacheEvent",
    "InvalidationError",
    "LMDBStore",
    "Lookup",
    "MemoryStore",
    "NearEvent",
    "RedisStore",
    "Store",
    "SyncStore",
    "TieredStore",
    "WSGIAccelerator",
    "cache_for",
    "cached",
    "no_store",
    "open_store",
    "tag",
    "vary",
]

for _name in [name for name in EXTRAS if not all(map(find_spec, EXTRAS[name].needs))]:
    __all__.remove(_name)  # `from accelerator import *` imports every name in it


def __getattr__(name: str) -> object:
    """Import a store that needs an extra of the package when it is first used."""
    if name not in EXTRAS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return store_class(name)
