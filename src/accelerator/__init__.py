"""An HTTP response cache inside a Python application: a change of data invalidates all responses made from it."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from accelerator.asgi import ASGIAccelerator
from accelerator.events import CacheEvent
from accelerator.http.credentials import CREDENTIALS
from accelerator.notes import cache_for, no_store, tag, vary
from accelerator.options import UNSTORED_FIELDS
from accelerator.stores.memory import MemoryStore
from accelerator.stores.protocol import InvalidationError, Lookup, Store
from accelerator.stores.sync import SyncStore
from accelerator.views import cached
from accelerator.wsgi import WSGIAccelerator

if TYPE_CHECKING:
    from accelerator.stores.redis import RedisStore

__all__ = [
    "CREDENTIALS",
    "UNSTORED_FIELDS",
    "ASGIAccelerator",
    "CacheEvent",
    "InvalidationError",
    "Lookup",
    "MemoryStore",
    "RedisStore",
    "Store",
    "SyncStore",
    "WSGIAccelerator",
    "cache_for",
    "cached",
    "no_store",
    "tag",
    "vary",
]

if not TYPE_CHECKING and not all(map(find_spec, ("hiredis", "msgpack", "redis"))):
    __all__.remove("RedisStore")  # `from accelerator import *` imports every name in it


def __getattr__(name: str) -> object:
    """Import `RedisStore` when it is first used: it needs an extra of the package."""
    if name != "RedisStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from accelerator.stores.redis import RedisStore
    except ImportError as error:
        raise ImportError('RedisStore needs an extra: pip install "asgi-accelerator[redis]"') from error
    return RedisStore
